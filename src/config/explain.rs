//! What a configuration says, setting by setting, with the defaults of what it leaves unsaid, and what is to be known of it.

use std::path::PathBuf;

use serde_json::Value;

use super::{
    Config,
    reference::{below, described, inner, schema},
    settings::StoreKind,
};

/// One setting of a table that is there.
pub(crate) struct Said {
    /// Its table, such as `jwt.accept[0]`; empty for the instance itself.
    pub(crate) table: String,
    pub(crate) name: String,
    /// What is stated, or the default in the words of the reference. Secrets are not shown.
    pub(crate) value: String,
    pub(crate) is_stated: bool,
}

impl Config {
    /// Every setting of each table that is there.
    pub(crate) fn explain(&self) -> Vec<Said> {
        let mut said = Vec::new();
        table(&mut said, "", &schema(), &self.stated);
        said
    }

    /// What weakens this instance, each with its setting.
    pub(crate) fn warnings(&self) -> Vec<(String, String)> {
        let exposed = self.is_exposed.then(|| {
            let reason = "everybody on this machine may read this file, and a secret in it";
            ("the configuration".to_owned(), reason.to_owned())
        });
        self.weak().into_iter().chain(exposed).collect()
    }

    /// Whether what is kept ends with the process.
    pub(crate) fn is_in_memory(&self) -> bool {
        let store = self.settings.store.as_ref();
        store.is_none_or(|store| store.r#type == StoreKind::Memory)
    }

    /// The file of the secret that only sessions use.
    pub(crate) fn session_secret_file(&self) -> Option<PathBuf> {
        let session = self.settings.session.as_ref()?;
        let file = session.secret_file.as_deref()?;
        Some(self.place.path(file))
    }
}

/// Adds what is said in one table, and then in those within.
fn table(said: &mut Vec<Said>, path: &str, schema: &Value, stated: &Value) {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let (tables, settings): (Vec<_>, Vec<_>) =
        properties.partition(|(_, property)| inner(property).is_some());
    said.extend(settings.into_iter().map(|(name, property)| Said {
        table: path.to_owned(),
        name: name.clone(),
        value: match &stated[name] {
            Value::Null => described(property).1,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
        is_stated: !stated[name].is_null(),
    }));
    for (name, property) in tables {
        let (path, stated) = (below(path, name), &stated[name]);
        let Some((_, schema)) = inner(property) else {
            continue;
        };
        match stated {
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    table(said, &format!("{path}[{at}]"), schema, item);
                }
            }
            Value::Object(entries) if is_map(property) => {
                for (name, entry) in entries {
                    table(said, &below(&path, name), schema, entry);
                }
            }
            Value::Object(_) => table(said, &path, schema, stated),
            _ => {}
        }
    }
}

/// Whether a property is a table of tables with names of the operator's choice.
fn is_map(property: &Value) -> bool {
    property["additionalProperties"]["properties"].is_object()
}

/// What was stated, without what is secret.
pub(super) fn redacted(stated: &Value) -> Value {
    shown(stated, &schema())
}

fn shown(stated: &Value, schema: &Value) -> Value {
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
            .map(|item| shown(item, &schema["items"]))
            .collect(),
        Value::Object(entries) => {
            let of = |name: &String| match &schema["properties"][name] {
                Value::Null => &schema["additionalProperties"],
                property => property,
            };
            let entries = entries.iter();
            let entries = entries.map(|(name, entry)| (name.clone(), shown(entry, of(name))));
            Value::Object(entries.collect())
        }
        other => other.clone(),
    }
}
