//! Options that several commands share.

use super::output::say;
use crate::dataset::Format;
use crate::encoding::round_matrices;
use crate::evaluation::Search;
use crate::file;
use crate::matrix::{Matrix, text};
use crate::problem::Form;
use crate::recipe::{Architecture, DecoderKind, MAX_EXAMPLES, Readout, Recipe};
use crate::report::Table;
use crate::training::{Rank, Trained, checksum, why_eager};
use anyhow::{Context, Error, Result, bail, ensure};
use clap::Args;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tch::{Cuda, Device};

/// `CHECKPOINT` and `--trust`.
#[derive(Debug, Args)]
pub struct CheckpointOption {
    /// A run folder or a .safetensors file; with --trust a .pt file
    checkpoint: PathBuf,
    /// Answer with the methods in model.pt or another .pt file. This runs code from the file
    #[arg(long)]
    trust: bool,
}

impl CheckpointOption {
    pub fn load(&self, device: Device) -> Result<Trained> {
        if self.trust {
            Trained::run(&self.checkpoint, device).context("--trust")
        } else {
            Trained::load(&self.checkpoint, device)
        }
    }

    /// A checksum of the file that [`CheckpointOption::load`] reads.
    pub fn checksum(&self) -> Result<u32> {
        checksum(&self.checkpoint, self.trust)
    }
}

/// `--device`.
#[derive(Clone, Debug, Args)]
pub struct DeviceOption {
    /// Device: auto (CUDA if available, else the CPU), cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
}

impl DeviceOption {
    /// The device of this process. If several processes train together, each has its own CUDA device.
    pub fn device_of(&self, rank: Option<&Rank>) -> Result<Device> {
        match (self.device.as_str(), rank) {
            ("auto" | "cuda", Some(rank)) if Cuda::device_count() > 0 => Self {
                device: format!("cuda:{}", rank.local),
            }
            .device(),
            _ => self.device(),
        }
    }

    pub fn device(&self) -> Result<Device> {
        let count = Cuda::device_count() as usize;
        let index = match self.device.as_str() {
            "cpu" => return Ok(Device::Cpu),
            "auto" if count == 0 => return Ok(Device::Cpu),
            "auto" | "cuda" => 0,
            other => match other.strip_prefix("cuda:").and_then(|index| index.parse().ok()) {
                Some(index) => index,
                None => bail!("--device {other}: expected auto, cpu, cuda or cuda:N"),
            },
        };
        ensure!(
            count > 0,
            "--device {}: no CUDA device is available here (laformer doctor says why); use --device cpu",
            self.device
        );
        ensure!(
            index < count,
            "--device {}: there are {count} CUDA devices, numbered from 0",
            self.device
        );
        Ok(Device::Cuda(index))
    }
}

/// `--no-graph`.
#[derive(Debug, Args)]
pub struct GraphOption {
    /// On a CUDA device, launch every kernel by itself instead of capturing steps in CUDA graphs
    #[arg(long)]
    pub no_graph: bool,
}

impl GraphOption {
    /// Fails if `--no-graph` has no effect.
    pub fn check(&self, architecture: Architecture, device: Device) -> Result<()> {
        match why_eager(architecture, device) {
            Some(reason) if self.no_graph => bail!("--no-graph: {reason}; leave it out"),
            _ => Ok(()),
        }
    }
}

/// Inference options: `--beam`, `--as-given`, `--verify`, `--repair`.
#[derive(Debug, Args)]
pub struct SearchOptions {
    /// Beam width of an autoregressive decoder
    #[arg(long, default_value_t = 1)]
    beam: usize,
    /// Do not rescale operands to the scale of the training data
    #[arg(long)]
    as_given: bool,
    /// Choose the proposal with the smallest residual; this needs no exact solution
    #[arg(long)]
    verify: bool,
    /// Move the answer one step toward the solution, unless this increases the residual
    #[arg(long)]
    repair: bool,
}

impl SearchOptions {
    /// The validated search options. `--as-given` also changes the solver and the recipe of `trained`.
    pub fn search(&self, trained: &mut Trained) -> Result<Search> {
        if self.as_given {
            trained.solver.stop_normalizing()?;
            trained.recipe.encoding.normalize = false;
        }
        let search = Search {
            beam: self.beam,
            verify: self.verify,
            repair: self.repair,
        };
        search.check(trained.solver.formats())?;
        Ok(search)
    }
}

/// `--readout`.
#[derive(Debug, Args)]
pub struct ReadoutOption {
    /// How a parallel decoder turns its distributions into numbers [default: the recipe's]
    #[arg(long, value_parser = ["interpolated", "median", "mode"])]
    readout: Option<String>,
}

impl ReadoutOption {
    /// Sets the readout in a checkpoint's solver and recipe.
    pub fn apply(&self, trained: &mut Trained) -> Result<()> {
        if let Some(readout) = self.chosen(&trained.recipe)? {
            trained.solver.set_readout(readout)?;
            trained.recipe.model.readout = readout;
        }
        Ok(())
    }

    /// The readout of `--readout`; an error if a model of the recipe does not support it.
    pub fn chosen(&self, recipe: &Recipe) -> Result<Option<Readout>> {
        let Some(name) = &self.readout else { return Ok(None) };
        let readout: Readout = serde_json::from_value(Value::from(name.as_str()))?;
        ensure!(
            recipe.model.decoder != DecoderKind::Autoregressive,
            "--readout: this model writes one token at a time and has no readout; leave it out"
        );
        Ok(Some(readout))
    }
}

/// Operands as given and as the model reads them.
pub struct Operands {
    pub given: Vec<Matrix>,
    /// Rounded to the precision of the input encoding.
    pub seen: Vec<Matrix>,
}

/// Parses one JSON matrix for each operand; an error if the model cannot read one of them.
pub fn read_operands(texts: &[String], trained: &Trained, format: &Format) -> Result<Operands> {
    let problem = format.problem;
    let forms = problem
        .operands()
        .iter()
        .map(|part| part.form)
        .chain(std::iter::repeat(Form::Matrix));
    let operands = texts.iter().zip(forms).map(|(operand, form)| {
        let flat = || text::parse(&format!("[{operand}]")).map(|row| row.transpose());
        let matrix = match form {
            // A vector may be written flat: [1,2,3].
            Form::Column => text::parse(operand).or_else(|error| flat().map_err(|_| error)),
            _ => text::parse(operand),
        };
        matrix.with_context(|| format!("`{operand}` is not a matrix"))
    });
    let mut operands: Vec<Matrix> = operands.collect::<Result<_>>()?;
    let case = format.case_of(&operands)?;
    let size = case.size;
    trained.capacity.check(format, size)?;
    ensure!(
        trained.recipe.dimensions.contains(size),
        "this model was trained on {} matrices, not on {size}",
        trained.recipe.dimensions.label()
    );
    problem
        .check_operands(&operands)
        .map_err(Error::msg)
        .context(problem.name())?;
    if problem.is_symmetric() {
        // Symmetrizes, because a computed matrix is symmetric only up to rounding errors.
        operands[0] = &operands[0] / 2.0 + operands[0].transpose() / 2.0;
    }
    let seen = round_matrices(format.input.rounding().as_ref(), &operands);
    let seen = seen.context("the matrix is out of the range of this model's encoding")?;
    for &x in seen.iter().flatten() {
        format.input.check(x)?;
    }
    Ok(Operands { given: operands, seen })
}

/// Fails unless the number of examples is from 1 to `MAX_EXAMPLES`.
pub fn check_count(count: usize) -> Result<()> {
    ensure!(
        (1..=MAX_EXAMPLES).contains(&count),
        "--count {count}: expected 1 to {MAX_EXAMPLES} examples"
    );
    Ok(())
}

/// `--csv`, `--picture` and `--json`: the outputs of a comparison of runs.
#[derive(Debug, Args)]
pub struct ComparisonOptions {
    /// Write the accuracies to a CSV file
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    /// Draw the accuracies as an SVG picture
    #[arg(long, value_name = "FILE.svg")]
    picture: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Accuracies of several runs, as a table, a picture or text.
pub trait Comparison {
    /// One row for each accuracy.
    fn table(&self) -> Table;
    fn draw(&self, path: &Path) -> Result<()>;
    fn json(&self) -> Value;
    /// The text for the terminal, without a final newline.
    fn text(&self) -> String;
}

impl ComparisonOptions {
    /// Fails early if an output file could not be written.
    pub fn check(&self) -> Result<()> {
        if let Some(path) = &self.picture {
            ensure!(
                path.extension().is_some_and(|extension| extension == "svg"),
                "--picture {}: pictures are SVG; choose a name that ends in .svg",
                path.display()
            );
        }
        for (option, path) in [("--csv", &self.csv), ("--picture", &self.picture)] {
            let Some(path) = path else { continue };
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            ensure!(
                folder.is_none_or(|folder| folder.is_dir()),
                "{option} {}: there is no such folder; create it, or choose another name",
                path.display()
            );
        }
        Ok(())
    }

    /// Writes the files of `--csv` and `--picture`, and prints JSON or text.
    pub fn show(&self, comparison: &impl Comparison) -> Result<()> {
        if let Some(path) = &self.csv {
            file::replace(path, comparison.table().csv()?.as_bytes())?;
        }
        if let Some(path) = &self.picture {
            comparison.draw(path)?;
        }
        if self.json {
            say!("{:#}", comparison.json())
        } else {
            say!("{}", comparison.text())
        }
    }
}
