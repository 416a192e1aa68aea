//! Sets of problems that one model learns together.

use super::{ALL, Problem, UnknownProblem, named};
use crate::matrix::find;
use serde_with::{DeserializeFromStr, SerializeDisplay};
use std::{fmt, str::FromStr};

/// One or more problems, in the order of [`ALL`]: `add+eigenvalues`. If there are several, a token tells the model
/// which one to solve.
#[derive(Clone, Debug, SerializeDisplay, DeserializeFromStr)]
pub struct Problems(Vec<&'static dyn Problem>);

impl Problems {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Always false: a set has at least one problem.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &'static dyn Problem> + '_ {
        self.0.iter().copied()
    }

    /// The problem of the first task.
    pub fn first(&self) -> &'static dyn Problem {
        self.0[0]
    }

    /// Names in the order of their tasks.
    pub fn names(&self) -> Vec<&'static str> {
        self.iter().map(|problem| problem.name()).collect()
    }

    /// The task of a problem: its index in the set.
    pub fn task(&self, name: &str) -> Result<usize, UnknownProblem> {
        let tasks: Vec<usize> = (0..self.len()).collect();
        find("problem", name, &tasks, |task| self.0[task].name())
    }
}

impl From<&'static dyn Problem> for Problems {
    fn from(problem: &'static dyn Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join("+"))
    }
}

impl FromStr for Problems {
    type Err = InvalidProblems;

    /// Names joined by `+`, in any order.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut names = Vec::new();
        for name in text.split('+').map(str::trim) {
            let name = named(name)?.name();
            if names.contains(&name) {
                return Err(InvalidProblems::Twice(name));
            }
            names.push(name);
        }
        let chosen = ALL.iter().copied().filter(|problem| names.contains(&problem.name()));
        Ok(Self(chosen.collect()))
    }
}

impl PartialEq for Problems {
    fn eq(&self, other: &Self) -> bool {
        self.names() == other.names()
    }
}

/// An error in the text form of a set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProblems {
    #[error(transparent)]
    Unknown(#[from] UnknownProblem),
    #[error("`{0}` is named twice: name each problem once, as in transpose+add")]
    Twice(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Problems {
        text.parse().unwrap()
    }

    #[test]
    fn the_order_of_names_does_not_matter() {
        for text in [
            "eigenvalues+transpose+add",
            "transpose + add + eigenvalues",
            "add+eigenvalues+transpose",
        ] {
            assert_eq!(problems(text).to_string(), "transpose+add+eigenvalues");
        }
        assert_eq!(problems("svd").names(), ["svd"]);
    }

    #[test]
    fn tasks_are_found_by_name() {
        let set = problems("inverse+add");
        assert_eq!((set.task("add"), set.task("inverse")), (Ok(0), Ok(1)));
        let message = set.task("inverse2").unwrap_err().to_string();
        assert_eq!(
            message,
            "unknown problem `inverse2`: did you mean `inverse`? Allowed: add, inverse"
        );
    }

    #[test]
    fn errors_name_the_fault_of_a_set() {
        let message = |text: &str| text.parse::<Problems>().unwrap_err().to_string();
        assert_eq!(
            message("add+svd+add"),
            "`add` is named twice: name each problem once, as in transpose+add"
        );
        assert!(message("add+").contains("unknown problem ``"));
        assert!(message("add+eigenvalue").contains("did you mean `eigenvalues`"));
    }

    #[test]
    fn sets_are_equal_if_their_problems_are() {
        assert_eq!(problems("add+transpose"), problems("transpose+add"));
        assert_ne!(problems("add+transpose"), problems("add"));
    }
}
