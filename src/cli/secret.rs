//! `jam secret`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    Configured,
    output::{Failure, Output},
};

#[derive(Subcommand, Debug)]
pub(super) enum Secret {
    /// Prepares another master secret in the place of those that a configuration has.
    ///
    /// In this order: every server accepts the new secret behind the old one; every server has the new one first, with the old one
    /// behind it; and once this says that nothing needs the old one any more, it is left out.
    Rotate(Rotate),
}

#[derive(Args, Debug)]
pub(super) struct Rotate {
    /// Says whose one-time codes could not be verified any more if every secret but the first were left out. Exits with 1 if there
    /// are any.
    #[arg(long, required = true)]
    check: bool,
    #[command(flatten)]
    configured: Configured,
}

impl Secret {
    pub(super) async fn run(self, output: &Output) -> Result<(), Failure> {
        let Self::Rotate(rotate) = self;
        rotate.run(output).await
    }
}

impl Rotate {
    async fn run(self, output: &Output) -> Result<(), Failure> {
        debug_assert!(self.check, "there is nothing else to do");
        let config = self.configured.load()?;
        if config.is_in_memory() {
            let reason = "the store is in memory: what it keeps ends with the server's own process";
            return Err(Failure::Wrong(reason.to_owned()));
        }
        let jam = super::builder(config).build().await?;
        let seals = jam.otp()?.seals().await?;
        let mut lines = Vec::new();
        let mut secrets = Vec::new();
        for (at, under) in seals.secrets.iter().enumerate() {
            let (key, count) = (&under.key_id, under.subjects.len());
            secrets.push(json!({ "secret": at, "key": key, "records": count }));
            match at {
                0 => lines.push(format!("secret 0 (active, key {key}): {count} records")),
                _ => {
                    lines.push(format!(
                        "secret {at} (accepted, key {key}): {count} records"
                    ));
                    lines.extend(under.subjects.iter().map(|user| format!("  {user:?}")));
                }
            }
        }
        let retired = seals.secrets.iter().skip(1);
        let users: Vec<&str> = retired
            .flat_map(|it| &it.subjects)
            .map(|it| &**it)
            .collect();
        let unreadable = seals.unreadable;
        if unreadable > 0 {
            let text = "need a secret that is not here, or are damaged";
            lines.push(format!("{unreadable} records {text}"));
        }
        let value = json!({ "secrets": secrets, "would_be_lost": users, "unreadable": unreadable });
        output.say(&value, &lines.join("\n"))?;
        match users.len() {
            0 => Ok(()),
            1 => Err(Failure::No(
                "a user needs a secret behind the first".to_owned(),
            )),
            many => Err(Failure::No(format!(
                "{many} users need a secret behind the first"
            ))),
        }
    }
}
