//! The engine that all kinds of tokens share: issuing, verifying, lists, and a cache of verified
//! tokens.
//!
//! A [`Jwt`](super::Jwt) and a [`Paseto`](super::Paseto) are this engine with an
//! [`Envelope`](super::envelope::Envelope) each.

#[cfg(feature = "refresh")]
use std::time::Duration;
use std::{fmt, sync::Arc};

use serde::de::DeserializeOwned;

#[cfg(feature = "refresh")]
use super::inspect::{Inspected, audience};
use super::{
    claims::{Binding, Registered, Validity},
    envelope::{KeySnapshot, OpenedEnvelope, UnknownKey},
    inner::EngineInner,
    issue::Issue,
    payload,
    revocation::{ListLookup, TokenId, TokenList},
};
#[cfg(feature = "refresh")]
use crate::clock::Clock;
use crate::{
    authenticate::Verified,
    cache::Cache,
    clock::Timestamp,
    grant::Grant,
    identity::{Identity, Subject},
    json,
    rejection::Rejection,
};

/// An engine for tokens of one kind. It is a handle: cloning it is cheap.
pub(crate) struct Engine<U> {
    pub(super) inner: Arc<EngineInner>,
    cache: Arc<Cache<CheckedToken<U>>>,
}

/// A token that was valid when it was last verified, with the keys at that time.
pub(super) struct CheckedToken<U> {
    keys: KeySnapshot,
    pub(super) validity: Validity,
    pub(super) identity: Identity,
    user: Arc<U>,
    binding: Option<Binding>,
    /// What to look up in the list, if the engine has one.
    lookup: Option<ListLookup>,
}

impl<U> Engine<U> {
    pub(super) fn new(inner: EngineInner) -> Self {
        Self {
            cache: Arc::new(Cache::new(inner.envelope.unique_prefix_len())),
            inner: Arc::new(inner),
        }
    }

    pub(super) fn list(&self) -> Option<&TokenList> {
        self.inner.list.as_ref()
    }

    pub(crate) fn issue(&self, grant: Grant<U>) -> Issue<'_, U> {
        Issue::new(&self.inner, grant)
    }

    /// The issuer that tokens must state, unless any is accepted.
    #[cfg(feature = "refresh")]
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.inner.rules.issuer.as_deref()
    }

    #[cfg(feature = "refresh")]
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    /// The default lifetime of an issued token.
    #[cfg(feature = "refresh")]
    pub(crate) fn ttl(&self) -> Duration {
        self.inner.ttl
    }
}

impl<U: DeserializeOwned + Send + Sync + 'static> Engine<U> {
    pub(crate) async fn verify(&self, token: &str) -> Result<Verified<U>, Rejection> {
        self.verify_with_key(token, None).await
    }

    /// Verifies a token whose holder has proved possession of the key with this thumbprint, if any.
    pub(crate) async fn verify_with_key(
        &self,
        token: &str,
        proved_key: Option<&str>,
    ) -> Result<Verified<U>, Rejection> {
        let now = self.inner.clock.now();
        let checked = match self.check(token, now) {
            Err(rejection) if UnknownKey::is_cause_of(&rejection) => {
                self.check_with_new_keys(token, rejection).await?
            }
            result => result?,
        };
        // On each request, since the cache does not depend on who presented the token.
        Binding::check(checked.binding.as_ref(), proved_key)?;
        if let (Some(list), Some(lookup)) = (&self.inner.list, &checked.lookup) {
            // Boxed, so that this future does not enlarge that of an engine without a list.
            Box::pin(list.verify(lookup)).await?;
        }
        let identity = checked.identity.clone().checked_again_at(now);
        Ok(Verified::new(identity, Arc::clone(&checked.user)))
    }

    /// Returns the content of a token that is valid now, for a party that its holder has shown it
    /// to. `key` is the thumbprint of the key whose possession the holder must prove.
    #[cfg(feature = "refresh")]
    pub(crate) async fn inspect(&self, token: &str) -> Result<Inspected, Rejection> {
        let now = self.inner.clock.now();
        let checked = self.check(token, now)?;
        if let (Some(list), Some(lookup)) = (&self.inner.list, &checked.lookup) {
            list.verify(lookup).await?;
        }
        let key = match &checked.binding {
            None => None,
            Some(Binding::Key(key)) => Some(key.clone()),
            Some(Binding::Other) => {
                return Err(Rejection::invalid(
                    "the token has an unknown kind of binding",
                ));
            }
        };
        Ok(Inspected {
            identity: checked.identity.clone().checked_again_at(now),
            expires_at: checked.validity.expires_at,
            issued_at: checked.validity.issued_at,
            audience: audience(&self.inner.envelope.open(token)?.payload),
            key,
        })
    }

    /// Fetches new keys, and checks a token again whose key was unknown.
    async fn check_with_new_keys(
        &self,
        token: &str,
        rejection: Rejection,
    ) -> Result<Arc<CheckedToken<U>>, Rejection> {
        let Some(refresh) = self.inner.envelope.refresh_keys() else {
            return Err(rejection);
        };
        if refresh.await {
            self.check(token, self.inner.clock.now())
        } else {
            Err(rejection)
        }
    }

    /// Checks a token at `now`, without its list. A cached token is not verified again unless a key
    /// was added or retired since; only its times are checked.
    pub(super) fn check(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<CheckedToken<U>>, Rejection> {
        let cached = self.cache.get(token);
        let is_current =
            |cached: &Arc<CheckedToken<U>>| self.inner.envelope.is_current(&cached.keys);
        if let Some(cached) = cached.filter(is_current) {
            let times = self.inner.rules.check_times(&cached.validity, now);
            times.inspect_err(|_| self.cache.remove(token))?;
            return Ok(cached);
        }
        let checked = Arc::new(self.check_uncached(token, now)?);
        self.cache.insert(token, Arc::clone(&checked));
        Ok(checked)
    }

    fn check_uncached(&self, token: &str, now: Timestamp) -> Result<CheckedToken<U>, Rejection> {
        let inner = &*self.inner;
        let OpenedEnvelope { payload, keys } = inner.envelope.open(token)?;
        let dates = inner.envelope.dates();
        let (mut claims, user) = payload::read::<U>(&payload, dates).map_err(|error| {
            Rejection::invalid("the claims are not an acceptable JSON object")
                .with_source(json::position(&error))
        })?;
        if let Some(foreign) = &inner.foreign {
            foreign.apply(&payload, &mut claims)?;
        }
        inner.rules.check(&claims, now)?;
        let Validity {
            issued_at,
            expires_at,
            ..
        } = claims.validity;
        let subject = claims.subject.as_deref().unwrap_or_default();
        let lookup =
            |list: &TokenList| list.lookup(subject, claims.id.as_deref(), issued_at, expires_at);
        let lookup = inner.list.as_ref().map(lookup).transpose()?;
        Ok(CheckedToken {
            keys,
            validity: claims.validity,
            identity: identity(&claims, now),
            user: Arc::new(user),
            binding: claims.binding,
            lookup,
        })
    }

    pub(super) async fn revoke_token(&self, token: &str) -> Result<(), Rejection> {
        let list = self.required_list()?;
        Ok(list.revoke_id(&self.token_id(token)?).await?)
    }

    /// Revokes several tokens; revokes none of them if one is invalid.
    pub(super) async fn revoke_tokens(
        &self,
        tokens: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<(), Rejection> {
        let list = self.required_list()?;
        let ids = tokens
            .into_iter()
            .map(|token| self.token_id(token.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(list.revoke_ids(&ids).await?)
    }

    pub(super) fn token_id(&self, token: &str) -> Result<TokenId, Rejection> {
        let checked = self.check(token, self.inner.clock.now())?;
        let id = checked.identity.token_id().filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| Rejection::invalid("no list can hold a token without `jti`"))?;
        let expires_at = checked.validity.expires_at.unwrap_or(Timestamp::NEVER);
        Ok(TokenId::new(id, expires_at))
    }

    fn required_list(&self) -> Result<&TokenList, Rejection> {
        let missing = || Rejection::misconfigured("the engine has no list to revoke tokens with");
        self.list().ok_or_else(missing)
    }
}

fn identity(claims: &Registered<'_>, now: Timestamp) -> Identity {
    let issuer = claims.issuer.as_deref().unwrap_or_default();
    let subject = claims.subject.as_deref().unwrap_or_default();
    let mut identity = Identity::new(Subject::new(issuer, subject), now)
        .with_roles(claims.roles.list.iter().map(String::as_str))
        .with_scopes(claims.scopes());
    for (factor, at) in claims.factors() {
        identity = identity.with_factor(factor, at);
    }
    if let Some(id) = &claims.id {
        identity = identity.with_token_id(&**id);
    }
    if let Some(id) = &claims.session_id {
        identity = identity.with_session_id(&**id);
    }
    identity
}

impl<U> Clone for Engine<U> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            cache: Arc::clone(&self.cache),
        }
    }
}

impl<U> fmt::Debug for Engine<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("rules", &self.inner.rules)
            .field("envelope", &self.inner.envelope)
            .field("ttl", &self.inner.ttl)
            .finish_non_exhaustive()
    }
}
