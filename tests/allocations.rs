//! Examples are drawn, solved and encoded in memory that is used again and again.

use laformer::dataset::{BatchMaker, Stream};
use laformer::matrix::Split;
use laformer::problem;
use laformer::training::Recipe;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

/// Rust's own allocator, which counts. libtorch has another.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_batch_allocates_no_memory_for_its_examples() {
    const BATCH: usize = 1_000;
    for problem in problem::ALL.iter().map(|problem| problem.name()) {
        for architecture in ["laformer", "paper"] {
            let text = format!("problem = \"{problem}\"\ndim = 5\nmodel.architecture = \"{architecture}\"");
            let recipe = Recipe::parse(&text, &[]).unwrap();
            let format = recipe.format().unwrap();
            let stream = Stream::new(recipe.specification(Split::Train).unwrap(), 1, Split::Train);
            let stream = Arc::new(stream.encoded(&format, recipe.data.targets));
            let mut maker = BatchMaker::new(stream, format, BATCH);
            maker.batch(0).unwrap();
            let before = COUNT.get();
            maker.batch(1).unwrap();
            let count = COUNT.get() - before;
            // The batch itself takes a few; so does a matrix here and there that nalgebra fails on.
            assert!(
                count < BATCH as u64 / 20,
                "{problem}, {architecture}: {count} allocations"
            );
        }
    }
}
