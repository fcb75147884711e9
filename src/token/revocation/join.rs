//! Runs several store calls concurrently.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use crate::{error::StoreError, store::StoreFuture};

/// Returns both results of two store calls that run concurrently.
pub(crate) async fn both<A, B>(
    one: StoreFuture<'_, A>,
    other: StoreFuture<'_, B>,
) -> Result<(A, B), StoreError> {
    let (mut one, mut other) = (MaybeDone::Pending(one), MaybeDone::Pending(other));
    poll_fn(|cx| {
        let (is_one_done, is_other_done) = (one.poll(cx), other.poll(cx));
        if is_one_done && is_other_done {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    Ok((one.result()?, other.result()?))
}

/// Calls `call` for each item, a group of [`AT_ONCE`] at a time, and returns the results in the
/// order of the items. After an error no further group is started.
pub(crate) async fn each<'a, I, T, F>(
    items: &'a [I],
    call: impl Fn(&'a I) -> F,
) -> Result<Vec<T>, StoreError>
where
    F: Future<Output = Result<T, StoreError>> + Send + 'a,
{
    let mut results = Vec::with_capacity(items.len());
    for group in items.chunks(AT_ONCE) {
        let mut calls: Vec<_> = group
            .iter()
            .map(|item| MaybeDone::Pending(Box::pin(call(item)) as StoreFuture<'a, T>))
            .collect();
        poll_fn(|cx| {
            let pending = calls
                .iter_mut()
                .filter_map(|it| (!it.poll(cx)).then_some(()));
            match pending.count() {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
        for it in calls {
            results.push(it.result()?);
        }
    }
    Ok(results)
}

enum MaybeDone<'a, T> {
    Pending(StoreFuture<'a, T>),
    Done(Result<T, StoreError>),
}

impl<T> MaybeDone<'_, T> {
    /// Polls the call, and returns whether it is done.
    fn poll(&mut self, cx: &mut std::task::Context<'_>) -> bool {
        if let Self::Pending(future) = self {
            match Pin::as_mut(future).poll(cx) {
                Poll::Ready(result) => *self = Self::Done(result),
                Poll::Pending => return false,
            }
        }
        true
    }

    fn result(self) -> Result<T, StoreError> {
        match self {
            Self::Done(result) => result,
            Self::Pending(_) => Err(StoreError::Unavailable("the call was not awaited".into())),
        }
    }
}

/// As many commands as a connection takes without delaying others.
const AT_ONCE: usize = 64;
