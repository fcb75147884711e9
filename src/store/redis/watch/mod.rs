//! Announcements: a connection of its own to every primary, on which the server remembers what was read and says
//! when it changes.

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

use self::teller::{Tell, Teller, Told};
use super::{
    RedisStore, Shared,
    fault::{Fault, disconnected, of_read},
    link::{Link, gather},
    plan::{Use, primaries},
};
use crate::{
    error::StoreError,
    secret,
    store::{
        Entry, Key, StoreFuture,
        near::{Announce, News, Watch},
    },
};

impl Announce for RedisStore {
    /// Connects once more to every primary, and has the server track what is read there. While it lasts the server
    /// keeps a note of each key that was read, which `tracking-table-max-keys` bounds. A [quiet](crate::store::Write::quietly) write
    /// is announced like any other, and an expiry by the server is not.
    fn watch(&self, news: News) -> StoreFuture<'_, Box<dyn Watch>> {
        let tell = Box::new(move |told: Told<'_>| match told {
            Told::Changed(key) => news.changed(key),
            Told::Anything => news.anything_changed(),
        });
        Box::pin(async move {
            let tracked = Tracked::open(Arc::clone(&self.shared), tell).await?;
            Ok(Box::new(tracked) as Box<dyn Watch>)
        })
    }
}

/// Connections that are tracked from their first to their last command: none of them is ever made anew.
struct Tracked {
    shared: Arc<Shared>,
    link: Link,
    tell: Arc<Tell>,
    marks: Vec<Mark>,
    /// Where to ask that everything that was heard so far be told.
    ask: mpsc::UnboundedSender<oneshot::Sender<()>>,
    /// The cluster has changed, and with it who announces what.
    is_over: Arc<AtomicBool>,
    teller: JoinHandle<()>,
}

/// A random value on one primary that is gone when its database was emptied, of which fred does not tell.
struct Mark {
    server: Option<Server>,
    name: Bytes,
    seen: Mutex<Option<Bytes>>,
}

impl Tracked {
    async fn open(shared: Arc<Shared>, tell: Tell) -> Result<Self, StoreError> {
        let known = primaries(&shared.main.client, shared.plan.is_clustered());
        let known = known.into_iter().flatten().collect();
        let link = shared.plan.link(Use::Watch, known);
        let link = link.await.map_err(of_read)?;
        let tell = Arc::new(tell);
        let is_over = Arc::new(AtomicBool::new(false));
        let (ask, asked) = mpsc::unbounded_channel();
        let teller = Teller {
            heard: link.client.invalidation_rx(),
            moved: link.client.cluster_change_rx(),
            asked,
            names: shared.names.clone(),
            tell: Arc::clone(&tell),
            is_over: Arc::clone(&is_over),
        };
        let servers = primaries(&link.client, shared.plan.is_clustered());
        let tracked = Self {
            marks: servers
                .into_iter()
                .map(|server| Mark::new(&shared, &link, server))
                .collect(),
            teller: tokio::spawn(teller.run()),
            shared,
            link,
            tell,
            ask,
            is_over,
        };
        for mark in &tracked.marks {
            let client = tracked.on(mark);
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
            tracked.look(mark).await?;
        }
        Ok(tracked)
    }

    /// Asks one primary whether it still tracks this connection, and whether it still has its mark.
    /// A replica, which may not have heard of a change, refuses the question.
    async fn look(&self, mark: &Mark) -> Result<(), StoreError> {
        let (state, found) = (self.on(mark), self.on(mark));
        let name = mark.name.clone();
        let answers = gather([true, false].map(|is_state| {
            let (state, found, name) = (&state, &found, name.clone());
            async move {
                match is_state {
                    true => state.client_trackinginfo::<Value>().await,
                    false => found.custom::<Value, _>(strict_get(), vec![name]).await,
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
        if found.is_some() && found == *mark.seen() {
            return Ok(());
        }
        let fresh = Bytes::copy_from_slice(&secret::random::<16>());
        let client = self.on(mark);
        let (nx, name) = (Some(SetOptions::NX), mark.name.clone());
        let set = client.set::<Value, _, _>(name.clone(), fresh, None, nx, false);
        set.await.map_err(of_read)?;
        let found: Option<Bytes> = client.get(name).await.map_err(of_read)?;
        // The first look finds what others left, and has nothing to forget yet.
        if mark.seen().replace(found.unwrap_or_default()).is_some() {
            (self.tell)(Told::Anything);
        }
        Ok(())
    }

    fn on(&self, mark: &Mark) -> WithOptions<Client> {
        self.link.client.with_options(&Options {
            timeout: Some(self.shared.plan.command_timeout),
            cluster_node: mark.server.clone(),
            ..Options::default()
        })
    }

    fn check(&self) -> Result<(), StoreError> {
        match self.link.is_connected() && !self.is_over.load(Ordering::Acquire) {
            true => Ok(()),
            false => Err(disconnected()),
        }
    }
}

impl Watch for Tracked {
    fn get<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(async move {
            self.check()?;
            let found: Option<Bytes> =
                match self.link.client.get(self.shared.names.entry(key)).await {
                    Ok(found) => found,
                    Err(error) => {
                        if Fault::of(&error) == Fault::Redirected {
                            self.is_over.store(true, Ordering::Release);
                        }
                        return Err(of_read(error));
                    }
                };
            match found {
                Some(bytes) => self.shared.live(&bytes),
                None => Ok(None),
            }
        })
    }

    fn heartbeat(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            self.check()?;
            let mut looks = Vec::new();
            for mark in &self.marks {
                looks.push(self.look(mark));
            }
            for looked in gather(looks).await {
                looked?;
            }
            // What a server announced before its answers has been heard by now, but not yet told.
            let (reply, told) = oneshot::channel();
            self.ask.send(reply).map_err(|_| disconnected())?;
            told.await.map_err(|_| disconnected())?;
            self.check()
        })
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.teller.abort();
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked")
            .field("hosts", &self.shared.plan.hosts())
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

impl Mark {
    fn new(shared: &Shared, link: &Link, server: Option<Server>) -> Self {
        let slots = server.as_ref().and(link.client.cached_cluster_state());
        // A few guesses hit a primary that has a fair share of the slots; all of them are as many as there are slots.
        let tag = (0_u32..1 << 20)
            .map(|number| number.to_string())
            .find(|tag| {
                let owner = slots
                    .as_ref()
                    .map(|slots| slots.get_server(redis_keyslot(tag.as_bytes())));
                owner.is_none_or(|owner| owner == server.as_ref())
            });
        Self {
            name: shared.names.epoch(&tag.unwrap_or_default()),
            seen: Mutex::new(None),
            server,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Option<Bytes>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// GET that a replica refuses.
fn strict_get() -> CustomCommand {
    CustomCommand::new_static("GETEX", ClusterHash::FirstKey, false)
}

/// Whether the answer of CLIENT TRACKINGINFO says so.
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
