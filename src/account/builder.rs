//! The settings of accounts.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    accounts::Accounts,
    inner::{AccountsInner, SecondFactorEngines},
    pending::ChallengeKeys,
    remembered::RememberedDevices,
    users::Users,
};
use crate::{
    env::Env, error::ConfigError, otp::Otp, password::Passwords, refresh::TokenPairs,
    secret::tag::TagKey, session::Sessions, throttle::Throttle,
};

/// Builds an [`Accounts`].
#[must_use]
pub struct AccountsBuilder<U>(AccountsInner<U>);

impl<U> AccountsBuilder<U> {
    pub(super) fn new(
        env: &Env,
        users: Arc<dyn Users<U>>,
        passwords: Passwords,
        throttle: Throttle,
        pairs: TokenPairs<U>,
    ) -> Self {
        let challenges = ChallengeKeys::new(pairs.secret(), pairs.issuer());
        let name_keys = pairs.secret().keys("tower-jam tried names", pairs.issuer());
        Self(AccountsInner {
            challenges,
            names: TagKey::new(&name_keys[0]),
            users,
            passwords,
            throttle,
            pairs,
            sessions: None,
            second_factor: None,
            events: env.events.clone(),
            clock: Arc::clone(&env.clock),
        })
    }

    /// Adds sessions: users can log in to them, and whatever revokes everything of a user also
    /// revokes its sessions. Build them with the issuer of the token pairs, and with
    /// [`users`](crate::session::SessionsBuilder::users) of the same users, so that a disabled
    /// user, or one who loses a role, does not retain it for the life of a session. Default: none.
    pub fn sessions(mut self, sessions: Sessions<U>) -> Self {
        self.0.sessions = Some(sessions);
        self
    }

    /// Requires a one-time code at login from users who have a second factor. Build `otp` with the
    /// issuer of the token pairs. Default: none, and a user who has a second factor is refused.
    pub fn otp(mut self, otp: Otp) -> Self {
        self.0.second_factor = Some(SecondFactorEngines::new(otp));
        self
    }

    /// Requires no code on a device on which a code was given less than `life` ago, if the user
    /// asked for that. Call it after [`otp`](Self::otp). Default: every login requires a code.
    ///
    /// # Errors
    ///
    /// When there are no one-time codes, or `life` is not between an hour and a year.
    #[doc(alias("remember me", "trusted device"))]
    pub fn remember_devices(mut self, life: Duration) -> Result<Self, ConfigError> {
        let pairs = &self.0.pairs;
        let Some(second) = &mut self.0.second_factor else {
            return Err(ConfigError::new("remember_devices", "there is no `otp`"));
        };
        if !(HOUR..=YEAR).contains(&life) {
            let reason = "is not between an hour and a year";
            return Err(ConfigError::new("remember_devices", reason));
        }
        let devices = RememberedDevices::new(pairs.secret(), pairs.issuer(), life);
        second.remembered = Some(devices);
        Ok(self)
    }

    /// Checks that the engines belong together, and builds the accounts.
    ///
    /// # Errors
    ///
    /// When the sessions or one-time codes have another issuer than the token pairs, or the
    /// sessions do not re-read their users.
    pub fn build(self) -> Result<Accounts<U>, ConfigError> {
        self.validate().map_err(|error| error.in_engine("Accounts"))
    }

    fn validate(self) -> Result<Accounts<U>, ConfigError> {
        let inner = self.0;
        let issuer = inner.pairs.issuer();
        if let Some(sessions) = &inner.sessions {
            if sessions.issuer() != issuer {
                let reason = "its issuer is not that of the token pairs";
                return Err(ConfigError::new("sessions", reason));
            }
            if !sessions.reads_users() {
                let reason = "it does not re-read its users: call `SessionsBuilder::users`";
                return Err(ConfigError::new("sessions", reason));
            }
        }
        if let Some(second) = &inner.second_factor
            && second.otp.issuer() != issuer
        {
            let reason = "its issuer is not that of the token pairs";
            return Err(ConfigError::new("otp", reason));
        }
        Ok(Accounts::new(inner))
    }
}

impl<U> fmt::Debug for AccountsBuilder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountsBuilder").finish_non_exhaustive()
    }
}

const HOUR: Duration = Duration::from_secs(60 * 60);
const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
