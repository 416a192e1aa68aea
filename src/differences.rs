//! The differences between two recipes.

use toml::{Table, Value};

/// Returns the keys whose values differ, each with both values as TOML. `nothing` stands for a missing key.
pub fn differences(a: &Table, b: &Table) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    collect(a, b, "", &mut found);
    found
}

fn collect(a: &Table, b: &Table, prefix: &str, found: &mut Vec<(String, String, String)>) {
    let text = |value: Option<&Value>| value.map_or("nothing".to_string(), Value::to_string);
    let only_in_b = b.keys().filter(|key| !a.contains_key(*key));
    for key in a.keys().chain(only_in_b) {
        let full = format!("{prefix}{key}");
        match (a.get(key), b.get(key)) {
            (Some(Value::Table(left)), Some(Value::Table(right))) => collect(left, right, &format!("{full}."), found),
            (left, right) if left == right => {}
            (left, right) => found.push((full, text(left), text(right))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_either_side_are_compared() {
        let [a, b]: [Table; 2] =
            ["x = 1\n[y]\nz = 2\nsame = 3", "w = 4\n[y]\nz = 5\nsame = 3"].map(|text| text.parse().unwrap());
        let found = differences(&a, &b);
        let wanted = [("x", "1", "nothing"), ("y.z", "2", "5"), ("w", "nothing", "4")];
        assert_eq!(found, wanted.map(|(key, a, b)| (key.into(), a.into(), b.into())));
    }
}
