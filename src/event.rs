//! What happened, for whoever watches: an alert, an audit trail, a mail to the user.
//!
//! Engines report to an [`Events`], which is given to them when they are built. It hands each [`Event`] to a
//! hook, and writes it to `tracing` as `info` (or `warn`, where somebody should look) with its code and, of an
//! attempt to log in, the client's address, its user agent and a keyed hash of the name that was tried (ASVS 16.2.1,
//! 16.3.1): no name, no id, nothing secret. A hook is also told who it was about, never a credential.
//!
//! An event is told after the change it tells of was committed, and at most once, by the node that made the change: what was
//! committed as its caller left, such as a wrong code whose sender hung up, may go untold.
//! Two engines that take part in one act each tell of their own part, under a code of their own: `Accounts` of a
//! `login_succeeded`, and `Sessions` of a `session_started`.
//!
//! Hooks are called where the request runs, so they must be quick: send to a channel, and work elsewhere. The codes are
//! stable.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use tower_jam::event::{Event, EventKind, Events};
//!
//! let seen = Arc::new(Mutex::new(Vec::new()));
//! let events = Events::to({
//!     let seen = Arc::clone(&seen);
//!     move |event: &Event| seen.lock().unwrap().push(event.kind.code())
//! });
//! # let event = Event::new(EventKind::ReuseDetected, tower_jam::Timestamp::from_secs(0)).of("42");
//! # events.tell(&event);
//! # assert_eq!(*seen.lock().unwrap(), ["reuse_detected"]);
//! ```

use std::{fmt, net::IpAddr, sync::Arc};

use crate::clock::Timestamp;

/// Something that happened.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// What it was.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// The id of the user it is about, where that is known.
    pub subject: Option<String>,
    /// The public id of the session or device it is about, which opens nothing.
    pub session_id: Option<String>,
    /// Where it came from, of an attempt to log in.
    pub source: EventSource,
}

/// Where an attempt to log in came from.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventSource {
    /// The client's address, as the throttle counts it.
    pub address: Option<IpAddr>,
    /// What the client calls itself, in at most 256 bytes.
    pub user_agent: Option<String>,
    /// A keyed hash of the name that was tried, by which attempts on one name are known as such, and nothing else.
    pub name_hash: Option<String>,
}

impl Event {
    /// An event about nobody in particular.
    #[must_use]
    pub const fn new(kind: EventKind, at: Timestamp) -> Self {
        Self {
            kind,
            at,
            subject: None,
            session_id: None,
            source: EventSource {
                address: None,
                user_agent: None,
                name_hash: None,
            },
        }
    }

    /// It came from there.
    #[must_use]
    pub fn with_source(mut self, source: EventSource) -> Self {
        self.source = source;
        self
    }

    /// It is about this user.
    #[must_use]
    pub fn of(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// It is about this session or device.
    #[must_use]
    pub fn in_session(mut self, id: impl Into<String>) -> Self {
        self.session_id = Some(id.into());
        self
    }
}

#[cfg(feature = "account")]
impl EventSource {
    /// Nothing is known but the address.
    pub(crate) fn of_address(address: IpAddr) -> Self {
        Self {
            address: Some(address),
            ..Self::default()
        }
    }
}

/// Shows nothing: an address is personal data.
impl fmt::Debug for EventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSource").finish_non_exhaustive()
    }
}

/// Shows what happened, not to whom.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("kind", &self.kind)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// What can happen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// Somebody logged in.
    LoginSucceeded,
    /// A login name that nobody has was tried.
    UnknownUser,
    /// A password was wrong.
    WrongPassword,
    /// The second step of a login came with a wrong or used code.
    WrongCode,
    /// A password was wrong a hundred times in a row, so it is not accepted any more until it is replaced or its user has proved
    /// in another way who it is.
    PasswordCapped,
    /// A refresh token was exchanged for its successor.
    Refreshed,
    /// A refresh token was used again when its successor had long been given out: it was stolen, or its successor
    /// was. The device was ended.
    ReuseDetected,
    /// A refresh token was newer than the store's record: the store has lost a write. The device was ended.
    StateLost,
    /// A refresh came from a device with another fingerprint than at its login.
    FingerprintChanged,
    /// A device was ended because the user had too many.
    DeviceEvicted,
    /// A login was refused because the user had too many devices.
    TooManyDevices,
    /// A device was logged out, by itself or by its user from another one.
    SessionEnded,
    /// Everything of a user was ended.
    AllSessionsEnded,
    /// Somebody logged in to a server-side session, a new one or one that goes on under a new id.
    SessionStarted,
    /// A user's server-side session got a new id: at the user's wish, for a proof, or for other roles.
    SessionRenewed,
    /// A user's server-side session was ended by whoever held it.
    SessionLoggedOut,
    /// A user's server-side session was ended by its public id, from elsewhere.
    SessionRevoked,
    /// The record of a server-side session cannot be read: it was damaged, or written under another setting. Its holder is
    /// logged out.
    SessionUnreadable,
    /// All server-side sessions of a user were ended.
    SessionsCleared,
    /// A token was called back by its id.
    TokenRevoked,
    /// Every token of a user was called back.
    SubjectRevoked,
    /// A provider has identified somebody. The subject is the provider's name for the user.
    ProviderLoginSucceeded,
    /// A login with a provider came to nothing.
    ProviderLoginFailed,
    /// The record of a user's devices does not open: it was damaged, forged or moved, or is sealed under a secret
    /// that is not accepted. It counts as absent. The log has an error that says why.
    RecordUnreadable,
    /// A user's password was changed.
    PasswordChanged,
    /// A user was disabled, and everything of it was revoked.
    UserDisabled,
    /// A user may log in again.
    UserEnabled,
    /// A user was removed.
    UserRemoved,
    /// An attempt was refused unread because there had been too many.
    Throttled,
    /// A user confirmed an authenticator, the first one or another in its place.
    OtpEnrolled,
    /// A one-time code was right.
    OtpAccepted,
    /// A one-time code or a recovery code was wrong.
    OtpRefused,
    /// A one-time code came that was used before, or that is older than one that was.
    OtpReplayed,
    /// A one-time code or a recovery code was wrong once too often: none is looked at for a while.
    OtpLocked,
    /// A hundred codes were wrong in a row: none is accepted any more until a recovery code was used, or the authenticator is
    /// replaced.
    OtpCapped,
    /// A user's record of one-time codes does not open: its secret was retired, or it is damaged. The user cannot give a code.
    OtpUnreadable,
    /// A counter was found again by two codes in a row.
    OtpResynchronized,
    /// A recovery code was used up.
    RecoveryCodeUsed,
    /// A user got new recovery codes, and the old ones are void.
    RecoveryCodesReplaced,
    /// A user has no second factor any more.
    OtpDisabled,
}

impl EventKind {
    /// The stable name, for logs and alerts.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::LoginSucceeded => "login_succeeded",
            Self::UnknownUser => "unknown_user",
            Self::WrongPassword => "wrong_password",
            Self::WrongCode => "wrong_code",
            Self::PasswordCapped => "password_capped",
            Self::Refreshed => "refreshed",
            Self::ReuseDetected => "reuse_detected",
            Self::StateLost => "state_lost",
            Self::FingerprintChanged => "fingerprint_changed",
            Self::DeviceEvicted => "device_evicted",
            Self::TooManyDevices => "too_many_devices",
            Self::SessionEnded => "session_ended",
            Self::AllSessionsEnded => "all_sessions_ended",
            Self::SessionStarted => "session_started",
            Self::SessionRenewed => "session_renewed",
            Self::SessionLoggedOut => "session_logged_out",
            Self::SessionRevoked => "session_revoked",
            Self::SessionUnreadable => "session_unreadable",
            Self::SessionsCleared => "sessions_cleared",
            Self::TokenRevoked => "token_revoked",
            Self::SubjectRevoked => "subject_revoked",
            Self::ProviderLoginSucceeded => "provider_login_succeeded",
            Self::ProviderLoginFailed => "provider_login_failed",
            Self::RecordUnreadable => "record_unreadable",
            Self::PasswordChanged => "password_changed",
            Self::UserDisabled => "user_disabled",
            Self::UserEnabled => "user_enabled",
            Self::UserRemoved => "user_removed",
            Self::Throttled => "throttled",
            Self::OtpEnrolled => "otp_enrolled",
            Self::OtpAccepted => "otp_accepted",
            Self::OtpRefused => "otp_refused",
            Self::OtpReplayed => "otp_replayed",
            Self::OtpLocked => "otp_locked",
            Self::OtpCapped => "otp_capped",
            Self::OtpUnreadable => "otp_unreadable",
            Self::OtpResynchronized => "otp_resynchronized",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::RecoveryCodesReplaced => "recovery_codes_replaced",
            Self::OtpDisabled => "otp_disabled",
        }
    }

    /// Whether somebody should look.
    const fn is_alarming(self) -> bool {
        matches!(
            self,
            Self::ReuseDetected
                | Self::StateLost
                | Self::FingerprintChanged
                | Self::RecordUnreadable
                | Self::OtpLocked
                | Self::OtpUnreadable
                | Self::OtpCapped
                | Self::PasswordCapped
        )
    }
}

/// Where events go. Cheap to clone; the default tells `tracing` alone.
#[derive(Clone, Default)]
pub struct Events(Option<Hook>);

type Hook = Arc<dyn Fn(&Event) + Send + Sync>;

impl Events {
    /// Hands each event to `hook`, too.
    pub fn to(hook: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    /// Tells of an event.
    pub fn tell(&self, event: &Event) {
        let code = event.kind.code();
        let address = event.source.address.map(tracing::field::display);
        let user_agent = event.source.user_agent.as_deref();
        let name_hash = event.source.name_hash.as_deref();
        match event.kind.is_alarming() {
            true => tracing::warn!(code, address, user_agent, name_hash, "authentication event"),
            false => tracing::info!(code, address, user_agent, name_hash, "authentication event"),
        }
        #[cfg(feature = "metrics")]
        crate::metrics::record_event(code);
        if let Some(hook) = &self.0 {
            hook(event);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_hook = self.0.is_some();
        f.debug_struct("Events")
            .field("has_hook", &has_hook)
            .finish()
    }
}
