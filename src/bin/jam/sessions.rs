//! `jam sessions`.

use clap::Subcommand;
use serde_json::{Value, json};
use tower_jam::{Claims, Jam, config::Config};

use super::{
    ConfigArgs, keys,
    output::{CommandError, Printer},
};

#[derive(Subcommand, Debug)]
pub(crate) enum SessionsCommand {
    /// Lists the live sessions of a user.
    List {
        /// The user's id.
        user: String,
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Revokes the sessions of a user, or of all users.
    #[command(
        override_usage = "jam sessions clear [OPTIONS] <USER>\n       jam sessions clear [OPTIONS] --all"
    )]
    Clear {
        /// The user's id.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        user: Option<String>,
        /// Revokes every session by a new secret in the file `session.secret_file`. A server
        /// applies it when it restarts.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        config: ConfigArgs,
    },
}

impl SessionsCommand {
    pub(crate) async fn run(self, printer: &Printer) -> Result<(), CommandError> {
        match self {
            Self::List { user, config } => {
                let jam = shared_jam(&config).await?;
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
                let text = if lines.is_empty() {
                    "no sessions".to_owned()
                } else {
                    lines.join("\n")
                };
                printer.print(&Value::Array(rows.collect()), &text)
            }
            Self::Clear { user, config, .. } => match user {
                Some(user) => {
                    let revoked = shared_jam(&config).await?.session_clear(&user).await?;
                    let text = format!("{revoked} sessions revoked");
                    printer.print(&json!({ "ended": revoked }), &text)
                }
                None => replace_session_secret(&config.load()?, printer),
            },
        }
    }
}

/// Builds the instance if other processes can see its sessions.
async fn shared_jam(args: &ConfigArgs) -> Result<Jam<Claims>, CommandError> {
    let config = args.load()?;
    if config.is_in_memory() {
        let reason = "the store is in memory: only the server's own process sees its sessions";
        return Err(CommandError::Failed(reason.to_owned()));
    }
    Ok(super::builder(config).build().await?)
}

/// Replaces the secret under which all sessions are made.
fn replace_session_secret(config: &Config, printer: &Printer) -> Result<(), CommandError> {
    let Some(file) = config.session_secret_file() else {
        let reason = "`session.secret_file` is not set: sessions use `secret`, which a new value would replace for everything else too";
        return Err(CommandError::Failed(reason.to_owned()));
    };
    keys::replace_secret(&file)?;
    let file = file.display().to_string();
    let text =
        format!("{file} has a new secret: every session is revoked when each server has restarted");
    printer.print(&json!({ "file": file, "ended": "all" }), &text)
}
