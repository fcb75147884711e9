//! Every store, each with entries that no other test uses.

use std::{any::Any, sync::Arc, time::Duration};

use tower_jam::{
    Clock,
    store::{
        FileStore, MemoryStore, NearCache, PostgresStore, RedisStore, Store, near::WatchChanges,
    },
};

use super::{postgres, process::Folder, redis};

/// A store under test. Its server ends with it.
pub struct Backend {
    pub name: &'static str,
    /// Two handles as two nodes have them: two connections, or twice the one owner of a file.
    pub nodes: [Arc<dyn Store>; 2],
    /// The same behind near-caches.
    pub near: [Arc<dyn Store>; 2],
    /// Whether nodes receive each other's invalidations.
    pub is_shared: bool,
    _ground: Box<dyn Any + Send>,
}

impl Backend {
    fn alone(
        name: &'static str,
        store: Arc<dyn Store>,
        clock: &Arc<dyn Clock>,
        ground: impl Any + Send,
    ) -> Self {
        let near = NearCache::for_sole_writer(Arc::clone(&store)).clock(clock.clone());
        let near: Arc<dyn Store> = Arc::new(near.build().unwrap());
        Self {
            name,
            nodes: [Arc::clone(&store), store],
            near: [Arc::clone(&near), near],
            is_shared: false,
            _ground: Box::new(ground),
        }
    }

    fn shared<S: WatchChanges>(
        name: &'static str,
        stores: [S; 2],
        clock: &Arc<dyn Clock>,
        ground: impl Any + Send,
    ) -> Self {
        let stores = stores.map(Arc::new);
        let near = stores.clone().map(|store| {
            let near = NearCache::builder(store).clock(clock.clone());
            Arc::new(near.build().unwrap()) as Arc<dyn Store>
        });
        Self {
            name,
            nodes: stores.map(|store| store as Arc<dyn Store>),
            near,
            is_shared: true,
            _ground: Box::new(ground),
        }
    }
}

/// Memory, a file, Redis alone, as a cluster and behind a Sentinel, PostgreSQL, and Valkey if it is
/// installed, all with `clock`.
pub async fn each(clock: Arc<dyn Clock>) -> Vec<Backend> {
    let mut backends = vec![
        memory(&clock),
        file(&clock),
        redis(&clock).await,
        cluster(&clock).await,
        sentinel(&clock).await,
        postgres(&clock).await,
    ];
    backends.extend(valkey(&clock).await);
    backends
}

/// If the system has a package for it, `tests/run` has installed it.
async fn valkey(clock: &Arc<dyn Clock>) -> Option<Backend> {
    let server = redis::Server::shared_valkey()?;
    Some(at("valkey", &server.url(), clock).await)
}

pub fn memory(clock: &Arc<dyn Clock>) -> Backend {
    let store = MemoryStore::new().with_clock(clock.clone());
    Backend::alone("memory", Arc::new(store), clock, ())
}

fn file(clock: &Arc<dyn Clock>) -> Backend {
    let folder = Folder::new("file");
    let store = FileStore::builder(folder.path().join("store.redb"));
    let store = store.clock(clock.clone()).open().unwrap();
    Backend::alone("file", Arc::new(store), clock, folder)
}

pub async fn redis(clock: &Arc<dyn Clock>) -> Backend {
    at("redis", &redis::Server::shared().url(), clock).await
}

async fn cluster(clock: &Arc<dyn Clock>) -> Backend {
    at("redis cluster", &redis::Cluster::shared().url(), clock).await
}

async fn sentinel(clock: &Arc<dyn Clock>) -> Backend {
    at("redis sentinel", &redis::Guarded::shared().url(), clock).await
}

/// Two connections, to entries that no other test uses.
async fn at(name: &'static str, url: &str, clock: &Arc<dyn Clock>) -> Backend {
    let prefix = redis::prefix();
    let connect = || {
        RedisStore::builder(url)
            .prefix(&*prefix)
            .clock(clock.clone())
            .connect_timeout(LONGEST)
            .command_timeout(LONGEST)
            .connect()
    };
    let stores = [connect().await.unwrap(), connect().await.unwrap()];
    Backend::shared(name, stores, clock, ())
}

pub async fn postgres(clock: &Arc<dyn Clock>) -> Backend {
    let url = postgres::Server::shared().database().await;
    let connect = || {
        PostgresStore::builder(&url)
            .clock(clock.clone())
            .command_timeout(LONGEST)
            .connect()
    };
    let stores = [connect().await.unwrap(), connect().await.unwrap()];
    Backend::shared("postgres", stores, clock, ())
}

/// The longest timeout that is allowed: these tests are not about time, and a busy machine may be
/// slow.
const LONGEST: Duration = Duration::from_secs(2);
