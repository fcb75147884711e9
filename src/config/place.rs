//! The location of settings, for error messages.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::node::NodeError;
use crate::error::ConfigError;

/// The file and the table of an instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Location {
    pub(super) file: Option<String>,
    /// The directory that paths are relative to.
    pub(super) folder: PathBuf,
    pub(crate) table: String,
    /// The settings that variables override, with the names of these variables.
    pub(super) overrides: BTreeMap<String, String>,
}

impl Location {
    /// Creates an error about the setting at `key`.
    pub(crate) fn error(&self, key: &str, reason: impl Into<String>) -> ConfigError {
        self.locate(ConfigError::new("", reason.into()), key)
    }

    /// Sets the setting of `error` to the one at `key`.
    pub(crate) fn locate(&self, error: ConfigError, key: &str) -> ConfigError {
        let path = match (self.table.is_empty(), key.is_empty()) {
            (false, false) => format!("{}.{key}", self.table),
            (false, true) => self.table.clone(),
            (true, _) => key.to_owned(),
        };
        let path = if path.is_empty() && self.file.is_none() {
            "config".to_owned()
        } else {
            path
        };
        error.at(path, self.override_of(key).or(self.file.as_deref()))
    }

    /// Returns the variable that overrides the setting at `key`.
    fn override_of(&self, key: &str) -> Option<&str> {
        let is_within = |path: &str| {
            let rest = key.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let mut overrides = self.overrides.iter();
        let found = overrides.find(|(path, _)| is_within(path));
        found.map(|(_, variable)| &**variable)
    }

    /// Converts an engine's error about its own setting to one about the setting in `table`.
    pub(crate) fn engine_error(&self, table: &str, error: ConfigError) -> ConfigError {
        let key = match error.setting() {
            name @ ("issuer" | "audience" | "secret") if !table.contains('.') => name.to_owned(),
            "period" => format!("{table}.interval"),
            "max_ttl" => format!("{table}.list_longest"),
            "idle_timeout" => format!("{table}.idle"),
            "absolute_timeout" => format!("{table}.absolute"),
            "lock_duration" => format!("{table}.lock"),
            "pending_ttl" => format!("{table}.pending"),
            "request_timeout" => format!("{table}.timeout"),
            "max_connections" => format!("{table}.connections"),
            "table_prefix" => format!("{table}.prefix"),
            "parameter" => format!("{table}.parameters"),
            // The table's key is the provider's name.
            "name" => table.to_owned(),
            name => format!("{table}.{name}"),
        };
        self.locate(error, &key)
    }

    pub(super) fn node_error(&self, error: NodeError) -> ConfigError {
        let key = error.path.iter().fold(String::new(), |mut path, key| {
            if !path.is_empty() && !key.starts_with('[') {
                path.push('.');
            }
            path + key
        });
        self.error(&key, error.reason)
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(Path::new(file))
    }
}
