//! One configuration for all engines (feature `config`).
//!
//! A [`Config`] is loaded from a file, a string or a value, and a [`Jam`](crate::Jam) is built from
//! it:
//!
//! ```
//! use tower_jam::{Claims, Grant, Jam, config::{Config, Format}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = r#"
//!     [jam]
//!     issuer = "https://auth.acme.dev"
//!     audience = "api"
//!
//!     [jam.jwt]
//!     alg = "HS256"
//!     secret_key = "$JWT_SECRET"
//!     ttl = "5m"
//! "#;
//! let config = Config::text(text, Format::Toml)
//!     .variables([("JWT_SECRET", "6f1a3c0cd1d6f4a9d3f4b1f8f2a7e0b95c3d8e7f6a1b2c4d")])
//!     .load()?;
//! let jam: Jam = Jam::builder(config).build().await?;
//! let token = jam.jwt_create_token(Grant::new("alice", Claims::new())).await?;
//! let verified = jam.jwt_verify_token(token.expose()).await?;
//! assert_eq!(verified.identity().unwrap().subject().id(), "alice");
//! # Ok(())
//! # }
//! ```
//!
//! # Rules
//!
//! * **Formats** follow from the file extension: `.toml`, `.yaml` or `.yml`, `.json`.
//! * **Table.** The settings of an instance are in the table `jam` if it exists, otherwise in the
//!   whole document. [`Loader::table`] selects another table, so that one file can hold two
//!   instances and the settings of other programs. In a shared Redis or PostgreSQL, such an
//!   instance stores its data under a `prefix` that contains its table's name, so that sessions and
//!   tokens of one instance are never valid for another.
//! * **Variables** can occur in any string: `$VAR`, `${VAR}`, and `${VAR:-default}` for a variable
//!   that is unset or empty. `$$` is a dollar sign. The value of a variable is not expanded again,
//!   and keys are not expanded.
//! * **Environment overrides.** `JAM__JWT__ALG` sets `jwt.alg` of the selected table. An error
//!   about it names the variable. A list is written as JSON.
//! * **Strings for numbers.** A number or boolean can be written as a string, since variables are
//!   strings.
//! * **No ambiguity.** A duplicate key is an error. So is a key without a value, which could mean
//!   the defaults or the absence of the table. In a [value](Config::value), a key without a value
//!   is unset.
//! * **Durations** are a whole number and a unit: `ms`, `s`, `m`, `h` or `d`.
//! * **Files** are relative to the configuration's directory. A secret in a file that every user of
//!   the machine can read causes a warning in the log, for a key file as for the configuration
//!   itself. A newline at the end of a text file is not part of the secret; a file that is not
//!   UTF-8 is used unchanged. A configuration has at most 1 MiB, a key file at most 64 KiB.
//! * **Errors** name the file, the path of the setting and the reason. They never quote a value.
//!
//! # Caveats
//!
//! The text of a configuration is not wiped from memory; keys built from it are. An override
//! applies to every instance with its [prefix](Loader::overrides). Two instances with the same
//! `prefix`, or with the same store object, share its contents: with the same secret, a user who is
//! logged in to one is logged in to both.
#![doc = "\n"]
#![doc = include_str!("reference.md")]

mod explain;
pub(crate) mod exposed;
mod json;
mod load;
pub(crate) mod nearest;
pub(crate) mod node;
pub(crate) mod place;
mod reference;
mod rules;
#[cfg_attr(
    not(feature = "full"),
    allow(
        dead_code,
        unused_imports,
        reason = "a table whose feature is off is read only to say so"
    )
)]
pub(crate) mod settings;
mod vars;
mod renamed;
mod rule;
mod weak;

use std::path::{Path, PathBuf};

use serde::Serialize;

pub use self::{
    explain::{ExplainedSetting, SettingWarning},
    load::{Format, Loader},
    reference::{reference, schema},
};

/// The settings of one instance, loaded but not yet built.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) settings: settings::InstanceSettings,
    pub(crate) location: place::Location,
    /// The stated settings, with secrets redacted.
    stated: serde_json::Value,
    /// The settings that are stated by an old name.
    renamed: Vec<SettingWarning>,
    /// Whether the file contains a secret and is readable by every user.
    is_exposed: bool,
}

impl Config {
    /// Loads the configuration from a file.
    pub fn file(path: impl AsRef<Path>) -> Loader {
        Loader::file(path.as_ref())
    }

    /// Loads the configuration from a string.
    pub fn text(text: &str, format: Format) -> Loader {
        Loader::text(text, format)
    }

    /// Loads the configuration from a value that serialises as one: a map, a `serde_json::json!` or
    /// a struct.
    pub fn value(value: &impl Serialize) -> Loader {
        Loader::value(value)
    }

    /// Returns every setting of each table that the configuration has, without secrets.
    #[must_use]
    pub fn explain(&self) -> Vec<ExplainedSetting> {
        explain::explain(&self.stated)
    }

    /// Returns the settings that weaken this instance, and those that are stated by an old name.
    #[must_use]
    pub fn warnings(&self) -> Vec<SettingWarning> {
        explain::warnings(self)
    }

    /// Returns whether the store is in memory, so that its contents end with the process.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        let store = self.settings.store.as_ref();
        store.is_none_or(|store| store.r#type == settings::StoreKind::Memory)
    }

    /// Returns the path of `session.secret_file`, the secret that only sessions use. Returns
    /// `None` if it is not set.
    #[must_use]
    pub fn session_secret_file(&self) -> Option<PathBuf> {
        let session = self.settings.session.as_ref()?;
        let file = session.secret_file.as_deref()?;
        Some(self.location.path(file))
    }
}
