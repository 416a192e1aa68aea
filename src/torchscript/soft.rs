//! `soft_solve`: the answer as an expected number, with a gradient.

use crate::dataset::{Format, Target};
use crate::encoding::{Encoding, Part};

/// The scripts of `soft_solution`, which `soft_solve` shapes as `solve` does; of a model that has no soft answer, an error
/// that says why.
pub(super) fn source(format: &Format) -> String {
    let output = format.output.as_ref();
    let refusal = match (format.target, fields(output)) {
        (Target::Classes, Some(fields)) => return soft_source(&fields),
        (Target::Tokens, _) => {
            "soft_solve is for models that predict all coefficients at once (decoder = 'parallel'); \
                                this one writes token after token"
                .to_owned()
        }
        (Target::Classes, None) => format!(
            "soft_solve is for answers in P10, P1000 and B1999; those of this model are in {}, which has no exponent apart",
            output.name()
        ),
    };
    format!(
        "\n\ndef soft_solution(self, operands: List[Tensor]) -> List[Tensor]:\n    raise ValueError(\"{refusal}\")\n"
    )
}

fn soft_source(fields: &[String]) -> String {
    let logits: String = (0..fields.len() - 1)
        .map(|rank| format!("    if rank == {rank}:\n        return self.field_logits_{rank}(hidden, known)\n"))
        .collect();
    format!(
        r#"

# Part, class of zero and worth of a class of every field, as they are predicted.
def soft_fields(self) -> List[Tuple[str, int, int]]:
    return [{list}]


def rank_logits(self, rank: int, hidden: Tensor, known: Tensor) -> Tensor:
{logits}    return self.field_logits_{last}(hidden, known)


{script}"#,
        list = fields.join(", "),
        last = fields.len() - 1,
        script = include_str!("soft.py"),
    )
}

/// `("mantissa", 0, 10)`, part by part in the order of prediction; none where a field holds mantissa and exponent.
fn fields(encoding: &dyn Encoding) -> Option<Vec<String>> {
    let fields = encoding.fields();
    let field = |&place: &usize| {
        let classes = fields[place].classes();
        let (part, zero, unit) = match fields[place].part {
            Part::Sign => ("sign", 0, 1),
            Part::Exponent => ("exponent", classes / 2, 1),
            Part::SignedMantissa => ("mantissa", classes / 2, 1),
            Part::Mantissa { .. } => {
                let less = fields[place + 1..].iter();
                let less = less.take_while(|field| matches!(field.part, Part::Mantissa { .. }));
                ("mantissa", 0, less.map(|field| field.classes()).product())
            }
            Part::Float => return None,
        };
        Some(format!("(\"{part}\", {zero}, {unit})"))
    };
    encoding.prediction_order().iter().map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::named;

    #[test]
    fn fields_add_up_to_the_mantissa() {
        let told = |name: &str| fields(named(name).unwrap().as_ref()).map(|fields| fields.join(" "));
        let positional = r#"("sign", 0, 1) ("exponent", 100, 1) "#;
        for (name, mantissa) in [
            ("P10", r#"("mantissa", 0, 100) ("mantissa", 0, 10) ("mantissa", 0, 1)"#),
            ("P1000", r#"("mantissa", 0, 1)"#),
            ("P1000:5", r#"("mantissa", 0, 100) ("mantissa", 0, 1)"#),
        ] {
            assert_eq!(told(name), Some(format!("{positional}{mantissa}")), "{name}");
        }
        let b1999 = r#"("exponent", 100, 1) ("mantissa", 999, 1)"#;
        assert_eq!(told("B1999").as_deref(), Some(b1999));
        assert_eq!(told("FP15"), None);
    }
}
