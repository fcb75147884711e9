//! Detects secrets in files that every user of the machine can read.

use std::{fs::File, io};

use serde_json::Value;

/// Whether the file contains a secret itself, not only a variable that holds one.
pub(super) fn holds_secret(value: &Value, schema: &Value) -> bool {
    let choices = schema["anyOf"].as_array().into_iter().flatten();
    let non_null = choices.clone().find(|choice| choice["type"] != "null");
    let schema = non_null.unwrap_or(schema);
    match value {
        Value::String(text) => schema["writeOnly"] == true && !text.contains('$'),
        Value::Array(items) => items
            .iter()
            .any(|item| holds_secret(item, &schema["items"])),
        Value::Object(entries) => entries.iter().any(|(name, entry)| {
            let schema = match &schema["properties"][name] {
                Value::Null => &schema["additionalProperties"],
                property => property,
            };
            holds_secret(entry, schema)
        }),
        _ => false,
    }
}

#[cfg(unix)]
pub(crate) fn is_readable_by_all(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;

    Ok(file.metadata()?.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
pub(super) fn is_readable_by_all(_: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::schema;

    #[test]
    fn only_a_secret_in_the_file_itself_counts() {
        let schema = schema();
        for secret in [
            json!({ "secret": "0123" }),
            json!({ "secret": ["$JAM_SECRET", "0123"] }),
            json!({ "jwt": { "secret_key": "0123" } }),
            json!({ "jwt": { "accept": [{ "secret_key": "0123" }] } }),
            json!({ "store": { "url": "redis://:0123@localhost" } }),
            json!({ "oauth2": { "providers": { "acme": { "client_secret": "0123" } } } }),
        ] {
            assert!(holds_secret(&secret, &schema), "{secret}");
        }
        for none in [
            json!({ "issuer": "0123", "secret_file": "jam.secret" }),
            json!({ "secret": "$JAM_SECRET" }),
            json!({ "secret": ["${JAM_SECRET}"] }),
            json!({ "jwt": { "secret_key_file": "jwt.key" } }),
            json!({ "oauth2": { "providers": { "acme": { "client_id": "0123" } } } }),
        ] {
            assert!(!holds_secret(&none, &schema), "{none}");
        }
    }
}
