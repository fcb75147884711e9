//! Engines for a test, and what they accept and refuse.

use std::{fmt, sync::Arc, time::Duration};

use http::{header, request::Builder};
use serde::{Serialize, de::DeserializeOwned};

use super::{FailingStore, ManualClock, request};
use crate::{
    clock::{Clock, Timestamp},
    grant::Grant,
    key::{Algorithm, Key, KeyRing},
    secret::{MasterSecret, Secret},
    session::Sessions,
    store::MemoryStore,
    token::{Claims, Jwt, JwtBuilder},
};

/// Engines on one store in memory and one clock, with generated keys.
///
/// They are set as a server's are, so what is issued here holds, and what a server would refuse is refused. Further engines
/// are built on [`store`](Self::store), [`clock`](Self::clock) and [`secret`](Self::secret).
pub struct TestJam<U = Claims> {
    clock: Arc<ManualClock>,
    store: Arc<FailingStore>,
    secret: MasterSecret,
    jwt: Jwt<U>,
    sessions: Sessions<U>,
    #[cfg(feature = "otp")]
    otp: crate::otp::Otp,
}

/// In what a token differs from those that are accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Foreign {
    /// It is signed with another key, under the same `kid`.
    Key,
    /// It is for another audience.
    Audience,
    /// It is by another issuer.
    Issuer,
}

impl<U: Send + Sync + 'static> TestJam<U> {
    /// Engines whose clock stands at 2026-01-01T00:00:00Z.
    ///
    /// # Panics
    ///
    /// When the operating system has no randomness to give.
    #[must_use]
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let memory = MemoryStore::new().with_clock(clock.clone());
        let store = Arc::new(FailingStore::new(Arc::new(memory)));
        let secret = MasterSecret::generate();
        let jwt = jwt(KeyRing::new(key()), ISSUER, AUDIENCE, clock.clone());
        let sessions = Sessions::builder(store.clone(), &secret)
            .issuer(ISSUER)
            .clock(clock.clone());
        #[cfg(feature = "otp")]
        let otp = crate::otp::Otp::builder(store.clone(), &secret, "Test")
            .issuer(ISSUER)
            .clock(clock.clone());
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

    /// The clock of all engines.
    #[must_use]
    pub const fn clock(&self) -> &Arc<ManualClock> {
        &self.clock
    }

    /// The store of all engines; it can be made to fail.
    #[must_use]
    pub const fn store(&self) -> &Arc<FailingStore> {
        &self.store
    }

    /// The secret of all engines.
    #[must_use]
    pub const fn secret(&self) -> &MasterSecret {
        &self.secret
    }

    /// The engine for tokens.
    #[must_use]
    pub const fn jwt(&self) -> &Jwt<U> {
        &self.jwt
    }

    /// The engine for sessions.
    #[must_use]
    pub const fn sessions(&self) -> &Sessions<U> {
        &self.sessions
    }

    /// The engine for one-time codes.
    #[cfg(feature = "otp")]
    #[must_use]
    pub const fn otp(&self) -> &crate::otp::Otp {
        &self.otp
    }

    /// Enrols an authenticator of `subject`, and hands it over.
    ///
    /// # Panics
    ///
    /// When the store was made to fail, or the subject has an authenticator.
    #[cfg(feature = "otp")]
    pub async fn enroll(&self, subject: &str) -> super::Authenticator {
        let enrollment = self.otp.enroll(subject).await.expect(NO_AUTHENTICATOR);
        let (totp, secret) = (crate::otp::Totp::new(), enrollment.secret().clone());
        // With the code before, so that the one it shows now is still good.
        let code = totp.code(&secret, self.clock.now().before(PERIOD));
        let recovery = self.otp.confirm(subject, code.expose()).await;
        drop(recovery.expect(NO_AUTHENTICATOR));
        super::Authenticator::new(secret, totp, self.clock.clone())
    }
}

impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> TestJam<U> {
    /// A token that is accepted.
    ///
    /// # Panics
    ///
    /// When the grant cannot be issued.
    pub async fn token(&self, grant: Grant<U>) -> Secret<String> {
        self.jwt.issue(grant).await.expect(ISSUED)
    }

    /// A token that was accepted until an hour ago.
    ///
    /// # Panics
    ///
    /// As [`token`](Self::token).
    pub async fn expired_token(&self, grant: Grant<U>) -> Secret<String> {
        let then = self.clock.now().before(HOUR + MINUTE);
        let keys = self.jwt.keys().clone();
        mint(
            jwt(keys, ISSUER, AUDIENCE, stopped(then)).ttl(MINUTE),
            grant,
        )
        .await
    }

    /// A token that is right but for one thing.
    ///
    /// # Panics
    ///
    /// As [`token`](Self::token).
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

    /// A request that is logged in by a token in its `Authorization` header.
    ///
    /// # Panics
    ///
    /// As [`token`](Self::token).
    pub async fn bearer(&self, grant: Grant<U>) -> Builder {
        request::bearer(self.token(grant).await.expose())
    }

    /// A request that is logged in by a new session in its cookie.
    ///
    /// # Panics
    ///
    /// As [`token`](Self::token), and when the store was made to fail.
    pub async fn in_session(&self, grant: Grant<U>) -> Builder {
        let session = self.sessions.create(grant).await.expect(ISSUED);
        let cookie = session.set_cookie.to_str().expect("a cookie of ours");
        let (pair, _) = cookie.split_once(';').expect("it has attributes");
        request::with(header::COOKIE, pair)
    }
}

fn key() -> Key {
    Key::generate(Algorithm::EdDsa).expect("the operating system gives randomness")
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
const NO_AUTHENTICATOR: &str = "the store works and there is no authenticator yet";
/// Of the default scheme.
#[cfg(feature = "otp")]
const PERIOD: Duration = Duration::from_secs(30);
