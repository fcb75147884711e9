//! Where settings are from, for errors that say so.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::node::Fault;
use crate::error::ConfigError;

/// The file and the table of an instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(super) file: Option<String>,
    /// What the paths in it are relative to.
    pub(super) folder: PathBuf,
    pub(crate) table: String,
    /// The settings that variables have overridden, with these variables' names.
    pub(super) overrides: BTreeMap<String, String>,
}

impl Place {
    /// The error about the setting at `key`.
    pub(crate) fn error(&self, key: &str, reason: impl Into<String>) -> ConfigError {
        self.name(ConfigError::new("", reason.into()), key)
    }

    /// The same about the setting at `key`.
    pub(crate) fn name(&self, error: ConfigError, key: &str) -> ConfigError {
        let path = match (self.table.is_empty(), key.is_empty()) {
            (false, false) => format!("{}.{key}", self.table),
            (false, true) => self.table.clone(),
            (true, _) => key.to_owned(),
        };
        let path = match path.is_empty() && self.file.is_none() {
            true => "config".to_owned(),
            false => path,
        };
        error.at(path, self.said_by(key).or(self.file.as_deref()))
    }

    /// The variable that says what is at `key`.
    fn said_by(&self, key: &str) -> Option<&str> {
        let is_within = |path: &str| {
            let rest = key.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let mut overrides = self.overrides.iter();
        let found = overrides.find(|(path, _)| is_within(path));
        found.map(|(_, variable)| &**variable)
    }

    /// What an engine says of a setting, about the setting of `table` that it was given.
    pub(crate) fn engine(&self, table: &str, error: ConfigError) -> ConfigError {
        let key = match error.setting() {
            name @ ("issuer" | "audience" | "secret") if !table.contains('.') => name.to_owned(),
            "period" => format!("{table}.interval"),
            "longest" => format!("{table}.list_longest"),
            "time_limit" => format!("{table}.command_timeout"),
            "table_prefix" => format!("{table}.prefix"),
            "parameter" => format!("{table}.parameters"),
            // A provider's name is the table's.
            "name" => table.to_owned(),
            name => format!("{table}.{name}"),
        };
        self.name(error, &key)
    }

    pub(super) fn fault(&self, fault: Fault) -> ConfigError {
        let key = fault.path.iter().fold(String::new(), |mut path, key| {
            if !path.is_empty() && !key.starts_with('[') {
                path.push('.');
            }
            path + key
        });
        self.error(&key, fault.reason)
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(Path::new(file))
    }
}
