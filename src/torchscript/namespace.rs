//! The scripts are written for a model of one problem. A module of several has them once per problem, under names that
//! begin with the problem's.

use crate::dataset::Format;

/// The method that answers the problem of a format: `solve`, or `matrix_vector` where the model answers several.
pub fn method_name(format: &Format) -> String {
    match format.task() {
        None => "solve".to_owned(),
        Some(_) => format.problem.name().replace('-', "_"),
    }
}

/// What a method or an attribute of the scripts for one problem is called in the module of a format: itself, or for one of
/// several problems `eigenvalues_encode`; `solve` is [`method_name`].
pub(super) fn name(format: &Format, own: &str) -> String {
    match (format.task(), own) {
        (None, _) => own.to_owned(),
        (Some(_), "solve") => method_name(format),
        (Some(_), _) => format!("{}_{own}", method_name(format)),
    }
}

/// The scripts with the names of a format, for the methods that they define and the attributes that are given; they may
/// use other names of the module, which stay.
pub(super) fn scripts(format: &Format, source: &str, attributes: &[String]) -> String {
    const DEFINE: &str = "def ";
    const USE: &str = "self.";
    let word = |text: &str| -> usize {
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        end.unwrap_or(text.len())
    };
    let defined: Vec<&str> = source
        .lines()
        .filter_map(|line| line.strip_prefix(DEFINE))
        .map(|rest| &rest[..word(rest)])
        .collect();
    let renamed = |rest: &str| -> String {
        let (own, rest) = rest.split_at(word(rest));
        if defined.contains(&own) || attributes.iter().any(|attribute| attribute == own) {
            name(format, own) + rest
        } else {
            own.to_owned() + rest
        }
    };
    let lines = source.lines().map(|line| {
        let line = match line.strip_prefix(DEFINE) {
            Some(rest) => DEFINE.to_owned() + &renamed(rest),
            None => line.to_owned(),
        };
        let mut parts = line.split(USE);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |line, part| line + USE + &renamed(part)) + "\n"
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Recipe;

    const SOURCE: &str = "\
# self.solve is explained here.
def solve(self, matrix: Tensor) -> Tensor:
    return self.half(self.traced(matrix), self.rows) + self.rows_left


def half(self, x: Tensor, n: int) -> Tensor:
    return x / n
";

    fn formats(problem: &str) -> Vec<Format> {
        let recipe = Recipe::parse(&format!("problem = \"{problem}\"\ndim = 2"), &[]).unwrap();
        recipe.format().unwrap().tasks()
    }

    #[test]
    fn a_model_of_one_problem_keeps_its_names() {
        let format = &formats("matrix-vector")[0];
        assert_eq!(scripts(format, SOURCE, &["rows".into()]), SOURCE);
        assert_eq!(method_name(format), "solve");
    }

    #[test]
    fn each_of_several_problems_has_names_of_its_own() {
        let wanted = "\
# self.matrix_vector is explained here.
def matrix_vector(self, matrix: Tensor) -> Tensor:
    return self.matrix_vector_half(self.traced(matrix), self.matrix_vector_rows) + self.rows_left


def matrix_vector_half(self, x: Tensor, n: int) -> Tensor:
    return x / n
";
        let formats = formats("matrix-vector+add");
        assert_eq!(scripts(&formats[1], SOURCE, &["rows".into()]), wanted);
        assert!(scripts(&formats[0], SOURCE, &[]).contains("def add(self"));
    }
}
