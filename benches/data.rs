//! Times one example of every problem at 5x5, in nanoseconds on one core: `cargo bench`.
//!
//! The columns are solving by nalgebra alone, drawing and solving, batches encoded for this crate's models, and batches
//! encoded for the paper's models.

use anyhow::Result;
use laformer::batch::BatchMaker;
use laformer::dataset::{Example, Specification, Stream};
use laformer::matrix::{Distribution, Shape, Split};
use laformer::problem;
use laformer::recipe::Recipe;
use laformer::report::Table;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIZE: Shape = Shape::new(5, 5);
const BATCH: usize = 64;
const DURATION: Duration = Duration::from_millis(500);

fn main() -> Result<()> {
    let mut table = Table::new(&[
        "problem",
        "solved",
        "drawn and solved",
        "encoded",
        "encoded as the paper",
    ]);
    for problem in problem::ALL {
        let specification = Specification::new(*problem, "5".parse()?, Distribution::default())?;
        let stream = Stream::new(specification, 1, Split::Train);
        let mut examples: Vec<Example> = (0..BATCH as u64).map(|i| stream.example(i)).collect::<Result<_, _>>()?;
        let solved = nanoseconds(|_| {
            for example in &mut examples {
                problem.solve(&example.operands, &mut example.solution)?;
            }
            Ok(())
        })?;
        let drawn = nanoseconds(|step| Ok(stream.fill_all(step * BATCH as u64.., SIZE, &mut examples)?))?;
        let mut row = vec![problem.name().to_string(), shown(solved), shown(drawn)];
        for architecture in ["laformer", "paper"] {
            let text = format!(
                "problem = \"{}\"\ndim = 5\nmodel.architecture = \"{architecture}\"",
                problem.name()
            );
            let recipe = Recipe::parse(&text, &[])?;
            let format = recipe.format();
            let stream = stream.clone().encoded(&format, recipe.data.targets);
            let mut maker = BatchMaker::new(Arc::new(stream), format, BATCH)?;
            row.push(shown(nanoseconds(|step| maker.batch(step).map(drop))?));
        }
        table.row(row);
    }
    println!("{}", table.markdown());
    Ok(())
}

/// Nanoseconds per example. Each call of `batch` makes a batch.
fn nanoseconds(mut batch: impl FnMut(u64) -> Result<()>) -> Result<f64> {
    batch(0)?;
    let (begun, mut steps) = (Instant::now(), 0);
    while begun.elapsed() < DURATION {
        steps += 1;
        batch(steps)?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1e9 / (steps * BATCH as u64) as f64)
}

fn shown(nanoseconds: f64) -> String {
    format!("{nanoseconds:.0}")
}
