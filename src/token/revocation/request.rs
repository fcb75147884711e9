//! What an engine asks of its list: whether a token passes, and how one is minted.

use super::{
    PRESENT, TokenId, TokenList,
    inner::Mode,
    join,
    mark::{Birth, Mark},
};
use crate::{
    clock::Timestamp,
    error::{IssueError, StoreError},
    rejection::Rejection,
    store::{
        Entry, Key, When, Write,
        confirmed::confirmed,
        swap::{Step, swap},
    },
};

/// What a token says that its list goes by. It follows from the token alone, and so is kept with it.
pub(crate) struct Asked {
    id: Key,
    mark: Key,
    birth: Key,
    issued_at: u64,
}

impl TokenList {
    /// Reads what the list goes by, or refuses a token that it could not call back.
    pub(crate) fn ask(
        &self,
        subject: &str,
        id: Option<&str>,
        issued_at: Option<Timestamp>,
        expires_at: Option<Timestamp>,
    ) -> Result<Asked, Rejection> {
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
        Ok(Asked {
            id: self.id_key(id),
            mark: self.mark_key(subject),
            birth: self.birth_key(),
            issued_at: issued_at.as_secs(),
        })
    }

    /// Lets a token pass, or refuses it.
    ///
    /// The birth is asked for last, and from the store itself where any other answer was: an absence that was
    /// read counts only if the list was there afterwards.
    pub(crate) async fn pass(&self, asked: &Asked) -> Result<(), Rejection> {
        let store = &*self.inner.store;
        let lets_pass = |entry: Option<&Entry>| Ok(self.lets_pass(entry.is_some()));
        let is_after = |entry: Option<&Entry>| Ok(asked.issued_at > Mark::read(entry)?.before);
        let (passes, is_after) = join::both(
            Box::pin(confirmed(store, &asked.id, lets_pass, |passes| *passes)),
            Box::pin(confirmed(store, &asked.mark, is_after, |is_after| {
                *is_after
            })),
        )
        .await?;
        if !passes.answer {
            return Err(Rejection::invalid(match self.inner.mode {
                Mode::Black => "the token was revoked",
                Mode::White => "the token is not on the list",
            }));
        }
        if !is_after.answer {
            return Err(Rejection::invalid("the subject's tokens were revoked"));
        }
        let is_remembered = passes.is_remembered && is_after.is_remembered;
        if self.inner.mode == Mode::Black {
            if !self.is_younger(asked, is_remembered).await? {
                return Err(Rejection::invalid("the token is older than its list"));
            }
            self.note(asked.issued_at);
        }
        Ok(())
    }

    /// Whether the token was issued after the list was made. A list that is not there is made, so a no is that of [`born`](Self::born).
    async fn is_younger(&self, asked: &Asked, may_remember: bool) -> Result<bool, StoreError> {
        if may_remember
            && let Some(birth) = self.inner.store.glance(&asked.birth).await?.entry
            && asked.issued_at > Birth::read(&birth)?
        {
            return Ok(true);
        }
        Ok(asked.issued_at > self.born().await?)
    }

    /// The `iat`, in seconds, of a token that is minted at `now`: after the list's birth and the subject's mark, and not after
    /// `latest`, which verifiers would refuse.
    ///
    /// `now` is read before this is called: a revocation that comes while the token is minted then ends it.
    pub(crate) async fn date(
        &self,
        subject: &str,
        now: Timestamp,
        latest: Timestamp,
    ) -> Result<u64, IssueError> {
        let inner = &*self.inner;
        let birth = match inner.mode {
            Mode::Black => self.born().await?,
            Mode::White => 0,
        };
        if Timestamp::from_secs(birth + 1) > latest {
            let reason = "the list was made in the future of this clock";
            return Err(StoreError::Unavailable(reason.into()).into());
        }
        let key = self.mark_key(subject);
        let issued_at = swap(&*inner.store, &*inner.clock, &key, |entry| {
            let mark = Mark::read(entry)?;
            let (issued_at, noted) = mark.minting(now, birth);
            if Timestamp::from_secs(issued_at) > latest {
                return Err(IssueError::Withdrawn);
            }
            Ok(match noted == mark {
                true => Step::Keep(issued_at),
                // What near-caches remember of it, which tokens are refused, stays true.
                false => Step::Swap(noted.write(entry, inner.longest).quietly(), issued_at),
            })
        })
        .await?;
        self.note(issued_at);
        Ok(issued_at)
    }

    /// Takes note of a token that was minted and is not handed out yet.
    pub(crate) async fn admit(&self, token: &TokenId) -> Result<(), StoreError> {
        if self.inner.mode == Mode::Black {
            return Ok(());
        }
        let key = self.id_key(&token.id);
        let write = Write::new(PRESENT, token.kept_until());
        let store = &self.inner.store;
        store.put(&key, write, When::Always).await?;
        Ok(())
    }

    /// Calls a token back.
    pub(crate) async fn revoke(&self, token: &TokenId) -> Result<(), StoreError> {
        match self.inner.mode {
            Mode::Black => self.add(token).await,
            Mode::White => self.remove(token).await.map(|_| ()),
        }
    }

    /// Calls many tokens back.
    pub(crate) async fn revoke_all(&self, tokens: &[TokenId]) -> Result<(), StoreError> {
        join::each(tokens, |token| self.revoke(token)).await?;
        Ok(())
    }
}
