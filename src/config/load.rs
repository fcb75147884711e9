//! From a file, a text or a value to settings.

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
    node::{Fault, Node},
    place::Place,
    reference::schema,
    settings::Settings,
    vars::{self, Variables},
};
use crate::error::ConfigError;

/// How a text is written.
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

/// A configuration about to be read.
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

    /// The table of the instance, such as `auth.admin`. Default: `jam` if there is such a table, otherwise the whole
    /// document.
    pub fn table(mut self, pointer: &str) -> Self {
        self.table = Some(pointer.to_owned());
        self
    }

    /// The variables, in place of the environment's.
    pub fn variables(
        mut self,
        variables: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let variables = variables.into_iter();
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        self.variables = Some(variables.collect());
        self
    }

    /// What the names of overriding variables begin with, before `__`. Default: `JAM`. Two instances of one process need
    /// two, or what is said to one is said to both.
    pub fn overrides(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Reads and checks what can be checked without a store.
    ///
    /// # Errors
    ///
    /// When the source cannot be read, or a setting is unknown, of a wrong type, or names a variable that is not set.
    pub fn load(self) -> Result<Config, ConfigError> {
        let mut place = Place::default();
        // In a value of the program's, nothing stands for what is not set.
        let is_text = !matches!(self.source, Source::Value(_));
        let mut is_exposed = false;
        let document = match self.source {
            Source::File(path) => {
                place.file = Some(path.display().to_string());
                path.parent()
                    .unwrap_or(Path::new(""))
                    .clone_into(&mut place.folder);
                let (document, is_readable) = read(&path, &place)?;
                is_exposed = is_readable;
                document
            }
            Source::Text(text, format) => {
                parse(&text, format).map_err(|fault| place.fault(fault))?
            }
            Source::Value(value) => value.map_err(|_| {
                place.fault(Fault::new(
                    "does not serialise as a table with texts as keys",
                ))
            })?,
        };
        let mut table = select(document, self.table.as_deref(), &mut place)?;
        let variables = self.variables.unwrap_or_else(environment);
        if is_exposed {
            is_exposed = holds_secret(&Value::Object(table.clone()), &schema());
        }
        if is_exposed {
            let file = place.file.as_deref();
            tracing::warn!(
                file,
                "everybody on this machine may read this configuration, and a secret in it"
            );
        }
        let mut overrides = BTreeMap::new();
        let written = vars::override_with(&mut table, &self.prefix, &variables, &mut overrides);
        place.overrides = overrides;
        let read = written.and_then(|()| {
            let mut table = Value::Object(table);
            if is_text {
                refuse_empty(&table)?;
            }
            vars::expand(&mut table, &variables)?;
            Ok((Settings::deserialize(Node(&table))?, table))
        });
        let (settings, table) = read.map_err(|fault| place.fault(fault))?;
        Ok(Config {
            settings,
            place,
            stated: super::explain::redacted(&table),
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

/// What is not Unicode is in no configuration.
fn environment() -> Variables {
    let all = env::vars_os();
    all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What the file says, and whether everybody may read it.
fn read(path: &Path, place: &Place) -> Result<(Value, bool), ConfigError> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let format = match extension {
        Some("toml") => Format::Toml,
        Some("yaml" | "yml") => Format::Yaml,
        Some("json") => Format::Json,
        _ => {
            let reason = "its extension is none of toml, yaml, yml and json";
            return Err(place.fault(Fault::new(reason)));
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
            ErrorKind::PermissionDenied => "may not be read",
            ErrorKind::IsADirectory => "is a folder",
            ErrorKind::InvalidData => "is not UTF-8",
            _ => "cannot be read",
        };
        place.fault(Fault::new(reason)).because(error)
    })?;
    let document = parse(&text, format).map_err(|fault| place.fault(fault))?;
    Ok((document, is_exposed))
}

/// The parsers' own words quote the text, so only the line is told.
fn parse(text: &str, format: Format) -> Result<Value, Fault> {
    if text.len() as u64 > MAX_BYTES {
        return Err(Fault::new("is longer than 1 MiB"));
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
    Err(Fault::new(format!("is not {name}: see line {line}")))
}

/// Refuses a key with nothing after it, by which one reader means the defaults and another none at all.
fn refuse_empty(value: &Value) -> Result<(), Fault> {
    match value {
        Value::Null => Err(Fault::new(
            "is empty: give it a value, `{}` for a table of defaults, or leave it out",
        )),
        Value::Array(items) => items.iter().enumerate().try_for_each(|(at, item)| {
            refuse_empty(item).map_err(|it| it.below(format!("[{at}]")))
        }),
        Value::Object(table) => table
            .iter()
            .try_for_each(|(key, item)| refuse_empty(item).map_err(|it| it.below(key))),
        _ => Ok(()),
    }
}

fn select(
    document: Value,
    pointer: Option<&str>,
    place: &mut Place,
) -> Result<Map<String, Value>, ConfigError> {
    let mut table = match document {
        Value::Object(table) => table,
        Value::Null => Map::new(),
        _ => return Err(place.fault(Fault::new("is no table"))),
    };
    let pointer = match pointer {
        Some(pointer) => pointer,
        None if table.contains_key("jam") => "jam",
        None => return Ok(table),
    };
    pointer.clone_into(&mut place.table);
    for key in pointer.split('.') {
        table = match table.remove(key) {
            Some(Value::Object(inner)) => inner,
            Some(Value::Null) => Map::new(),
            Some(_) => return Err(place.fault(Fault::new("is no table"))),
            None => return Err(place.fault(Fault::new("there is no such table"))),
        };
    }
    Ok(table)
}

/// A hundred times what the longest configuration has.
const MAX_BYTES: u64 = 1 << 20;
