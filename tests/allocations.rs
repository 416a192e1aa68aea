//! Tests that drawing, solving and encoding examples reuses memory.

use laformer::batch::BatchMaker;
use laformer::matrix::{Spectrum, Split};
use laformer::problem;
use laformer::recipe::Recipe;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator with a count of Rust's allocations. libtorch does not use it.
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

const BATCH: usize = 1_000;

/// The number of allocations for a second batch of 5x5 matrices.
fn allocations(problem: &str, settings: &str) -> u64 {
    let text = format!("problem = \"{problem}\"\ndim = 5\n{settings}");
    let recipe = Recipe::parse(&text, &[]).unwrap();
    let format = recipe.format();
    let mut maker = BatchMaker::new(recipe.source(Split::Train).unwrap(), format, BATCH).unwrap();
    maker.batch(0).unwrap();
    let before = COUNT.get();
    maker.batch(1).unwrap();
    COUNT.get() - before
}

/// Asserts that there are few allocations. The batch itself needs some dozens, and so does an occasional matrix on
/// which nalgebra fails.
fn assert_few(problem: &str, settings: &str) {
    let count = allocations(problem, settings);
    assert!(count < BATCH as u64 / 10, "{problem}, {settings}: {count} allocations");
}

#[test]
fn a_batch_allocates_no_memory_for_its_examples() {
    for problem in problem::ALL.iter().map(|problem| problem.name()) {
        for architecture in ["laformer", "paper"] {
            assert_few(problem, &format!("model.architecture = \"{architecture}\""));
        }
    }
}

#[test]
fn spectra_and_noise_take_no_memory_either() {
    for spectrum in Spectrum::ALL {
        assert_few("eigenvalues", &format!("data.spectrum = \"{spectrum}\""));
    }
    assert_few("eigenvectors", "data.noise = 0.05");
}
