//! Issuing one token.

use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use base64_simd::URL_SAFE_NO_PAD;
use serde::Serialize;

#[cfg(feature = "dpop")]
use super::dpop::ProofKey;
use super::{
    claim_map::ClaimMap,
    date::LAST_SECOND,
    inner::EngineInner,
    revocation::{TokenId, TokenList},
    withheld::Withheld,
    write::Minted,
};
use crate::{
    clock::Timestamp,
    error::IssueError,
    grant::Grant,
    json,
    secret::{self, Secret},
};

/// A token that is about to be issued; `.await` issues it. See [`Jwt::issue`](super::Jwt::issue).
#[must_use = "no token is issued until this is awaited"]
pub struct Issue<'a, U> {
    engine: &'a EngineInner,
    grant: Grant<U>,
    ttl: Duration,
    not_before: Option<Duration>,
    audience: Option<String>,
    session_id: Option<String>,
    key: Option<String>,
    /// Whether only the grant may state what the user may do.
    is_authority_withheld: bool,
}

impl<'a, U> Issue<'a, U> {
    pub(super) fn new(engine: &'a EngineInner, grant: Grant<U>) -> Self {
        Self {
            engine,
            grant,
            ttl: engine.ttl,
            not_before: None,
            audience: None,
            session_id: None,
            key: None,
            is_authority_withheld: false,
        }
    }
}

impl<U: Serialize> Issue<'_, U> {
    /// Sets the lifetime, in whole seconds, in place of the engine's default.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Makes the token valid only after `delay`, in whole seconds from now (`nbf`). The lifetime
    /// still begins now and must be longer than the delay.
    pub const fn not_before(mut self, delay: Duration) -> Self {
        self.not_before = Some(delay);
        self
    }

    /// Issues the token for `audience` instead of the first audience of the engine.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Sets the public id of the session or device that the token belongs to (`sid`).
    #[cfg(feature = "refresh")]
    pub(crate) fn session_id(mut self, id: impl Into<String>) -> Self {
        self.session_id = Some(id.into());
        self
    }

    /// Binds the token to the key with this thumbprint, if any. See [`bound_to`](Self::bound_to).
    #[cfg(feature = "refresh")]
    pub(crate) fn confirmed_by(mut self, key: Option<String>) -> Self {
        self.key = key;
        self
    }

    /// Takes roles, scopes and proofs only from the grant. Members of the user with such names,
    /// which may be columns of a table, are left out.
    #[cfg(feature = "refresh")]
    pub(crate) const fn with_authority_of_grant(mut self) -> Self {
        self.is_authority_withheld = true;
        self
    }

    /// Binds the token to this key: it is valid only with a proof of the key (`cnf`, RFC 9449
    /// section 6.1).
    #[cfg(feature = "dpop")]
    pub fn bound_to(mut self, key: &ProofKey) -> Self {
        self.key = Some(key.thumbprint().to_owned());
        self
    }

    /// Issues a token that the list of the engine can revoke.
    async fn issue_on_list(&self, list: &TokenList) -> Result<Secret<String>, IssueError> {
        let engine = self.engine;
        self.grant.check()?;
        if self.ttl > list.max_ttl() {
            let reason = "its lifetime exceeds the longest lifetime of the list";
            return Err(IssueError::Grant(reason));
        }
        let now = engine.clock.now();
        let latest = now.after(engine.rules.leeway);
        let issued_at = list
            .choose_issued_at(&self.grant.subject, now, latest)
            .await?;
        let id = random_id();
        let token = self.mint(now, issued_at, &id)?;
        let expires_at = Timestamp::from_secs(now.as_secs()).after(self.ttl);
        list.add_issued(&TokenId::new(id, expires_at)).await?;
        Ok(token)
    }

    fn mint(&self, now: Timestamp, issued_at: u64, id: &str) -> Result<Secret<String>, IssueError> {
        let EngineInner {
            envelope,
            rules,
            foreign,
            ..
        } = self.engine;
        let map = foreign.as_ref().and_then(|foreign| foreign.map.as_ref());
        let mapped = map.map(ClaimMap::names).unwrap_or_default();
        self.grant.check()?;
        let now_secs = now.as_secs();
        let expires_at = now_secs.saturating_add(self.ttl.as_secs());
        #[allow(
            clippy::cast_precision_loss,
            reason = "`LAST_SECOND` is far below the point where an f64 loses precision"
        )]
        if self.ttl.as_secs() == 0 || expires_at as f64 > LAST_SECOND {
            return Err(IssueError::Grant(
                "the lifetime must be at least one second and end before year 10000",
            ));
        }
        let delayed = |delay: Duration| now_secs.saturating_add(delay.as_secs());
        let not_before = self.not_before.map(delayed);
        if not_before.is_some_and(|at| at >= expires_at) {
            return Err(IssueError::Grant("it would expire before it is valid"));
        }
        let configured = rules.audiences.as_ref().and_then(|all| all.first());
        let claims = Minted {
            dates: envelope.dates(),
            issuer: rules.issuer.as_deref(),
            subject: &self.grant.subject,
            audience: self.audience.as_ref().or(configured).map(String::as_str),
            expires_at,
            not_before,
            issued_at,
            id,
            session_id: self.session_id.as_deref(),
            key: self.key.as_deref(),
            scopes: &self.grant.scopes,
            roles: &self.grant.roles,
            proofs: &self.grant.proofs(now),
            user: &self.grant.user,
            withheld: if self.is_authority_withheld {
                Withheld::Authority(mapped)
            } else {
                Withheld::Engine
            },
        };
        let payload = json::write(&claims).map_err(|error| IssueError::User(error.into()))?;
        Ok(Secret::new(envelope.seal(&payload)?))
    }
}

impl<'a, U: Serialize + Send + Sync + 'a> IntoFuture for Issue<'a, U> {
    type Output = Result<Secret<String>, IssueError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            if let Some(list) = &self.engine.list {
                // Boxed, so that this future does not enlarge that of an engine without a list.
                return Box::pin(self.issue_on_list(list)).await;
            }
            let now = self.engine.clock.now();
            self.mint(now, now.as_secs(), &random_id())
        })
    }
}

/// Returns a new `jti`: 128 random bits.
fn random_id() -> String {
    URL_SAFE_NO_PAD.encode_to_string(secret::random::<16>())
}

impl<U> fmt::Debug for Issue<'_, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issue")
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
