//! How many hashes are computed at one time, and how many may wait.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{error::StoreError, rejection::Rejection};

/// A bound on the hashes that run, and one on those that run or wait.
#[derive(Debug)]
pub(super) struct Pool {
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl Pool {
    pub(super) fn new(running: usize, waiting: usize) -> Self {
        Self {
            admitted: Arc::new(Semaphore::new(running + waiting)),
            running: Arc::new(Semaphore::new(running)),
        }
    }

    /// Waits for a turn, in the order of arrival, or is refused at once when too many wait already.
    pub(super) async fn enter(&self) -> Result<Place, Rejection> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned();
        let admitted =
            admitted.map_err(|_| Rejection::throttled(RETRY, "too many passwords to be hashed"))?;
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(|error| StoreError::Unavailable(error.into()))?;
        Ok(Place {
            _permits: [admitted, running],
        })
    }
}

/// The right to compute one hash.
pub(super) struct Place {
    _permits: [OwnedSemaphorePermit; 2],
}

impl Place {
    /// Works on a thread of the runtime's for blocking work. The place is given back when the work has ended,
    /// whether or not anybody still waits for it.
    pub(super) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Rejection> {
        let runtime = Handle::try_current()
            .map_err(|error| Rejection::misconfigured("no tokio runtime").because(error))?;
        let done = runtime.spawn_blocking(move || {
            let answer = work();
            drop(self);
            answer
        });
        let done = done.await;
        done.map_err(|error| StoreError::Unavailable(error.into()).into())
    }
}

/// A full queue of hashes at OWASP's cost is worked off in a second or two on two cores.
const RETRY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    /// Callers come and vanish at every point; what runs is counted inside the work, which ends only when told to.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_runs_than_the_bound_when_callers_vanish() {
        const BOUND: usize = 3;
        let pool = Arc::new(Pool::new(BOUND, 5));
        let running = Arc::new(AtomicUsize::new(0));
        for _ in 0..200 {
            let (starts, started) = mpsc::channel();
            let (finish, finishes) = mpsc::channel::<()>();
            let finishes = Arc::new(std::sync::Mutex::new(finishes));
            let callers: Vec<_> = (0..12)
                .map(|_| {
                    let pool = Arc::clone(&pool);
                    let (running, starts) = (Arc::clone(&running), starts.clone());
                    let finishes = Arc::clone(&finishes);
                    tokio::spawn(async move {
                        let place = pool.enter().await?;
                        let work = move || {
                            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                            let _ = starts.send(now);
                            // Ends when the sender is gone.
                            let _ = finishes.lock().map(|finishes| finishes.recv());
                            running.fetch_sub(1, Ordering::SeqCst);
                        };
                        place.run(work).await
                    })
                })
                .collect();
            for _ in 0..BOUND {
                assert!(started.recv().unwrap() <= BOUND);
            }
            // All vanish, those whose work runs included; nobody else may begin before it has ended.
            for caller in callers {
                caller.abort();
                let _ = caller.await;
            }
            for _ in 0..BOUND {
                let late = tokio::time::timeout(Duration::ZERO, pool.enter()).await;
                assert!(late.is_err(), "a place was free while all were taken");
            }
            assert!(started.try_recv().is_err());
            drop(finish);
            // Every place comes back.
            let mut places = Vec::new();
            while places.len() < BOUND {
                places.push(pool.enter().await.unwrap());
            }
            assert_eq!(pool.admitted.available_permits(), 5);
        }
    }

    #[tokio::test]
    async fn who_waits_is_served_in_order_and_who_is_too_many_is_not() {
        let pool = Pool::new(1, 1);
        let place = pool.enter().await.unwrap();
        let mut waiting = Box::pin(pool.enter());
        let pending = tokio::time::timeout(Duration::ZERO, &mut waiting).await;
        assert!(pending.is_err());
        assert_eq!(pool.enter().await.err().unwrap().status(), 429);
        drop(place);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test]
    async fn work_that_panics_is_unavailable_and_leaves_its_place() {
        let pool = Pool::new(1, 0);
        for _ in 0..3 {
            let place = pool.enter().await.unwrap();
            let refused = place.run(|| assert!(pool_is_broken())).await.unwrap_err();
            assert_eq!(refused.status(), 503);
        }
    }

    fn pool_is_broken() -> bool {
        false
    }
}
