//! `jam sessions`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Configured, keys,
    output::{Failure, Output},
};
use crate::{config::Config, jam::Jam, token::Claims};

#[derive(Subcommand, Debug)]
pub(super) enum Sessions {
    /// Lists the live sessions of a user.
    List {
        /// The user's id.
        user: String,
        #[command(flatten)]
        configured: Configured,
    },
    /// Ends the sessions of a user, or of everybody.
    #[command(
        override_usage = "jam sessions clear [OPTIONS] <USER>\n       jam sessions clear [OPTIONS] --all"
    )]
    Clear {
        /// The user's id.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        user: Option<String>,
        /// Ends every session: puts another secret into the file `session.secret_file`. Each server does so as it restarts.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        configured: Configured,
    },
}

impl Sessions {
    pub(super) async fn run(self, output: &Output) -> Result<(), Failure> {
        match self {
            Self::List { user, configured } => {
                let jam = kept(&configured).await?;
                let sessions = jam.sessions()?.list(&user).await?;
                let rows = sessions.iter().map(|session| {
                    json!({ "id": session.id, "device": session.device, "created_at": session.created_at.as_secs(),
                        "last_seen_at": session.last_seen_at.as_secs() })
                });
                let lines = sessions.iter().map(|session| {
                    let device = session.device.as_deref().unwrap_or("-");
                    let (created, seen) =
                        (session.created_at.as_secs(), session.last_seen_at.as_secs());
                    format!("{}  created {created}  seen {seen}  {device:?}", session.id)
                });
                let lines: Vec<String> = lines.collect();
                let text = match lines.is_empty() {
                    true => "no sessions".to_owned(),
                    false => lines.join("\n"),
                };
                output.say(&Value::Array(rows.collect()), &text)
            }
            Self::Clear {
                user, configured, ..
            } => match user {
                Some(user) => {
                    let ended = kept(&configured).await?.session_clear(&user).await?;
                    let text = format!("{ended} sessions ended");
                    output.say(&json!({ "ended": ended }), &text)
                }
                None => retire(&configured.load()?, output),
            },
        }
    }
}

/// The instance, if its sessions are where another process finds them.
async fn kept(configured: &Configured) -> Result<Jam<Claims>, Failure> {
    let config = configured.load()?;
    if config.is_in_memory() {
        let reason = "the store is in memory: only the server's own process sees its sessions";
        return Err(Failure::Wrong(reason.to_owned()));
    }
    Ok(super::builder(config).build().await?)
}

/// Another secret in the place of the one that all sessions are made with.
fn retire(config: &Config, output: &Output) -> Result<(), Failure> {
    let Some(file) = config.session_secret_file() else {
        let reason = "`session.secret_file` is not set: sessions share `secret` with all else, and would not end alone";
        return Err(Failure::Wrong(reason.to_owned()));
    };
    keys::replace(&file)?;
    let file = file.display().to_string();
    let text =
        format!("{file} has another secret: restart each server, and every session has ended");
    output.say(&json!({ "file": file, "ended": "all" }), &text)
}
