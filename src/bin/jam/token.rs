//! `jam token`.

use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use clap::Subcommand;
use serde_json::{Value, json};
use tower_jam::{Claims, Grant};

use super::{
    ConfigArgs,
    output::{CommandError, Printer, read_secret},
};

#[derive(Subcommand, Debug)]
pub(crate) enum TokenCommand {
    /// Mints a token for a user with the key of the table `jwt`.
    Mint {
        /// The user's id.
        subject: String,
        /// The lifetime in seconds. Default: that of the configuration.
        #[arg(long)]
        ttl: Option<u64>,
        /// A role. It can be repeated.
        #[arg(long)]
        role: Vec<String>,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Verifies a token, read from a prompt or standard input, with the key of the table `jwt`.
    Verify {
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Prints the contents of a token, read from a prompt or standard input, without verifying it.
    Inspect,
}

impl TokenCommand {
    pub(crate) async fn run(self, printer: &Printer) -> Result<(), CommandError> {
        match self {
            Self::Mint {
                subject,
                ttl,
                role,
                config,
            } => {
                let jam = config.jam().await?;
                let grant = Grant::new(subject, Claims::new()).roles(role);
                let payload = jam.jwt_make_payload(ttl.map(Duration::from_secs), grant);
                let token = jam.jwt_create_token(payload).await?;
                // In a pipe, the reader of the token may need the store next.
                drop(jam);
                printer.print(&json!({ "token": token.expose() }), token.expose())
            }
            Self::Verify { config } => {
                let token = read_secret("token")?;
                let jam = config.jam().await?;
                let verified = jam.jwt_verify_token(token.expose()).await?;
                let claims = serde_json::to_value(verified.user().map(|user| &**user));
                let claims = claims.map_err(|error| CommandError::Caused(error.into()))?;
                printer.print(
                    &json!({ "verified": true, "claims": claims }),
                    &format!("{claims:#}"),
                )
            }
            Self::Inspect => inspect(read_secret("token")?.expose(), printer),
        }
    }
}

fn inspect(token: &str, printer: &Printer) -> Result<(), CommandError> {
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        let reason = "not a signed JWT: it does not have three parts";
        return Err(CommandError::Failed(reason.to_owned()));
    };
    let (header, claims) = (decode("header", header)?, decode("payload", payload)?);
    printer.remark("NOTHING WAS VERIFIED: anybody can have written this");
    let value = json!({ "verified": false, "header": header, "claims": claims });
    printer.print(&value, &format!("{header:#}\n{claims:#}"))
}

fn decode(name: &str, part: &str) -> Result<Value, CommandError> {
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(part).ok();
    let value = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    value.ok_or_else(|| {
        CommandError::Failed(format!("not a JWT: its {name} is not JSON in base64url"))
    })
}
