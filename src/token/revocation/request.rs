//! The operations of a list that an engine uses: checking a token, and issuing one.

use super::{
    PRESENT, TokenId, TokenList,
    inner::ListMode,
    join,
    mark::{Birth, SubjectMark},
};
use crate::{
    clock::Timestamp,
    error::{IssueError, StoreError},
    rejection::Rejection,
    store::{
        Entry, StoreKey, When, Write,
        confirmed::confirmed,
        swap::{Step, swap},
    },
};

/// What to look up for a token. It depends on the token alone, and so is cached with it.
pub(crate) struct ListLookup {
    id: StoreKey,
    mark: StoreKey,
    birth: StoreKey,
    issued_at: u64,
}

impl TokenList {
    /// Returns what to look up for a token, or rejects a token that the list could not revoke.
    pub(crate) fn lookup(
        &self,
        subject: &str,
        id: Option<&str>,
        issued_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
    ) -> Result<ListLookup, Rejection> {
        let id = id.filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| Rejection::invalid("no list can hold a token without `jti`"))?;
        let (Some(issued_at), Some(expires_at)) = (issued_at, expires_at) else {
            let reason = "no list can tell when a token without `iat` was issued";
            return Err(Rejection::invalid(reason));
        };
        if expires_at.since(issued_at) > self.inner.longest {
            return Err(Rejection::invalid(
                "the token lives longer than its list remembers",
            ));
        }
        Ok(ListLookup {
            id: self.id_key(id),
            mark: self.mark_key(subject),
            birth: self.birth_key(),
            issued_at: issued_at.as_secs(),
        })
    }

    /// Checks a token against the list.
    ///
    /// The birth is read last, and from the store itself unless both other answers came from a
    /// cache: an absence counts only if the list existed after it was read.
    pub(crate) async fn verify(&self, lookup: &ListLookup) -> Result<(), Rejection> {
        let store = &*self.inner.store;
        let accepts = |entry: Option<&Entry>| Ok(self.accepts(entry.is_some()));
        let is_after =
            |entry: Option<&Entry>| Ok(lookup.issued_at > SubjectMark::read(entry)?.before);
        let (passes, is_after) = join::both(
            Box::pin(confirmed(store, &lookup.id, accepts, |passes| *passes)),
            Box::pin(confirmed(store, &lookup.mark, is_after, |is_after| {
                *is_after
            })),
        )
        .await?;
        if !passes.answer {
            return Err(Rejection::invalid(match self.inner.mode {
                ListMode::Deny => "the token was revoked",
                ListMode::Allow => "the token is not on the list",
            }));
        }
        if !is_after.answer {
            return Err(Rejection::invalid("the subject's tokens were revoked"));
        }
        let is_cached = passes.is_remembered && is_after.is_remembered;
        if self.inner.mode == ListMode::Deny {
            if !self.is_issued_after_birth(lookup, is_cached).await? {
                return Err(Rejection::invalid("the token is older than its list"));
            }
            self.record_issued_at(lookup.issued_at);
        }
        Ok(())
    }

    /// Returns whether the token was issued after the list was created. Creates a list that is
    /// missing, so a negative answer is that of
    /// [`load_or_create_birth`](Self::load_or_create_birth).
    async fn is_issued_after_birth(
        &self,
        lookup: &ListLookup,
        may_use_cache: bool,
    ) -> Result<bool, StoreError> {
        if may_use_cache
            && let Some(birth) = self.inner.store.read_cached(&lookup.birth).await?.entry
            && lookup.issued_at > Birth::read(&birth)?
        {
            return Ok(true);
        }
        Ok(lookup.issued_at > self.load_or_create_birth().await?)
    }

    /// Returns the `iat`, in seconds, of a token that is issued at `now`: after the birth of the
    /// list and the mark of the subject, and not after `latest`, which verifiers would reject.
    ///
    /// The caller reads `now` before this call, so that a revocation while the token is issued
    /// revokes it.
    pub(crate) async fn choose_issued_at(
        &self,
        subject: &str,
        now: Timestamp,
        latest: Timestamp,
    ) -> Result<u64, IssueError> {
        let inner = &*self.inner;
        let birth = match inner.mode {
            ListMode::Deny => self.load_or_create_birth().await?,
            ListMode::Allow => 0,
        };
        if Timestamp::from_secs(birth + 1) > latest {
            let reason = "the birth of the list is in the future of this clock";
            return Err(StoreError::Unavailable(reason.into()).into());
        }
        let key = self.mark_key(subject);
        let issued_at = swap(&*inner.store, &*inner.clock, &key, |entry| {
            let mark = SubjectMark::read(entry)?;
            let (issued_at, marked) = mark.next_issued_at(now, birth);
            if Timestamp::from_secs(issued_at) > latest {
                return Err(IssueError::Withdrawn);
            }
            Ok(if marked == mark {
                Step::Keep(issued_at)
            } else {
                // What near-caches hold of it, which tokens are rejected, stays true.
                Step::Swap(
                    marked.write(entry, inner.longest).without_invalidation(),
                    issued_at,
                )
            })
        })
        .await?;
        self.record_issued_at(issued_at);
        Ok(issued_at)
    }

    /// Adds a token to an allow list before it is handed out.
    pub(crate) async fn add_issued(&self, token: &TokenId) -> Result<(), StoreError> {
        if self.inner.mode == ListMode::Deny {
            return Ok(());
        }
        let key = self.id_key(&token.id);
        let write = Write::new(PRESENT, token.listed_until());
        let store = &self.inner.store;
        store.put(&key, write, When::Always).await?;
        Ok(())
    }

    /// Revokes a token.
    pub(crate) async fn revoke_id(&self, token: &TokenId) -> Result<(), StoreError> {
        match self.inner.mode {
            ListMode::Deny => self.add(token).await,
            ListMode::Allow => self.remove(token).await.map(|_| ()),
        }
    }

    /// Revokes several tokens.
    pub(crate) async fn revoke_ids(&self, tokens: &[TokenId]) -> Result<(), StoreError> {
        join::each(tokens, |token| self.revoke_id(token)).await?;
        Ok(())
    }
}
