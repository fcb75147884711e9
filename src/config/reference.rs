//! The reference page and the JSON Schema of the configuration, generated from the structs that
//! read it.

use std::fmt::Write;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::settings::InstanceSettings;

/// Returns the JSON Schema (draft 2020-12) of an instance's table, for editors that complete and
/// check settings.
#[must_use]
pub fn schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<InstanceSettings>()
        .to_value();
    schema["title"] = "tower-jam".into();
    schema
}

/// Returns the reference of all settings, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = "# Reference\n\nThe settings of an instance, grouped by table.\n".to_owned();
    table(&mut page, "", &schema());
    page
}

/// Writes the rows of one table, then its inner tables.
fn table(page: &mut String, path: &str, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let is_table = |schema: &Value| inner(schema).is_some();
    if properties.values().any(|property| !is_table(property)) {
        let title = match path {
            "" => "The instance".to_owned(),
            path => format!("`{path}`"),
        };
        append(
            page,
            &format!("\n## {title}\n\n| setting | form | default | meaning |\n|---|---|---|---|\n"),
        );
    }
    for (name, property) in properties {
        if !is_table(property) {
            let (meaning, default) = meaning_and_default(property);
            append(
                page,
                &format!(
                    "| `{}` | {} | {default} | {meaning} |\n",
                    below(path, name),
                    type_of(property)
                ),
            );
        }
    }
    for (name, property) in properties {
        let Some((suffix, schema)) = inner(property) else {
            continue;
        };
        let path = format!("{}{suffix}", below(path, name));
        let (meaning, default) = meaning_and_default(property);
        append(
            page,
            &format!("\nThe table `{path}`: {meaning} Default: {default}.\n"),
        );
        table(page, &path, schema);
    }
}

fn append(page: &mut String, text: &str) {
    page.write_str(text)
        .expect("writing to a string never fails");
}

pub(super) fn below(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

/// Returns the schema of the table that a property is, or of the tables in its list or map.
pub(super) fn inner(property: &Value) -> Option<(&'static str, &Value)> {
    if let Some(choices) = property["anyOf"].as_array() {
        return choices.iter().find_map(inner);
    }
    if property["properties"].is_object() {
        return Some(("", property));
    }
    if property["items"]["properties"].is_object() {
        return Some(("[]", &property["items"]));
    }
    let values = &property["additionalProperties"];
    values["properties"]
        .is_object()
        .then_some((".NAME", values))
}

/// Returns the meaning of a property, and its default.
pub(super) fn meaning_and_default(property: &Value) -> (String, String) {
    let text = property["description"].as_str().unwrap_or_default();
    let text = text.replace('\n', " ");
    let (meaning, default) = text.split_once("Default: ").unwrap_or((&text, ""));
    let default = default.strip_suffix('.').unwrap_or(default);
    (meaning.trim().to_owned(), default.to_owned())
}

/// Returns the type of a property, for the reader.
fn type_of(property: &Value) -> String {
    if let Some(choices) = property["anyOf"].as_array() {
        let mut choices = choices.iter().filter(|choice| choice["type"] != "null");
        return choices.next().map(type_of).unwrap_or_default();
    }
    let names = allowed_values(property);
    if !names.is_empty() {
        return names.join(", ");
    }
    if property["title"] == "duration" {
        return "duration".to_owned();
    }
    let types = match &property["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect::<Vec<_>>(),
    };
    let types = types.into_iter().filter(|name| *name != "null");
    let types = types.map(|name| match name {
        "integer" => "number".to_owned(),
        "object" => "table of strings".to_owned(),
        "array" => match allowed_values(&property["items"]) {
            names if names.is_empty() => "list of strings".to_owned(),
            names => format!("list of {}", names.join(", ")),
        },
        other => other.to_owned(),
    });
    types.collect::<Vec<_>>().join(" or ")
}

/// Returns the values that a property is restricted to.
fn allowed_values(property: &Value) -> Vec<String> {
    let listed = property["enum"].as_array().into_iter().flatten();
    let chosen = property["oneOf"].as_array().into_iter().flatten();
    let chosen = chosen.flat_map(|choice| {
        let listed = choice["enum"].as_array().into_iter().flatten();
        listed.chain(Some(&choice["const"]))
    });
    let names = listed.chain(chosen).filter_map(Value::as_str);
    names.map(|name| format!("`{name}`")).collect()
}
