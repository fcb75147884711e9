//! One request for many callers.

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

/// Requests under way, and outcomes that are good for a while. A request belongs to no caller: it goes on when all of
/// them vanish, and ends with this.
pub(super) struct Flights {
    shared: Arc<Mutex<HashMap<Name, Flight>>>,
    /// For how long an outcome stands for further callers.
    stands: fn(&ProviderTokens) -> Duration,
}

/// What is asked for, hashed: it may be a secret.
pub(super) type Name = [u8; 32];

struct Flight {
    landed: Landing,
    task: AbortHandle,
}

/// An outcome, and until when it stands.
type Landing = watch::Receiver<Option<(Outcome, Instant)>>;

impl Flights {
    pub(super) fn new(stands: fn(&ProviderTokens) -> Duration) -> Self {
        Self {
            shared: Arc::default(),
            stands,
        }
    }

    /// The outcome of the request called `name`: of the one under way, or of `make` if there is none.
    pub(super) async fn join<F>(&self, name: Name, make: impl FnOnce() -> F) -> Outcome
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut landing = self.find_or_start(name, make);
        let landed = landing.wait_for(Option::is_some).await;
        let outcome = landed.ok().and_then(|landed| landed.clone());
        outcome.map_or(
            Err(OAuthError::Answer("the request was given up")),
            |(outcome, _)| outcome,
        )
    }

    /// Lets those outcomes stand no longer. A request under way has other callers, and goes on.
    pub(super) fn forget(&self, is_meant: impl Fn(&Name, &ProviderTokens) -> bool) {
        lock(&self.shared).retain(|name, flight| {
            let is_gone = match &*flight.landed.borrow() {
                Some((Ok(tokens), _)) => is_meant(name, tokens),
                _ => false,
            };
            if is_gone {
                flight.task.abort();
            }
            !is_gone
        });
    }

    fn find_or_start<F>(&self, name: Name, make: impl FnOnce() -> F) -> Landing
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut flights = lock(&self.shared);
        if let Some(flight) = flights.get(&name)
            && flight.stands()
        {
            return flight.landed.clone();
        }
        let (tell, landed) = watch::channel(None);
        let (request, stands) = (make(), self.stands);
        let shared = Arc::downgrade(&self.shared);
        let own = landed.clone();
        let task = tokio::spawn(async move {
            let outcome = request.await;
            // No clock has room for whatever a provider says.
            let stands = outcome.as_ref().map_or(Duration::ZERO, stands).min(A_DAY);
            let until = Instant::now() + stands;
            tell.send_replace(Some((outcome, until)));
            // What is in it is secret, so it goes when it is of no use any more.
            sleep_until(until).await;
            if let Some(shared) = shared.upgrade() {
                // It may have been forgotten, and another begun.
                lock(&shared).retain(|_, flight| !flight.landed.same_channel(&own));
            }
        });
        let flight = Flight {
            landed: landed.clone(),
            task: task.abort_handle(),
        };
        flights.insert(name, flight);
        landed
    }
}

impl Flight {
    fn stands(&self) -> bool {
        // Closed: its task has ended, and told nothing if its runtime was ended before it.
        let is_open = self.landed.has_changed().is_ok();
        let landed = self.landed.borrow();
        is_open
            && landed
                .as_ref()
                .is_none_or(|(_, until)| Instant::now() < *until)
    }
}

impl Drop for Flights {
    fn drop(&mut self) {
        for flight in lock(&self.shared).values() {
            flight.task.abort();
        }
    }
}

fn lock(flights: &Mutex<HashMap<Name, Flight>>) -> MutexGuard<'_, HashMap<Name, Flight>> {
    flights.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Longer than any provider's tokens that are worth keeping.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);
