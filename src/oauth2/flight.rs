//! Shares one request between concurrent callers.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::{error::OAuthError, tokens::ProviderTokens};

pub(super) type Outcome = Result<ProviderTokens, OAuthError>;

/// Requests in flight, and results that are reused for a while. A request belongs to no caller: it
/// continues if all callers disconnect, and is aborted when this is dropped.
pub(super) struct SharedRequests {
    requests: Arc<Mutex<HashMap<Name, SharedRequest>>>,
    /// Returns how long a result is reused.
    reuse_for: fn(&ProviderTokens) -> Duration,
}

/// The hash of what identifies a request, since that may be a secret.
pub(super) type Name = [u8; 32];

struct SharedRequest {
    result: OutcomeReceiver,
    task: AbortHandle,
}

/// A result, and until when it is reused.
type OutcomeReceiver = watch::Receiver<Option<(Outcome, Instant)>>;

impl SharedRequests {
    pub(super) fn new(reuse_for: fn(&ProviderTokens) -> Duration) -> Self {
        Self {
            requests: Arc::default(),
            reuse_for,
        }
    }

    /// Returns the result of the request called `name`: of the one in flight, or of `make` if there
    /// is none.
    pub(super) async fn join<F>(&self, name: Name, make: impl FnOnce() -> F) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut receiver = self.find_or_start(name, make);
        let result = receiver.wait_for(Option::is_some).await;
        let result = result.ok().and_then(|result| result.clone());
        result.map_or(
            Err(OAuthError::Answer("the request was cancelled")),
            |(outcome, _)| outcome,
        )
    }

    /// Discards the results that `matches` selects. A request in flight has other callers and
    /// continues.
    pub(super) fn forget(&self, matches: impl Fn(&Name, &ProviderTokens) -> bool) {
        lock(&self.requests).retain(|name, request| {
            let is_discarded = match &*request.result.borrow() {
                Some((Ok(tokens), _)) => matches(name, tokens),
                _ => false,
            };
            if is_discarded {
                request.task.abort();
            }
            !is_discarded
        });
    }

    fn find_or_start<F>(&self, name: Name, make: impl FnOnce() -> F) -> OutcomeReceiver
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut requests = lock(&self.requests);
        if let Some(request) = requests.get(&name)
            && request.is_reusable()
        {
            return request.result.clone();
        }
        let (sender, receiver) = watch::channel(None);
        let (request, reuse_for) = (make(), self.reuse_for);
        let shared = Arc::downgrade(&self.requests);
        let own = receiver.clone();
        let task = tokio::spawn(async move {
            let outcome = request.await;
            // A provider may state a lifetime that no clock can represent.
            let reuse_for = outcome
                .as_ref()
                .map_or(Duration::ZERO, reuse_for)
                .min(MAX_REUSE);
            let until = Instant::now() + reuse_for;
            sender.send_replace(Some((outcome, until)));
            // The result is secret, so it is dropped as soon as it is no longer reused.
            sleep_until(until).await;
            if let Some(shared) = shared.upgrade() {
                // It may have been discarded, and another request started.
                lock(&shared).retain(|_, request| !request.result.same_channel(&own));
            }
        });
        let request = SharedRequest {
            result: receiver.clone(),
            task: task.abort_handle(),
        };
        requests.insert(name, request);
        receiver
    }
}

impl SharedRequest {
    fn is_reusable(&self) -> bool {
        // A closed channel means that the task has ended. It sent no result if its runtime was shut
        // down first.
        let is_open = self.result.has_changed().is_ok();
        let result = self.result.borrow();
        is_open
            && result
                .as_ref()
                .is_none_or(|(_, until)| Instant::now() < *until)
    }
}

impl Drop for SharedRequests {
    fn drop(&mut self) {
        for request in lock(&self.requests).values() {
            request.task.abort();
        }
    }
}

fn lock(
    requests: &Mutex<HashMap<Name, SharedRequest>>,
) -> MutexGuard<'_, HashMap<Name, SharedRequest>> {
    requests.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Longer than the lifetime of any provider's tokens that is worth caching.
const MAX_REUSE: Duration = Duration::from_secs(24 * 60 * 60);
