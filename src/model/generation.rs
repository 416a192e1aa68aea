//! Writing answers: every one decodes, because the grammar leaves only legal tokens to choose from.

use super::autoregressive::AutoregressiveDecoder;
use super::parallel::ParallelDecoder;
use super::{Decoder, Model, Pass, Readout};
use crate::dataset::Case;
use crate::encoding::{Encoding, Grammar, PAD, WORDS};
use crate::matrix::{Matrix, Shape};
use anyhow::Result;
use tch::{Kind, Tensor};

/// One proposed answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub solution: Vec<Matrix>,
    /// What the tokens stand for: the solution, but for digits beyond the last that is written.
    pub written: Vec<Matrix>,
    /// Classes of every coefficient in the order of the encoding (parallel), or the whole token sequence without
    /// padding (autoregressive).
    pub tokens: Vec<i64>,
    /// Natural logarithm of the probability that the model gives to this answer among the legal ones.
    pub log_probability: f64,
}

impl Model {
    /// Answers for a batch of sources of one problem and size, `beam` candidates each, the most probable first. Runs in fp32.
    pub fn generate(&self, source: &Tensor, case: impl Into<Case>, beam: usize) -> Result<Vec<Vec<Candidate>>> {
        self.generate_in(Kind::Float, source, case, beam)
    }

    /// [`Self::generate`] with linear maps and attention in a precision.
    pub fn generate_in(
        &self,
        kind: Kind,
        source: &Tensor,
        case: impl Into<Case>,
        beam: usize,
    ) -> Result<Vec<Vec<Candidate>>> {
        let case = case.into();
        self.check_beam(beam)?;
        let _no_grad = tch::no_grad_guard();
        let source = source.to_device(self.device());
        match self.decoder() {
            Decoder::Parallel(decoder) => {
                let hidden = self.hidden(decoder, &source, case, kind);
                self.generate_parallel(decoder, &hidden, case, self.pass(kind))
            }
            Decoder::Autoregressive(decoder) => {
                let positions = self.positions_of(&source, case);
                let (pass, mask) = (self.pass(kind), self.source_mask(&source));
                let memory = self.encode(&source, &positions, pass);
                self.generate_autoregressive(decoder, &memory, mask.as_ref(), case, beam as i64, pass)
            }
        }
    }

    fn generate_parallel(
        &self,
        decoder: &ParallelDecoder,
        hidden: &Tensor,
        case: Case,
        pass: Pass,
    ) -> Result<Vec<Vec<Candidate>>> {
        let mut known = Tensor::zeros([hidden.size()[0], hidden.size()[1], 0], (Kind::Int64, self.device()));
        let mut log_probability = Tensor::zeros([hidden.size()[0]], (Kind::Double, self.device()));
        let encoding = self.format().output.as_ref();
        let mut median = Median::new(&known);
        for (place, &field) in encoding.prediction_order().iter().enumerate() {
            let logits = decoder.field_logits(place, hidden, &known, pass.kind);
            let class = match self.config.readout {
                Readout::Interpolated | Readout::Median if encoding.fields()[field].part.is_magnitude() => {
                    median.next(&logits)
                }
                _ => logits.argmax(-1, true),
            };
            let chosen = logits.gather(-1, &class, false).squeeze_dim(-1);
            log_probability += (chosen - logits.logsumexp(-1, false)).sum_dim_intlist(1, false, Kind::Double);
            known = Tensor::cat(&[known, class], -1);
        }
        let classes = self.in_encoding_order(&known);
        let per_example = (classes.size()[1] * classes.size()[2]) as usize;
        let classes: Vec<i64> = Vec::try_from(classes.flatten(0, -1))?;
        let log_probability: Vec<f64> = Vec::try_from(log_probability)?;
        let shapes = self.format_of(case).problem.solution_shapes(case.size);
        let shares: Vec<f32> = match self.config.readout {
            Readout::Interpolated => Vec::try_from(median.share.flatten(0, -1))?,
            Readout::Median | Readout::Mode => vec![MIDDLE; classes.len() / encoding.fields().len()],
        };
        Ok(classes
            .chunks(per_example)
            .zip(shares.chunks(per_example / encoding.fields().len()))
            .zip(log_probability)
            .map(|((classes, shares), log_probability)| {
                vec![Candidate {
                    solution: read_classes(encoding, classes, shares, &shapes),
                    written: read_classes(encoding, classes, &vec![MIDDLE; shares.len()], &shapes),
                    tokens: classes.to_vec(),
                    log_probability,
                }]
            })
            .collect())
    }

    /// Classes `[.., fields]` from the order of prediction back to the order of the encoding.
    fn in_encoding_order(&self, known: &Tensor) -> Tensor {
        let order = self.format().output.prediction_order();
        let mut columns: Vec<_> = order
            .iter()
            .zip(0i64..)
            .map(|(&field, place)| (field, known.select(-1, place)))
            .collect();
        columns.sort_by_key(|(field, _)| *field);
        let columns: Vec<_> = columns.into_iter().map(|(_, column)| column).collect();
        Tensor::stack(&columns, -1)
    }

    fn generate_autoregressive(
        &self,
        decoder: &AutoregressiveDecoder,
        memory: &Tensor,
        mask: Option<&Tensor>,
        case: Case,
        beam: i64,
        pass: Pass,
    ) -> Result<Vec<Vec<Candidate>>> {
        let format = self.format_of(case);
        let shapes = format.problem.solution_shapes(case.size);
        let vocabulary = format.target_vocabulary();
        let rules = Rules::new(
            self.format().output.as_ref(),
            vocabulary.size() as i64,
            &shapes,
            self.device(),
        );
        let batch = memory.size()[0];
        let rows = batch * beam;
        let repeat = |x: &Tensor, dim: i64| x.repeat_interleave_self_int(beam, dim, None);
        let (cross, cache) = decoder.start(memory, pass.kind);
        let (cross, mut cache) = (repeat(&cross, 2), repeat(&cache, 2));
        let mask = mask.map(|mask| repeat(mask, 0));
        let positions = self.target_positions(case);

        let whole = (Kind::Int64, self.device());
        let mut tokens = Tensor::full([rows, 1], vocabulary.first(), whole);
        let mut cursor = rules.start(rows);
        // Only the first beam of each example is alive at the start: the others would repeat it.
        let mut score = Tensor::full([batch, beam], f64::NEG_INFINITY, (Kind::Double, self.device()));
        let _ = score.narrow(1, 0, 1).fill_(0.0);
        let first_row = Tensor::arange(batch, whole).unsqueeze(1) * beam;
        for step in 0..positions.size()[0] {
            let last = tokens.narrow(1, step, 1);
            let place = positions.narrow(0, step, 1);
            let (logits, longer) = decoder.step(&last, &place, &cross, &cache, mask.as_ref(), pass);
            let log = rules.log_probabilities(&logits, &cursor).to_kind(Kind::Double);
            let total = (score.view([rows, 1]) + log).view([batch, -1]);
            let (best, place) = total.topk(beam, 1, true, true);
            score = best;
            let words = vocabulary.size() as i64;
            let row = (place.divide_scalar_mode(words, "floor") + &first_row).view([-1]);
            let token = place.remainder(words).view([-1]);
            if beam > 1 {
                tokens = tokens.index_select(0, &row);
                cache = longer.index_select(2, &row);
                cursor = cursor.select(&row);
            } else {
                cache = longer;
            }
            cursor = rules.advance(&cursor, &token);
            tokens = Tensor::cat(&[tokens, token.unsqueeze(1)], 1);
        }
        let length = tokens.size()[1] as usize;
        let tokens: Vec<i64> = Vec::try_from(tokens.flatten(0, -1))?;
        let score: Vec<f64> = Vec::try_from(score.flatten(0, -1))?;
        let candidates = tokens.chunks(length).zip(score).map(|(tokens, log_probability)| {
            let end = tokens.iter().position(|&token| token == PAD).unwrap_or(length);
            let tokens = tokens[..end].to_vec();
            let solution = vocabulary.read(&tokens, &shapes)?;
            Ok(Candidate {
                written: solution.clone(),
                solution,
                tokens,
                log_probability,
            })
        });
        let candidates: Vec<Candidate> = candidates.collect::<Result<_>>()?;
        // A beam wider than the number of legal answers leaves dead rows.
        let alive = |beams: &[Candidate]| {
            beams
                .iter()
                .filter(|c| c.log_probability.is_finite())
                .cloned()
                .collect()
        };
        Ok(candidates.chunks(beam as usize).map(alive).collect())
    }
}

/// The share of a number's probability that lies below the number itself.
const MIDDLE: f32 = 0.5;

/// Finds the median of numbers whose digits are predicted one field after the other, from the most significant on.
struct Median {
    /// The share of the probability that lies below the median among the numbers that begin as it does, `[batch, count]`; after the last
    /// digit, where the median lies within the number.
    share: Tensor,
}

impl Median {
    /// Before the first digits of `known` `[batch, count, fields]`.
    fn new(known: &Tensor) -> Self {
        let size = [known.size()[0], known.size()[1]];
        Self {
            share: Tensor::full(size, f64::from(MIDDLE), (Kind::Float, known.device())),
        }
    }

    /// The median's class `[batch, count, 1]` of the next digits, whose logits are `[batch, count, classes]`.
    fn next(&mut self, logits: &Tensor) -> Tensor {
        let probability = logits.softmax(-1, None::<Kind>);
        let reached = probability.cumsum(-1, None::<Kind>);
        let below = reached.lt_tensor(&self.share.unsqueeze(-1));
        let class = below.sum_dim_intlist(-1, true, Kind::Int64);
        // Where rounding keeps the sum of all probabilities below the share.
        let class = class.clamp_max(logits.size()[2] - 1);
        let own = probability.gather(-1, &class, false).squeeze_dim(-1);
        let before = reached.gather(-1, &class, false).squeeze_dim(-1) - &own;
        self.share = ((&self.share - before) / own.clamp_min(f64::from(f32::MIN_POSITIVE))).clamp(0.0, 1.0);
        class
    }
}

/// Classes in reading order to matrices; `shares` say where within each number the answer lies, see [`Encoding::decode_within`].
fn read_classes(encoding: &dyn Encoding, classes: &[i64], shares: &[f32], shapes: &[Shape]) -> Vec<Matrix> {
    let fields = encoding.fields().len();
    let mut number = vec![0u32; fields];
    let mut values = classes.chunks(fields).zip(shares).map(|(classes, &share)| {
        for (slot, &class) in number.iter_mut().zip(classes) {
            *slot = class as u32;
        }
        encoding.decode_within(&mut number, f64::from(share))
    });
    shapes
        .iter()
        .map(|shape| Matrix::from_row_iterator(shape.rows, shape.cols, values.by_ref().take(shape.count())))
        .collect()
}

/// The grammar of one answer as tensors, so that a whole batch is advanced at once.
struct Rules {
    /// Token that a slot forces, or -1 for a number; the last slot forces padding for ever. `[slots]`.
    slots: Tensor,
    /// Which tokens a number's state allows, `[states, vocabulary]` bool.
    allowed: Tensor,
    /// State after a word in a number's state, -1 when the number is finished, `[states, vocabulary]`.
    next: Tensor,
}

/// Where each row of a batch stands in the grammar, `[rows]` each.
struct Cursor {
    slot: Tensor,
    state: Tensor,
}

impl Cursor {
    fn select(&self, rows: &Tensor) -> Self {
        Self {
            slot: self.slot.index_select(0, rows),
            state: self.state.index_select(0, rows),
        }
    }
}

impl Rules {
    fn new(encoding: &dyn Encoding, vocabulary: i64, shapes: &[Shape], device: tch::Device) -> Self {
        let grammar = Grammar::new(encoding);
        let states = grammar.states() as i64;
        let mut slots = grammar.slots(shapes);
        slots.push(PAD);
        let whole = (Kind::Int64, tch::Device::Cpu);
        let allowed = Tensor::zeros([states, vocabulary], (Kind::Bool, tch::Device::Cpu));
        let next = Tensor::full([states, vocabulary], -1, whole);
        let words = encoding.words().len() as i64;
        allowed
            .narrow(1, WORDS, words)
            .copy_(&Tensor::from_slice(&grammar.allowed().concat()).view([states, words]));
        next.narrow(1, WORDS, words)
            .copy_(&Tensor::from_slice(&grammar.next().concat()).view([states, words]));
        Self {
            slots: Tensor::from_slice(&slots).to_device(device),
            allowed: allowed.to_device(device),
            next: next.to_device(device),
        }
    }

    /// After the token that begins.
    fn start(&self, rows: i64) -> Cursor {
        let whole = (Kind::Int64, self.slots.device());
        Cursor {
            slot: Tensor::ones([rows], whole),
            state: Tensor::zeros([rows], whole),
        }
    }

    /// Log-probabilities `[rows, vocabulary]` among the legal tokens; a forced token has 0.
    fn log_probabilities(&self, logits: &Tensor, cursor: &Cursor) -> Tensor {
        let forced = self.slots.index_select(0, &cursor.slot).unsqueeze(1);
        let allowed = self.allowed.index_select(0, &cursor.state);
        let free = logits
            .masked_fill(&allowed.logical_not(), f64::NEG_INFINITY)
            .log_softmax(-1, None::<Kind>);
        let token = Tensor::arange(logits.size()[1], (Kind::Int64, self.slots.device()));
        let only = token.unsqueeze(0).eq_tensor(&forced);
        let certain = only.to_kind(Kind::Float).log();
        free.where_self(&forced.lt(0), &certain)
    }

    fn advance(&self, cursor: &Cursor, token: &Tensor) -> Cursor {
        let forced = self.slots.index_select(0, &cursor.slot).ge(0);
        let next = self
            .next
            .index_select(0, &cursor.state)
            .gather(1, &token.unsqueeze(1), false)
            .squeeze_dim(1);
        let finished = forced.logical_or(&next.lt(0));
        let last = self.slots.size()[0] - 1;
        Cursor {
            slot: (&cursor.slot + finished.to_kind(Kind::Int64)).clamp_max(last),
            state: next.masked_fill(&finished, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Probabilities of a field's classes, given what is known of the number.
    type Digits<'a> = &'a dyn Fn(&[i64]) -> Vec<f64>;

    /// Classes of the digits of the median, of logits `[1, 1, classes]` that depend on what is known.
    fn digits(fields: &[Digits<'_>]) -> Vec<i64> {
        let mut median = Median::new(&Tensor::zeros([1, 1, 0], (Kind::Int64, tch::Device::Cpu)));
        let mut known = Vec::new();
        for field in fields {
            let probability: Vec<f32> = field(&known).iter().map(|&p| p as f32).collect();
            let logits = Tensor::from_slice(&probability).log().view([1, 1, -1]);
            known.push(median.next(&logits).int64_value(&[0, 0, 0]));
        }
        known
    }

    #[test]
    fn the_median_is_not_the_most_probable_number() {
        assert_eq!(digits(&[&|_| vec![0.4, 0.15, 0.15, 0.15, 0.15]]), [1]);
        assert_eq!(digits(&[&|_| vec![0.1, 0.6, 0.3]]), [1]);
        assert_eq!(digits(&[&|_| vec![0.0, 0.0, 1.0]]), [2]);
    }

    #[test]
    fn the_share_says_where_within_its_digit_the_median_lies() {
        let mut median = Median::new(&Tensor::zeros([1, 1, 0], (Kind::Int64, tch::Device::Cpu)));
        let _ = median.next(&Tensor::from_slice(&[0.1f32, 0.6, 0.3]).log().view([1, 1, -1]));
        // 0.4 of the 0.6 lie below one half.
        assert!((median.share.double_value(&[0, 0]) - 2.0 / 3.0).abs() < 1e-6);
        let _ = median.next(&Tensor::from_slice(&[0.25f32, 0.75]).log().view([1, 1, -1]));
        // Of these 0.6, 0.15 are of the first digit that follows: 0.25 of 0.45 is what is left.
        assert!((median.share.double_value(&[0, 0]) - 5.0 / 9.0).abs() < 1e-6);
    }

    #[test]
    fn digits_after_digits_are_those_of_one_median() {
        // 0: 0.30, 1: 0.40 (of which 10: 0.10, 11: 0.05, 12: 0.25), 2: 0.30. Up to 11 there is 0.45, up to 12 there is 0.70.
        let last: &dyn Fn(&[i64]) -> Vec<f64> = &|known| match known {
            [1] => vec![0.25, 0.125, 0.625],
            other => panic!("{other:?} is not where the median is"),
        };
        assert_eq!(digits(&[&|_| vec![0.3, 0.4, 0.3], last]), [1, 2]);
        // Half of the probability lies below 11 where 10 has 0.2 of the 0.4.
        assert_eq!(digits(&[&|_| vec![0.3, 0.4, 0.3], &|_| vec![0.45, 0.1, 0.45]]), [1, 1]);
    }
}
