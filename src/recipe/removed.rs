//! Keys and values of earlier versions that are no longer supported.

use anyhow::{Result, bail};
use toml::{Table, Value};

/// A removed key, whose value is now fixed. A recipe may still give the fixed value, so that old recipes and
/// checkpoints load.
struct Removed {
    section: &'static str,
    key: &'static str,
    /// The fixed value, which may depend on the recipe.
    holds: fn(&Table) -> Value,
    instead: &'static str,
}

const KEYS: [Removed; 3] = [
    Removed {
        section: "encoding",
        key: "canonical",
        holds: |encoding| {
            let input = encoding.get("input").and_then(Value::as_str);
            input.is_some_and(|input| input.starts_with("condensed")).into()
        },
        instead: "model.architecture = \"pair\" needs no canonical forms",
    },
    Removed {
        section: "loss",
        key: "mantissa",
        holds: |_| 1.0.into(),
        instead: "loss.sign and loss.exponent are relative to it",
    },
    Removed {
        section: "training",
        key: "momentum",
        holds: |_| 0.95.into(),
        instead: "Muon's momentum is fixed",
    },
];

/// Section, key, removed value, and the nearest supported value.
const VALUES: [(&str, &str, &str, &str); 8] = [
    ("model", "activation", "swiglu", "bilinear"),
    ("model", "normalization", "pre-layer", "pre-rms"),
    ("model", "positions", "grid", "both"),
    ("model", "value_features", "raw", "all"),
    ("model", "value_features", "padded", "all"),
    ("model", "value_features", "log-magnitude", "all"),
    ("model", "value_features", "fourier", "all"),
    ("model", "value_features", "phases", "all"),
];

/// Removes keys of earlier versions if they have the fixed value. Fails for other values of these keys, and for removed
/// values of other keys; the error names the replacement.
pub(super) fn forget(given: &mut Table) -> Result<()> {
    for Removed {
        section,
        key,
        holds,
        instead,
    } in KEYS
    {
        let Some(Value::Table(table)) = given.get_mut(section) else {
            continue;
        };
        let holds = holds(table);
        let same =
            |value: &Value| *value == holds || value.as_integer().is_some_and(|n| holds.as_float() == Some(n as f64));
        match table.remove(key) {
            Some(value) if !same(&value) => bail!(
                "{section}.{key} = {value}: this key was removed, and its value is now always {holds} ({instead}); \
                 leave it out, or use laformer 0.1"
            ),
            _ => {}
        }
    }
    for (section, key, gone, nearest) in VALUES {
        let value = given.get(section).and_then(|table| table.get(key));
        if value.and_then(Value::as_str) == Some(gone) {
            bail!("{section}.{key} = \"{gone}\": this value was removed; use \"{nearest}\", or laformer 0.1");
        }
    }
    Ok(())
}
