//! `jam check`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};
use tower_jam::{Claims, Jam, config::Config, otp::OtpScheme};

use super::{
    ConfigArgs,
    output::{CommandError, Printer},
};

/// Explains what a configuration does, setting by setting, or says what is wrong with it.
///
/// It opens the store as a server would, and creates it if it does not exist yet. It asks identity
/// providers for their addresses.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The configuration file.
    file: PathBuf,
    /// The table of the instance in the file.
    #[arg(long)]
    table: Option<String>,
    /// Opens no store and asks no provider, for example if a running server has the file open.
    #[arg(long)]
    offline: bool,
}

impl CheckArgs {
    pub(crate) async fn run(self, printer: &Printer) -> Result<(), CommandError> {
        let selected = ConfigArgs {
            config: self.file,
            table: self.table,
        };
        let config = selected.load()?;
        let mut builder = super::builder(config.clone());
        if self.offline {
            builder = builder.offline();
        }
        let jam = builder.build().await?;
        if !self.offline {
            jam.ready().await?;
        }
        let engines = engines(&config, &jam, self.offline);
        for warning in config.warnings() {
            let (setting, reason) = (warning.setting, warning.reason);
            printer.remark(&format!("warning: `{setting}`: {reason}"));
        }
        printer.print(&value(&config, &engines), &text(&config, &engines))
    }
}

/// Returns the table of each engine, and what the engine does.
fn engines(config: &Config, jam: &Jam<Claims>, is_offline: bool) -> Vec<(String, String)> {
    let mut engines = Vec::new();
    let mut add = |table: &str, text: String| engines.push((table.to_owned(), text));
    let settings = config.explain();
    let kind = settings
        .iter()
        .find(|setting| setting.table == "store" && setting.name == "type")
        .map_or("memory", |setting| setting.value.as_str());
    let state = if is_offline {
        "was not opened"
    } else {
        "answers"
    };
    add("store", format!("the store of the kind {kind} {state}"));
    if let Ok(jwt) = jam.jwt() {
        let key = jwt.keys().active();
        let verbs = if key.can_sign() {
            "mints and verifies"
        } else {
            "verifies"
        };
        let (algorithm, id) = (key.algorithm().name(), key.kid());
        add("jwt", format!("{verbs} {algorithm} with the key {id}"));
    }
    if jam.paseto().is_ok() {
        add("paseto", "encrypted or signed tokens".to_owned());
    }
    if jam.pairs().is_ok() {
        let text = "access tokens with refresh tokens, for each device";
        add("refresh", text.to_owned());
    }
    if jam.sessions().is_ok() {
        add("session", "server-side sessions".to_owned());
    }
    if jam.passwords().is_ok() {
        let text = match jam.accounts() {
            Ok(_) => "logins with passwords",
            Err(_) => "passwords, but no logins without `refresh`",
        };
        add("passwords", text.to_owned());
    }
    if let Ok(otp) = jam.otp() {
        let text = match otp.scheme() {
            OtpScheme::Totp(_) => "time-based codes, each accepted once",
            OtpScheme::Hotp(_) => "counter-based codes, each accepted once",
        };
        add("otp", text.to_owned());
    }
    #[cfg(feature = "oauth2")]
    for client in jam.oauth2_clients() {
        let provider = client.provider();
        let table = format!("oauth2.providers.{}", provider.name());
        add(&table, format!("logins with {}", provider.issuer()));
    }
    engines
}

/// Returns a paragraph per table: what it does, then its settings. Optional settings that are not
/// stated are left out.
fn text(config: &Config, engines: &[(String, String)]) -> String {
    let mut settings = config.explain();
    settings.retain(|setting| setting.is_stated || !setting.value.starts_with("none"));
    let widths = settings.iter().map(|setting| setting.name.len());
    let width = widths.max().unwrap_or(0);
    let mut text = String::new();
    let mut last = None;
    for setting in &settings {
        if last != Some(&setting.table) {
            last = Some(&setting.table);
            let title = match &*setting.table {
                "" => "the instance",
                table => table,
            };
            let engine = engines.iter().find(|(table, _)| *table == setting.table);
            let engine = engine.map_or(String::new(), |(_, text)| format!(": {text}"));
            text.push_str(&format!("\n{title}{engine}\n"));
        }
        let mark = if setting.is_stated { '=' } else { ' ' };
        let value = setting.value.replace('`', "");
        text.push_str(&format!("  {:<width$} {mark} {value}\n", setting.name));
    }
    // Engines without a table, such as the store of a configuration that names none.
    for (table, engine) in engines {
        if !settings.iter().any(|setting| setting.table == *table) {
            text.push_str(&format!("\n{table}: {engine}\n"));
        }
    }
    text.push_str("\n= marks what the configuration or a variable states; the rest is default.\n");
    text.trim_start().to_owned()
}

fn value(config: &Config, engines: &[(String, String)]) -> Value {
    let mut tables = Map::new();
    for setting in config.explain() {
        let table = tables.entry(setting.table).or_insert_with(|| json!({}));
        table[setting.name] = json!({ "value": setting.value, "stated": setting.is_stated });
    }
    let engines = engines.iter();
    let engines = engines.map(|(name, text)| (name.clone(), Value::from(text.as_str())));
    let warnings = config.warnings().into_iter();
    let warnings =
        warnings.map(|warning| json!({ "setting": warning.setting, "reason": warning.reason }));
    json!({ "engines": Value::Object(engines.collect()), "tables": tables,
        "warnings": warnings.collect::<Vec<_>>() })
}
