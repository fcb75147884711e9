//! Events for monitoring: an alert, an audit trail, an email to the user.
//!
//! Engines report to an [`Events`], which they receive when they are built. It passes each
//! [`Event`] to a hook, and logs it with `tracing` as `info` (or `warn`, if it needs attention).
//! The log line contains the code of the event and, for a login attempt, the client's address, its
//! user agent and a keyed hash of the login name (ASVS 16.2.1, 16.3.1): no name, no id, nothing
//! secret. A hook also receives the subject, but never a credential.
//!
//! An event is reported after its change was committed, and at most once, by the node that made the
//! change. If the caller leaves during the commit, for example after a wrong code, the event may
//! not be reported. Two engines that take part in one operation each report their own part, under
//! their own code: `Accounts` a `login_succeeded`, and `Sessions` a `session_started`.
//!
//! Hooks run in the task of the request, so they must be quick: send to a channel, and do the work
//! elsewhere. The codes are stable.
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
    /// What happened.
    pub kind: EventKind,
    /// When it happened.
    pub at: Timestamp,
    /// The id of the user, if it is known.
    pub subject: Option<String>,
    /// The public id of the session or device, which grants no access.
    pub session_id: Option<String>,
    /// The origin of a login attempt.
    pub source: EventSource,
}

/// The origin of a login attempt.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventSource {
    /// The client's address, as the throttle counts it.
    pub address: Option<IpAddr>,
    /// The user agent that the client states, at most 256 bytes.
    pub user_agent: Option<String>,
    /// A keyed hash of the login name, which only shows which attempts were for the same name.
    pub name_hash: Option<String>,
}

impl Event {
    /// Creates an event without a subject, a session or a source.
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

    /// Sets the source.
    #[must_use]
    pub fn with_source(mut self, source: EventSource) -> Self {
        self.source = source;
        self
    }

    /// Sets the subject.
    #[must_use]
    pub fn of(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets the session or device.
    #[must_use]
    pub fn in_session(mut self, id: impl Into<String>) -> Self {
        self.session_id = Some(id.into());
        self
    }
}

#[cfg(feature = "account")]
impl EventSource {
    /// Creates a source of which only the address is known.
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

/// Shows what happened, and no subject.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("kind", &self.kind)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// The kinds of events.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A user logged in.
    LoginSucceeded,
    /// A login was attempted with an unknown name.
    UnknownUser,
    /// A password was wrong.
    WrongPassword,
    /// The code of the second step of a login was wrong or used before.
    WrongCode,
    /// A password was wrong a hundred times in a row. It is not accepted until it is replaced, or
    /// the user has proved their identity in another way.
    PasswordCapped,
    /// A refresh token was exchanged for its successor.
    Refreshed,
    /// A refresh token was used again long after its successor was issued: it or its successor was
    /// stolen. The device was revoked.
    ReuseDetected,
    /// A refresh token was newer than the record in the store: the store has lost a write. The
    /// device was revoked.
    StateLost,
    /// A device refreshed with another fingerprint than at its login.
    FingerprintChanged,
    /// A device was evicted because the user had too many.
    DeviceEvicted,
    /// A login was rejected because the user had too many devices.
    TooManyDevices,
    /// A device was logged out, by itself or by its user from another device.
    DeviceRevoked,
    /// All devices of a user were revoked, and with `Accounts` all server-side sessions too.
    AllDevicesRevoked,
    /// A user logged in to a server-side session, a new one or an existing one under a new id.
    SessionStarted,
    /// A server-side session of a user got a new id: on request of the user, after a proof, or
    /// after a change of roles.
    SessionIdCycled,
    /// A server-side session of a user was logged out by its holder.
    SessionLoggedOut,
    /// A server-side session of a user was revoked by its public id, from elsewhere.
    SessionRevoked,
    /// The record of a server-side session cannot be read: it was damaged, or written with another
    /// setting. Its holder is logged out.
    SessionUnreadable,
    /// All server-side sessions of a user were revoked.
    SessionsCleared,
    /// A token was revoked by its id.
    TokenRevoked,
    /// All tokens of a user were revoked.
    SubjectRevoked,
    /// A provider has identified a user. The subject is the provider's id of the user.
    ProviderLoginSucceeded,
    /// A login with a provider failed.
    ProviderLoginFailed,
    /// The record of the devices of a user cannot be read: it was damaged, forged or moved, or is
    /// sealed under a secret that is not accepted. It counts as absent. An error in the log states
    /// the reason.
    RecordUnreadable,
    /// The password of a user was changed.
    PasswordChanged,
    /// A user was disabled, and all their credentials were revoked.
    UserDisabled,
    /// A user was enabled again.
    UserEnabled,
    /// A user was removed.
    UserRemoved,
    /// An attempt was rejected without a check because there had been too many.
    Throttled,
    /// A user confirmed an authenticator, the first or another one.
    OtpEnrolled,
    /// A one-time code was right.
    OtpAccepted,
    /// A one-time code or a recovery code was wrong.
    OtpRefused,
    /// A one-time code was used before, or is older than one that was.
    OtpReplayed,
    /// Too many one-time codes or recovery codes were wrong: none is checked for a while.
    OtpLocked,
    /// A hundred codes were wrong in a row: none is accepted until a recovery code is used or the
    /// authenticator is replaced.
    OtpCapped,
    /// The record of the one-time codes of a user cannot be read: its secret was retired, or it is
    /// damaged. The user cannot give a code.
    OtpUnreadable,
    /// A counter was resynchronized with two consecutive codes.
    OtpResynchronized,
    /// A recovery code was used up.
    RecoveryCodeUsed,
    /// A user got new recovery codes, and the old ones became invalid.
    RecoveryCodesReplaced,
    /// The second factor of a user was removed.
    OtpDisabled,
}

impl EventKind {
    /// Returns the stable name, for logs and alerts.
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
            Self::DeviceRevoked => "session_ended",
            Self::AllDevicesRevoked => "all_sessions_ended",
            Self::SessionStarted => "session_started",
            Self::SessionIdCycled => "session_renewed",
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

    /// Returns whether the event needs attention.
    const fn needs_attention(self) -> bool {
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

/// The destination of events. Cheap to clone; the default is `tracing` only.
#[derive(Clone, Default)]
pub struct Events(Option<Hook>);

type Hook = Arc<dyn Fn(&Event) + Send + Sync>;

impl Events {
    /// Also passes each event to `hook`.
    pub fn to(hook: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    /// Reports an event.
    pub fn tell(&self, event: &Event) {
        let code = event.kind.code();
        let address = event.source.address.map(tracing::field::display);
        let user_agent = event.source.user_agent.as_deref();
        let name_hash = event.source.name_hash.as_deref();
        if event.kind.needs_attention() {
            tracing::warn!(code, address, user_agent, name_hash, "authentication event");
        } else {
            tracing::info!(code, address, user_agent, name_hash, "authentication event");
        }
        crate::measure::record_event(code);
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
