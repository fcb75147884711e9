//! Deny and allow lists, with which a token is revoked before it expires.
//!
//! A [`TokenList`] belongs to the engine of a bare token:
//! [`JwtBuilder::list`](super::JwtBuilder::list). Token pairs need no list, since their access
//! tokens are revoked together with their device. [`deny`](TokenList::deny) creates a deny list,
//! [`white`](TokenList::allow) an allow list.
//!
//! # Rules
//!
//! * **By id.** A token is listed by its `jti` and issuer, never by its text: base64 and ECDSA
//!   allow a second spelling of the same token. An engine with a list rejects a token without `jti`
//!   or `iat`, since it could not be revoked.
//! * **A deny list** rejects the tokens on it. It has a *birth*, the second in which it was
//!   created, and a token whose `iat` is not after the birth is rejected. Therefore a lost list
//!   does not make revoked tokens valid again: the first node that finds the birth missing creates
//!   a new one. Adding a new deny list to an engine rejects every token that was issued before;
//!   call [`created_at`](TokenList::created_at) at the start of a server to choose that moment.
//! * **An allow list** rejects the tokens that are not on it. Issuing adds the token before it is
//!   handed out; a lost list rejects everything.
//! * **The mark of a subject** ([`revoke_all`](TokenList::revoke_all)) rejects every token
//!   of the subject whose `iat`, in whole seconds, is not after it. It never moves back.
//! * **A login right after a revocation** works: a token that is issued in the second of a mark or
//!   of the birth carries the next second as its `iat`. To verifiers that is the future, so a list
//!   needs a leeway of at least one second. If the subject is revoked again within that second, the
//!   new mark is the `iat` of that token.
//! * **Lifetime.** An entry is stored for as long as its token could be accepted: until its expiry
//!   plus sixty seconds, the longest leeway. A mark is stored for the [longest
//!   lifetime](TokenListBuilder::max_ttl) of a token plus the same leeway, so an engine with a list
//!   neither issues nor accepts a token that lives longer.
//! * **Every request checks the list**, also for a cached token. An accepting answer may come from
//!   a near-cache; a rejecting answer comes from the store itself.
//! * **A store that fails** is 503: the token is neither accepted nor revoked.
//! * **An unreadable entry** is 503 as well. The next [`revoke_all`](TokenList::revoke_all)
//!   replaces a mark; a birth is replaced by removing it from the store.
//!
//! # Clock skew
//!
//! Marks and births use the clock of the node that writes them. If that clock is *d* behind the
//! clock of a node that issues tokens, a token issued there in the last *d* before the mark
//! survives the mark, and a token that was revoked in the last *d* before the list was lost becomes
//! valid again. If it is ahead, no such token survives, but logins on other nodes get an `iat` that
//! is ahead by the same amount; beyond the leeway they fail until that time. Neither happens on a
//! single node whose clock does not move back.
//!
//! A postdated token counts as issued in its stated second: if the list is lost and another process
//! notices this before that second, the token is valid again. The process that issued or accepted
//! the token does not make this mistake.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use tower_jam::{
//!     Algorithm, Claims, Env, Grant, Jwt, Key, KeyRing, MasterSecret, TokenList,
//!     store::MemoryStore,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(MemoryStore::new());
//! let env = Env::new("https://auth.acme.dev", store, &MasterSecret::generate());
//! let list = TokenList::deny(&env).build()?;
//! let ring = KeyRing::new(Key::generate(Algorithm::EdDsa)?);
//! let jwt = Jwt::<Claims>::builder(ring)
//!     .issuer("https://auth.acme.dev")
//!     .audience("api")
//!     .list(list.clone())
//!     .build()?;
//!
//! let [phone, laptop] = [
//!     jwt.issue(Grant::new("alice", Claims::new())).await?,
//!     jwt.issue(Grant::new("alice", Claims::new())).await?,
//! ];
//! jwt.revoke(phone.expose()).await?;
//! assert_eq!(jwt.verify(phone.expose()).await.unwrap_err().status(), 401);
//! assert!(jwt.verify(laptop.expose()).await.is_ok());
//!
//! list.revoke_all("alice").await?;
//! assert!(jwt.verify(laptop.expose()).await.is_err());
//! let next = jwt.issue(Grant::new("alice", Claims::new())).await?;
//! assert!(jwt.verify(next.expose()).await.is_ok());
//! # Ok(())
//! # }
//! ```

mod builder;
mod id;
mod inner;
mod join;
mod mark;
mod request;

use std::{fmt, sync::Arc, time::Duration};

pub(crate) use self::request::ListLookup;
pub use self::{builder::TokenListBuilder, id::TokenId};
use self::{
    inner::{ListMode, TokenListInner},
    mark::SubjectMark,
};
use crate::{
    clock::Timestamp,
    env::Env,
    error::StoreError,
    event::{Event, EventKind},
    store::{
        Write,
        swap::{Step, swap},
    },
};

/// A deny list or an allow list of tokens in a store. See the [module](self).
///
/// It is a handle: cloning it is cheap. All engines and nodes with the same issuer, mode and store
/// share their list.
///
/// ```
/// use std::sync::Arc;
/// use tower_jam::{Clock, Env, MasterSecret, SystemClock, TokenList, store::MemoryStore};
/// use tower_jam::token::TokenId;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Arc::new(MemoryStore::new());
/// let env = Env::new("https://acme.dev", store, &MasterSecret::generate());
/// let list = TokenList::deny(&env).build()?;
///
/// let token = TokenId::new("its jti", SystemClock.now().after(list.max_ttl()));
/// list.add(&token).await?;
/// assert!(!list.check(&token).await?, "it is on the deny list");
/// # Ok(())
/// # }
/// ```
#[doc(alias("blacklist", "whitelist", "denylist", "revocation", "logout"))]
#[derive(Clone)]
pub struct TokenList {
    inner: Arc<TokenListInner>,
}

impl TokenList {
    /// Starts to build a deny list: the tokens on it are rejected. The issuer must be set.
    pub fn deny(env: &Env) -> TokenListBuilder {
        TokenListBuilder::new(env, ListMode::Deny)
    }

    /// Starts to build an allow list: only the tokens on it are accepted. The issuer must be set.
    pub fn allow(env: &Env) -> TokenListBuilder {
        TokenListBuilder::new(env, ListMode::Allow)
    }

    /// Adds a token to the list. An existing entry stays, with the later of the two expiries.
    ///
    /// # Errors
    ///
    /// When the store fails. Trying again is safe.
    pub async fn add(&self, token: &TokenId) -> Result<(), StoreError> {
        let inner = &*self.inner;
        let expires_at = token.listed_until();
        let was_added = swap(
            &*inner.store,
            &*inner.clock,
            &self.id_key(&token.id),
            |entry| {
                let is_stored = entry.is_some_and(|entry| entry.expires_at >= expires_at);
                Ok::<_, StoreError>(if is_stored || inner.clock.now() >= expires_at {
                    Step::Keep(false)
                } else {
                    Step::Swap(Write::new(PRESENT, expires_at), entry.is_none())
                })
            },
        )
        .await?;
        if was_added && inner.mode == ListMode::Deny {
            self.emit(EventKind::TokenRevoked, None);
        }
        Ok(())
    }

    /// Removes a token from the list, and returns whether it was on it. On an allow list this
    /// revokes the token.
    ///
    /// # Errors
    ///
    /// When the store fails. Trying again is safe.
    pub async fn remove(&self, token: &TokenId) -> Result<bool, StoreError> {
        let taken = self.inner.store.take(&self.id_key(&token.id)).await?;
        if taken.is_some() && self.inner.mode == ListMode::Allow {
            self.emit(EventKind::TokenRevoked, None);
        }
        Ok(taken.is_some())
    }

    /// Returns whether the list accepts the token: a deny list because it is absent, an allow list
    /// because it is present.
    ///
    /// This does not check the birth and the mark of the subject, which are compared with claims of
    /// the token: [`Jwt::verify`](crate::Jwt::verify) checks everything.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn check(&self, token: &TokenId) -> Result<bool, StoreError> {
        let entry = self.inner.store.get(&self.id_key(&token.id)).await?;
        Ok(self.accepts(entry.is_some()))
    }

    /// Adds several tokens, as [`add`](Self::add), sixty-four at a time.
    ///
    /// # Errors
    ///
    /// The first error of the store. Some tokens are then on the list and others are not; trying
    /// again is safe.
    pub async fn add_all(&self, tokens: &[TokenId]) -> Result<(), StoreError> {
        join::each(tokens, |token| self.add(token)).await?;
        Ok(())
    }

    /// Removes several tokens, as [`remove`](Self::remove), sixty-four at a time. Returns how many
    /// were on the list.
    ///
    /// # Errors
    ///
    /// The first error of the store. Some tokens are then off the list and others are not; trying
    /// again is safe.
    pub async fn remove_all(&self, tokens: &[TokenId]) -> Result<usize, StoreError> {
        let removed = join::each(tokens, |token| self.remove(token)).await?;
        Ok(removed.into_iter().filter(|was_listed| *was_listed).count())
    }

    /// Checks several tokens, as [`check`](Self::check), sixty-four at a time. Returns the results
    /// in the order of the tokens.
    ///
    /// # Errors
    ///
    /// The first error of the store.
    pub async fn check_all(&self, tokens: &[TokenId]) -> Result<Vec<bool>, StoreError> {
        join::each(tokens, |token| self.check(token)).await
    }

    /// Revokes every token of `subject` that was issued before this call. A token that is issued
    /// after it is valid, even in the same second. A token that is being issued during the call may
    /// be either.
    ///
    /// # Errors
    ///
    /// When the store fails. Trying again is safe.
    pub async fn revoke_all(&self, subject: &str) -> Result<(), StoreError> {
        let inner = &*self.inner;
        swap(
            &*inner.store,
            &*inner.clock,
            &self.mark_key(subject),
            |entry| {
                // Until the mark is replaced, each token of the subject is rejected with 503.
                let mark = SubjectMark::read(entry).unwrap_or_else(|error| {
                    tracing::error!(%error, "the mark of a subject is unreadable and is replaced");
                    SubjectMark::default()
                });
                let raised = mark.raised(inner.clock.now());
                Ok::<_, StoreError>(if raised == mark {
                    Step::Keep(())
                } else {
                    Step::Swap(raised.write(entry, inner.longest), ())
                })
            },
        )
        .await?;
        self.emit(EventKind::SubjectRevoked, Some(subject));
        Ok(())
    }

    /// Returns the mark of `subject`, a whole second: tokens with an `iat` up to it are rejected.
    /// Returns `None` if the subject was never revoked, or so long ago that no token of that time
    /// can be valid.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn issued_before(&self, subject: &str) -> Result<Option<Timestamp>, StoreError> {
        let entry = self.inner.store.get(&self.mark_key(subject)).await?;
        let SubjectMark { before, .. } = SubjectMark::read(entry.as_ref())?;
        Ok((before > 0).then(|| Timestamp::from_secs(before)))
    }

    /// Returns when the deny list was created, a whole second: tokens with an `iat` up to it are
    /// rejected. A list that is new or was lost is created by this call. An allow list has no birth
    /// and returns `None`.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn created_at(&self) -> Result<Option<Timestamp>, StoreError> {
        match self.inner.mode {
            ListMode::Allow => Ok(None),
            ListMode::Deny => Ok(Some(Timestamp::from_secs(
                self.load_or_create_birth().await?,
            ))),
        }
    }

    fn emit(&self, kind: EventKind, subject: Option<&str>) {
        let mut event = Event::new(kind, self.inner.clock.now());
        event.subject = subject.map(str::to_owned);
        self.inner.events.tell(&event);
    }

    /// Returns the issuer of the listed tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// Returns the longest lifetime of a token.
    #[must_use]
    pub fn max_ttl(&self) -> Duration {
        self.inner.longest
    }
}

/// Shows no token and no subject.
impl fmt::Debug for TokenList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenList")
            .field("mode", &self.inner.mode)
            .field("issuer", &self.inner.issuer)
            .field("longest", &self.inner.longest)
            .finish_non_exhaustive()
    }
}

/// The value of an entry: only its presence matters.
const PRESENT: &[u8] = b"1";
