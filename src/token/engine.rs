//! What every kind of token shares: minting, judging, lists, and the memory of what was verified a moment ago.
//!
//! A [`Jwt`](super::Jwt) and a [`Paseto`](super::Paseto) are this engine with an [`Envelope`] each.

use std::{any::Any, error::Error, fmt, pin::Pin, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;

use super::{
    claim_map::Foreign,
    claims::{Binding, Registered, Rules, Validity},
    date::DateFormat,
    issue::Issue,
    json,
    list::{Asked, TokenList},
    payload,
};
use crate::{
    authenticate::Verified,
    cache::Cache,
    clock::{Clock, Timestamp},
    error::IssueError,
    grant::Grant,
    identity::{Identity, Subject},
    rejection::Rejection,
};

/// How a payload becomes a token, and a token a payload: all that kinds of tokens differ in.
pub(super) trait Envelope: fmt::Debug + Send + Sync + 'static {
    /// How dates are written in it.
    fn dates(&self) -> DateFormat;

    /// Where in a token that ends which differs in each.
    fn end(&self) -> fn(&str) -> usize {
        str::len
    }

    /// Whether the keys are still those.
    fn is_current(&self, keys: &Keys) -> bool;

    /// Asks for keys that are not there yet, where such may be had.
    fn learn(&self) -> Option<Learning<'_>> {
        None
    }

    /// The payload of `token`, once it is found to be from a key of the ring.
    fn open(&self, token: &str) -> Result<Opened, Rejection>;

    /// The token for a payload, by the ring's active key.
    fn seal(&self, payload: &[u8]) -> Result<String, IssueError>;
}

/// Says in the end whether a token whose key was unknown is worth judging again.
pub(super) type Learning<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// What was in an envelope, and the keys of that moment.
pub(super) struct Opened {
    pub(super) payload: Vec<u8>,
    pub(super) keys: Keys,
}

/// The keys of a ring at one moment, known by their place in memory.
pub(super) type Keys = Arc<dyn Any + Send + Sync>;

/// The cause of a refusal for want of a key that the token names and that may be a new one.
#[derive(Debug)]
pub(super) struct UnknownKey;

impl UnknownKey {
    fn caused(rejection: &Rejection) -> bool {
        rejection.source().is_some_and(|cause| cause.is::<Self>())
    }
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it may be a new one")
    }
}

impl Error for UnknownKey {}

/// An engine for tokens of one kind. It is a handle.
pub(crate) struct Engine<U> {
    pub(super) core: Arc<Core>,
    seen: Arc<Cache<Known<U>>>,
}

pub(super) struct Core {
    pub(super) envelope: Box<dyn Envelope>,
    pub(super) rules: Rules,
    pub(super) ttl: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) list: Option<TokenList>,
    pub(super) foreign: Option<Foreign>,
}

/// A token that was good when it was seen last, by the keys of that moment.
pub(super) struct Known<U> {
    keys: Keys,
    pub(super) validity: Validity,
    pub(super) identity: Identity,
    user: Arc<U>,
    binding: Option<Binding>,
    /// What is asked of the list, if the engine has one.
    asked: Option<Asked>,
}

/// What a token says to somebody who does not present it.
#[cfg(feature = "refresh")]
pub(crate) struct Inspected {
    pub(crate) identity: Identity,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) issued_at: Option<Timestamp>,
    pub(crate) audience: Vec<String>,
    pub(crate) key: Option<String>,
}

/// For whom a token is that was found good.
#[cfg(feature = "refresh")]
fn audience(payload: &[u8]) -> Vec<String> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Words {
        One(String),
        Many(Vec<String>),
    }
    #[derive(serde::Deserialize)]
    struct Audience {
        aud: Option<Words>,
    }
    let read = serde_json::from_slice(payload).ok();
    match read.and_then(|Audience { aud }| aud) {
        Some(Words::One(name)) => vec![name],
        Some(Words::Many(names)) => names,
        None => Vec::new(),
    }
}

impl<U> Engine<U> {
    pub(super) fn new(core: Core) -> Self {
        Self {
            seen: Arc::new(Cache::new(core.envelope.end())),
            core: Arc::new(core),
        }
    }

    pub(super) fn list(&self) -> Option<&TokenList> {
        self.core.list.as_ref()
    }

    pub(crate) fn issue(&self, grant: Grant<U>) -> Issue<'_, U> {
        Issue::new(self, grant)
    }

    /// What the tokens state as their issuer, unless any would do.
    #[cfg(feature = "refresh")]
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.core.rules.issuer.as_deref()
    }

    #[cfg(feature = "refresh")]
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.core.clock)
    }

    /// How long a token lives unless it is told otherwise.
    #[cfg(feature = "refresh")]
    pub(crate) fn ttl(&self) -> Duration {
        self.core.ttl
    }
}

impl<U: DeserializeOwned + Send + Sync + 'static> Engine<U> {
    pub(crate) async fn verify(&self, token: &str) -> Result<Verified<U>, Rejection> {
        self.verify_held(token, None).await
    }

    /// Verifies a token that is presented by whoever has proved to hold the key with this thumbprint, if any.
    pub(crate) async fn verify_held(
        &self,
        token: &str,
        held: Option<&str>,
    ) -> Result<Verified<U>, Rejection> {
        let now = self.core.clock.now();
        let known = match self.judge(token, now) {
            Err(rejection) if UnknownKey::caused(&rejection) => {
                self.judge_again(token, rejection).await?
            }
            verdict => verdict?,
        };
        // On each request, since a token is remembered whoever presented it.
        Binding::check(known.binding.as_ref(), held)?;
        if let (Some(list), Some(asked)) = (&self.core.list, &known.asked) {
            // Boxed, so that an engine without a list does not carry this future.
            Box::pin(list.pass(asked)).await?;
        }
        let identity = known.identity.clone().checked_again_at(now);
        Ok(Verified::new(identity, Arc::clone(&known.user)))
    }

    /// What a token says that is good now, for somebody whom its holder has shown it to. The last is the thumbprint of the
    /// key that its holder must prove to hold.
    #[cfg(feature = "refresh")]
    pub(crate) async fn inspect(&self, token: &str) -> Result<Inspected, Rejection> {
        let now = self.core.clock.now();
        let known = self.judge(token, now)?;
        if let (Some(list), Some(asked)) = (&self.core.list, &known.asked) {
            list.pass(asked).await?;
        }
        let key = match &known.binding {
            None => None,
            Some(Binding::Key(key)) => Some(key.clone()),
            Some(Binding::Other) => return Err(Rejection::invalid("bound to something unknown")),
        };
        Ok(Inspected {
            identity: known.identity.clone().checked_again_at(now),
            expires_at: known.validity.expires_at,
            issued_at: known.validity.issued_at,
            audience: audience(&self.core.envelope.open(token)?.payload),
            key,
        })
    }

    /// What a token says whose key is unknown, once new keys were asked for.
    async fn judge_again(
        &self,
        token: &str,
        rejection: Rejection,
    ) -> Result<Arc<Known<U>>, Rejection> {
        let Some(learning) = self.core.envelope.learn() else {
            return Err(rejection);
        };
        match learning.await {
            true => self.judge(token, self.core.clock.now()),
            false => Err(rejection),
        }
    }

    /// What a token says that is good at `now`, whatever its list says.
    pub(super) fn judge(&self, token: &str, now: Timestamp) -> Result<Arc<Known<U>>, Rejection> {
        Ok(match self.known(token) {
            Some(known) => {
                let times = self.core.rules.check_times(&known.validity, now);
                times.inspect_err(|_| self.seen.remove(token))?;
                known
            }
            None => {
                let known = Arc::new(self.read(token, now)?);
                self.seen.insert(token, Arc::clone(&known));
                known
            }
        })
    }

    /// What is known of a token that was seen before, unless a key was added or retired since.
    fn known(&self, token: &str) -> Option<Arc<Known<U>>> {
        let known = self.seen.get(token)?;
        self.core.envelope.is_current(&known.keys).then_some(known)
    }

    fn read(&self, token: &str, now: Timestamp) -> Result<Known<U>, Rejection> {
        let core = &*self.core;
        let Opened { payload, keys } = core.envelope.open(token)?;
        let dates = core.envelope.dates();
        let (mut claims, user) = payload::read::<U>(&payload, dates).map_err(|error| {
            Rejection::invalid("the claims are not an acceptable JSON object")
                .because(json::position(&error))
        })?;
        if let Some(foreign) = &core.foreign {
            foreign.apply(&payload, &mut claims)?;
        }
        core.rules.check(&claims, now)?;
        let Validity {
            issued_at,
            expires_at,
            ..
        } = claims.validity;
        let subject = claims.subject.as_deref().unwrap_or_default();
        let ask = |list: &TokenList| list.ask(subject, claims.id.as_deref(), issued_at, expires_at);
        let asked = core.list.as_ref().map(ask).transpose()?;
        Ok(Known {
            keys,
            validity: claims.validity,
            identity: identity(&claims, now),
            user: Arc::new(user),
            binding: claims.binding,
            asked,
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
            core: Arc::clone(&self.core),
            seen: Arc::clone(&self.seen),
        }
    }
}

impl<U> fmt::Debug for Engine<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("rules", &self.core.rules)
            .field("envelope", &self.core.envelope)
            .field("ttl", &self.core.ttl)
            .finish_non_exhaustive()
    }
}
