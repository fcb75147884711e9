//! What the command reads, prints, and fails with.

use std::{
    error::Error,
    fmt,
    io::{self, BufRead, IsTerminal, Write},
};

use serde_json::{Value, json};

use crate::{
    error::{ConfigError, StoreError},
    rejection::{Rejection, RejectionKind},
    secret::Secret,
};

/// Where results go.
pub(super) struct Output {
    is_json: bool,
}

impl Output {
    pub(super) const fn new(is_json: bool) -> Self {
        Self { is_json }
    }

    pub(super) const fn is_json(&self) -> bool {
        self.is_json
    }

    /// Prints a result, for people or for programs.
    pub(super) fn say(&self, value: &Value, text: &str) -> Result<(), Failure> {
        match self.is_json {
            true => self.raw(format!("{value}\n").as_bytes()),
            false => self.raw(format!("{}\n", text.trim_end()).as_bytes()),
        }
    }

    /// A pipe that closes early is no failure: whoever reads has read enough.
    pub(super) fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        match io::stdout().lock().write_all(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }

    /// Tells people something beside the result.
    #[allow(clippy::unused_self, reason = "it is where all else is said")]
    pub(super) fn note(&self, text: &str) {
        // There is nobody left to tell if this fails.
        writeln!(io::stderr().lock(), "{text}").ok();
    }

    pub(super) fn fail(&self, failure: &Failure) {
        let mut text = failure.to_string();
        let mut cause = failure.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        match self.is_json {
            true => self.note(&json!({ "error": text }).to_string()),
            false => self.note(&format!("jam: {text}")),
        }
    }
}

/// A secret from a prompt that does not show it, or from the first line of standard input.
pub(super) fn secret(prompt: &str) -> Result<Secret<String>, Failure> {
    if io::stdin().is_terminal() {
        return Ok(Secret::new(rpassword::prompt_password(format!(
            "{prompt}: "
        ))?));
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    match line.is_empty() {
        true => Err(Failure::Wrong(format!("no {prompt} on standard input"))),
        false => Ok(Secret::new(line)),
    }
}

/// The same for one that is new, typed twice at a prompt: nobody sees a slip of the finger.
pub(super) fn new_secret(prompt: &str) -> Result<Secret<String>, Failure> {
    let given = secret(prompt)?;
    if io::stdin().is_terminal() && given != secret("again")? {
        return Err(Failure::Wrong("the two are not the same".to_owned()));
    }
    Ok(given)
}

/// Why nothing came of it.
#[derive(Debug)]
pub(super) enum Failure {
    /// The answer is no.
    No(String),
    /// What was asked makes no sense, or could not be done.
    Wrong(String),
    /// The same, as another says it.
    Because(Box<dyn Error + Send + Sync>),
}

impl Failure {
    pub(super) const fn code(&self) -> u8 {
        match self {
            Self::No(_) => 1,
            Self::Wrong(_) | Self::Because(_) => 2,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No(text) | Self::Wrong(text) => f.write_str(text),
            Self::Because(error) => error.fmt(f),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Because(error) => error.source(),
            _ => None,
        }
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        match rejection.kind() {
            RejectionKind::Misconfigured | RejectionKind::Unavailable => {
                Self::Because(rejection.into())
            }
            _ => Self::No(rejection.reason().to_owned()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Because(error.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Because(error.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Because(error.into())
    }
}
