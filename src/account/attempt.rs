//! What a login request contains, and why a login can fail.

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
///
/// ```
/// # use tower_jam::{Accounts, Claims, Secret, account::*};
/// # async fn run(accounts: Accounts<Claims>, ip: std::net::IpAddr) -> Result<(), LoginError> {
/// let credentials = Credentials { name: "alice".into(), password: Secret::new("…".into()) };
/// let pair = accounts.login(&credentials, &Origin::new(ip), NewDevice::default()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[allow(clippy::exhaustive_structs, reason = "a login has these two")]
pub struct Credentials {
    /// The login name.
    pub name: String,
    /// The password, exactly as it was given.
    pub password: Secret<String>,
}

/// Where a request comes from.
#[derive(Clone)]
#[allow(clippy::exhaustive_structs, reason = "callers fill in what they know")]
pub struct Origin {
    /// The client's address, as determined by [`TrustedProxies`](crate::throttle::TrustedProxies).
    pub address: IpAddr,
    /// The client's `User-Agent`, for events. It is cut to 256 bytes.
    pub user_agent: Option<String>,
    /// The value of the known-device cookie, if the client sent one.
    pub device: Option<Secret<String>>,
    /// The value of the remembered-device cookie, if the client sent one. Such a device skips the
    /// one-time code.
    pub remembered: Option<Secret<String>>,
}

impl Origin {
    /// Creates the origin of a request from `address`, by an unknown device.
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

/// The description stored with a device that receives a token pair.
#[derive(Clone, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "callers fill in what they know")]
pub struct NewDevice {
    /// The user's name for it, at most 256 bytes.
    pub name: Option<String>,
    /// Its `User-Agent`. It is cut to 256 bytes.
    pub user_agent: Option<String>,
    /// The client's description of itself.
    pub fingerprint: Option<Fingerprint>,
}

/// The reason why nobody was logged in, or nothing was changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoginError {
    /// There is no such user, or the password is wrong. Which of the two is not disclosed.
    WrongCredentials,
    /// The password was right, and a one-time code is required. Pass the challenge and a code to
    /// [`Accounts::prove_second`](super::Accounts::prove_second).
    OtpRequired(Challenge),
    /// The one-time code or recovery code is wrong, or was already used.
    WrongCode,
    /// The challenge is invalid, expired or already used. The login must start again.
    ChallengeOver,
    /// The new password was refused.
    NewPassword(NewPasswordError),
    /// Any other reason: too many attempts, a store that is unavailable, a proof that is too old.
    Rejected(Rejection),
}

impl NewDevice {
    /// Refuses a name that is too long for a record, and cuts the user agent to what a record
    /// stores. Call it before the password is hashed, so that such a request costs no hash.
    pub(crate) fn within_limits(mut self) -> Result<Self, Rejection> {
        if self
            .name
            .as_ref()
            .is_some_and(|name| name.len() > MAX_NAME_BYTES)
        {
            let reason = "the device's name has more than 256 bytes";
            return Err(Rejection::malformed(reason));
        }
        self.user_agent = self.user_agent.map(|text| truncate(&text).to_owned());
        Ok(self)
    }
}

/// Returns the first 256 bytes of `text`, or up to three fewer to end at a character boundary.
pub(crate) fn truncate(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_NAME_BYTES)]
}

impl Origin {
    /// The source of events for a request with this origin.
    pub(super) fn source(&self) -> EventSource {
        let user_agent = self.user_agent.as_deref();
        EventSource {
            address: Some(self.address),
            user_agent: user_agent.map(|text| truncate(text).to_owned()),
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
            Self::OtpRequired(_) => f.write_str("a one-time code is required"),
            Self::WrongCode => f.write_str("wrong code"),
            Self::ChallengeOver => f.write_str("the login has expired or was already completed"),
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

/// The limit of a device record.
const MAX_NAME_BYTES: usize = 256;
