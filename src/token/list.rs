//! Lists by which a token is called back before it expires.
//!
//! A [`TokenList`] belongs to the engine of a bare token:
//! [`JwtBuilder::list`](super::JwtBuilder::list). Token pairs do without one, since their access
//! tokens end with their device.
//!
//! # Rules
//!
//! * **By id.** A token is listed by its `jti` and its issuer, never by its text: base64 and ECDSA
//!   allow a second spelling of one token. Under a list a token without `jti` or `iat` is refused,
//!   since nobody could call it back.
//! * **A black list** refuses what is on it. It has a *birth*, the second in which it was made, and
//!   a token whose `iat` is not after that is refused. So a list that was lost revives nothing:
//!   whoever misses the birth makes a new one. Putting an engine under a new black list refuses
//!   every token that was issued before; [`birth`](TokenList::birth) at the start of a server makes
//!   that moment one's own.
//! * **A white list** refuses what is not on it. Issuing adds, before the token is handed out; a
//!   list that was lost refuses everything.
//! * **A subject's mark** ([`revoke_subject`](TokenList::revoke_subject)) refuses every token of
//!   the subject whose `iat`, in whole seconds, is not after it. It never goes back.
//! * **A login right after** works: a token that is minted in the second of a mark or of the birth
//!   carries as `iat` the second after it. Verifiers take that for the future, so a list wants a
//!   leeway of a second at least. A mark that follows such a token within the second stands at the
//!   token's `iat`.
//! * **Life.** An entry is kept for as long as its token could be accepted: until its expiry and
//!   sixty seconds, the longest leeway. A mark is kept for the [longest
//!   life](TokenListBuilder::longest) of a token and as much, so an engine with a list neither
//!   mints nor accepts a token that lives longer.
//! * **Every request asks**, also about a token that was seen before. A near-cache may say yes; a
//!   no is the store's own.
//! * **A store that fails** is 503: neither let in nor revoked.
//! * **An entry that cannot be read** is 503 as well. A mark is replaced by the next
//!   [`revoke_subject`](TokenList::revoke_subject); a birth is replaced by removing it in the
//!   store.
//!
//! # What clocks that differ let through
//!
//! Marks and births are by the clock of the node that makes them. When it is *d* behind the clock
//! of a node that mints, a token minted there in the last *d* before the mark survives the mark,
//! and one that was revoked in the last *d* before the list was lost is revived. When it is ahead,
//! nothing survives, and logins elsewhere get an `iat` as far ahead; beyond the leeway they fail
//! until that time has come. Neither happens on one node whose clock does not go back.
//!
//! A token that was dated ahead counts as one of that second: if the list is lost and another
//! process notices it before that second has come, the token is good again. The process that minted
//! it, or has let it in, does not make that mistake.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use tower_jam::{Algorithm, Claims, Grant, Jwt, Key, KeyRing, TokenList, store::MemoryStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let list = TokenList::black(Arc::new(MemoryStore::new())).issuer("https://auth.acme.dev").build()?;
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
//! list.revoke_subject("alice").await?;
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

pub(super) use self::request::ListLookup;
pub use self::{builder::TokenListBuilder, id::TokenId};
use self::{
    inner::{ListMode, TokenListInner},
    mark::SubjectMark,
};
use crate::{
    clock::Timestamp,
    error::StoreError,
    event::{Event, EventKind},
    store::{
        Store, Write,
        swap::{Step, swap},
    },
};

/// A black or a white list of tokens in a store. See the [module](self).
///
/// It is a handle: cloning it is cheap. All engines and nodes with one issuer, one mode and one
/// store share their list.
#[derive(Clone)]
pub struct TokenList {
    inner: Arc<TokenListInner>,
}

impl TokenList {
    /// A list of the tokens that are refused. The issuer must be set.
    pub fn black(store: Arc<dyn Store>) -> TokenListBuilder {
        TokenListBuilder::new(store, ListMode::Black)
    }

    /// A list of the only tokens that are accepted. The issuer must be set.
    pub fn white(store: Arc<dyn Store>) -> TokenListBuilder {
        TokenListBuilder::new(store, ListMode::White)
    }

    /// Puts a token on the list. An entry that is there already is kept, with the later of the two
    /// expiries.
    ///
    /// # Errors
    ///
    /// When the store fails. Asking again is safe.
    pub async fn add(&self, token: &TokenId) -> Result<(), StoreError> {
        let inner = &*self.inner;
        let expires_at = token.kept_until();
        let is_new = swap(
            &*inner.store,
            &*inner.clock,
            &self.id_key(&token.id),
            |entry| {
                let is_kept = entry.is_some_and(|entry| entry.expires_at >= expires_at);
                Ok::<_, StoreError>(match is_kept || inner.clock.now() >= expires_at {
                    true => Step::Keep(false),
                    false => Step::Swap(Write::new(PRESENT, expires_at), entry.is_none()),
                })
            },
        )
        .await?;
        if is_new && inner.mode == ListMode::Black {
            self.tell(EventKind::TokenRevoked, None);
        }
        Ok(())
    }

    /// Takes a token off the list, and says whether it was on it. On a white list this ends the
    /// token.
    ///
    /// # Errors
    ///
    /// When the store fails. Asking again is safe.
    pub async fn remove(&self, token: &TokenId) -> Result<bool, StoreError> {
        let taken = self.inner.store.take(&self.id_key(&token.id)).await?;
        if taken.is_some() && self.inner.mode == ListMode::White {
            self.tell(EventKind::TokenRevoked, None);
        }
        Ok(taken.is_some())
    }

    /// Whether the list lets such a token pass: on a black list because it is not there, on a white
    /// list because it is.
    ///
    /// It tells nothing of the birth and of the subject's mark, which are compared with what only
    /// the token says: [`Jwt::verify`](crate::Jwt::verify) asks for all of it.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn check(&self, token: &TokenId) -> Result<bool, StoreError> {
        let entry = self.inner.store.get(&self.id_key(&token.id)).await?;
        Ok(self.accepts(entry.is_some()))
    }

    /// [`add`](Self::add) for many tokens, sixty-four at a time.
    ///
    /// # Errors
    ///
    /// The first one of the store. Some tokens are on the list then, and others are not; asking
    /// again is safe.
    pub async fn add_all(&self, tokens: &[TokenId]) -> Result<(), StoreError> {
        join::each(tokens, |token| self.add(token)).await?;
        Ok(())
    }

    /// [`remove`](Self::remove) for many tokens, sixty-four at a time: how many were on the list.
    ///
    /// # Errors
    ///
    /// The first one of the store. Some tokens are off the list then, and others are not; asking
    /// again is safe.
    pub async fn remove_all(&self, tokens: &[TokenId]) -> Result<usize, StoreError> {
        let removed = join::each(tokens, |token| self.remove(token)).await?;
        Ok(removed.into_iter().filter(|was_there| *was_there).count())
    }

    /// [`check`](Self::check) for many tokens, in their order, sixty-four at a time.
    ///
    /// # Errors
    ///
    /// The first one of the store.
    pub async fn check_all(&self, tokens: &[TokenId]) -> Result<Vec<bool>, StoreError> {
        join::each(tokens, |token| self.check(token)).await
    }

    /// Refuses from now on every token of `subject` that was issued before this call. One that is
    /// issued after it is good, also in the same second; one whose issuing is under way is either.
    ///
    /// # Errors
    ///
    /// When the store fails. Asking again is safe.
    pub async fn revoke_subject(&self, subject: &str) -> Result<(), StoreError> {
        let inner = &*self.inner;
        swap(
            &*inner.store,
            &*inner.clock,
            &self.mark_key(subject),
            |entry| {
                // Until then each token of the subject is refused with 503.
                let mark = SubjectMark::read(entry).unwrap_or_else(|error| {
                    tracing::error!(%error, "the mark of a subject does not read, and is replaced");
                    SubjectMark::default()
                });
                let raised = mark.raised(inner.clock.now());
                Ok::<_, StoreError>(match raised == mark {
                    true => Step::Keep(()),
                    false => Step::Swap(raised.write(entry, inner.longest), ()),
                })
            },
        )
        .await?;
        self.tell(EventKind::SubjectRevoked, Some(subject));
        Ok(())
    }

    /// The mark of `subject`: tokens with an `iat` up to this second, which is a whole one, are
    /// refused. `None` when the subject was never revoked, or so long ago that no token of that
    /// time is left.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn issued_before(&self, subject: &str) -> Result<Option<Timestamp>, StoreError> {
        let entry = self.inner.store.get(&self.mark_key(subject)).await?;
        let SubjectMark { before, .. } = SubjectMark::read(entry.as_ref())?;
        Ok((before > 0).then(|| Timestamp::from_secs(before)))
    }

    /// When the black list was made, a whole second: tokens with an `iat` up to it are refused. A
    /// list that is new, or was lost, is made by this. A white list has no birth, and answers
    /// `None`.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn birth(&self) -> Result<Option<Timestamp>, StoreError> {
        match self.inner.mode {
            ListMode::White => Ok(None),
            ListMode::Black => Ok(Some(Timestamp::from_secs(
                self.load_or_create_birth().await?,
            ))),
        }
    }

    fn tell(&self, kind: EventKind, subject: Option<&str>) {
        let mut event = Event::new(kind, self.inner.clock.now());
        event.subject = subject.map(str::to_owned);
        self.inner.events.tell(&event);
    }

    /// Whose tokens are listed.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    /// How long a token may live.
    #[must_use]
    pub fn longest(&self) -> Duration {
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

/// What stands under an id: that it is there says all.
const PRESENT: &[u8] = b"1";
