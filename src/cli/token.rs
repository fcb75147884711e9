//! `jam token`.

use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Configured,
    output::{Failure, Output, secret},
};
use crate::{grant::Grant, token::Claims};

#[derive(Subcommand, Debug)]
pub(super) enum Token {
    /// Mints a token for a user with the key of the table `jwt`.
    Mint {
        /// The user's id.
        subject: String,
        /// How long it lives, in seconds. Default: what the configuration says.
        #[arg(long)]
        ttl: Option<u64>,
        /// A role, repeatable.
        #[arg(long)]
        role: Vec<String>,
        #[command(flatten)]
        configured: Configured,
    },
    /// Verifies a token, read from a prompt or standard input, with the key of the table `jwt`.
    Verify {
        #[command(flatten)]
        configured: Configured,
    },
    /// Shows what a token, read from a prompt or standard input, says. Nothing is verified.
    Inspect,
}

impl Token {
    pub(super) async fn run(self, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Mint {
                subject,
                ttl,
                role,
                configured,
            } => {
                let jam = configured.jam().await?;
                let grant = Grant::new(subject, Claims::new()).roles(role);
                let payload = jam.jwt_make_payload(ttl.map(Duration::from_secs), grant);
                let token = jam.jwt_create_token(payload).await?;
                // Whoever reads this at the other end of a pipe may want the store.
                drop(jam);
                output.say(&json!({ "token": token.expose() }), token.expose())
            }
            Self::Verify { configured } => {
                let token = secret("token")?;
                let jam = configured.jam().await?;
                let verified = jam.jwt_verify_token(token.expose()).await?;
                let claims = serde_json::to_value(verified.user().map(|user| &**user));
                let claims = claims.map_err(|error| Failure::Because(error.into()))?;
                output.say(
                    &json!({ "verified": true, "claims": claims }),
                    &format!("{claims:#}"),
                )
            }
            Self::Inspect => {
                let token = secret("token")?;
                let mut parts = token.expose().split('.');
                let (Some(header), Some(payload), Some(_), None) =
                    (parts.next(), parts.next(), parts.next(), parts.next())
                else {
                    return Err(Failure::Wrong(
                        "this is no signed JWT: it has not three parts".to_owned(),
                    ));
                };
                let (header, claims) = (read("header", header)?, read("payload", payload)?);
                output.note("NOTHING WAS VERIFIED: anybody can have written this");
                let value = json!({ "verified": false, "header": header, "claims": claims });
                output.say(&value, &format!("{header:#}\n{claims:#}"))
            }
        }
    }
}

fn read(name: &str, part: &str) -> Result<Value, Failure> {
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(part).ok();
    let value = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    value.ok_or_else(|| {
        Failure::Wrong(format!(
            "this is no JWT: its {name} is not JSON in base64url"
        ))
    })
}
