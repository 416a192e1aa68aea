//! Condensed forms of inverses.

use super::*;
use proptest::prelude::*;

fn of_inverse(operands: Matrix) -> Example {
    let inverse = operands.clone().try_inverse().unwrap();
    Example {
        operands: vec![operands],
        solution: vec![inverse],
        clean: Vec::new(),
    }
}

fn condenser() -> Preparation {
    let recipe = Recipe::parse(
        "problem = \"inverse\"\ndim = \"1-4\"\nencoding.input = \"condensed\"\nencoding.normalize = false",
        &[],
    )
    .unwrap();
    Preparation::new(&recipe.format()).unwrap().unwrap()
}

fn prepared(preparation: &Preparation, examples: &[Example]) -> Example {
    let mut prepared = Vec::new();
    preparation.prepare(examples, &mut prepared).unwrap();
    prepared.swap_remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn a_condensed_form_is_bidiagonal_and_gives_the_inverse_back(numbers in prop::collection::vec(-10.0f64..10.0, 16)) {
        let matrix = Matrix::from_row_slice(4, 4, &numbers);
        prop_assume!(matrix.determinant().abs() > 1.0);
        let example = of_inverse(matrix);
        let examples = std::slice::from_ref(&example);
        let preparation = condenser();
        let condensed = prepared(&preparation, examples);
        let form = &condensed.operands[0];
        for (i, j) in (0..4).flat_map(|i| (0..4).map(move |j| (i, j))) {
            let is_near = i == j || i + 1 == j;
            prop_assert!(if is_near { form[(i, j)] > 0.0 } else { form[(i, j)].abs() < 1e-9 }, "{form}");
        }
        let of_form = form.clone().try_inverse().unwrap();
        prop_assert!((&condensed.solution[0] - &of_form).amax() < 1e-8 * of_form.amax());
        let restored = preparation.restored(examples, &[&condensed.solution]).unwrap();
        prop_assert!((&restored[0][0] - &example.solution[0]).amax() < 1e-8 * example.solution[0].amax());
    }
}

#[test]
fn a_hand_worked_condensed_form() {
    // The matrix is 5 times a rotation, so its bidiagonal form is 5 times the identity.
    let example = of_inverse(Matrix::from_row_slice(2, 2, &[3.0, 4.0, -4.0, 3.0]));
    let condensed = prepared(&condenser(), &[example]);
    assert!((&condensed.operands[0] - Matrix::from_diagonal_element(2, 2, 5.0)).amax() < 1e-12);
}
