//! Engines for tests, with valid and invalid credentials for them.

use std::{fmt, sync::Arc, time::Duration};

use http::{header, request::Builder};
use serde::{Serialize, de::DeserializeOwned};

use super::{FailingStore, ManualClock, request};
use crate::{
    clock::{Clock, Timestamp},
    env::Env,
    grant::Grant,
    key::{Algorithm, Key, KeyRing},
    secret::{MasterSecret, Secret},
    session::Sessions,
    store::MemoryStore,
    token::{Claims, Jwt, JwtBuilder},
};

/// Engines on one in-memory store and one clock, with generated keys.
///
/// They are configured as on a server: they accept what they issue, and reject what a server would
/// reject. Further engines can be built on [`store`](Self::store), [`clock`](Self::clock) and
/// [`secret`](Self::secret).
pub struct TestJam<U = Claims> {
    clock: Arc<ManualClock>,
    store: Arc<FailingStore>,
    secret: MasterSecret,
    jwt: Jwt<U>,
    sessions: Sessions<U>,
    #[cfg(feature = "otp")]
    otp: crate::otp::Otp,
}

/// How a token differs from those that are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Foreign {
    /// Signed with another key, under the same `kid`.
    Key,
    /// Issued for another audience.
    Audience,
    /// Issued by another issuer.
    Issuer,
}

impl<U: Send + Sync + 'static> TestJam<U> {
    /// Creates engines whose clock shows 2026-01-01T00:00:00Z.
    ///
    /// # Panics
    ///
    /// If the operating system provides no randomness.
    #[must_use]
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let memory = MemoryStore::new().with_clock(clock.clone());
        let store = Arc::new(FailingStore::new(Arc::new(memory)));
        let secret = MasterSecret::generate();
        let jwt = jwt(KeyRing::new(key()), ISSUER, AUDIENCE, clock.clone());
        let env = Env::new(ISSUER, store.clone(), &secret).with_clock(clock.clone());
        let sessions = Sessions::builder(&env);
        #[cfg(feature = "otp")]
        let otp = crate::otp::Otp::builder(&env, "Test");
        Self {
            jwt: jwt.build().expect(VALID),
            sessions: sessions.build().expect(VALID),
            #[cfg(feature = "otp")]
            otp: otp.build().expect(VALID),
            clock,
            store,
            secret,
        }
    }

    /// Returns the clock of all engines.
    #[must_use]
    pub const fn clock(&self) -> &Arc<ManualClock> {
        &self.clock
    }

    /// Returns the store of all engines, which can be made to fail.
    #[must_use]
    pub const fn store(&self) -> &Arc<FailingStore> {
        &self.store
    }

    /// Returns the secret of all engines.
    #[must_use]
    pub const fn secret(&self) -> &MasterSecret {
        &self.secret
    }

    /// Returns the engine for tokens.
    #[must_use]
    pub const fn jwt(&self) -> &Jwt<U> {
        &self.jwt
    }

    /// Returns the engine for sessions.
    #[must_use]
    pub const fn sessions(&self) -> &Sessions<U> {
        &self.sessions
    }

    /// Returns the engine for one-time codes.
    #[cfg(feature = "otp")]
    #[must_use]
    pub const fn otp(&self) -> &crate::otp::Otp {
        &self.otp
    }

    /// Enrols an authenticator for `subject` and returns it.
    ///
    /// # Panics
    ///
    /// If the store was made to fail, or the subject already has an authenticator.
    #[cfg(feature = "otp")]
    pub async fn enroll(&self, subject: &str) -> super::Authenticator {
        let enrollment = self.otp.enroll(subject).await.expect(NO_AUTHENTICATOR);
        let (totp, secret) = (crate::otp::Totp::new(), enrollment.secret().clone());
        // Confirm with the previous code, so that the current one is still unused.
        let code = totp.code(&secret, self.clock.now().before(PERIOD));
        let recovery = self.otp.confirm(subject, code.expose()).await;
        drop(recovery.expect(NO_AUTHENTICATOR));
        super::Authenticator::new(secret, totp, self.clock.clone())
    }
}

impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> TestJam<U> {
    /// Issues a token that is accepted.
    ///
    /// # Panics
    ///
    /// If the grant cannot be issued.
    pub async fn token(&self, grant: Grant<U>) -> Secret<String> {
        self.jwt.issue(grant).await.expect(ISSUED)
    }

    /// Issues a token that expired an hour ago.
    ///
    /// # Panics
    ///
    /// As for [`token`](Self::token).
    pub async fn expired_token(&self, grant: Grant<U>) -> Secret<String> {
        let then = self.clock.now().before(HOUR + MINUTE);
        let keys = self.jwt.keys().clone();
        mint(
            jwt(keys, ISSUER, AUDIENCE, stopped(then)).ttl(MINUTE),
            grant,
        )
        .await
    }

    /// Issues a token that is invalid in one respect.
    ///
    /// # Panics
    ///
    /// As for [`token`](Self::token).
    pub async fn foreign_token(&self, grant: Grant<U>, in_what: Foreign) -> Secret<String> {
        let keys = self.jwt.keys();
        let now = stopped(self.clock.now());
        let builder = match in_what {
            Foreign::Key => {
                let kid = keys.active().kid().to_owned();
                let other = key().with_kid(kid).expect(VALID);
                jwt(KeyRing::new(other), ISSUER, AUDIENCE, now)
            }
            Foreign::Audience => jwt(keys.clone(), ISSUER, "another", now),
            Foreign::Issuer => jwt(keys.clone(), "https://another.invalid", AUDIENCE, now),
        };
        mint(builder, grant).await
    }

    /// Returns a request that is authenticated by a token in its `Authorization` header.
    ///
    /// # Panics
    ///
    /// As for [`token`](Self::token).
    pub async fn bearer(&self, grant: Grant<U>) -> Builder {
        request::bearer(self.token(grant).await.expose())
    }

    /// Returns a request that is authenticated by a new session in its cookie.
    ///
    /// # Panics
    ///
    /// As for [`token`](Self::token), and if the store was made to fail.
    pub async fn in_session(&self, grant: Grant<U>) -> Builder {
        let session = self.sessions.create(grant).await.expect(ISSUED);
        let cookie = session
            .set_cookie
            .to_str()
            .expect("a cookie is visible ASCII");
        let (pair, _) = cookie.split_once(';').expect("it has attributes");
        request::with(header::COOKIE, pair)
    }
}

fn key() -> Key {
    Key::generate(Algorithm::EdDsa).expect("the operating system provides randomness")
}

fn jwt<U>(keys: KeyRing, issuer: &str, audience: &str, clock: Arc<dyn Clock>) -> JwtBuilder<U> {
    Jwt::builder(keys)
        .issuer(issuer)
        .audience(audience)
        .clock(clock)
}

fn stopped(at: Timestamp) -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(at))
}

async fn mint<U: Serialize + Send + Sync>(
    builder: JwtBuilder<U>,
    grant: Grant<U>,
) -> Secret<String> {
    let jwt = builder.build().expect(VALID);
    jwt.issue(grant).await.expect(ISSUED)
}

impl<U: Send + Sync + 'static> Default for TestJam<U> {
    fn default() -> Self {
        Self::new()
    }
}

impl<U> fmt::Debug for TestJam<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestJam")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

const ISSUER: &str = "https://auth.invalid";
const AUDIENCE: &str = "test";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const VALID: &str = "these settings are valid";
const ISSUED: &str = "the store works and the grant can be issued";
#[cfg(feature = "otp")]
const NO_AUTHENTICATOR: &str = "the store works and the subject has no authenticator yet";
/// The period of the default scheme.
#[cfg(feature = "otp")]
const PERIOD: Duration = Duration::from_secs(30);
