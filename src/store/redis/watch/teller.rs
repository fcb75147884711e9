//! The task that passes on the server's invalidations, in order.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use fred::types::{ClusterStateChange, client::Invalidation};
use tokio::sync::{
    broadcast::{
        Receiver,
        error::{RecvError, TryRecvError},
    },
    mpsc, oneshot,
};

use crate::store::{StoreKey, redis::format::KeyNames};

pub(super) enum Invalidated<'a> {
    Key(&'a StoreKey),
    All,
}

pub(super) type OnInvalidation = Box<dyn Fn(Invalidated<'_>) + Send + Sync>;

/// The task between a connection and the callback for its invalidations.
pub(super) struct InvalidationTask {
    pub(super) invalidations: Receiver<Invalidation>,
    pub(super) cluster_changes: Receiver<Vec<ClusterStateChange>>,
    pub(super) sync_requests: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    pub(super) names: KeyNames,
    pub(super) on_invalidation: Arc<OnInvalidation>,
    pub(super) is_stale: Arc<AtomicBool>,
}

enum TaskEvent {
    Invalidation(Result<Invalidation, RecvError>),
    ClusterChanged,
    SyncRequested(Option<oneshot::Sender<()>>),
}

impl InvalidationTask {
    pub(super) async fn run(mut self) {
        loop {
            match self.next().await {
                TaskEvent::Invalidation(Ok(invalidation)) => self.report(&invalidation),
                TaskEvent::Invalidation(Err(RecvError::Lagged(_))) => {
                    (self.on_invalidation)(Invalidated::All);
                }
                TaskEvent::ClusterChanged => {
                    self.is_stale.store(true, Ordering::Release);
                    (self.on_invalidation)(Invalidated::All);
                }
                TaskEvent::SyncRequested(Some(reply)) => {
                    self.catch_up();
                    // The requester may be gone.
                    let _ = reply.send(());
                }
                TaskEvent::Invalidation(Err(RecvError::Closed))
                | TaskEvent::SyncRequested(None) => return,
            }
        }
    }

    async fn next(&mut self) -> TaskEvent {
        let (mut invalidations, mut cluster_changes) = (
            pin!(self.invalidations.recv()),
            pin!(self.cluster_changes.recv()),
        );
        let sync_requests = &mut self.sync_requests;
        poll_fn(move |cx| {
            if let Poll::Ready(invalidation) = invalidations.as_mut().poll(cx) {
                return Poll::Ready(TaskEvent::Invalidation(invalidation));
            }
            if cluster_changes.as_mut().poll(cx).is_ready() {
                return Poll::Ready(TaskEvent::ClusterChanged);
            }
            sync_requests.poll_recv(cx).map(TaskEvent::SyncRequested)
        })
        .await
    }

    fn catch_up(&mut self) {
        loop {
            match self.invalidations.try_recv() {
                Ok(invalidation) => self.report(&invalidation),
                Err(TryRecvError::Lagged(_)) => (self.on_invalidation)(Invalidated::All),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn report(&self, invalidation: &Invalidation) {
        for name in &invalidation.keys {
            if let Some(key) = self.names.key(name.as_bytes()) {
                (self.on_invalidation)(Invalidated::Key(&key));
            }
        }
    }
}
