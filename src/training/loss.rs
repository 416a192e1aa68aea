//! Cross-entropy, part by part: sign, exponent and mantissa are watched and weighted apart, because an average hides
//! which of them is stuck.

use super::settings::Loss as Settings;
use super::signs::FreeSigns;
use crate::dataset::{Batch, Format, Target};
use crate::encoding::{Field, PAD, Part, WORDS};
use crate::model::{Decoder, Model, ParallelDecoder};
use tch::{Device, Kind, Reduction, Tensor};

/// Mantissas with fewer classes are digits: neighbors are no better than others. With more, the table of soft labels
/// would not be worth its memory.
const SOFTENED: std::ops::RangeInclusive<usize> = 100..=2500;
/// Deviation of soft labels at a mantissa of zero, in units of the last digit.
const LEAST_DEVIATION: f64 = 0.3;

/// The training loss of a model.
#[derive(Debug)]
pub struct Loss {
    parts: Vec<LossPart>,
    /// Weight of every token of the target vocabulary (autoregressive), `[vocabulary]`.
    token_weights: Tensor,
    /// The part that each token belongs to, `[vocabulary, parts + 1]` one-hot in fp32; the last column is structure.
    token_parts: Tensor,
    /// None where targets keep their signs.
    free_signs: Option<FreeSigns>,
}

#[derive(Debug)]
struct LossPart {
    name: String,
    weight: f64,
    /// Row `c` is the distribution that class `c` is trained towards; none for a sharp target.
    soft_labels: Option<Tensor>,
}

/// The loss of one batch.
pub struct BatchLoss {
    /// What is minimized, 0-d.
    pub total: Tensor,
    /// Unweighted cross-entropy of each part in nats, `[parts]`, detached.
    pub parts: Tensor,
}

impl Loss {
    pub fn new(model: &Model, settings: &Settings) -> Self {
        let encoding = model.format().output.as_ref();
        let device = model.device();
        let fields = encoding
            .prediction_order()
            .iter()
            .map(|&field| &encoding.fields()[field]);
        let parts = fields.map(|field| LossPart::new(field, settings, device)).collect();
        let vocabulary = model.format().target_vocabulary().size();
        let mut weights = vec![1.0f32; vocabulary];
        let columns = encoding.fields().len() + 1;
        let mut membership = vec![0f32; vocabulary * columns];
        for row in membership.chunks_mut(columns).take(WORDS as usize) {
            row[columns - 1] = 1.0;
        }
        for (place, &field) in encoding.prediction_order().iter().enumerate() {
            let field = &encoding.fields()[field];
            for word in field.words.clone() {
                let token = WORDS as usize + word;
                weights[token] = weight(field, settings) as f32;
                membership[token * columns + place] = 1.0;
            }
        }
        Self {
            parts,
            token_weights: Tensor::from_slice(&weights).to_device(device),
            token_parts: Tensor::from_slice(&membership)
                .view([-1, columns as i64])
                .to_device(device),
            free_signs: settings.free_signs.then(FreeSigns::default),
        }
    }

    /// Names of the parts, in the order of [`BatchLoss::parts`].
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|part| part.name.as_str())
    }

    /// The loss of a batch in a precision of linear maps.
    pub fn forward(&self, model: &Model, batch: &Batch, kind: Kind) -> BatchLoss {
        match model.decoder() {
            Decoder::Parallel(decoder) => self.of_classes(model, decoder, batch, kind),
            Decoder::Autoregressive(_) => {
                let logits = model.logits(&batch.source, &batch.target, batch.case(), kind);
                self.of_tokens(&logits[0], &batch.target)
            }
        }
    }

    fn of_classes(&self, model: &Model, decoder: &ParallelDecoder, batch: &Batch, kind: Kind) -> BatchLoss {
        let case = batch.case();
        let hidden = model.hidden(decoder, &batch.source, case, kind);
        let mut classes = model.in_prediction_order(&batch.target);
        let mut losses = Vec::new();
        for (place, part) in self.parts.iter().enumerate() {
            let logits = decoder.field_logits(place, &hidden, &classes, kind);
            if let Some(signs) = self.free_signs.as_ref().filter(|_| place == 0) {
                classes = signs.follow(model.format_of(case), case, &logits, classes);
            }
            let wanted = classes.select(-1, place as i64);
            losses.push(part.cross_entropy(&logits.flatten(0, 1), &wanted.flatten(0, 1)));
        }
        let terms = self.parts.iter().zip(&losses).map(|(part, loss)| loss * part.weight);
        let total = terms.reduce(|sum, term| sum + term).expect("an encoding has fields") / self.parts.len() as f64;
        BatchLoss {
            total,
            parts: Tensor::stack(&losses, 0).detach(),
        }
    }

    fn of_tokens(&self, logits: &Tensor, tokens: &Tensor) -> BatchLoss {
        let target = tokens.narrow(1, 1, tokens.size()[1] - 1).flatten(0, 1);
        let log = logits.flatten(0, 1).log_softmax(-1, None::<Kind>);
        let each = -log.gather(1, &target.unsqueeze(1), false).squeeze_dim(1);
        let real = target.not_equal(PAD).to_kind(Kind::Float);
        let weights = self.token_weights.index_select(0, &target) * &real;
        let total = (&each * &weights).sum(Kind::Float) / weights.sum(Kind::Float);
        // Digits share their tokens, so a part is the mean over the fields that could have written the token.
        let members = self.token_parts.index_select(0, &target) * real.unsqueeze(1);
        let sums = each.detach().unsqueeze(0).matmul(&members).squeeze_dim(0);
        let counts = members.sum_dim_intlist(0, false, Kind::Float).clamp_min(1.0);
        let parts = (sums / counts).narrow(0, 0, self.parts.len() as i64);
        BatchLoss { total, parts }
    }
}

fn weight(field: &Field, settings: &Settings) -> f64 {
    match field.part {
        Part::Sign => settings.sign,
        Part::Exponent => settings.exponent,
        Part::Mantissa { .. } | Part::SignedMantissa | Part::Float => settings.mantissa,
    }
}

/// Whether a model of a format may have soft labels.
pub fn softens(format: &Format) -> bool {
    let fields = format.output.fields();
    format.target == Target::Classes && fields.iter().any(|field| softened(field).is_some())
}

/// The class of the mantissa zero, of a field whose labels may be soft.
fn softened(field: &Field) -> Option<i64> {
    let zero = match field.part {
        Part::Mantissa { leading: true } => 0,
        // Signed mantissas run from -(10^d - 1) to 10^d - 1.
        Part::SignedMantissa => field.classes() as i64 / 2,
        _ => return None,
    };
    SOFTENED.contains(&field.classes()).then_some(zero)
}

impl LossPart {
    fn new(field: &Field, settings: &Settings, device: Device) -> Self {
        let zero = softened(field).filter(|_| settings.smoothing > 0.0);
        Self {
            name: field.name.clone(),
            weight: weight(field, settings),
            soft_labels: zero.map(|zero| soft_labels(field.classes() as i64, zero, settings.smoothing, device)),
        }
    }

    /// Mean cross-entropy of logits `[count, classes]` against classes `[count]`, 0-d.
    fn cross_entropy(&self, logits: &Tensor, classes: &Tensor) -> Tensor {
        match &self.soft_labels {
            None => logits.cross_entropy_loss(classes, None::<&Tensor>, Reduction::Mean, -100, 0.0),
            Some(table) => {
                let labels = table.index_select(0, classes);
                logits.cross_entropy_loss(&labels, None::<&Tensor>, Reduction::Mean, -100, 0.0)
            }
        }
    }
}

/// Row `c`: a Gaussian around class `c` with a deviation of `smoothing` of the mantissa, `[classes, classes]`.
fn soft_labels(classes: i64, zero: i64, smoothing: f64, device: Device) -> Tensor {
    let mantissa = Tensor::arange(classes, (Kind::Float, Device::Cpu)) - zero as f64;
    let deviation = (mantissa.abs() * smoothing + LEAST_DEVIATION).unsqueeze(1);
    let distance = (mantissa.unsqueeze(0) - mantissa.unsqueeze(1)) / deviation;
    (distance.square() * -0.5).softmax(-1, None::<Kind>).to_device(device)
}
