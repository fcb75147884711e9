//! What somebody who wants to log in sends, and what may be wrong with it.

use std::{error::Error, fmt, net::IpAddr};

use super::challenge::Challenge;
use crate::{
    error::{IssueError, StoreError},
    event::EventSource,
    password::NewPasswordError,
    refresh::Fingerprint,
    rejection::Rejection,
    secret::Secret,
};

/// A name and a password, as they were sent.
#[derive(Clone)]
#[allow(clippy::exhaustive_structs, reason = "a login has these two")]
pub struct Credentials {
    /// What the user calls itself.
    pub name: String,
    /// The password, exactly as it was given.
    pub password: Secret<String>,
}

/// Where a request comes from.
#[derive(Clone)]
#[allow(clippy::exhaustive_structs, reason = "callers fill in what they know")]
pub struct Origin {
    /// The client's address, as [`TrustedProxies`](crate::throttle::TrustedProxies) made it out.
    pub address: IpAddr,
    /// What the client calls itself (`User-Agent`), for events. What is beyond 256 bytes is left out.
    pub user_agent: Option<String>,
    /// The text of the device's own cookie, if it sent one.
    pub device: Option<Secret<String>>,
    /// The text of the cookie by which the device gives no one-time code, if it sent one.
    pub remembered: Option<Secret<String>>,
}

impl Origin {
    /// A request from `address`, by a device that is not known.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self {
            address,
            user_agent: None,
            device: None,
            remembered: None,
        }
    }
}

/// What is noted of the device that gets a pair of tokens.
#[derive(Clone, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "callers fill in what they know")]
pub struct NewDevice {
    /// What the user calls it, in at most 256 bytes.
    pub name: Option<String>,
    /// Its `User-Agent`, of which 256 bytes are kept.
    pub user_agent: Option<String>,
    /// What it says of itself.
    pub fingerprint: Option<Fingerprint>,
}

/// Says why nobody was logged in, or nothing was changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoginError {
    /// There is no such user, or the password is another one. Which of them is nobody's business.
    WrongCredentials,
    /// The password was right, and a one-time code is due: hand the challenge and a code to
    /// [`Accounts::prove_second`](super::Accounts::prove_second).
    OtpRequired(Challenge),
    /// The one-time code or recovery code is wrong, or was used.
    WrongCode,
    /// The challenge is none, too old, or was used: the login begins anew.
    ChallengeOver,
    /// The new password is not taken.
    NewPassword(NewPasswordError),
    /// Everything else: too many attempts, a store that is away, a proof that is too old.
    Rejected(Rejection),
}

impl NewDevice {
    /// Before the password is looked at: a name that no record takes is no reason to compute a hash.
    pub(crate) fn check(&self) -> Result<(), Rejection> {
        match &self.name {
            Some(name) if name.len() > MAX_NAME_BYTES => Err(Rejection::malformed(
                "the device's name has more than 256 bytes",
            )),
            _ => Ok(()),
        }
    }

    /// No more than what a record keeps: a login that waits for its second step keeps it too.
    pub(super) fn within_limits(mut self) -> Result<Self, Rejection> {
        self.check()?;
        self.user_agent = self.user_agent.map(|text| cut(&text).to_owned());
        Ok(self)
    }
}

/// The first 256 bytes of `text`, or one to three fewer where a character would be cut in two.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_NAME_BYTES)]
}

impl Origin {
    /// Where an event came from that has this origin.
    pub(super) fn source(&self) -> EventSource {
        let user_agent = self.user_agent.as_deref();
        EventSource {
            address: Some(self.address),
            user_agent: user_agent.map(|text| cut(text).to_owned()),
            ..EventSource::default()
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").finish_non_exhaustive()
    }
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongCredentials => f.write_str("wrong name or password"),
            Self::OtpRequired(_) => f.write_str("a one-time code is due"),
            Self::WrongCode => f.write_str("wrong code"),
            Self::ChallengeOver => f.write_str("the login took too long, or was finished"),
            Self::NewPassword(error) => error.fmt(f),
            Self::Rejected(rejection) => rejection.fmt(f),
        }
    }
}

impl Error for LoginError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::WrongCredentials
            | Self::OtpRequired(_)
            | Self::WrongCode
            | Self::ChallengeOver => None,
            Self::NewPassword(error) => error.source(),
            Self::Rejected(rejection) => rejection.source(),
        }
    }
}

impl From<Rejection> for LoginError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<StoreError> for LoginError {
    fn from(error: StoreError) -> Self {
        Self::Rejected(error.into())
    }
}

impl From<IssueError> for LoginError {
    fn from(error: IssueError) -> Self {
        Self::Rejected(error.into())
    }
}

/// What a record of a device takes.
const MAX_NAME_BYTES: usize = 256;
