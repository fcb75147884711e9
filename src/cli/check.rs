//! `jam check`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{
    Configured,
    output::{Failure, Output},
};
use crate::{config::Config, jam::Jam, otp::OtpScheme, token::Claims};

/// Says what a configuration would do, setting by setting, or what is wrong with it.
///
/// It opens the store as a server would, and makes it where there is none yet; a provider is asked for its addresses.
#[derive(Args, Debug)]
pub(super) struct Check {
    /// The configuration file.
    file: std::path::PathBuf,
    /// The table of the instance in it.
    #[arg(long)]
    table: Option<String>,
    /// Leaves the store and the providers alone, such as a file that a running server has open.
    #[arg(long)]
    offline: bool,
}

impl Check {
    pub(super) async fn run(self, output: &Output) -> Result<(), Failure> {
        let configured = Configured {
            config: self.file,
            table: self.table,
        };
        let config = configured.load()?;
        let mut builder = super::builder(config.clone());
        if self.offline {
            builder = builder.offline();
        }
        let jam = builder.build().await?;
        if !self.offline {
            jam.ready().await?;
        }
        let engines = engines(&jam, self.offline);
        for (setting, reason) in config.warnings() {
            output.note(&format!("warning: `{setting}`: {reason}"));
        }
        output.say(&value(&config, &engines), &text(&config, &engines))
    }
}

/// What each engine will do.
fn engines(jam: &Jam<Claims>, is_offline: bool) -> Vec<(String, String)> {
    let mut engines = Vec::new();
    let mut does = |table: &str, text: String| engines.push((table.to_owned(), text));
    let store = match is_offline {
        true => "was left alone".to_owned(),
        false => format!("{:?} answers", jam.store()),
    };
    does("store", store);
    if let Ok(jwt) = jam.jwt() {
        let key = jwt.keys().active();
        let use_ = match key.can_sign() {
            true => "mints and verifies",
            false => "verifies",
        };
        let (algorithm, id) = (key.algorithm().name(), key.kid());
        does("jwt", format!("{use_} {algorithm} with the key {id}"));
    }
    if jam.paseto().is_ok() {
        does("paseto", "encrypted or signed tokens".to_owned());
    }
    if jam.pairs().is_ok() {
        let text = "access tokens with refresh tokens, for each device";
        does("refresh", text.to_owned());
    }
    if jam.sessions().is_ok() {
        does("session", "server-side sessions".to_owned());
    }
    if jam.passwords().is_ok() {
        let text = match jam.accounts() {
            Ok(_) => "logins with passwords",
            Err(_) => "passwords, without logins for want of `refresh`",
        };
        does("passwords", text.to_owned());
    }
    if let Ok(otp) = jam.otp() {
        let text = match otp.scheme() {
            OtpScheme::Totp(_) => "codes by the time, each good once",
            OtpScheme::Hotp(_) => "codes by a counter, each good once",
        };
        does("otp", text.to_owned());
    }
    #[cfg(feature = "oauth2")]
    for client in jam.oauth2_clients() {
        let provider = client.provider();
        let table = format!("oauth2.providers.{}", provider.name());
        does(&table, format!("logins with {}", provider.issuer()));
    }
    engines
}

/// A paragraph for each table: what it does, then its settings, but for those that are none.
fn text(config: &Config, engines: &[(String, String)]) -> String {
    let mut said = config.explain();
    said.retain(|line| line.is_stated || !line.value.starts_with("none"));
    let width = said.iter().map(|said| said.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut last = None;
    for line in &said {
        if last != Some(&line.table) {
            last = Some(&line.table);
            let title = match &*line.table {
                "" => "the instance",
                table => table,
            };
            let does = engines.iter().find(|(table, _)| *table == line.table);
            let does = does.map_or(String::new(), |(_, does)| format!(": {does}"));
            text.push_str(&format!("\n{title}{does}\n"));
        }
        let mark = match line.is_stated {
            true => '=',
            false => ' ',
        };
        text.push_str(&format!(
            "  {:<width$} {mark} {}\n",
            line.name,
            line.value.replace('`', "")
        ));
    }
    // Engines without a table of their own, such as the store of a configuration that names none.
    for (table, does) in engines {
        if !said.iter().any(|line| line.table == *table) {
            text.push_str(&format!("\n{table}: {does}\n"));
        }
    }
    text.push_str("\n= is stated in the configuration or a variable; all else is the default.\n");
    text.trim_start().to_owned()
}

fn value(config: &Config, engines: &[(String, String)]) -> Value {
    let mut tables = Map::new();
    for line in config.explain() {
        let table = tables.entry(line.table).or_insert_with(|| json!({}));
        table[line.name] = json!({ "value": line.value, "stated": line.is_stated });
    }
    let engines = engines.iter();
    let engines = engines.map(|(name, does)| (name.clone(), Value::from(does.as_str())));
    let warnings = config.warnings().into_iter();
    let warnings =
        warnings.map(|(setting, reason)| json!({ "setting": setting, "reason": reason }));
    json!({ "engines": Value::Object(engines.collect()), "tables": tables,
        "warnings": warnings.collect::<Vec<_>>() })
}
