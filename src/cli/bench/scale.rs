//! How throughput changes as the work grows, and what bounds it.
//!
//! The time of a step is compared with three lower bounds:
//!
//! * latency: the smallest step (one 1×1 matrix, the same number of kernels and parameters);
//! * compute: the step's matrix products at the rate of a large product;
//! * memory: the step's memory traffic at the bandwidth of a large copy.
//!
//! The highest of them "bounds" the step if it is at least half of the step's time. Otherwise it is only the largest part.

use super::measure::{Cost, decoding, generate, training};
use super::peak;
use crate::cli::output::{say, tell};
use crate::dataset::{Dimensions, Extent};
use crate::libtorch::Tf32;
use crate::recipe::Recipe;
use crate::report::{Panel, PanelLine, Table, draw_panels};
use anyhow::{Context, Result};
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use tch::{Device, Kind};

const THREADS: [usize; 2] = [1, 2];
const SIZES: &[i64] = &[3, 5, 8, 10, 15, 20];
const BATCHES: &[i64] = &[1, 4, 16, 64, 256, 1024];
const WIDTHS: &[i64] = &[32, 64, 128, 256, 512];
const DEPTHS: &[i64] = &[1, 2, 4, 8, 12];

/// Reads and writes of a parameter in a training step, estimated: forward, backward, gradient, its norm and clipping, and the
/// optimizer, which uses four tensors and writes three of them.
const PASSES_OF_PARAMETERS: f64 = 14.0;
/// Reads and writes of an activation, estimated: written and read in the forward pass, and again with its gradient in the backward
/// pass.
const PASSES_OF_ACTIVATIONS: f64 = 6.0;
const BYTES: f64 = 4.0;

/// The measured operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
enum Work {
    Train,
    Decode,
    Generate,
}

/// The quantity that grows along a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "lowercase")]
enum Axis {
    #[strum(serialize = "matrix size")]
    Size,
    Batch,
    Width,
    #[strum(serialize = "encoder layers")]
    Depth,
}

const CURVES: [(Work, Axis); 7] = [
    (Work::Train, Axis::Size),
    (Work::Train, Axis::Batch),
    (Work::Train, Axis::Width),
    (Work::Train, Axis::Depth),
    (Work::Decode, Axis::Size),
    (Work::Decode, Axis::Batch),
    (Work::Generate, Axis::Size),
];

impl Axis {
    fn values(self) -> &'static [i64] {
        match self {
            Self::Size => SIZES,
            Self::Batch => BATCHES,
            Self::Width => WIDTHS,
            Self::Depth => DEPTHS,
        }
    }

    fn set(self, value: i64, recipe: &mut Recipe) {
        let fixed =
            |n| Dimensions::Square(Extent::fixed(n as usize).expect("the sizes of the curves are from 1 to 20"));
        match self {
            Self::Size => recipe.dimensions = fixed(value),
            Self::Batch => recipe.training.batch_size = value as usize,
            Self::Width => recipe.model.width = value,
            Self::Depth => recipe.model.encoder_layers = value,
        }
    }
}

/// The bound of a step, as an index into [`BOUNDS`].
type Bound = usize;
const BOUNDS: [&str; 4] = ["latency", "compute", "memory", "not a model"];

/// A measured point of a curve.
struct Point {
    value: i64,
    rate: f64,
    /// Milliseconds of a batch.
    milliseconds: f64,
    positions: f64,
    /// Each lower bound as a share of the measured time, in the order of [`BOUNDS`]; `None` if unknown.
    floors: Option<[f64; 3]>,
}

impl Point {
    fn largest(&self) -> Option<(Bound, f64)> {
        let floors = self.floors?.into_iter().enumerate();
        floors.max_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn bound(&self) -> String {
        match self.largest() {
            Some((bound, share)) if share >= 0.5 => BOUNDS[bound].into(),
            Some((bound, _)) => format!("mostly {}", BOUNDS[bound]),
            None => String::new(),
        }
    }

    fn mark(&self) -> Bound {
        self.largest().map_or(BOUNDS.len() - 1, |(bound, _)| bound)
    }
}

/// Reference measurements that many points share.
struct Measures<'a> {
    recipe: &'a Recipe,
    device: Device,
    duration: Duration,
    /// Product rate and bandwidth, by threads and whether the work is training.
    peaks: HashMap<(usize, bool), (f64, f64)>,
    /// Seconds of the smallest step, by threads, work, width and depth.
    smallest: HashMap<(usize, bool, i64, i64), f64>,
}

impl Measures<'_> {
    fn point(&mut self, work: Work, axis: Axis, value: i64, threads: usize) -> Result<Point> {
        let mut recipe = self.recipe.clone();
        axis.set(value, &mut recipe);
        let (rate, cost) = self.rate(work, &recipe, threads)?;
        let batch = recipe.training.batch_size as f64;
        let seconds = batch / rate;
        let floors = match cost {
            Some(cost) => Some(self.floors(work, &recipe, threads, cost, seconds)?),
            None => None,
        };
        Ok(Point {
            value,
            rate,
            milliseconds: 1e3 * seconds,
            positions: cost.map_or(f64::NAN, |cost| rate * cost.positions),
            floors,
        })
    }

    /// Examples per second, and the cost of one for a model.
    fn rate(&self, work: Work, recipe: &Recipe, threads: usize) -> Result<(f64, Option<Cost>)> {
        tch::set_num_threads(threads as i32);
        Ok(match work {
            Work::Train => {
                let mut recipe = recipe.clone();
                recipe.training.threads = threads;
                let training = training(recipe, self.device, true, self.duration)?;
                (training.rate, Some(training.cost))
            }
            Work::Decode => {
                let model = recipe.build(self.device);
                let rate = decoding(recipe, &model, recipe.training.batch_size, self.duration)?;
                (rate, Some(Cost::of(&model)))
            }
            Work::Generate => (generate(recipe, threads, self.duration)?, None),
        })
    }

    fn floors(&mut self, work: Work, recipe: &Recipe, threads: usize, cost: Cost, seconds: f64) -> Result<[f64; 3]> {
        let trains = work == Work::Train;
        let key = (threads, trains, recipe.model.width, recipe.model.encoder_layers);
        let smallest = match self.smallest.get(&key) {
            Some(seconds) => *seconds,
            None => {
                let mut recipe = recipe.clone();
                Axis::Size.set(1, &mut recipe);
                Axis::Batch.set(1, &mut recipe);
                let seconds = 1.0 / self.rate(work, &recipe, threads)?.0;
                self.smallest.insert(key, seconds);
                seconds
            }
        };
        let _tf32 = trains.then(Tf32::allow).transpose()?;
        let (products, bandwidth) = *self.peaks.entry((threads, trains)).or_insert_with(|| {
            let kind = if trains {
                recipe.training.precision.kind()
            } else {
                Kind::Float
            };
            (
                peak::matrix_product_rate(self.device, kind),
                peak::bandwidth(self.device),
            )
        });
        let batch = recipe.training.batch_size as f64;
        // Decoding has only a forward pass: a third of the operations; activations are written and read once.
        let (flops, numbers) = if trains {
            let activations = PASSES_OF_ACTIVATIONS * batch * cost.activations;
            (cost.flops, PASSES_OF_PARAMETERS * cost.parameters + activations)
        } else {
            (cost.flops / 3.0, cost.parameters + 2.0 * batch * cost.activations)
        };
        Ok([
            (smallest / seconds).min(1.0),
            batch * flops / products / seconds,
            BYTES * numbers / bandwidth / seconds,
        ])
    }
}

/// Measures every curve with each number of threads, prints them as a table, and draws them.
pub fn run(recipe: &Recipe, device: Device, duration: Duration, output: Option<&Path>, json: bool) -> Result<()> {
    for (axis, &value) in CURVES
        .iter()
        .flat_map(|(_, axis)| axis.values().iter().map(move |value| (axis, value)))
    {
        let mut recipe = recipe.clone();
        axis.set(value, &mut recipe);
        recipe.validate().with_context(|| format!("scale to {axis} {value}"))?;
    }
    let mut measures = Measures {
        recipe,
        device,
        duration,
        peaks: HashMap::new(),
        smallest: HashMap::new(),
    };
    let headers = [
        "what",
        "varied",
        "value",
        "threads",
        "examples/s",
        "positions/s",
        "ms/batch",
        "latency",
        "compute",
        "memory",
        "bound by",
    ];
    let (mut table, mut panels, mut rows) = (Table::new(&headers), Vec::new(), Vec::new());
    let mut turns = Vec::new();
    for (work, axis) in CURVES {
        let mut lines = Vec::new();
        for threads in THREADS {
            let name = format!("{threads} thread{}", if threads == 1 { "" } else { "s" });
            let mut points = Vec::new();
            for &value in axis.values() {
                tell!("{work}, {axis} {value}, {name}");
                points.push(measures.point(work, axis, value, threads)?);
            }
            for point in &points {
                let share = |i: usize| point.floors.map_or(String::new(), |floors| percent(floors[i]));
                table.row(vec![
                    work.to_string(),
                    axis.to_string(),
                    point.value.to_string(),
                    threads.to_string(),
                    format!("{:.0}", point.rate),
                    if point.positions.is_nan() {
                        String::new()
                    } else {
                        format!("{:.0}", point.positions)
                    },
                    format!("{:.2}", point.milliseconds),
                    share(0),
                    share(1),
                    share(2),
                    point.bound(),
                ]);
                rows.push(json!({
                    "what": work.to_string(),
                    "varied": axis.to_string(),
                    "value": point.value,
                    "threads": threads,
                    "examples_per_second": point.rate,
                    "positions_per_second": point.positions,
                    "milliseconds_per_batch": point.milliseconds,
                    "floors": point.floors,
                    "bound": point.bound(),
                }));
            }
            if points.iter().all(|point| point.floors.is_some()) {
                turns.push(format!("- {work} by {axis}, {name}: {}", turning(&points)));
            }
            lines.push(PanelLine {
                name,
                points: points.iter().map(|point| (point.rate, point.mark())).collect(),
            });
        }
        panels.push(Panel {
            title: format!("{work}: {axis}"),
            values: axis.values().to_vec(),
            lines,
        });
    }
    if let Some(path) = output {
        draw_panels(path, "examples per second", &panels, &BOUNDS)?;
    }
    if json {
        say!("{:#}", json!(rows))
    } else {
        say!("{}\n\n{}", turns.join("\n"), table.markdown())
    }
}

/// The values at which the bound of a curve changes: `latency from 1, mostly compute from 64`.
fn turning(points: &[Point]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut last = String::new();
    for point in points {
        let bound = point.bound();
        if bound != last {
            parts.push(format!("{bound} from {}", point.value));
            last = bound;
        }
    }
    parts.join(", ")
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(value: i64, floors: [f64; 3]) -> Point {
        Point {
            value,
            rate: 1.0,
            milliseconds: 1.0,
            positions: 1.0,
            floors: Some(floors),
        }
    }

    #[test]
    fn the_largest_floor_bounds_from_half_of_the_time_on() {
        assert_eq!(point(1, [0.5, 0.1, 0.2]).bound(), "latency");
        assert_eq!(point(1, [0.1, 0.3, 0.2]).bound(), "mostly compute");
        assert_eq!(point(1, [0.1, 0.3, 0.7]).bound(), "memory");
    }

    #[test]
    fn a_curve_turns_where_its_bound_changes() {
        let points = [
            point(1, [0.9, 0.1, 0.1]),
            point(4, [0.6, 0.2, 0.1]),
            point(16, [0.2, 0.3, 0.1]),
            point(64, [0.1, 0.7, 0.1]),
        ];
        assert_eq!(
            turning(&points),
            "latency from 1, mostly compute from 16, compute from 64"
        );
    }

    #[test]
    fn wider_models_and_longer_sequences_cost_more() {
        let cost = |text: &str| {
            let text = format!("problem = \"eigenvalues\"\n{text}");
            Cost::of(&Recipe::parse(&text, &[]).unwrap().build(Device::Cpu))
        };
        let (small, wide, long) = (
            cost("dim = 3\nmodel.width = 16"),
            cost("dim = 3\nmodel.width = 32"),
            cost("dim = 6\nmodel.width = 16"),
        );
        assert_eq!((small.positions, long.positions), (9.0 + 3.0, 36.0 + 6.0));
        assert!(wide.activations > small.activations && wide.flops > 2.0 * small.flops);
        assert!(long.activations > 3.0 * small.activations && long.flops > 2.0 * small.flops);
    }
}
