//! One file for all engines (feature `config`).
//!
//! A [`Config`] is read from a file, a text or a value, and [`Jam`](crate::Jam) is built from it:
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
//! assert_eq!(jam.jwt_verify_token(token.expose()).await?.identity().unwrap().subject().id(), "alice");
//! # Ok(())
//! # }
//! ```
//!
//! # Rules
//!
//! * **Formats** go by the extension: `.toml`, `.yaml` or `.yml`, `.json`.
//! * **The table** of an instance is `jam` if there is one, otherwise the whole document; [`Loader::table`] names another, so two
//!   instances live in one file, and so do the settings of other programs. In one Redis or PostgreSQL such an instance keeps what it
//!   keeps under a `prefix` with its table's name, so that sessions and tokens of one are none of another.
//! * **Variables** stand in any text: `$VAR`, `${VAR}`, and `${VAR:-default}` where it is not set or empty. `$$` is a dollar. What a
//!   variable holds is not looked at again, and a key is what it says.
//! * **The environment overrides**: `JAM__JWT__ALG` is `jwt.alg` of the chosen table, and an error about it names the variable. A list is
//!   written as JSON.
//! * **Texts for numbers.** A number, and `true` or `false`, may be a text, as variables are.
//! * **Nothing means two things.** A key that stands twice is refused, and so is one with nothing after it, by which one reader means
//!   the defaults and another none at all. In a [value](Config::value) it is not set.
//! * **Spans of time** are a whole number and `ms`, `s`, `m`, `h` or `d`.
//! * **Files** are relative to the configuration's folder. One with a secret that everybody may read is warned of, and so is a
//!   configuration that states a secret itself. The last line end of a
//!   text is no part of the secret in it; what is not UTF-8 is taken whole. A configuration has 1 MiB at most, a key 64 KiB.
//! * **Errors** name the file, the path of the setting and the reason; none quotes a value.
//!
//! # Caveats
//!
//! The text of a configuration is not wiped from memory; keys are, once they are made of it. An override reaches every instance
//! with its [prefix](Loader::overrides). Two instances that state one `prefix`, or are given one store by the program, share what is
//! in it: with the same secret, whoever is logged in to one is logged in to both.
#![doc = "\n"]
#![doc = include_str!("reference.md")]

mod build;
mod explain;
mod exposed;
mod json;
mod load;
mod nearest;
mod node;
mod place;
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
mod settings;
mod vars;
mod weak;

use std::path::Path;

use serde::Serialize;

pub use self::{
    build::JamBuilder,
    explain::{ExplainedSetting, SettingWarning},
    load::{Format, Loader},
    reference::{reference, schema},
};

/// The settings of one instance, read and not yet built.
#[derive(Clone, Debug)]
pub struct Config {
    settings: settings::Settings,
    place: place::Place,
    /// What was stated, without what is secret.
    stated: serde_json::Value,
    /// Whether everybody may read the file, and a secret in it.
    is_exposed: bool,
}

impl Config {
    /// The configuration in this file.
    pub fn file(path: impl AsRef<Path>) -> Loader {
        Loader::file(path.as_ref())
    }

    /// The configuration in this text.
    pub fn text(text: &str, format: Format) -> Loader {
        Loader::text(text, format)
    }

    /// The configuration that this value serialises as: a map, a `serde_json::json!`, a struct of the application's.
    pub fn value(value: &impl Serialize) -> Loader {
        Loader::value(value)
    }
}
