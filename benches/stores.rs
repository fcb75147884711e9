//! The throughput of the stores: sessions loaded per second with 64 requests in flight, writes, the
//! near-cache, and memory use.
//!
//! `cargo bench -p tower-jam-benches --bench stores`. It starts its own `redis-server` and
//! `postgres` on loopback. Each figure is the median of five runs. Peers run in the same process,
//! one after the other.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark without its set-up says nothing, and it talks to its reader"
)]

mod support;

use std::{
    future::Future,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use fred::{
    prelude::{Builder, ClientLike, Config, KeysInterface, Pool, Value},
    types::config::UnresponsiveConfig,
};
use redb::{Database, ReadableDatabase, TableDefinition};
use support::{postgres, process::Folder, redis};
use tower_jam::{
    Algorithm, Claims, Clock, Env, Grant, Jwt, Key, KeyRing, MasterSecret, Sessions, SystemClock,
    TokenPairs,
    store::{
        self, FileStore, MemoryStore, NearCache, PostgresStore, RedisStore, Store, When, Write,
    },
};
use tower_sessions_core::{
    SessionStore,
    session::{Id, Record},
};

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let value = session_record().await;
    println!(
        "a session record of {} bytes; {IN_FLIGHT} in flight\n",
        value.len()
    );
    redis_loads(&value).await;
    postgres_loads(&value).await;
    near_cache(&value).await;
    file(&value).await;
    memory(&value).await;
    refreshes().await;
}

/// Measures refreshes per second. Each worker has its own user and device. A refresh reads the
/// devices and the user, reads again for a conditional write, and signs the access token.
async fn refreshes() {
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let server = redis::Server::start();
    let redis: Arc<dyn Store> = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    for (name, store) in [("memory", memory), ("redis", redis)] {
        let jwt = Jwt::builder(KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap()))
            .issuer("https://auth.acme.dev")
            .audience("api")
            .build()
            .unwrap();
        let users = |subject: String| async { Ok(Some(Grant::new(subject, Claims::new()))) };
        let pairs = TokenPairs::builder(
            &Env::new("https://auth.acme.dev", store, &MasterSecret::generate()),
            jwt,
            users,
        )
        .build()
        .unwrap();
        let mut rates = Vec::new();
        for run in 0..RUNS {
            let mut tokens = Vec::new();
            for worker in 0..IN_FLIGHT {
                let grant = Grant::new(format!("user {run}/{worker}"), Claims::new());
                tokens.push(pairs.issue(grant).await.unwrap().refresh_token);
            }
            let began = Instant::now();
            let tasks = tokens.into_iter().map(|mut token| {
                let pairs = pairs.clone();
                tokio::spawn(async move {
                    for _ in 0..REFRESHES {
                        token = pairs
                            .refresh(token.expose(), None)
                            .await
                            .unwrap()
                            .refresh_token;
                    }
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap();
            }
            rates.push((IN_FLIGHT * REFRESHES) as f64 / began.elapsed().as_secs_f64());
        }
        let what = format!("pairs: refreshes on {name}");
        println!("{what:<56} {:>12.0} /s", median(rates));
    }
}

/// Returns the record of a session as the engine stores it, for a user with a name.
async fn session_record() -> Vec<u8> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let sessions = Sessions::<String>::builder(&Env::new(
        "self",
        Arc::clone(&store),
        &MasterSecret::generate(),
    ))
    .build()
    .unwrap();
    sessions
        .create(Grant::new("alice", "Alice".to_owned()))
        .await
        .unwrap();
    let group = store::StoreKey::new("session-user", &[b"self", b"alice"]);
    let listed = store.list(&group).await.unwrap();
    listed[0].1.value.to_vec()
}

async fn redis_loads(value: &[u8]) {
    let server = redis::Server::start();
    let store = Arc::new(RedisStore::connect(&server.url()).await.unwrap());
    let keys = fill(store.as_ref(), value).await;

    let pool = fred_pool(&server.url(), None).await;
    for key in 0..KEYS {
        let () = pool
            .set(raw_key(key), value, None, None, false)
            .await
            .unwrap();
    }
    let patient = fred_pool(&server.url(), Some(Duration::from_secs(1))).await;
    let peer = tower_sessions_redis_store::RedisStore::new(pool.clone());
    let ids = peer_records(&peer, value.len()).await;
    // Interleaved, so that other load on the machine affects all of them.
    let mut rates = [const { Vec::new() }; 4];
    for _ in 0..2 * RUNS {
        for (contender, pool) in [(0, &pool), (1, &patient)] {
            let pool = pool.clone();
            let get = move |number: usize| {
                let pool = pool.clone();
                async move {
                    let value: Value = pool.get(raw_key(number % KEYS)).await.unwrap();
                    assert!(!value.is_null());
                }
            };
            rates[contender].push(once(IN_FLIGHT, CALLS, get).await);
        }
        let (ours, keys) = (Arc::clone(&store), keys.clone());
        let get = move |number: usize| {
            let (store, key) = (Arc::clone(&ours), keys[number % KEYS].clone());
            async move { assert!(store.get(&key).await.unwrap().is_some()) }
        };
        rates[2].push(once(IN_FLIGHT, CALLS, get).await);
        let (peer, ids) = (peer.clone(), ids.clone());
        let load = move |number: usize| {
            let (peer, id) = (peer.clone(), ids[number % KEYS]);
            async move { assert!(peer.load(&id).await.unwrap().is_some()) }
        };
        rates[3].push(once(IN_FLIGHT, CALLS, load).await);
    }
    let [without, with, ours, theirs] = rates.map(median);
    print("redis: fred GET alone, with no time-out", without);
    print(
        "redis: fred GET alone, with time-outs as the store has",
        with,
    );
    print("redis: RedisStore::get", ours);
    println!(
        "    {:.2} of fred without time-outs, {:.2} of fred with them",
        ours / without,
        ours / with
    );
    print(
        "redis: tower-sessions-redis-store load, no time-out",
        theirs,
    );
    let before = used_memory(&server);
    for number in 0..10_000_u32 {
        let write = Write::new(value.to_vec(), expiry()).in_group(key("user", number / 2));
        store
            .put(&key("session", FRESH + number), write, When::Absent)
            .await
            .unwrap();
    }
    let each = (used_memory(&server) - before) / 10_000;
    println!("redis: {each} bytes per stored session, including its entry in the user's list\n");
}

/// A key as long as those that the store writes.
fn raw_key(number: usize) -> String {
    format!("raw:session:{number:064x}")
}

async fn peer_records(
    peer: &tower_sessions_redis_store::RedisStore<Pool>,
    bytes: usize,
) -> Arc<Vec<Id>> {
    let mut ids = Vec::new();
    for _ in 0..KEYS {
        let mut record = Record {
            id: Id::default(),
            data: [("user".to_owned(), "x".repeat(bytes / 2).into())].into(),
            expiry_date: time::OffsetDateTime::now_utc() + Duration::from_secs(3_600),
        };
        peer.create(&mut record).await.unwrap();
        ids.push(record.id);
    }
    Arc::new(ids)
}

/// One connection, as the store has. Without a timeout, a command waits forever during an outage.
async fn fred_pool(url: &str, timeout: Option<Duration>) -> Pool {
    let mut builder = Builder::from_config(Config::from_url(url).unwrap());
    if let Some(timeout) = timeout {
        builder.with_performance_config(|config| config.default_command_timeout = timeout);
        builder.with_connection_config(|config| {
            config.max_command_attempts = 1;
            config.unresponsive = UnresponsiveConfig {
                max_timeout: Some(timeout),
                interval: timeout / 4,
            };
        });
    }
    let pool = builder.build_pool(1).unwrap();
    pool.init().await.unwrap();
    pool
}

fn used_memory(server: &redis::Server) -> u64 {
    let info = server.command(&["INFO", "memory"]);
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    line.unwrap().trim().parse().unwrap()
}

async fn postgres_loads(value: &[u8]) {
    let server = postgres::Server::start(&[]);
    let store = Arc::new(
        PostgresStore::connect(server.url("postgres"))
            .await
            .unwrap(),
    );
    let keys = fill(store.as_ref(), value).await;
    per_second("postgres: PostgresStore::get", move |number| {
        let (store, key) = (Arc::clone(&store), keys[number % KEYS].clone());
        async move { assert!(store.get(&key).await.unwrap().is_some()) }
    })
    .await;
    println!();
}

async fn near_cache(value: &[u8]) {
    let server = redis::Server::start();
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let near = NearCache::new(Arc::new(store)).unwrap();
    let key = fill(&near, value).await[0].clone();
    while !near.read_cached(&key).await.unwrap().is_remembered {
        tokio::task::yield_now().await;
    }
    nanoseconds("near-cache: a hit", async || {
        assert!(black_box(near.read_cached(&key).await.unwrap()).is_remembered);
    })
    .await;
    println!();
}

async fn file(value: &[u8]) {
    let folder = Folder::new("bench");
    let store = Arc::new(FileStore::open(folder.path().join("store.redb")).unwrap());
    let keys = fill(store.as_ref(), value).await;
    let mut next = 0;
    nanoseconds("file: FileStore::get", async || {
        next += 1;
        black_box(store.get(&keys[next % KEYS]).await.unwrap());
    })
    .await;
    for writers in [1, IN_FLIGHT] {
        let (store, value) = (Arc::clone(&store), value.to_vec());
        let name = format!("file: durable writes, {writers} at a time");
        per_second_by(&name, writers, DURABLE, move |number| {
            let (store, write) = (Arc::clone(&store), Write::new(value.clone(), expiry()));
            #[allow(clippy::cast_possible_truncation, reason = "few")]
            let key = key("session", number as u32);
            async move { assert!(store.put(&key, write, When::Always).await.unwrap()) }
        })
        .await;
    }

    const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("raw");
    let database = Database::create(folder.path().join("raw.redb")).unwrap();
    let began = Instant::now();
    for number in 0..DURABLE as u64 {
        let transaction = database.begin_write().unwrap();
        let mut table = transaction.open_table(TABLE).unwrap();
        table
            .insert(number.to_be_bytes().as_slice(), value)
            .unwrap();
        drop(table);
        transaction.commit().unwrap();
    }
    let rate = DURABLE as f64 / began.elapsed().as_secs_f64();
    println!("{:<56} {rate:>12.0} /s", "file: redb alone, a commit each");
    let mut next = 0_u64;
    nanoseconds("file: redb alone, a read", async || {
        next += 1;
        let table = database.begin_read().unwrap().open_table(TABLE).unwrap();
        let key = (next % DURABLE as u64).to_be_bytes();
        black_box(table.get(key.as_slice()).unwrap().unwrap().value().len());
    })
    .await;
    println!();
}

async fn memory(value: &[u8]) {
    let store = MemoryStore::new();
    let before = resident();
    for number in 0..100_000_u32 {
        let write = Write::new(value.to_vec(), expiry()).in_group(key("user", number / 2));
        store
            .put(&key("session", number), write, When::Absent)
            .await
            .unwrap();
    }
    let each = resident().saturating_sub(before) / 100_000;
    println!("memory: {each} bytes per stored session, including its entry in the user's list");
    drop(store);
}

/// Returns the resident memory of this process in bytes, if the system reports it.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    kilobytes
        .and_then(|text| text.parse().ok())
        .unwrap_or(0_u64)
        * 1024
}

async fn fill(store: &dyn Store, value: &[u8]) -> Arc<Vec<store::StoreKey>> {
    #[allow(clippy::cast_possible_truncation, reason = "few")]
    let keys: Vec<_> = (0..KEYS)
        .map(|number| key("session", number as u32))
        .collect();
    for key in &keys {
        store
            .put(key, Write::new(value.to_vec(), expiry()), When::Always)
            .await
            .unwrap();
    }
    Arc::new(keys)
}

fn key(namespace: &'static str, number: u32) -> store::StoreKey {
    store::StoreKey::new(namespace, &[&number.to_be_bytes()])
}

fn expiry() -> tower_jam::Timestamp {
    SystemClock.now().after(Duration::from_secs(3_600))
}

async fn per_second<F>(name: &str, work: impl Fn(usize) -> F + Clone + Send + 'static) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    per_second_by(name, IN_FLIGHT, CALLS, work).await
}

/// Runs `calls` calls five times, with one call per worker in flight, and prints the median rate.
async fn per_second_by<F>(
    name: &str,
    workers: usize,
    calls: usize,
    work: impl Fn(usize) -> F + Clone + Send + 'static,
) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        rates.push(once(workers, calls, work.clone()).await);
    }
    let rate = median(rates);
    print(name, rate);
    rate
}

async fn once<F>(
    workers: usize,
    calls: usize,
    work: impl Fn(usize) -> F + Clone + Send + 'static,
) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    let began = Instant::now();
    let tasks = (0..workers).map(|worker| {
        let work = work.clone();
        tokio::spawn(async move {
            for number in (worker..calls).step_by(workers) {
                work(number).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    calls as f64 / began.elapsed().as_secs_f64()
}

fn print(name: &str, rate: f64) {
    println!("{name:<56} {rate:>12.0} /s");
}

async fn nanoseconds(name: &str, mut work: impl AsyncFnMut()) {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        for _ in 0..CALLS {
            work().await;
        }
        times.push(began.elapsed().as_nanos() as f64 / CALLS as f64);
    }
    println!("{name:<56} {:>12.0} ns", median(times));
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

const KEYS: usize = 1_000;
/// The first of the keys that no other figure uses.
const FRESH: u32 = 1_000_000;
const CALLS: usize = 100_000;
const DURABLE: usize = 2_000;
const IN_FLIGHT: usize = 64;
const RUNS: usize = 5;
const REFRESHES: usize = 300;
