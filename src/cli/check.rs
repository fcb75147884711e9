//! `jam check`.

use clap::Args;
use serde_json::{Value, json};

use super::{
    Configured,
    output::{Failure, Output},
};

/// Says what a configuration would do.
#[derive(Args, Debug)]
pub(super) struct Check {
    /// The configuration file.
    file: std::path::PathBuf,
    /// The table of the instance in it.
    #[arg(long)]
    table: Option<String>,
}

impl Check {
    pub(super) async fn run(self, output: &Output) -> Result<(), Failure> {
        let configured = Configured {
            config: self.file,
            table: self.table,
        };
        let jam = configured.jam().await?;
        jam.ready().await?;
        let mut lines = vec![("store", format!("{:?} answers", jam.store()))];
        if let Ok(jwt) = jam.jwt() {
            let key = jwt.keys().active();
            let does = match key.can_sign() {
                true => "mints and verifies",
                false => "verifies",
            };
            let text = format!(
                "{does} {} with the key {}",
                key.algorithm().name(),
                key.kid()
            );
            lines.push(("jwt", text));
        }
        if let Ok(sessions) = jam.sessions() {
            lines.push(("session", format!("{sessions:?}")));
        }
        if jam.paseto().is_ok() {
            lines.push(("paseto", "mints and verifies".to_owned()));
        }
        if jam.pairs().is_ok() {
            lines.push(("refresh", "access tokens with refresh tokens".to_owned()));
        }
        if jam.passwords().is_ok() {
            let text = match jam.accounts() {
                Ok(_) => "logins with passwords",
                Err(_) => "passwords, without logins for want of `refresh`",
            };
            lines.push(("passwords", text.to_owned()));
        }
        if let Ok(otp) = jam.otp() {
            lines.push(("otp", format!("{:?}", otp.scheme())));
        }
        let entries = lines
            .iter()
            .map(|(name, text)| ((*name).to_owned(), Value::from(text.as_str())));
        let value = json!({ "tables": Value::Object(entries.collect()) });
        let text = lines.iter().map(|(name, text)| format!("{name}: {text}\n"));
        output.say(&value, &text.collect::<String>())
    }
}
