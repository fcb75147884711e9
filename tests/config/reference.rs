//! The reference page agrees with the structs, for every setting.

use std::fs;

use serde_json::Value;
use tower_jam::config::{reference, schema};

/// Run with `UPDATE_REFERENCE=1` to write the page.
#[test]
fn the_page_agrees_with_the_structs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/reference.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(path, reference()).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), reference());
}

#[test]
fn every_setting_has_a_form_a_default_and_a_meaning() {
    let page = reference();
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    assert!(rows.len() > 100, "{} settings", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        assert!(
            cells.len() == 4 && cells.iter().all(|cell| !cell.trim().is_empty()),
            "{row}"
        );
    }
    for path in [
        "jwt.alg",
        "jwt.accept[].kid",
        "store.near_cache.max_age",
        "throttle.account.attempts",
        "oauth2.providers.NAME.client_id",
    ] {
        assert!(page.contains(&format!("| `{path}` |")), "{path}");
    }
}

#[test]
fn every_setting_of_the_schema_is_on_the_page() {
    fn walk(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(members) => {
                if let Some(properties) = members.get("properties") {
                    found.extend(properties.as_object().unwrap().keys().cloned());
                }
                members.values().for_each(|value| walk(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }
    let (schema, page) = (schema(), reference());
    assert_eq!(schema["additionalProperties"], Value::Bool(false));
    let mut names = Vec::new();
    walk(&schema, &mut names);
    for name in names {
        assert!(
            page.contains(&format!("{name}`"))
                || page.contains(&format!("{name}[]`"))
                || page.contains(&format!("{name}.")),
            "{name}"
        );
    }
}
