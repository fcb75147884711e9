//! The handle for lists of tokens.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::join_all;

use super::{
    builder::TokenListBuilder,
    id::TokenId,
    inner::{ListMode, PRESENT, TokenListInner},
    mark::SubjectMark,
    request::{self, ListLookup},
};
use crate::{
    clock::Timestamp,
    env::Env,
    error::{IssueError, StoreError},
    event::EventKind,
    rejection::Rejection,
    store::{
        Write,
        swap::{Step, swap},
    },
};

/// A deny list or an allow list of tokens in a store. See the [module](super).
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
    pub(super) inner: Arc<TokenListInner>,
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
            &self.inner.id_key(&token.id),
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
            self.inner.emit(EventKind::TokenRevoked, None);
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
        let taken = self.inner.store.take(&self.inner.id_key(&token.id)).await?;
        if taken.is_some() && self.inner.mode == ListMode::Allow {
            self.inner.emit(EventKind::TokenRevoked, None);
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
        let entry = self.inner.store.get(&self.inner.id_key(&token.id)).await?;
        Ok(self.inner.accepts(entry.is_some()))
    }

    /// Adds several tokens, as [`add`](Self::add), sixty-four at a time.
    ///
    /// # Errors
    ///
    /// The first error of the store. Some tokens are then on the list and others are not; trying
    /// again is safe.
    pub async fn add_all(&self, tokens: &[TokenId]) -> Result<(), StoreError> {
        each(tokens, |token| self.add(token)).await?;
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
        let removed = each(tokens, |token| self.remove(token)).await?;
        Ok(removed.into_iter().filter(|was_listed| *was_listed).count())
    }

    /// Checks several tokens, as [`check`](Self::check), sixty-four at a time. Returns the results
    /// in the order of the tokens.
    ///
    /// # Errors
    ///
    /// The first error of the store.
    pub async fn check_all(&self, tokens: &[TokenId]) -> Result<Vec<bool>, StoreError> {
        each(tokens, |token| self.check(token)).await
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
            &self.inner.mark_key(subject),
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
        self.inner.emit(EventKind::SubjectRevoked, Some(subject));
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
        let entry = self.inner.store.get(&self.inner.mark_key(subject)).await?;
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
                self.inner.load_or_create_birth().await?,
            ))),
        }
    }

    /// Returns what to look up for a token, or rejects a token that the list could not revoke.
    pub(in crate::token) fn lookup(
        &self,
        subject: &str,
        id: Option<&str>,
        issued_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
    ) -> Result<ListLookup, Rejection> {
        request::lookup(&self.inner, subject, id, issued_at, expires_at)
    }

    /// Checks a token against the list.
    pub(in crate::token) async fn verify(&self, lookup: &ListLookup) -> Result<(), Rejection> {
        request::verify(&self.inner, lookup).await
    }

    /// Returns the `iat` of a token that is issued at `now`.
    pub(in crate::token) async fn choose_issued_at(
        &self,
        subject: &str,
        now: Timestamp,
        latest: Timestamp,
    ) -> Result<u64, IssueError> {
        request::choose_issued_at(&self.inner, subject, now, latest).await
    }

    /// Adds a token to an allow list before it is handed out.
    pub(in crate::token) async fn add_issued(&self, token: &TokenId) -> Result<(), StoreError> {
        request::add_issued(&self.inner, token).await
    }

    /// Revokes a token.
    pub(in crate::token) async fn revoke_id(&self, token: &TokenId) -> Result<(), StoreError> {
        match self.inner.mode {
            ListMode::Deny => self.add(token).await,
            ListMode::Allow => self.remove(token).await.map(|_| ()),
        }
    }

    /// Revokes several tokens.
    pub(in crate::token) async fn revoke_ids(&self, tokens: &[TokenId]) -> Result<(), StoreError> {
        each(tokens, |token| self.revoke_id(token)).await?;
        Ok(())
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

/// Calls `call` for each token, a group of [`AT_ONCE`] at a time, and returns the results in the
/// order of the tokens. After an error no further group is started.
async fn each<'a, T, F>(
    tokens: &'a [TokenId],
    call: impl Fn(&'a TokenId) -> F,
) -> Result<Vec<T>, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut results = Vec::with_capacity(tokens.len());
    for group in tokens.chunks(AT_ONCE) {
        for result in join_all(group.iter().map(&call)).await {
            results.push(result?);
        }
    }
    Ok(results)
}

/// As many commands as a connection takes without delaying others.
const AT_ONCE: usize = 64;

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
