//! What a configuration says, setting by setting, with the defaults of what it leaves unsaid, and what is to be known of it.

use std::path::PathBuf;

use serde_json::Value;

use super::{
    Config,
    reference::{below, described, inner, schema},
    settings::{BlacklistKind, FormatKind, ListKind, Settings, StoreKind, VersionKind},
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
    pub(crate) fn warnings(&self) -> Vec<(String, &'static str)> {
        weak(&self.settings)
            .into_iter()
            .filter(|(_, is_so, _)| *is_so)
            .map(|(setting, _, reason)| (setting.to_owned(), reason))
            .chain(self.unencrypted())
            .chain(self.is_exposed.then(|| {
                let reason = "everybody on this machine may read this file, and a secret in it";
                ("the configuration".to_owned(), reason)
            }))
            .collect()
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

    fn unencrypted(&self) -> impl Iterator<Item = (String, &'static str)> {
        let providers = self
            .settings
            .oauth2
            .iter()
            .flat_map(|table| &table.providers);
        let open = providers.filter(|(_, provider)| provider.insecure_http_on_loopback);
        open.map(|(name, _)| {
            let setting = format!("oauth2.providers.{name}.insecure_http_on_loopback");
            (
                setting,
                "what is said to this provider is not encrypted: for trying only",
            )
        })
    }
}

/// The settings that weaken an instance, whether they are so, and what that means.
fn weak(settings: &Settings) -> Vec<(&'static str, bool, &'static str)> {
    let store = settings.store.as_ref();
    let in_memory = store.is_none_or(|store| store.r#type == StoreKind::Memory);
    let refreshed = settings.refresh.as_ref().map(|refresh| refresh.format);
    let (jwt, paseto) = (settings.jwt.as_ref(), settings.paseto.as_ref());
    let (refresh, session) = (settings.refresh.as_ref(), settings.session.as_ref());
    let is_bare = |name: &String| !name.starts_with("__Host-");
    vec![
        (
            "store",
            in_memory,
            "what it keeps ends with the process, and no other node sees it",
        ),
        (
            "store.dangerous_allow_eviction",
            store.is_some_and(|store| store.dangerous_allow_eviction),
            "what has been ended may come back",
        ),
        (
            "jwt.list",
            refreshed != Some(FormatKind::Jwt) && jwt.is_some_and(|jwt| jwt.list == ListKind::None),
            "a token is good until it expires: nothing calls it back",
        ),
        (
            "jwt.untyped",
            jwt.is_some_and(|jwt| jwt.untyped),
            "a JWT of another kind by the same key passes",
        ),
        (
            "paseto.list",
            refreshed != Some(FormatKind::Paseto)
                && paseto.is_some_and(|paseto| paseto.list == ListKind::None),
            "a token is good until it expires: nothing calls it back",
        ),
        (
            "paseto.version",
            paseto.is_some_and(|paseto| paseto.version == VersionKind::V2),
            "is legacy",
        ),
        (
            "refresh.rotate",
            refresh.is_some_and(|refresh| refresh.rotate == Some(false)),
            "a stolen refresh token is not noticed",
        ),
        (
            "refresh.blacklist",
            refresh.is_some_and(|refresh| {
                matches!(refresh.blacklist, Some(BlacklistKind::DangerousNone))
            }),
            "a logout ends nothing",
        ),
        (
            "session.cookie",
            session.is_some_and(|session| session.cookie.as_ref().is_some_and(is_bare)),
            "without `__Host-` a sibling domain can set this cookie",
        ),
        (
            "session.dangerous_plain_records",
            session.is_some_and(|session| session.dangerous_plain_records),
            "whoever reads the store reads what sessions hold",
        ),
    ]
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
