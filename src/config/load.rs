//! Loads settings from a file, a string or a value.

use std::{
    collections::BTreeMap,
    env, fmt,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Config,
    exposed::{holds_secret, is_readable_by_all},
    json::Unambiguous,
    node::{Node, NodeError},
    place::Location,
    reference::schema,
    renamed,
    settings::InstanceSettings,
    vars::{self, Variables},
};
use crate::error::ConfigError;

/// The format of a configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Format {
    /// `.toml`.
    Toml,
    /// `.yaml` or `.yml`.
    Yaml,
    /// `.json`.
    Json,
}

/// A configuration that is about to be loaded.
#[must_use = "nothing is read until this is loaded"]
pub struct Loader {
    source: Source,
    table: Option<String>,
    variables: Option<Variables>,
    prefix: String,
}

enum Source {
    File(PathBuf),
    Text(String, Format),
    Value(Result<Value, serde_json::Error>),
}

impl Loader {
    pub(super) fn file(path: &Path) -> Self {
        Self::new(Source::File(path.to_owned()))
    }

    pub(super) fn text(text: &str, format: Format) -> Self {
        Self::new(Source::Text(text.to_owned(), format))
    }

    pub(super) fn value(value: &impl Serialize) -> Self {
        Self::new(Source::Value(serde_json::to_value(value)))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            table: None,
            variables: None,
            prefix: "JAM".to_owned(),
        }
    }

    /// Selects the table of the instance, such as `auth.admin`. Default: `jam` if there is such a
    /// table, otherwise the whole document.
    pub fn table(mut self, pointer: &str) -> Self {
        self.table = Some(pointer.to_owned());
        self
    }

    /// Sets the variables, in place of the process environment.
    pub fn variables(
        mut self,
        variables: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let variables = variables.into_iter();
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        self.variables = Some(variables.collect());
        self
    }

    /// Sets the prefix of overriding variables, without the `__`. Default: `JAM`. Two instances in
    /// one process need different prefixes; otherwise an override applies to both.
    pub fn overrides(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Loads the settings and checks what can be checked without a store.
    ///
    /// # Errors
    ///
    /// If the source cannot be read, or a setting is unknown, has the wrong type, or names a
    /// variable that is not set.
    pub fn load(self) -> Result<Config, ConfigError> {
        let mut location = Location::default();
        // In a value from the program, null means that the setting is unset.
        let is_text = !matches!(self.source, Source::Value(_));
        let mut is_exposed = false;
        let document = match self.source {
            Source::File(path) => {
                location.file = Some(path.display().to_string());
                path.parent()
                    .unwrap_or(Path::new(""))
                    .clone_into(&mut location.folder);
                let (document, is_readable) = read(&path, &location)?;
                is_exposed = is_readable;
                document
            }
            Source::Text(text, format) => {
                parse(&text, format).map_err(|error| location.node_error(error))?
            }
            Source::Value(value) => value.map_err(|_| {
                location.node_error(NodeError::new(
                    "does not serialise as a table with string keys",
                ))
            })?,
        };
        let mut table = select(document, self.table.as_deref(), &mut location)?;
        let variables = self.variables.unwrap_or_else(environment);
        if is_exposed {
            is_exposed = holds_secret(&Value::Object(table.clone()), &schema());
        }
        if is_exposed {
            let file = location.file.as_deref();
            tracing::warn!(
                file,
                "this configuration contains a secret and is readable by every user of this machine"
            );
        }
        let mut overrides = BTreeMap::new();
        let overridden = vars::override_with(&mut table, &self.prefix, &variables, &mut overrides);
        location.overrides = overrides;
        let read = overridden.and_then(|()| {
            let mut table = Value::Object(table);
            if is_text {
                reject_empty(&table)?;
            }
            vars::expand(&mut table, &variables)?;
            let renamed = renamed::replace(&mut table)?;
            Ok((InstanceSettings::deserialize(Node(&table))?, table, renamed))
        });
        let (settings, table, renamed) = read.map_err(|error| location.node_error(error))?;
        Ok(Config {
            settings,
            location,
            stated: super::explain::redacted(&table),
            renamed,
            is_exposed,
        })
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

/// Returns the variables of the process. One that is not Unicode is ignored.
fn environment() -> Variables {
    let all = env::vars_os();
    all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads a file. Also returns whether every user of the machine can read it.
fn read(path: &Path, location: &Location) -> Result<(Value, bool), ConfigError> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let format = match extension {
        Some("toml") => Format::Toml,
        Some("yaml" | "yml") => Format::Yaml,
        Some("json") => Format::Json,
        _ => {
            let reason = "the extension must be toml, yaml, yml or json";
            return Err(location.node_error(NodeError::new(reason)));
        }
    };
    let mut text = String::new();
    let opened = File::open(path).and_then(|file| {
        let is_exposed = is_readable_by_all(&file)?;
        file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
        Ok(is_exposed)
    });
    let is_exposed = opened.map_err(|error| {
        let reason = match error.kind() {
            ErrorKind::NotFound => "there is no such file",
            ErrorKind::PermissionDenied => "permission denied",
            ErrorKind::IsADirectory => "is a directory",
            ErrorKind::InvalidData => "is not UTF-8",
            _ => "cannot be read",
        };
        location
            .node_error(NodeError::new(reason))
            .with_source(error)
    })?;
    let document = parse(&text, format).map_err(|error| location.node_error(error))?;
    Ok((document, is_exposed))
}

/// Parses a configuration. The parsers' messages quote the text, so the error contains only the
/// line.
fn parse(text: &str, format: Format) -> Result<Value, NodeError> {
    if text.len() as u64 > MAX_BYTES {
        return Err(NodeError::new("is longer than 1 MiB"));
    }
    let (name, line) = match format {
        Format::Toml => match toml::from_str(text) {
            Ok(value) => return Ok(value),
            Err(error) => {
                let start = error.span().map_or(0, |span| span.start);
                let before = text.bytes().take(start);
                ("TOML", 1 + before.filter(|byte| *byte == b'\n').count())
            }
        },
        Format::Yaml => match serde_saphyr::from_str(text) {
            Ok(value) => return Ok(value),
            Err(error) => {
                let line = error.location().map_or(1, |location| location.line());
                ("YAML", usize::try_from(line).unwrap_or(usize::MAX))
            }
        },
        Format::Json => match serde_json::from_str(text) {
            Ok(Unambiguous(value)) => return Ok(value),
            Err(error) => ("JSON", error.line()),
        },
    };
    Err(NodeError::new(format!(
        "is not valid {name}: see line {line}"
    )))
}

/// Rejects a key without a value, which could mean the defaults or the absence of the table.
fn reject_empty(value: &Value) -> Result<(), NodeError> {
    match value {
        Value::Null => Err(NodeError::new(
            "is empty: set a value, write `{}` for a table of defaults, or remove the key",
        )),
        Value::Array(items) => items.iter().enumerate().try_for_each(|(at, item)| {
            reject_empty(item).map_err(|it| it.below(format!("[{at}]")))
        }),
        Value::Object(table) => table
            .iter()
            .try_for_each(|(key, item)| reject_empty(item).map_err(|it| it.below(key))),
        _ => Ok(()),
    }
}

fn select(
    document: Value,
    pointer: Option<&str>,
    location: &mut Location,
) -> Result<Map<String, Value>, ConfigError> {
    let mut table = match document {
        Value::Object(table) => table,
        Value::Null => Map::new(),
        _ => return Err(location.node_error(NodeError::new("is not a table"))),
    };
    let pointer = match pointer {
        Some(pointer) => pointer,
        None if table.contains_key("jam") => "jam",
        None => return Ok(table),
    };
    pointer.clone_into(&mut location.table);
    for key in pointer.split('.') {
        table = match table.remove(key) {
            Some(Value::Object(inner)) => inner,
            Some(Value::Null) => Map::new(),
            Some(_) => return Err(location.node_error(NodeError::new("is not a table"))),
            None => return Err(location.node_error(NodeError::new("there is no such table"))),
        };
    }
    Ok(table)
}

/// A hundred times the length of the longest configuration.
const MAX_BYTES: u64 = 1 << 20;
