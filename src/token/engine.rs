//! The engine that all kinds of tokens share: issuing, verifying, lists, and a cache of verified
//! tokens.
//!
//! A [`Jwt`](super::Jwt) and a [`Paseto`](super::Paseto) are this engine with an [`Envelope`] each.

use std::{any::Any, error::Error, fmt, pin::Pin, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use super::{
    claim_map::ForeignRules,
    claims::{Binding, Registered, Rules, Validity},
    date::DateFormat,
    issue::Issue,
    payload,
    revocation::{ListLookup, TokenList},
};
use crate::{
    authenticate::Verified,
    cache::Cache,
    clock::{Clock, Timestamp},
    error::IssueError,
    grant::Grant,
    identity::{Identity, Subject},
    json,
    rejection::Rejection,
};

/// How a payload becomes a token and back: the only part in which kinds of tokens differ.
pub(super) trait Envelope: fmt::Debug + Send + Sync + 'static {
    /// The form of dates in the payload.
    fn dates(&self) -> DateFormat;

    /// The function that returns the length of the part of a token that is unique to it. What
    /// follows that part may be the same in many tokens.
    fn unique_prefix_len(&self) -> fn(&str) -> usize {
        str::len
    }

    /// Returns whether `keys` are still the keys of the ring.
    fn is_current(&self, keys: &KeySnapshot) -> bool;

    /// Fetches keys that are not in the ring yet, where there is a source of them.
    fn refresh_keys(&self) -> Option<KeyRefresh<'_>> {
        None
    }

    /// Returns the payload of `token` after verifying it with a key of the ring.
    fn open(&self, token: &str) -> Result<OpenedEnvelope, Rejection>;

    /// Makes a token of a payload with the ring's active key.
    fn seal(&self, payload: &[u8]) -> Result<String, IssueError>;
}

/// Resolves to whether a token whose key was unknown should be verified again.
pub(super) type KeyRefresh<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// The payload of a token, and the keys at the time it was verified.
pub(super) struct OpenedEnvelope {
    pub(super) payload: Vec<u8>,
    pub(super) keys: KeySnapshot,
}

/// The keys of a ring at one moment, compared by their address in memory.
pub(super) type KeySnapshot = Arc<dyn Any + Send + Sync>;

/// The cause of a rejection for a token that names an unknown key, which may be a new one.
#[derive(Debug)]
pub(super) struct UnknownKey;

impl UnknownKey {
    fn is_cause_of(rejection: &Rejection) -> bool {
        rejection.source().is_some_and(|cause| cause.is::<Self>())
    }
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key may be a new one")
    }
}

impl Error for UnknownKey {}

/// An engine for tokens of one kind. It is a handle: cloning it is cheap.
pub(crate) struct Engine<U> {
    pub(super) inner: Arc<EngineInner>,
    cache: Arc<Cache<CheckedToken<U>>>,
}

pub(super) struct EngineInner {
    pub(super) envelope: Box<dyn Envelope>,
    pub(super) rules: Rules,
    pub(super) ttl: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) list: Option<TokenList>,
    pub(super) foreign: Option<ForeignRules>,
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

/// The content of a token, for a party that does not present it.
#[cfg(feature = "refresh")]
pub(crate) struct Inspected {
    pub(crate) identity: Identity,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) issued_at: Option<Timestamp>,
    pub(crate) audience: Vec<String>,
    pub(crate) key: Option<String>,
}

/// Returns the audience of a verified payload.
#[cfg(feature = "refresh")]
fn audience(payload: &[u8]) -> Vec<String> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    #[derive(serde::Deserialize)]
    struct Audience {
        aud: Option<OneOrMany>,
    }
    let read = serde_json::from_slice(payload).ok();
    match read.and_then(|Audience { aud }| aud) {
        Some(OneOrMany::One(name)) => vec![name],
        Some(OneOrMany::Many(names)) => names,
        None => Vec::new(),
    }
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
        Issue::new(self, grant)
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
