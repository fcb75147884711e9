//! Waits until a replica has a write that a failover must not undo.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use fred::{
    interfaces::{ClientLike, ClusterInterface, KeysInterface, ServerInterface},
    types::{
        ClusterHash,
        config::{Options, Server},
    },
    util::redis_keyslot,
};
use tokio::time::Instant;

use super::link::Link;

/// The connection for writes that wait for a replica. WAIT covers the earlier commands of its own
/// connection, and delays the later ones there.
pub(super) struct Replicas {
    pub(super) link: Link,
    /// By primary. A cluster has several.
    queues: Mutex<HashMap<Option<Server>, Arc<ReplicaQueue>>>,
}

/// The callers that wait for the replicas of one primary.
#[derive(Default)]
struct ReplicaQueue {
    /// Counts the acknowledged writes.
    written: AtomicU64,
    state: tokio::sync::Mutex<ReplicaState>,
}

#[derive(Default)]
struct ReplicaState {
    /// The number of writes that were acknowledged when the last successful WAIT began.
    confirmed: u64,
    /// No replica answered in time. Until then no caller waits.
    paused_until: Option<Instant>,
}

impl Replicas {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            queues: Mutex::default(),
        }
    }

    /// Returns once a replica has the acknowledged write to `name`, or once none had it in time.
    pub(super) async fn await_replica(&self, name: &Bytes) {
        let slot = redis_keyslot(name);
        let queue = self.queue(slot);
        let number = queue.written.fetch_add(1, Ordering::AcqRel) + 1;
        let mut state = queue.state.lock().await;
        // An earlier holder of the lock may have waited for this write too.
        if state.confirmed >= number || state.paused_until.is_some_and(|end| Instant::now() < end) {
            return;
        }
        let written = queue.written.load(Ordering::Acquire);
        let options = Options {
            cluster_hash: Some(ClusterHash::Custom(slot)),
            timeout: Some(REPLICA_TIMEOUT * 2),
            ..Options::default()
        };
        let millis = i64::try_from(REPLICA_TIMEOUT.as_millis()).unwrap_or(i64::MAX);
        let client = self.link.client.with_options(&options);
        // WAIT covers what was there when its connection ran its last command, even a read. The
        // write itself may have been sent on a previous connection that this one has replaced.
        let read = client.exists::<i64, _>(name.clone());
        let waited = match read.await {
            Ok(_) => client.wait::<i64>(1, millis).await,
            Err(error) => Err(error),
        };
        match waited {
            Ok(1..) => {
                state.confirmed = written;
                state.paused_until = None;
            }
            answer => {
                if state.paused_until.is_none() {
                    let cause = answer.err().map(|error| error.to_string());
                    tracing::warn!(
                        cause,
                        "no replica confirmed a revocation in time: a failover may undo it"
                    );
                }
                state.paused_until = Some(Instant::now() + FAILURE_PAUSE);
            }
        }
    }

    fn queue(&self, slot: u16) -> Arc<ReplicaQueue> {
        let state = self.link.client.cached_cluster_state();
        let primary = state.and_then(|state| state.get_server(slot).cloned());
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(queues.entry(primary).or_default())
    }
}

/// A replica near its primary answers in a millisecond.
const REPLICA_TIMEOUT: Duration = Duration::from_millis(100);

/// Without a replica that keeps up, one revocation per this interval is slow.
const FAILURE_PAUSE: Duration = Duration::from_secs(5);
