//! The operations of a list that an engine uses: checking a token, and issuing one.

use futures_util::future::join;

use super::{
    id::TokenId,
    inner::{ListMode, PRESENT, TokenListInner},
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
pub(in crate::token) struct ListLookup {
    id: StoreKey,
    mark: StoreKey,
    birth: StoreKey,
    issued_at: u64,
}

/// Returns what to look up for a token, or rejects a token that the list could not revoke.
pub(super) fn lookup(
    list: &TokenListInner,
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
    if expires_at.since(issued_at) > list.longest {
        return Err(Rejection::invalid(
            "the token lives longer than its list remembers",
        ));
    }
    Ok(ListLookup {
        id: list.id_key(id),
        mark: list.mark_key(subject),
        birth: list.birth_key(),
        issued_at: issued_at.as_secs(),
    })
}

/// Checks a token against the list.
///
/// The birth is read last, and from the store itself unless both other answers came from a
/// cache: an absence counts only if the list existed after it was read.
pub(super) async fn verify(list: &TokenListInner, lookup: &ListLookup) -> Result<(), Rejection> {
    let store = &*list.store;
    let accepts = |entry: Option<&Entry>| Ok::<_, StoreError>(list.accepts(entry.is_some()));
    let is_after = |entry: Option<&Entry>| {
        Ok::<_, StoreError>(lookup.issued_at > SubjectMark::read(entry)?.before)
    };
    let (passes, is_after) = join(
        confirmed(store, &lookup.id, accepts, |passes| *passes),
        confirmed(store, &lookup.mark, is_after, |is_after| *is_after),
    )
    .await;
    let (passes, is_after) = (passes?, is_after?);
    if !passes.answer {
        return Err(Rejection::invalid(match list.mode {
            ListMode::Deny => "the token was revoked",
            ListMode::Allow => "the token is not on the list",
        }));
    }
    if !is_after.answer {
        return Err(Rejection::invalid("the subject's tokens were revoked"));
    }
    let is_cached = passes.is_remembered && is_after.is_remembered;
    if list.mode == ListMode::Deny {
        if !is_issued_after_birth(list, lookup, is_cached).await? {
            return Err(Rejection::invalid("the token is older than its list"));
        }
        list.record_issued_at(lookup.issued_at);
    }
    Ok(())
}

/// Returns whether the token was issued after the list was created. Creates a list that is
/// missing, so a negative answer is that of
/// [`load_or_create_birth`](TokenListInner::load_or_create_birth).
async fn is_issued_after_birth(
    list: &TokenListInner,
    lookup: &ListLookup,
    may_use_cache: bool,
) -> Result<bool, StoreError> {
    if may_use_cache
        && let Some(birth) = list.store.read_cached(&lookup.birth).await?.entry
        && lookup.issued_at > Birth::read(&birth)?
    {
        return Ok(true);
    }
    Ok(lookup.issued_at > list.load_or_create_birth().await?)
}

/// Returns the `iat`, in seconds, of a token that is issued at `now`: after the birth of the
/// list and the mark of the subject, and not after `latest`, which verifiers would reject.
///
/// The caller reads `now` before this call, so that a revocation while the token is issued
/// revokes it.
pub(super) async fn choose_issued_at(
    list: &TokenListInner,
    subject: &str,
    now: Timestamp,
    latest: Timestamp,
) -> Result<u64, IssueError> {
    let birth = match list.mode {
        ListMode::Deny => list.load_or_create_birth().await?,
        ListMode::Allow => 0,
    };
    if Timestamp::from_secs(birth + 1) > latest {
        let reason = "the birth of the list is in the future of this clock";
        return Err(StoreError::Unavailable(reason.into()).into());
    }
    let key = list.mark_key(subject);
    let issued_at = swap(&*list.store, &*list.clock, &key, |entry| {
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
                marked.write(entry, list.longest).without_invalidation(),
                issued_at,
            )
        })
    })
    .await?;
    list.record_issued_at(issued_at);
    Ok(issued_at)
}

/// Adds a token to an allow list before it is handed out.
pub(super) async fn add_issued(list: &TokenListInner, token: &TokenId) -> Result<(), StoreError> {
    if list.mode == ListMode::Deny {
        return Ok(());
    }
    let key = list.id_key(&token.id);
    let write = Write::new(PRESENT, token.listed_until());
    let store = &list.store;
    store.put(&key, write, When::Always).await?;
    Ok(())
}
