//! Merging a recipe's file and `--set` into the defaults.

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

/// Turns sizes into strings: `dim = 5` becomes `dim = "5"`.
pub(super) fn size_texts(given: &mut Table) -> Result<()> {
    for key in ["dim", "rows", "cols"] {
        match given.get(key) {
            Some(Value::Integer(number)) => {
                let text = number.to_string();
                given.insert(key.into(), Value::String(text));
            }
            None | Some(Value::String(_)) => {}
            Some(other) => bail!("{key} = {other}: expected a size such as 5, or a range such as \"5-15\""),
        }
    }
    Ok(())
}

/// Applies `a.b=value`. A value that is not TOML is taken as a string.
pub(super) fn set(given: &mut Table, text: &str) -> Result<()> {
    let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.trim().is_empty()) else {
        bail!("--set {text}: expected KEY=VALUE, e.g. --set training.batch_size=128");
    };
    let value = value.trim();
    let parsed = format!("value = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"));
    let value = parsed.unwrap_or_else(|| Value::String(value.to_string()));
    let mut keys: Vec<&str> = key.trim().split('.').collect();
    let last = keys.pop().unwrap_or_default();
    let mut table = given;
    for key in keys {
        let entry = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
        table = entry
            .as_table_mut()
            .with_context(|| format!("--set {text}: {key} is a value, not a section"))?;
    }
    table.insert(last.to_string(), value);
    Ok(())
}

/// Writes the given values over the defaults. Fails for a key without default.
pub(super) fn merge(defaults: &mut Table, given: Table, prefix: &str) -> Result<()> {
    for (key, value) in given {
        let full = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        if !defaults.contains_key(&key) {
            let names: Vec<&str> = defaults.keys().map(String::as_str).collect();
            let nearest = names
                .iter()
                .max_by(|a, b| strsim::jaro_winkler(a, &key).total_cmp(&strsim::jaro_winkler(b, &key)));
            let place = if prefix.is_empty() {
                "a recipe".to_string()
            } else {
                format!("[{prefix}]")
            };
            bail!(
                "unknown key {full}: did you mean {}? {place} has {}",
                nearest.copied().unwrap_or_default(),
                names.join(", ")
            );
        }
        match (defaults.get_mut(&key), value) {
            (Some(Value::Table(section)), Value::Table(table)) => merge(section, table, &full)?,
            (Some(Value::Table(_)), other) => bail!("{full} = {other}: expected a section [{full}]"),
            // An integer is a valid value for a float key.
            (Some(slot @ Value::Float(_)), Value::Integer(number)) => *slot = Value::Float(number as f64),
            (Some(slot), value) => *slot = value,
            (None, _) => {}
        }
    }
    Ok(())
}
