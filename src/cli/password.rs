//! `jam password`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Configured,
    output::{Failure, Output, new_secret, secret},
};
use crate::{
    password::{Outcome, Passwords},
    rejection::RejectionKind,
};

#[derive(Subcommand, Debug)]
pub(super) enum Password {
    /// Prints the hash of a password, by Argon2id unless a configuration says otherwise.
    Hash {
        #[command(flatten)]
        like: Like,
    },
    /// Says whether a password is the one of this hash.
    Verify {
        /// The stored hash.
        hash: String,
        #[command(flatten)]
        like: Like,
    },
}

/// Whose passwords they are.
#[derive(Args, Debug)]
pub(super) struct Like {
    /// A configuration with the table `passwords`: its schemes, its limits and its pepper. Default: those of no table.
    #[arg(long, short)]
    config: Option<PathBuf>,
    /// The table of the instance in it.
    #[arg(long, requires = "config")]
    table: Option<String>,
}

impl Like {
    async fn passwords(self) -> Result<Passwords, Failure> {
        let Some(config) = self.config else {
            return Ok(Passwords::builder().build()?);
        };
        let table = self.table;
        let config = Configured { config, table }.load()?;
        let jam = super::builder(config).offline().build().await?;
        Ok(jam.passwords()?.clone())
    }
}

impl Password {
    pub(super) async fn run(self, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Hash { like } => {
                let passwords = like.passwords().await?;
                let password = new_secret("password")?;
                let checked = passwords.check_new(password.expose()).await;
                let checked = checked.map_err(|error| Failure::No(error.to_string()))?;
                let hash = passwords.hash(&checked).await?;
                let hash = hash.expose();
                output.say(&json!({ "hash": hash }), hash)
            }
            Self::Verify { hash, like } => {
                let passwords = like.passwords().await?;
                let password = secret("password")?;
                let answer = passwords.verify(password.expose(), Some(&hash)).await;
                let answer = answer.map_err(|rejection| {
                    let reason =
                        "the hash is of no form that is read here: was it made with a pepper?";
                    match rejection.kind() {
                        RejectionKind::Unavailable => Failure::Wrong(reason.to_owned()),
                        _ => rejection.into(),
                    }
                })?;
                match answer {
                    Outcome::Wrong => Err(Failure::No("the password is wrong".to_owned())),
                    Outcome::Verified { .. } => {
                        output.say(&json!({ "verified": true }), "the password is right")
                    }
                }
            }
        }
    }
}
