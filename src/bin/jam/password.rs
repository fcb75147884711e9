//! `jam password`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use tower_jam::{Passwords, RejectionKind, password::Outcome};

use super::{
    ConfigArgs,
    output::{CommandError, Printer, read_new_secret, read_secret},
};

#[derive(Subcommand, Debug)]
pub(crate) enum PasswordCommand {
    /// Prints the hash of a password, by Argon2id unless a configuration says otherwise.
    Hash {
        #[command(flatten)]
        args: PasswordArgs,
    },
    /// Verifies a password against a hash.
    Verify {
        /// The stored hash.
        hash: String,
        #[command(flatten)]
        args: PasswordArgs,
    },
}

/// Selects the rules of the passwords.
#[derive(Args, Debug)]
pub(crate) struct PasswordArgs {
    /// A configuration with the table `passwords`: its schemes, limits and pepper. Default: the
    /// defaults of that table.
    #[arg(long, short)]
    config: Option<PathBuf>,
    /// The table of the instance in the file.
    #[arg(long, requires = "config")]
    table: Option<String>,
}

impl PasswordArgs {
    async fn passwords(self) -> Result<Passwords, CommandError> {
        let Some(config) = self.config else {
            return Ok(Passwords::builder().build()?);
        };
        let table = self.table;
        let config = ConfigArgs { config, table }.load()?;
        let jam = super::builder(config).offline().build().await?;
        Ok(jam.passwords()?.clone())
    }
}

impl PasswordCommand {
    pub(crate) async fn run(self, printer: &Printer) -> Result<(), CommandError> {
        match self {
            Self::Hash { args } => {
                let passwords = args.passwords().await?;
                let password = read_new_secret("password")?;
                let checked = passwords.check_new(password.expose()).await;
                let checked = checked.map_err(|error| CommandError::No(error.to_string()))?;
                let hash = passwords.hash(&checked).await?;
                let hash = hash.expose();
                printer.print(&json!({ "hash": hash }), hash)
            }
            Self::Verify { hash, args } => {
                let passwords = args.passwords().await?;
                let password = read_secret("password")?;
                let outcome = passwords.verify(password.expose(), Some(&hash)).await;
                let outcome = outcome.map_err(|rejection| match rejection.kind() {
                    RejectionKind::Unavailable => CommandError::Failed(UNREADABLE.to_owned()),
                    _ => rejection.into(),
                })?;
                match outcome {
                    Outcome::Wrong => Err(CommandError::No("the password is wrong".to_owned())),
                    Outcome::Verified { .. } => {
                        printer.print(&json!({ "verified": true }), "the password is right")
                    }
                }
            }
        }
    }
}

const UNREADABLE: &str = "the hash has no supported form: was it made with a pepper?";
