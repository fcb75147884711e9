//! The effective settings of a configuration, with defaults, and its security warnings
//! (`jam check`).

use std::fmt;

use serde_json::Value;

use super::{
    Config,
    reference::{below, inner, meaning_and_default, schema},
    weak::weak,
};

/// One setting of a table that the configuration has.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExplainedSetting {
    /// The table, such as `jwt.accept[0]`. Empty for the instance itself.
    pub table: String,
    /// The name of the setting in its table.
    pub name: String,
    /// The stated value, or the default in the words of the reference. A secret is `(not shown)`.
    pub value: String,
    /// Whether the configuration or a variable states the value.
    pub is_stated: bool,
}

/// Omits the value.
impl fmt::Debug for ExplainedSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExplainedSetting")
            .field("table", &self.table)
            .field("name", &self.name)
            .field("is_stated", &self.is_stated)
            .finish_non_exhaustive()
    }
}

/// A setting that weakens the security of an instance, or that is stated by an old name.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SettingWarning {
    /// The setting, such as `jwt.ttl`, or `the configuration` for the file as a whole.
    pub setting: String,
    /// Why it is weak, or what it is called now.
    pub reason: String,
}

/// Returns every setting of each table that the configuration has.
pub(super) fn explain(stated: &Value) -> Vec<ExplainedSetting> {
    let mut settings = Vec::new();
    explain_table(&mut settings, "", &schema(), stated);
    settings
}

/// Returns the settings that weaken an instance, and those with an old name.
pub(super) fn warnings(config: &Config) -> Vec<SettingWarning> {
    let exposed = config.is_exposed.then(|| {
        let reason = "the file contains a secret and is readable by every user of this machine";
        ("the configuration".to_owned(), reason.to_owned())
    });
    let weak = weak(config).into_iter().chain(exposed);
    let weak = weak.map(|(setting, reason)| SettingWarning { setting, reason });
    config.renamed.iter().cloned().chain(weak).collect()
}

/// Adds the settings of one table, then those of its inner tables.
fn explain_table(
    explained: &mut Vec<ExplainedSetting>,
    path: &str,
    schema: &Value,
    stated: &Value,
) {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let (tables, settings): (Vec<_>, Vec<_>) =
        properties.partition(|(_, property)| inner(property).is_some());
    explained.extend(
        settings
            .into_iter()
            .map(|(name, property)| ExplainedSetting {
                table: path.to_owned(),
                name: name.clone(),
                value: match &stated[name] {
                    Value::Null => meaning_and_default(property).1,
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                },
                is_stated: !stated[name].is_null(),
            }),
    );
    for (name, property) in tables {
        let (path, stated) = (below(path, name), &stated[name]);
        let Some((_, schema)) = inner(property) else {
            continue;
        };
        match stated {
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    explain_table(explained, &format!("{path}[{at}]"), schema, item);
                }
            }
            Value::Object(entries) if is_map(property) => {
                for (name, entry) in entries {
                    explain_table(explained, &below(&path, name), schema, entry);
                }
            }
            Value::Object(_) => explain_table(explained, &path, schema, stated),
            _ => {}
        }
    }
}

/// Whether a property is a map of tables, whose names the operator chooses.
fn is_map(property: &Value) -> bool {
    property["additionalProperties"]["properties"].is_object()
}

/// Returns the stated settings with secrets redacted.
pub(super) fn redacted(stated: &Value) -> Value {
    redacted_by(stated, &schema())
}

fn redacted_by(stated: &Value, schema: &Value) -> Value {
    let schema = match schema["anyOf"].as_array() {
        Some(choices) => choices
            .iter()
            .find(|choice| choice["type"] != "null")
            .unwrap_or(schema),
        None => schema,
    };
    if schema["writeOnly"] == true && !stated.is_null() {
        return Value::from("(not shown)");
    }
    match stated {
        Value::Array(items) => items
            .iter()
            .map(|item| redacted_by(item, &schema["items"]))
            .collect(),
        Value::Object(entries) => {
            let schema_of = |name: &String| match &schema["properties"][name] {
                Value::Null => &schema["additionalProperties"],
                property => property,
            };
            let entries = entries.iter();
            let entries =
                entries.map(|(name, entry)| (name.clone(), redacted_by(entry, schema_of(name))));
            Value::Object(entries.collect())
        }
        other => other.clone(),
    }
}
