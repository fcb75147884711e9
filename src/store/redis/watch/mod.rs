//! Invalidations: a separate connection to every primary, on which the server tracks which keys
//! were read and reports their changes.

mod teller;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use fred::{
    clients::{Client, WithOptions},
    interfaces::{
        ClientInterface, ClientLike, ClusterInterface, EventInterface, KeysInterface,
        TrackingInterface,
    },
    types::{
        ClusterHash, CustomCommand, SetOptions, Value,
        client::Toggle,
        config::{Options, Server},
    },
    util::redis_keyslot,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use self::teller::{Invalidated, InvalidationTask, OnInvalidation};
use super::{
    RedisInner, RedisStore,
    fault::{RedisFault, disconnected, of_read},
    link::{Link, gather},
    plan::{LinkPurpose, primaries},
};
use crate::{
    error::StoreError,
    secret,
    store::{
        Entry, StoreFuture, StoreKey,
        near::{Invalidator, Watch, WatchChanges},
    },
};

impl WatchChanges for RedisStore {
    /// Opens another connection to every primary, and has the server track the keys that are read
    /// over it. For each such key the server keeps a record, which `tracking-table-max-keys`
    /// bounds. A [quiet](crate::store::Write::without_invalidation) write sends an invalidation
    /// like any other; an expiry by the server does not.
    fn watch(&self, news: Invalidator) -> StoreFuture<'_, Box<dyn Watch>> {
        let on_invalidation = Box::new(move |done: Invalidated<'_>| match done {
            Invalidated::Key(key) => news.changed(key),
            Invalidated::All => news.anything_changed(),
        });
        Box::pin(async move {
            let tracked =
                TrackedConnections::open(Arc::clone(&self.inner), on_invalidation).await?;
            Ok(Box::new(tracked) as Box<dyn Watch>)
        })
    }
}

/// Connections that are tracked from their first to their last command: none of them ever
/// reconnects.
struct TrackedConnections {
    inner: Arc<RedisInner>,
    link: Link,
    on_invalidation: Arc<OnInvalidation>,
    markers: Vec<EpochMarker>,
    /// Requests the delivery of all invalidations that were received so far.
    sync: mpsc::UnboundedSender<oneshot::Sender<()>>,
    /// The cluster has changed, so other servers may now send the invalidations.
    is_stale: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

/// A random value on one primary. If its database is flushed the value is gone, which fred does not
/// report.
struct EpochMarker {
    server: Option<Server>,
    name: Bytes,
    seen: Mutex<Option<Bytes>>,
}

impl TrackedConnections {
    async fn open(
        inner: Arc<RedisInner>,
        on_invalidation: OnInvalidation,
    ) -> Result<Self, StoreError> {
        let known_nodes = primaries(&inner.main.client, inner.plan.is_clustered());
        let known_nodes = known_nodes.into_iter().flatten().collect();
        let link = inner.plan.link(LinkPurpose::Watch, known_nodes);
        let link = link.await.map_err(of_read)?;
        let on_invalidation = Arc::new(on_invalidation);
        let is_stale = Arc::new(AtomicBool::new(false));
        let (sync, sync_requests) = mpsc::unbounded_channel();
        let task = InvalidationTask {
            invalidations: link.client.invalidation_rx(),
            cluster_changes: link.client.cluster_change_rx(),
            sync_requests,
            names: inner.names.clone(),
            on_invalidation: Arc::clone(&on_invalidation),
            is_stale: Arc::clone(&is_stale),
        };
        let servers = primaries(&link.client, inner.plan.is_clustered());
        let tracked = Self {
            markers: servers
                .into_iter()
                .map(|server| EpochMarker::new(&inner, &link, server))
                .collect(),
            task: tokio::spawn(task.run()),
            inner,
            link,
            on_invalidation,
            sync,
            is_stale,
        };
        for marker in &tracked.markers {
            let client = tracked.client_for(marker);
            let no_prefixes = Vec::<String>::new();
            client
                .client_tracking::<(), _, _>(
                    Toggle::On,
                    None,
                    no_prefixes,
                    false,
                    false,
                    false,
                    false,
                )
                .await
                .map_err(of_read)?;
            tracked.check_marker(marker).await?;
        }
        Ok(tracked)
    }

    /// Asks one primary whether it still tracks this connection, and whether it still has its
    /// marker. A replica, which may have missed a change, refuses the request.
    async fn check_marker(&self, marker: &EpochMarker) -> Result<(), StoreError> {
        let (state, found) = (self.client_for(marker), self.client_for(marker));
        let name = marker.name.clone();
        let answers = gather([true, false].map(|is_state| {
            let (state, found, name) = (&state, &found, name.clone());
            async move {
                if is_state {
                    state.client_trackinginfo::<Value>().await
                } else {
                    found.custom::<Value, _>(strict_get(), vec![name]).await
                }
            }
        }));
        let mut answers = answers.await.into_iter();
        let (Some(state), Some(found)) = (answers.next(), answers.next()) else {
            return Err(disconnected());
        };
        if !is_tracking(state.map_err(of_read)?) {
            return Err(StoreError::Unavailable(
                "the connection is not tracked".into(),
            ));
        }
        let found = found.map_err(of_read)?.into_bytes();
        if found.is_some() && found == *marker.seen() {
            return Ok(());
        }
        let fresh = Bytes::copy_from_slice(&secret::random::<16>());
        let client = self.client_for(marker);
        let (nx, name) = (Some(SetOptions::NX), marker.name.clone());
        let set = client.set::<Value, _, _>(name.clone(), fresh, None, nx, false);
        set.await.map_err(of_read)?;
        let found: Option<Bytes> = client.get(name).await.map_err(of_read)?;
        // The first check finds a marker that others left, and there is nothing to invalidate yet.
        if marker.seen().replace(found.unwrap_or_default()).is_some() {
            (self.on_invalidation)(Invalidated::All);
        }
        Ok(())
    }

    fn client_for(&self, marker: &EpochMarker) -> WithOptions<Client> {
        self.link.client.with_options(&Options {
            timeout: Some(self.inner.plan.command_timeout),
            cluster_node: marker.server.clone(),
            ..Options::default()
        })
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.link.is_connected() && !self.is_stale.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(disconnected())
        }
    }
}

impl Watch for TrackedConnections {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(async move {
            self.check()?;
            let found: Option<Bytes> = match self.link.client.get(self.inner.names.entry(key)).await
            {
                Ok(found) => found,
                Err(error) => {
                    if RedisFault::of(&error) == RedisFault::Redirected {
                        self.is_stale.store(true, Ordering::Release);
                    }
                    return Err(of_read(error));
                }
            };
            match found {
                Some(bytes) => self.inner.live(&bytes),
                None => Ok(None),
            }
        })
    }

    fn heartbeat(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            self.check()?;
            let mut checks = Vec::new();
            for marker in &self.markers {
                checks.push(self.check_marker(marker));
            }
            for checked in gather(checks).await {
                checked?;
            }
            // The invalidations that a server sent before its answers have arrived by now, but may
            // not be reported yet.
            let (reply, done) = oneshot::channel();
            self.sync.send(reply).map_err(|_| disconnected())?;
            done.await.map_err(|_| disconnected())?;
            self.check()
        })
    }
}

impl Drop for TrackedConnections {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for TrackedConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedConnections")
            .field("hosts", &self.inner.plan.hosts())
            .field("is_stale", &self.is_stale)
            .finish_non_exhaustive()
    }
}

impl EpochMarker {
    fn new(inner: &RedisInner, link: &Link, server: Option<Server>) -> Self {
        let slots = server.as_ref().and(link.client.cached_cluster_state());
        // A few guesses find a tag for a primary with a fair share of the slots; the bound allows
        // for every slot.
        let tag = (0_u32..1 << 20)
            .map(|number| number.to_string())
            .find(|tag| {
                let owner = slots
                    .as_ref()
                    .map(|slots| slots.get_server(redis_keyslot(tag.as_bytes())));
                owner.is_none_or(|owner| owner == server.as_ref())
            });
        Self {
            name: inner.names.epoch(&tag.unwrap_or_default()),
            seen: Mutex::new(None),
            server,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Option<Bytes>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A GET that a replica refuses.
fn strict_get() -> CustomCommand {
    CustomCommand::new_static("GETEX", ClusterHash::FirstKey, false)
}

/// Returns whether the answer of CLIENT TRACKINGINFO says that tracking is on.
fn is_tracking(state: Value) -> bool {
    let flags = state
        .into_map()
        .ok()
        .and_then(|mut state| state.remove(&"flags".into()));
    let flags = flags.map(Value::into_array).unwrap_or_default();
    flags
        .iter()
        .any(|flag| flag.as_str().as_deref() == Some("on"))
}
