//! A network that loses answers: a proxy between store and server cuts or swallows them.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tower_jam::{
    StoreError,
    store::{PostgresStore, Store, When},
};

use super::{
    start::numbers,
    support::postgres::{Server, execute},
    world::{SLACK, connect, is_unavailable, is_unknown, key, write},
};

/// Forwards everything, until it is set to cut the answer of the next statement.
struct Proxy {
    port: u16,
    /// How many bytes of the next answer pass before the connection is cut; `usize::MAX` for all of
    /// them.
    passing: Arc<AtomicUsize>,
    /// Connections up to this number are dead: what is sent on them is swallowed.
    dead: Arc<AtomicUsize>,
    made: Arc<AtomicUsize>,
}

impl Proxy {
    async fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            passing: Arc::new(AtomicUsize::new(usize::MAX)),
            dead: Arc::default(),
            made: Arc::default(),
        };
        let (passing, dead) = (proxy.passing.clone(), proxy.dead.clone());
        let made = proxy.made.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", upstream)).await.unwrap();
                let number = made.fetch_add(1, Ordering::SeqCst) + 1;
                let (passing, dead) = (passing.clone(), dead.clone());
                tokio::spawn(pass(client, server, passing, move || {
                    dead.load(Ordering::SeqCst) >= number
                }));
            }
        });
        proxy
    }

    fn cut_after(&self, bytes: usize) {
        self.passing.store(bytes, Ordering::SeqCst);
    }

    fn swallow(&self) {
        self.dead
            .store(self.made.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

async fn pass(
    client: TcpStream,
    server: TcpStream,
    passing: Arc<AtomicUsize>,
    is_dead: impl Fn() -> bool,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut request, mut response) = ([0; 8192], [0; 8192]);
    let mut is_statement = false;
    loop {
        let (bytes, is_question) = tokio::select! {
            read = from_client.read(&mut request) => (read.unwrap_or(0), true),
            read = from_server.read(&mut response) => (read.unwrap_or(0), false),
        };
        if bytes == 0 {
            return;
        }
        if is_dead() {
            continue;
        }
        if is_question {
            // A statement begins with `Bind`; the pool's own pings do not.
            is_statement = request[0] == b'B';
            to_server.write_all(&request[..bytes]).await.unwrap();
            continue;
        }
        let allowed = if is_statement {
            passing.swap(usize::MAX, Ordering::SeqCst)
        } else {
            usize::MAX
        };
        let sent = to_client.write_all(&response[..bytes.min(allowed)]).await;
        if allowed != usize::MAX || sent.is_err() {
            return;
        }
    }
}

/// A store behind a proxy with one connection, the proxy, and the direct URL. Every change of a row
/// is counted.
async fn behind_proxy(connections: u32) -> (Arc<PostgresStore>, Proxy, String) {
    let server = Server::shared();
    let url = server.database().await;
    let proxy = Proxy::start(server.port()).await;
    let through = url.replace(&server.port().to_string(), &proxy.port.to_string());
    let store = connect(PostgresStore::builder(through).max_connections(connections)).await;
    execute(
        &url,
        "CREATE TABLE changes (); \
         CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN INSERT INTO changes DEFAULT VALUES; RETURN NULL; END'; \
         CREATE TRIGGER counting AFTER INSERT OR UPDATE OR DELETE ON tower_jam.entries \
         FOR EACH ROW EXECUTE FUNCTION count_it()",
    )
    .await;
    (store, proxy, url)
}

/// Runs `verb` three times: twice uncut, so that its statement is prepared, and once with its
/// answer cut.
async fn assert_runs_once<T, F>(
    store: &Arc<PostgresStore>,
    proxy: &Proxy,
    url: &str,
    bytes: usize,
    verb: impl Fn(usize) -> F,
) where
    T: std::fmt::Debug,
    F: Future<Output = Result<T, StoreError>>,
{
    for round in 0..2 {
        verb(round).await.unwrap();
    }
    let before = numbers(url, "SELECT count(*)::int FROM changes").await[0];
    proxy.cut_after(bytes);
    let started = Instant::now();
    let answer = verb(2).await;
    assert!(is_unknown(&answer), "{answer:?} after {bytes} bytes");
    assert!(started.elapsed() < SLACK * 2);
    // The server may commit a moment later, since no client waits for it.
    let deadline = Instant::now() + SLACK * 5;
    while numbers(url, "SELECT count(*)::int FROM changes").await[0] == before {
        assert!(Instant::now() < deadline, "it never ran");
    }
    store.get(&key("k")).await.unwrap();
    assert_eq!(
        numbers(url, "SELECT count(*)::int FROM changes").await[0],
        before + 1,
        "it ran twice"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_was_cut_is_unknown_and_ran_once() {
    let (store, proxy, url) = behind_proxy(1).await;
    let names = ["0", "1", "2"];
    let group = key("group");
    for bytes in [0, 3, 7] {
        let again = |name: &str| key(&format!("{name} {bytes}"));
        assert_runs_once(&store, &proxy, &url, bytes, |round| {
            let (store, key) = (store.clone(), again(names[round]));
            async move { store.put(&key, write("always"), When::Always).await }
        })
        .await;
        assert_runs_once(&store, &proxy, &url, bytes, |round| {
            let (store, key) = (store.clone(), again(&format!("absent {round}")));
            async move { store.put(&key, write("absent"), When::Absent).await }
        })
        .await;
        let mut versions = Vec::new();
        for name in names {
            versions.push(store.get(&again(name)).await.unwrap().unwrap().version);
        }
        assert_runs_once(&store, &proxy, &url, bytes, |round| {
            let (store, key) = (store.clone(), again(names[round]));
            let when = When::Unchanged(versions[round]);
            async move { store.put(&key, write("unchanged"), when).await }
        })
        .await;
        assert_runs_once(&store, &proxy, &url, bytes, |_| {
            let (store, key) = (store.clone(), again("number"));
            async move { store.add(&key, 1, write("").expires_at).await }
        })
        .await;
        assert_eq!(
            store
                .add(&again("number"), 0, write("").expires_at)
                .await
                .unwrap(),
            3
        );
        assert_runs_once(&store, &proxy, &url, bytes, |round| {
            let (store, key) = (store.clone(), again(names[round]));
            async move { store.take(&key).await }
        })
        .await;
        for name in names {
            let group = key(&format!("group {name}"));
            store
                .put(&again(name), write("member").in_group(group), When::Absent)
                .await
                .unwrap();
        }
        assert_runs_once(&store, &proxy, &url, bytes, |round| {
            let (store, group) = (store.clone(), key(&format!("group {round}")));
            async move { store.remove_group(&group).await }
        })
        .await;
    }
    assert!(store.list(&group).await.unwrap().is_empty());
}

/// A read changes nothing, so it is retried and the caller does not notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_whose_answer_was_cut_is_retried() {
    let (store, proxy, _) = behind_proxy(1).await;
    let group = key("group");
    let member = write("value").in_group(group.clone());
    store.put(&key("k"), member, When::Absent).await.unwrap();
    for bytes in [0, 1, 7, 60] {
        for _ in 0..2 {
            assert!(store.get(&key("k")).await.unwrap().is_some());
            assert_eq!(store.list(&group).await.unwrap().len(), 1);
        }
        proxy.cut_after(bytes);
        assert!(store.get(&key("k")).await.unwrap().is_some());
        store.list(&group).await.unwrap();
        proxy.cut_after(bytes);
        assert_eq!(store.list(&group).await.unwrap().len(), 1);
    }
}

/// A network that swallows everything leaves connections that look alive. None of them may be
/// waited for repeatedly, nor keep its slot in the pool.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_went_dead_are_given_up() {
    let (store, proxy, url) = behind_proxy(8).await;
    let verbs = || {
        let verbs = (0..8).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .put(&key(&number.to_string()), write("v"), When::Always)
                    .await
            })
        });
        verbs.collect::<Vec<_>>()
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    let connections = "SELECT count(*)::int FROM pg_stat_activity \
                       WHERE datname = current_database() AND application_name = 'tower-jam'";
    while numbers(&url, connections).await != [8] {
        assert!(all(verbs()).await);
        assert!(
            Instant::now() < deadline,
            "the pool has fewer than eight connections"
        );
    }
    // A connection may be on its way back to the pool when it goes dead; then nothing is sent.
    let is_lost = |answer: &_| is_unknown(answer) || is_unavailable(answer);
    for is_abandoned in [false, true] {
        proxy.swallow();
        let started = Instant::now();
        let flying = verbs();
        if is_abandoned {
            // The statements have long been sent by then, without an answer.
            tokio::time::sleep(Duration::from_millis(100)).await;
            flying.iter().for_each(|verb| verb.abort());
        }
        for verb in flying {
            let answer = verb.await;
            assert!(
                is_abandoned || answer.as_ref().is_ok_and(is_lost),
                "{answer:?}"
            );
        }
        while !all(verbs()).await {
            let elapsed = started.elapsed();
            assert!(
                elapsed < Duration::from_secs(3),
                "eight dead connections block the pool"
            );
        }
    }
}

/// Whether all of them succeed.
async fn all(verbs: Vec<JoinHandle<Result<bool, StoreError>>>) -> bool {
    let mut succeed = true;
    for verb in verbs {
        succeed &= verb.await.unwrap().is_ok();
    }
    succeed
}
