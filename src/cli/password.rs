//! `jam password`.

use clap::Subcommand;
use serde_json::json;

use super::output::{Failure, Output, new_secret, secret};
use crate::account::{Outcome, Passwords};

#[derive(Subcommand, Debug)]
pub(super) enum Password {
    /// Prints the hash of a password, by Argon2id.
    Hash,
    /// Says whether a password is the one of this hash.
    Verify {
        /// The stored hash.
        hash: String,
    },
}

impl Password {
    pub(super) async fn run(self, output: &Output) -> Result<(), Failure> {
        let passwords = Passwords::builder().build()?;
        match self {
            Self::Hash => {
                let password = new_secret("password")?;
                let checked = passwords.check_new(password.expose()).await;
                let checked = checked.map_err(|error| Failure::No(error.to_string()))?;
                let hash = passwords.hash(&checked).await?;
                let hash = hash.expose();
                output.say(&json!({ "hash": hash }), hash)
            }
            Self::Verify { hash } => {
                let password = secret("password")?;
                match passwords.verify(password.expose(), Some(&hash)).await? {
                    Outcome::Wrong => Err(Failure::No("the password is wrong".to_owned())),
                    Outcome::Verified { .. } => {
                        output.say(&json!({ "verified": true }), "the password is right")
                    }
                }
            }
        }
    }
}
