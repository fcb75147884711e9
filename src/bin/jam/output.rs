//! What the command reads and prints, and its error.

use std::{
    error::Error,
    fmt,
    io::{self, BufRead, IsTerminal, Write},
};

use serde_json::{Value, json};
use tower_jam::{ConfigError, Rejection, RejectionKind, Secret, StoreError};

/// Prints results to standard output and everything else to standard error.
pub(crate) struct Printer {
    is_json: bool,
}

impl Printer {
    pub(crate) const fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    pub(crate) const fn is_json(&self) -> bool {
        self.is_json
    }

    /// Prints a result: `value` for programs, `text` for people.
    pub(crate) fn print(&self, value: &Value, text: &str) -> Result<(), CommandError> {
        if self.is_json {
            self.write(format!("{value}\n").as_bytes())
        } else {
            self.write(format!("{}\n", text.trim_end()).as_bytes())
        }
    }

    /// Writes to standard output. A pipe that its reader has closed is not an error.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), CommandError> {
        match io::stdout().lock().write_all(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }

    /// Prints a remark that is not part of the result.
    #[allow(clippy::unused_self, reason = "all output goes through the printer")]
    pub(crate) fn remark(&self, text: &str) {
        // If standard error is closed, there is nowhere to report it.
        writeln!(io::stderr().lock(), "{text}").ok();
    }

    /// Prints an error with its causes.
    pub(crate) fn error(&self, error: &CommandError) {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        if self.is_json {
            self.remark(&json!({ "error": text }).to_string());
        } else {
            self.remark(&format!("jam: {text}"));
        }
    }
}

/// Reads a secret from a prompt without echo, or from the first line of standard input.
pub(crate) fn read_secret(prompt: &str) -> Result<Secret<String>, CommandError> {
    if io::stdin().is_terminal() {
        return Ok(Secret::new(rpassword::prompt_password(format!(
            "{prompt}: "
        ))?));
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    if line.is_empty() {
        let reason = format!("no {prompt} on standard input");
        return Err(CommandError::Failed(reason));
    }
    Ok(Secret::new(line))
}

/// Reads a new secret. At a prompt it is typed twice, since a typing error is not visible.
pub(crate) fn read_new_secret(prompt: &str) -> Result<Secret<String>, CommandError> {
    let secret = read_secret(prompt)?;
    if io::stdin().is_terminal() && secret != read_secret("again")? {
        let reason = "the two are not the same";
        return Err(CommandError::Failed(reason.to_owned()));
    }
    Ok(secret)
}

/// Why the command did not succeed.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// The answer is no.
    No(String),
    /// The arguments contradict each other, or the task could not be done.
    Failed(String),
    /// The same, with the error of the library or the system.
    Caused(Box<dyn Error + Send + Sync>),
}

impl CommandError {
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::No(_) => 1,
            Self::Failed(_) | Self::Caused(_) => 2,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No(text) | Self::Failed(text) => f.write_str(text),
            Self::Caused(error) => error.fmt(f),
        }
    }
}

impl Error for CommandError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Caused(error) => error.source(),
            _ => None,
        }
    }
}

impl From<Rejection> for CommandError {
    fn from(rejection: Rejection) -> Self {
        match rejection.kind() {
            RejectionKind::Misconfigured | RejectionKind::Unavailable => {
                Self::Caused(rejection.into())
            }
            _ => Self::No(rejection.reason().to_owned()),
        }
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self::Caused(error.into())
    }
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        Self::Caused(error.into())
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::Caused(error.into())
    }
}
