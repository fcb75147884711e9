//! Variables in strings, and settings that the environment overrides.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{json::Unambiguous, node::NodeError};

/// The variables of the environment, or of a test.
pub(super) type Variables = BTreeMap<String, String>;

/// Expands the variables in every string of `value`.
pub(super) fn expand(value: &mut Value, variables: &Variables) -> Result<(), NodeError> {
    match value {
        Value::String(text) => *text = expanded(text, variables)?,
        Value::Array(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                expand(item, variables).map_err(|error| error.below(format!("[{at}]")))?;
            }
        }
        Value::Object(table) => {
            for (key, item) in table {
                expand(item, variables).map_err(|error| error.below(key))?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Expands `$VAR`, `${VAR}`, `${VAR:-default}`, and `$$` for a dollar sign.
fn expanded(text: &str, variables: &Variables) -> Result<String, NodeError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (name, default, after) = match after.strip_prefix('{') {
            Some(inside) => {
                let open = || NodeError::new("has a `${` without `}`");
                let (inside, after) = inside.split_once('}').ok_or_else(open)?;
                match inside.split_once(":-") {
                    Some((name, default)) => (name, Some(default), after),
                    None => (inside, None, after),
                }
            }
            None => {
                let end = after.bytes().take_while(|byte| is_word(*byte)).count();
                (&after[..end], None, &after[end..])
            }
        };
        let is_name = !name.is_empty()
            && name.bytes().all(is_word)
            && !name.starts_with(|first: char| first.is_ascii_digit());
        if !is_name {
            return Err(NodeError::new(
                "has a `$` without a variable name; write `$$` for a dollar sign",
            ));
        }
        match (variables.get(name), default) {
            // As in a shell, the default of `:-` also replaces an empty value.
            (Some(value), Some(default)) if value.is_empty() => out.push_str(default),
            (Some(value), _) => out.push_str(value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => {
                return Err(NodeError::new(format!("the variable `{name}` is not set")));
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Sets `jwt.alg` to the value of `JAM__JWT__ALG`, and so on for every variable with the prefix
/// `JAM__`, and records which variable it was.
pub(super) fn override_with(
    table: &mut Map<String, Value>,
    prefix: &str,
    variables: &Variables,
    overridden: &mut BTreeMap<String, String>,
) -> Result<(), NodeError> {
    let prefix = format!("{prefix}__");
    for (name, value) in variables {
        let Some(path) = name.strip_prefix(&prefix) else {
            continue;
        };
        let path = path.to_ascii_lowercase();
        let keys: Vec<&str> = path.split("__").collect();
        let failed = |reason: &str| NodeError {
            path: keys.iter().map(|key| (*key).to_owned()).collect(),
            reason: format!("the variable `{name}` {reason}"),
        };
        let is_list = value.trim_start().starts_with('[');
        let value = if is_list {
            serde_json::from_str::<Unambiguous>(value)
                .map_err(|_| failed("is not a JSON list"))?
                .0
        } else {
            Value::String(value.clone())
        };
        insert_at(table, &keys, literal(value)).map_err(failed)?;
        overridden.insert(keys.join("."), name.clone());
    }
    Ok(())
}

/// Escapes a variable's value, so that it is not expanded again.
fn literal(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('$', "$$")),
        Value::Array(items) => Value::Array(items.into_iter().map(literal).collect()),
        Value::Object(table) => {
            let entries = table.into_iter();
            Value::Object(entries.map(|(key, value)| (key, literal(value))).collect())
        }
        other => other,
    }
}

fn insert_at(
    table: &mut Map<String, Value>,
    keys: &[&str],
    value: Value,
) -> Result<(), &'static str> {
    match keys {
        [] | [""] | ["", ..] => Err("names no setting"),
        [key] => {
            table.insert((*key).to_owned(), value);
            Ok(())
        }
        [key, rest @ ..] => {
            let inner = table.entry(*key).or_insert(Value::Null);
            if inner.is_null() {
                *inner = Value::Object(Map::new());
            }
            let Value::Object(inner) = inner else {
                return Err("passes through a setting that is not a table");
            };
            insert_at(inner, rest, value)
        }
    }
}
