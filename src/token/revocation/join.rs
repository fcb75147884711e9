//! Several questions to the store at once.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use crate::{error::StoreError, store::StoreFuture};

/// Both answers, asked for at the same time.
pub(crate) async fn both<A, B>(
    one: StoreFuture<'_, A>,
    other: StoreFuture<'_, B>,
) -> Result<(A, B), StoreError> {
    let (mut one, mut other) = (Asking::Waiting(one), Asking::Waiting(other));
    poll_fn(|cx| {
        let (is_one, is_other) = (one.poll(cx), other.poll(cx));
        match is_one && is_other {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    Ok((one.answer()?, other.answer()?))
}

/// The answers of `ask` to each of `items`, in their order. After an error no further group of them is begun.
pub(crate) async fn each<'a, I, T, F>(
    items: &'a [I],
    ask: impl Fn(&'a I) -> F,
) -> Result<Vec<T>, StoreError>
where
    F: Future<Output = Result<T, StoreError>> + Send + 'a,
{
    let mut answers = Vec::with_capacity(items.len());
    for group in items.chunks(AT_ONCE) {
        let mut asked: Vec<_> = group
            .iter()
            .map(|item| Asking::Waiting(Box::pin(ask(item)) as StoreFuture<'a, T>))
            .collect();
        poll_fn(|cx| {
            let waiting = asked
                .iter_mut()
                .filter_map(|it| (!it.poll(cx)).then_some(()));
            match waiting.count() {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
        for it in asked {
            answers.push(it.answer()?);
        }
    }
    Ok(answers)
}

enum Asking<'a, T> {
    Waiting(StoreFuture<'a, T>),
    Answered(Result<T, StoreError>),
}

impl<T> Asking<'_, T> {
    /// Whether the answer is there.
    fn poll(&mut self, cx: &mut std::task::Context<'_>) -> bool {
        if let Self::Waiting(future) = self {
            match Pin::as_mut(future).poll(cx) {
                Poll::Ready(answer) => *self = Self::Answered(answer),
                Poll::Pending => return false,
            }
        }
        true
    }

    fn answer(self) -> Result<T, StoreError> {
        match self {
            Self::Answered(answer) => answer,
            Self::Waiting(_) => Err(StoreError::Unavailable("it was not waited for".into())),
        }
    }
}

/// As many commands as a connection takes without making others wait.
const AT_ONCE: usize = 64;
