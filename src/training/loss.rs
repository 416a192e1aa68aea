//! Cross-entropy in parts. Sign, exponent and mantissa are reported and weighted separately, because a mean hides which
//! one does not improve.

use super::signs::FreeSigns;
use crate::batch::Batch;
use crate::encoding::{Field, PAD, Part, WORDS, last_digit};
use crate::model::{Decoder, Model, ParallelDecoder};
use crate::recipe::{Loss as Settings, softened};
use tch::{Device, Kind, Reduction, Tensor};

/// Smallest standard deviation of soft labels, in units of the last digit.
const LEAST_DEVIATION: f64 = 0.3;
/// Standard deviations that soft labels must have between their center and the largest mantissa. A distribution that is
/// cut off earlier has a different median.
const ROOM: f64 = 3.0;

/// The training loss of a model.
#[derive(Debug)]
pub struct Loss {
    parts: Vec<LossPart>,
    /// Weight of each token of the target vocabulary (autoregressive), `[vocabulary]`.
    token_weights: Tensor,
    /// The part of each token, `[vocabulary, parts + 1]`, one-hot in float32. The last column is for structural tokens.
    token_parts: Tensor,
    /// `None` if targets keep their signs.
    free_signs: Option<FreeSigns>,
}

#[derive(Debug)]
struct LossPart {
    name: String,
    weight: f64,
    /// `None` for hard labels.
    soft_labels: Option<SoftLabels>,
}

/// Distributions over neighboring mantissas, used as targets.
#[derive(Debug)]
struct SoftLabels {
    /// The class of the mantissa zero.
    zero: i64,
    /// Standard deviation relative to the mantissa.
    smoothing: f64,
    /// Whether labels are centered on the exact number, which may lie between two classes.
    between: bool,
    /// All classes, `[1, classes]` float32.
    classes: Tensor,
}

/// The loss of one batch.
pub struct BatchLoss {
    /// The loss to minimize, 0-d.
    pub total: Tensor,
    /// Unweighted mean cross-entropy of each part in nats, `[parts]`, detached.
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
        let last = last_digit(encoding.fields()).map(|field| &encoding.fields()[field]);
        let parts = fields
            .map(|field| LossPart::new(field, settings, last == Some(field), device))
            .collect();
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

    /// The loss of a batch, with linear maps in the given precision.
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
            let wanted = classes.select(-1, place as i64).flatten(0, 1);
            losses.push(part.cross_entropy(&logits.flatten(0, 1), &wanted, batch.shares.as_ref()));
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
        // All digit fields have the same tokens, so the loss of a part is the mean over the fields that share its
        // token.
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
        Part::Mantissa { .. } | Part::SignedMantissa | Part::Float => 1.0,
    }
}

impl LossPart {
    fn new(field: &Field, settings: &Settings, between: bool, device: Device) -> Self {
        let zero = softened(field).filter(|_| settings.smoothing > 0.0);
        Self {
            name: field.name.clone(),
            weight: weight(field, settings),
            soft_labels: zero.map(|zero| SoftLabels {
                zero,
                smoothing: settings.smoothing,
                between,
                classes: Tensor::arange(field.classes() as i64, (Kind::Float, device)).unsqueeze(0),
            }),
        }
    }

    /// The mean cross-entropy of logits `[count, classes]` for classes `[count]` and their positions between classes,
    /// 0-d.
    fn cross_entropy(&self, logits: &Tensor, classes: &Tensor, shares: Option<&Tensor>) -> Tensor {
        let Some(soft) = &self.soft_labels else {
            return logits.cross_entropy_loss(classes, None::<&Tensor>, Reduction::Mean, -100, 0.0);
        };
        let centers = match shares {
            Some(shares) if soft.between => classes.to_kind(Kind::Float) + shares.flatten(0, 1) - 0.5,
            _ => classes.to_kind(Kind::Float),
        };
        logits.cross_entropy_loss(&soft.around(&centers), None::<&Tensor>, Reduction::Mean, -100, 0.0)
    }
}

impl SoftLabels {
    /// Gaussian labels `[count, classes]` around the mantissas `centers` `[count]`. Their standard deviation is
    /// `smoothing` times the mantissa. It is smaller just below the largest mantissa, so that the median always equals
    /// the mantissa.
    fn around(&self, centers: &Tensor) -> Tensor {
        let magnitude = (centers - self.zero as f64).abs();
        let largest = (self.classes.size()[1] - 1 - self.zero) as f64;
        let room = (&magnitude - (largest + 0.5)).clamp_max(0.0) / -ROOM;
        let deviation = (magnitude * self.smoothing).minimum(&room) + LEAST_DEVIATION;
        let mut distance = (&self.classes - centers.unsqueeze(1)) / deviation.unsqueeze(1);
        (distance.square_() * -0.5).softmax(-1, None::<Kind>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{Encoding, named};

    fn soft(encoding: &dyn Encoding, smoothing: f64) -> LossPart {
        let settings = Settings {
            smoothing,
            ..Settings::preset(crate::recipe::Architecture::Laformer)
        };
        let field = encoding
            .fields()
            .iter()
            .find(|field| softened(field).is_some())
            .unwrap();
        LossPart::new(field, &settings, last_digit(encoding.fields()).is_some(), Device::Cpu)
    }

    /// The median, computed as for grouped data.
    fn median(labels: &[f64]) -> f64 {
        let mut below = 0.0;
        for (class, own) in labels.iter().enumerate() {
            if below + own >= 0.5 {
                return class as f64 - 0.5 + (0.5 - below) / own;
            }
            below += own;
        }
        panic!("a distribution sums to one");
    }

    #[test]
    fn the_median_of_soft_labels_is_the_number_even_near_the_largest_mantissa() {
        for (name, numbers) in [("P1000", 100..1000), ("B1999", 1099..1999)] {
            let part = soft(named(name).unwrap().as_ref(), 0.01);
            let labels = part.soft_labels.unwrap();
            for tenth in numbers.start * 10..(numbers.end - 1) * 10 + 4 {
                let center = f64::from(tenth) / 10.0;
                let around = labels.around(&Tensor::from_slice(&[center as f32]));
                let found = median(&Vec::<f64>::try_from(around.squeeze().to_kind(Kind::Double)).unwrap());
                // Near the end, a label is hardly wider than its class.
                let narrow = center > f64::from(numbers.end) - 4.0;
                let allowed = if narrow { 0.5 } else { 0.05 };
                assert!((found - center).abs() < allowed, "{name}: {found} of {center}");
            }
        }
    }

    #[test]
    fn the_loss_is_smallest_if_the_median_is_the_number_between_the_digits() {
        let encoding = named("P1000").unwrap();
        let part = soft(encoding.as_ref(), 0.01);
        let labels = part.soft_labels.as_ref().unwrap();
        let loss = |center: f64, share: f32| {
            let logits = labels.around(&Tensor::from_slice(&[center as f32])).log();
            let classes = Tensor::from_slice(&[314i64]);
            let shares = Tensor::from_slice(&[share]).unsqueeze(0);
            f64::try_from(part.cross_entropy(&logits.clamp_min(-1e3), &classes, Some(&shares))).unwrap()
        };
        let mut classes = [0; 3];
        encoding.encode(3.1437, &mut classes).unwrap();
        let share = encoding.share_within(3.1437, &mut classes) as f32;
        let places = [313.5, 314.0, 314.37, 314.7, 315.5];
        let losses = places.map(|place| loss(place, share));
        assert!((share - 0.87).abs() < 1e-6, "{share}");
        assert!(
            losses.iter().enumerate().all(|(i, &other)| i == 2 || other > losses[2]),
            "{losses:?}"
        );
        // For a number that equals its rounded value, the minimum is at its class.
        assert!(loss(314.0, 0.5) < loss(314.37, 0.5));
    }
}
