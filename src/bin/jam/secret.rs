//! `jam secret`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    ConfigArgs,
    output::{CommandError, Printer},
};

#[derive(Subcommand, Debug)]
pub(crate) enum SecretCommand {
    /// Checks whether the retired master secrets of a configuration can be removed.
    ///
    /// To rotate the secret: add the new secret behind the old one on every server; then put it
    /// first on every server, with the old one behind it; remove the old one when this command says
    /// that nothing needs it any more.
    Rotate(RotateArgs),
}

#[derive(Args, Debug)]
pub(crate) struct RotateArgs {
    /// Lists the users whose one-time codes could not be verified any more if every secret but the
    /// first were removed. Exits with 1 if there are any.
    #[arg(long, required = true)]
    check: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

impl SecretCommand {
    pub(crate) async fn run(self, printer: &Printer) -> Result<(), CommandError> {
        let Self::Rotate(args) = self;
        args.run(printer).await
    }
}

impl RotateArgs {
    async fn run(self, printer: &Printer) -> Result<(), CommandError> {
        debug_assert!(self.check, "clap requires it");
        let config = self.config.load()?;
        if config.is_in_memory() {
            let reason = "the store is in memory: its contents end with the server's own process";
            return Err(CommandError::Failed(reason.to_owned()));
        }
        let jam = super::builder(config).build().await?;
        let seals = jam.otp()?.seals().await?;
        let mut lines = Vec::new();
        let mut secrets = Vec::new();
        for (at, secret) in seals.secrets.iter().enumerate() {
            let (key, count) = (&secret.key_id, secret.subjects.len());
            secrets.push(json!({ "secret": at, "key": key, "records": count }));
            let state = if at == 0 { "active" } else { "accepted" };
            lines.push(format!("secret {at} ({state}, key {key}): {count} records"));
            if at > 0 {
                lines.extend(secret.subjects.iter().map(|user| format!("  {user:?}")));
            }
        }
        let retired = seals.secrets.iter().skip(1);
        let users: Vec<&str> = retired
            .flat_map(|secret| &secret.subjects)
            .map(|user| &**user)
            .collect();
        let unreadable = seals.unreadable;
        if unreadable > 0 {
            let text = "need a secret that is not configured, or are damaged";
            lines.push(format!("{unreadable} records {text}"));
        }
        let value = json!({ "secrets": secrets, "would_be_lost": users, "unreadable": unreadable });
        printer.print(&value, &lines.join("\n"))?;
        match users.len() {
            0 => Ok(()),
            1 => Err(CommandError::No(
                "a user needs a secret behind the first".to_owned(),
            )),
            many => Err(CommandError::No(format!(
                "{many} users need a secret behind the first"
            ))),
        }
    }
}
