//! `jam sessions`.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Configured,
    output::{Failure, Output},
};

#[derive(Subcommand, Debug)]
pub(super) enum Sessions {
    /// Lists the live sessions of a user.
    List {
        /// The user's id.
        user: String,
        #[command(flatten)]
        configured: Configured,
    },
    /// Ends the sessions of a user.
    Clear {
        /// The user's id.
        user: String,
        #[command(flatten)]
        configured: Configured,
    },
}

impl Sessions {
    pub(super) async fn run(self, output: &Output) -> Result<(), Failure> {
        match self {
            Self::List { user, configured } => {
                let jam = configured.jam().await?;
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
            Self::Clear { user, configured } => {
                let jam = configured.jam().await?;
                let ended = jam.session_clear(&user).await?;
                output.say(
                    &json!({ "ended": ended }),
                    &format!("{ended} sessions ended"),
                )
            }
        }
    }
}
