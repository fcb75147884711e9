//! Waits for a replica to have a write that a failover must not undo.

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

/// The connection of the writes to wait for. WAIT speaks of what came before it on its own connection, and holds up
/// what comes after it there.
pub(super) struct Replicas {
    pub(super) link: Link,
    /// By primary; in a cluster there are several.
    lines: Mutex<HashMap<Option<Server>, Arc<Line>>>,
}

/// Those who wait for the replicas of one primary.
#[derive(Default)]
struct Line {
    /// Counts the writes that were answered.
    written: AtomicU64,
    turn: tokio::sync::Mutex<Turn>,
}

#[derive(Default)]
struct Turn {
    /// How many writes were answered when the last successful WAIT began.
    confirmed: u64,
    /// No replica answered in time; until then nobody waits.
    paused_until: Option<Instant>,
}

impl Replicas {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            lines: Mutex::default(),
        }
    }

    /// Returns when a replica has the write to `name` that was just answered, or when none had it in time.
    pub(super) async fn follow(&self, name: &Bytes) {
        let slot = redis_keyslot(name);
        let line = self.line(slot);
        let ticket = line.written.fetch_add(1, Ordering::AcqRel) + 1;
        let mut turn = line.turn.lock().await;
        // Whoever had the turn before may have waited for this write too.
        if turn.confirmed >= ticket || turn.paused_until.is_some_and(|end| Instant::now() < end) {
            return;
        }
        let written = line.written.load(Ordering::Acquire);
        let options = Options {
            cluster_hash: Some(ClusterHash::Custom(slot)),
            timeout: Some(PATIENCE * 2),
            ..Options::default()
        };
        let millis = i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX);
        let client = self.link.client.with_options(&options);
        // WAIT speaks of what was there when the last command of its connection ran, be it a read. The write may have
        // been on another connection, of which this one is the successor.
        let look = client.exists::<i64, _>(name.clone());
        let waited = match look.await {
            Ok(_) => client.wait::<i64>(1, millis).await,
            Err(error) => Err(error),
        };
        match waited {
            Ok(1..) => {
                turn.confirmed = written;
                turn.paused_until = None;
            }
            answer => {
                if turn.paused_until.is_none() {
                    let cause = answer.err().map(|error| error.to_string());
                    tracing::warn!(
                        cause,
                        "no replica confirmed a revocation in time: a failover may undo it"
                    );
                }
                turn.paused_until = Some(Instant::now() + PAUSE);
            }
        }
    }

    fn line(&self, slot: u16) -> Arc<Line> {
        let state = self.link.client.cached_cluster_state();
        let primary = state.and_then(|state| state.get_server(slot).cloned());
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lines.entry(primary).or_default())
    }
}

/// A replica beside its primary answers in a millisecond.
const PATIENCE: Duration = Duration::from_millis(100);

/// Where no replica is, or none that keeps up, one revocation in so long a time is slow.
const PAUSE: Duration = Duration::from_secs(5);
