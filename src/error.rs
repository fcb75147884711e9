//! Errors of configuration, of issuing, and of stores.
//!
//! * [`ConfigError`] occurs while an engine is built. It names the setting, never its value.
//! * [`IssueError`] occurs while a token or a session is issued.
//! * [`StoreError`] is returned by a [`Store`](crate::store::Store); the others wrap it.
//! * [`Rejection`](crate::Rejection), in its own module, is the only error that becomes a response.
//!
//! `Display` is for people and never repeats `source()`, which is always preserved.
//!
//! ```
//! # #[cfg(feature = "jwt")] {
//! use tower_jam::Key;
//!
//! let error = Key::hs256(b"too short").unwrap_err();
//! assert_eq!(error.setting(), "secret_key");
//! assert_eq!(
//!     error.to_string(),
//!     "setting `secret_key`: 9 bytes, but HS256 requires at least 32 random bytes"
//! );
//! # }
//! ```

use std::{borrow::Cow, error::Error, fmt};

/// An error of any type, as a source.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// An invalid setting, with the reason.
#[derive(Debug)]
pub struct ConfigError {
    engine: Option<&'static str>,
    setting: Cow<'static, str>,
    file: Option<Box<str>>,
    reason: Cow<'static, str>,
    source: Option<BoxError>,
}

impl ConfigError {
    /// Creates an error about `setting`. The reason must not quote a secret.
    #[must_use]
    pub fn new(
        setting: impl Into<Cow<'static, str>>,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            engine: None,
            setting: setting.into(),
            file: None,
            reason: reason.into(),
            source: None,
        }
    }

    /// Sets `source` as the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns the type whose builder found the error, such as `Sessions`.
    #[must_use]
    pub const fn engine(&self) -> Option<&'static str> {
        self.engine
    }

    /// Names the type that is being built, unless an inner builder has named its own.
    #[cfg(any(
        feature = "jwt",
        feature = "session",
        feature = "otp",
        feature = "near-cache",
        feature = "store-file"
    ))]
    pub(crate) fn in_engine(mut self, engine: &'static str) -> Self {
        self.engine.get_or_insert(engine);
        self
    }

    /// Returns the setting's name, spelled as the builder method and the configuration file spell
    /// it. For a setting in a file, it is the whole path, such as `jam.jwt.alg`.
    #[must_use]
    pub fn setting(&self) -> &str {
        &self.setting
    }

    /// Returns the configuration file, if the setting is in one.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Prefixes the reason with the path of the file that the setting names.
    #[cfg(feature = "config")]
    pub(crate) fn inside(mut self, path: &std::path::Path) -> Self {
        self.reason = Cow::Owned(format!("{}: {}", path.display(), self.reason));
        self
    }

    /// Replaces the setting and the configuration file.
    #[cfg(feature = "config")]
    pub(crate) fn at(mut self, setting: impl Into<String>, file: Option<&str>) -> Self {
        // The path names the table of the engine.
        self.engine = None;
        self.setting = Cow::Owned(setting.into());
        self.file = file.map(Into::into);
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) if self.setting.is_empty() => write!(f, "{file}: {}", self.reason),
            Some(file) => write!(f, "{file}: `{}`: {}", self.setting, self.reason),
            None => {
                write!(f, "setting `{}`", self.setting)?;
                if let Some(engine) = self.engine {
                    write!(f, " of {engine}")?;
                }
                write!(f, ": {}", self.reason)
            }
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The reason why a token or a session was not issued.
#[derive(Debug)]
#[non_exhaustive]
pub enum IssueError {
    /// The key ring's active key can only verify.
    NoSigningKey,
    /// A verifier would reject the result: an empty subject or a time out of range.
    Grant(&'static str),
    /// The user type does not serialise as claims or session data.
    User(BoxError),
    /// The result would be longer than verifiers or browsers accept.
    TooLarge {
        /// The length of the result, in bytes.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The user was logged out everywhere while the login was in progress, so nothing was issued.
    Withdrawn,
    /// The user has the maximum number of devices, and the policy is not to evict any.
    TooManyDevices,
    /// The store could not save what was minted, so nothing was issued.
    Store(StoreError),
    /// The cryptographic library failed because it had no randomness or memory.
    Crypto,
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSigningKey => f.write_str("the active key has no private part"),
            Self::Grant(reason) => write!(f, "the grant cannot be issued: {reason}"),
            Self::User(_) => f.write_str("the user does not serialise as a JSON object of claims"),
            Self::TooLarge { bytes, limit } => {
                write!(f, "{bytes} bytes exceed the limit of {limit} bytes")
            }
            Self::Withdrawn => f.write_str("the user was logged out everywhere during the login"),
            Self::TooManyDevices => f.write_str("the user is logged in on too many devices"),
            Self::Store(_) => f.write_str("the store did not save it"),
            Self::Crypto => f.write_str("the cryptographic library failed"),
        }
    }
}

impl Error for IssueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::User(source) => Some(source.as_ref()),
            Self::Store(source) => Some(source),
            _ => None,
        }
    }
}

impl From<StoreError> for IssueError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The failure of a store operation. It never means that a caller is admitted or logged out.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The store could not be reached. Nothing was done.
    Unavailable(BoxError),
    /// There is no room for a new key.
    Full,
    /// The reply was lost. A write may or may not have happened.
    Unknown(BoxError),
    /// Other writers kept changing the value until the operation's deadline.
    Contended,
    /// The stored bytes are not what was written.
    Corrupt(BoxError),
}

#[cfg(any(feature = "jwt", feature = "session", feature = "otp"))]
impl StoreError {
    /// Converts an error that follows a write whose reply was lost: that write may have happened.
    pub(crate) fn in_doubt(self) -> Self {
        match self {
            Self::Unavailable(cause) => Self::Unknown(cause),
            error @ (Self::Full | Self::Contended) => Self::Unknown(error.into()),
            error @ (Self::Unknown(_) | Self::Corrupt(_)) => error,
        }
    }
}

#[cfg(feature = "metrics")]
impl StoreError {
    /// Returns the stable name for metrics.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Full => "full",
            Self::Unknown(_) => "unknown",
            Self::Contended => "contended",
            Self::Corrupt(_) => "corrupt",
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable(_) => "the store is unavailable",
            Self::Full => "the store is full",
            Self::Unknown(_) => "the store's reply was lost",
            Self::Contended => "the value kept changing until the deadline",
            Self::Corrupt(_) => "the stored value is corrupt",
        })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(source) | Self::Unknown(source) | Self::Corrupt(source) => {
                Some(source.as_ref())
            }
            Self::Full | Self::Contended => None,
        }
    }
}
