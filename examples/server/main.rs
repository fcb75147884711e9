//! A server to try: registration, logins in one or two steps, a protected page, devices, sessions,
//! a vault that needs a one-time code, and a page for administrators.
//!
//! ```text
//! cargo run --example server -- [--listen ADDR] [--data DIR | --config FILE] [--admin NAME]
//! ```
//!
//! DIR (default `.jam`) holds the signing key, the master secret, and the users, devices and
//! sessions in `store.redb`, so all of them survive a restart or a crash. FILE is a configuration
//! that replaces these defaults. The user that registers as NAME gets the role `admin`. The routes
//! are in `app.rs`.
//!
//! `--features oauth2` adds logins with the identity providers of FILE.

mod app;
mod listen;

use std::{
    error::Error,
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::json;
use tower_jam::{Algorithm, Jam, Key, config::Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let options = Options::parse(std::env::args().skip(1))?;
    // `main` prints an error by its `Debug`: a string is printed as its text.
    let outcome = serve(options).await;
    Ok(outcome.map_err(|error| error.to_string())?)
}

async fn serve(options: Options) -> Result<(), Box<dyn Error>> {
    let config = match &options.config {
        Some(file) => Config::file(file).load()?,
        None => config_in(options.data.as_deref().unwrap_or(Path::new(".jam")))?,
    };
    let jam = Jam::builder(config).build().await?;
    let router = app::router(&jam, options.admin)?;
    Ok(listen::listen(options.listen, router).await?)
}

/// Returns a configuration with its key, secret and store in this folder. The first start creates
/// them.
fn config_in(data: &Path) -> Result<Config, Box<dyn Error>> {
    fs::create_dir_all(data).map_err(|error| format!("{}: {error}", data.display()))?;
    let (key, secret) = (data.join("ed25519.pem"), data.join("secret"));
    create(&key, || {
        let key = Key::generate(Algorithm::EdDsa)?;
        let pem = key.to_pkcs8_pem().ok_or("the key has no private part")?;
        Ok(pem.expose().clone())
    })?;
    create(&secret, || {
        let bytes = rand::random::<[u8; 32]>();
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    })?;
    let config = json!({
        "issuer": "http://localhost",
        "audience": "example",
        "secret_file": secret,
        "store": { "type": "file", "path": data.join("store.redb") },
        "jwt": { "alg": "EdDSA", "private_key_file": key },
        "refresh": {},
        "session": {},
        "passwords": {},
        "otp": { "service": "tower-jam example" },
    });
    Ok(Config::value(&config).load()?)
}

/// Creates a file that only its owner can read, unless it exists.
fn create(
    path: &Path,
    contents: impl FnOnce() -> Result<String, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    if path.exists() {
        return Ok(());
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Written under another name first, so that a crash leaves no partial file.
    let (text, temporary) = (contents()?, path.with_extension("new"));
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    Ok(written.map_err(|error| format!("{}: {error}", path.display()))?)
}

struct Options {
    listen: SocketAddr,
    data: Option<PathBuf>,
    config: Option<PathBuf>,
    admin: Option<String>,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3000)),
            data: None,
            config: None,
            admin: None,
        };
        while let Some(word) = words.next() {
            let mut value = || {
                let value = words.next();
                value.ok_or_else(|| format!("{word} needs a value"))
            };
            match word.as_str() {
                "--listen" => {
                    let value = value()?;
                    options.listen = value
                        .parse()
                        .map_err(|error| format!("--listen {value}: {error}"))?;
                }
                "--data" => options.data = Some(PathBuf::from(value()?)),
                "--config" => options.config = Some(PathBuf::from(value()?)),
                "--admin" => options.admin = Some(value()?),
                _ => {
                    return Err(format!(
                        "{word} is not an option: --listen ADDR, --data DIR, --config FILE, --admin NAME"
                    )
                    .into());
                }
            }
        }
        match (&options.data, &options.config) {
            (Some(_), Some(_)) => Err("--data and --config exclude each other".into()),
            _ => Ok(options),
        }
    }
}
