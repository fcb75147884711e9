//! Servers that crash, hang, lose data or lie, and networks that break.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tower_jam::{
    Algorithm, Claims, Env, Grant, IssueError, Jwt, Key, KeyRing, MasterSecret, Sessions,
    StoreError, TokenPairs,
    store::{RedisStore, Store, When, Write},
};

use super::{
    support::{
        abandon_after,
        process::until,
        redis::{Server, reply},
    },
    world::{group, in_an_hour, key, patient, shared, store, write},
};

/// How long an operation may take at most, on a busy machine.
const SLACK: Duration = Duration::from_millis(1_500);

const VERBS: [&str; 7] = [
    "get",
    "put always",
    "put absent",
    "take",
    "list",
    "add",
    "remove_group",
];

/// Calls an operation by its name.
async fn call(store: &RedisStore, verb: &str) -> Result<(), StoreError> {
    let write = write("value").in_group(group());
    match verb {
        "get" => store.get(&key(1)).await.map(drop),
        "put always" => store.put(&key(2), write, When::Always).await.map(drop),
        "put absent" => store.put(&key(3), write, When::Absent).await.map(drop),
        "take" => store.take(&key(4)).await.map(drop),
        "list" => store.list(&group()).await.map(drop),
        "add" => store.add(&key(5), 1, in_an_hour()).await.map(drop),
        _ => store.remove_group(&group()).await.map(drop),
    }
}

/// Each operation returns an unknown or unavailable result, in time.
async fn each_verb_fails_in_time(store: &RedisStore, limit: Duration) {
    for verb in VERBS {
        let begin = Instant::now();
        let answer = call(store, verb).await;
        assert!(
            matches!(
                answer,
                Err(StoreError::Unavailable(_) | StoreError::Unknown(_))
            ),
            "{verb}: {answer:?}"
        );
        assert!(begin.elapsed() < limit, "{verb} took {:?}", begin.elapsed());
    }
}

/// How long it takes until the store answers again, and continues to do so.
async fn recovery(store: &RedisStore, limit: Duration) -> Duration {
    let begin = Instant::now();
    while let Err(error) = store.put(&key(0), write("back"), When::Always).await {
        assert!(begin.elapsed() < limit, "{error:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let recovery = begin.elapsed();
    for verb in VERBS {
        call(store, verb).await.unwrap();
    }
    recovery
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_is_unavailable_and_recovers() {
    let mut server = Server::start();
    let store = store(&server.url()).await;
    for verb in VERBS {
        call(&store, verb).await.unwrap();
    }
    for down in [Duration::ZERO, Duration::from_millis(1_500)] {
        server.kill();
        each_verb_fails_in_time(&store, SLACK).await;
        // By now the store knows that the server cannot be reached.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let begin = Instant::now();
        each_verb_fails_in_time(&store, Duration::from_millis(200)).await;
        assert!(
            begin.elapsed() < Duration::from_millis(400),
            "{:?}",
            begin.elapsed()
        );
        tokio::time::sleep(down).await;
        until("Redis has its port again", || server.run());
        let recovery = recovery(&store, Duration::from_secs(2)).await;
        eprintln!("back after {recovery:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_server_is_unavailable_and_recovers() {
    let server = Server::start();
    let store = store(&server.url()).await;
    server.signal("STOP");
    each_verb_fails_in_time(&store, SLACK).await;
    // By now the store knows that the server does not answer.
    each_verb_fails_in_time(&store, Duration::from_millis(200)).await;
    server.signal("CONT");
    let recovery = recovery(&store, Duration::from_secs(3)).await;
    eprintln!("back after {recovery:?}");
}

/// Many callers at once get the error as soon as one would.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_caller_waits_for_another_while_the_server_is_unavailable() {
    let mut server = Server::start();
    let store = shared(&server.url()).await;
    server.kill();
    let begin = Instant::now();
    let callers = (0..200).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { call(&store, VERBS[number % VERBS.len()]).await.unwrap_err() })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert!(begin.elapsed() < SLACK, "{:?}", begin.elapsed());
}

/// A caller was cancelled while no server could be reached. Its write is executed soon or never,
/// not whenever the server is back: by then it would be unexpected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_write_is_not_executed_late() {
    let mut server = Server::start();
    let store = store(&server.url()).await;
    // First the server does not answer, so that all callers give up; then it is stopped.
    server.signal("STOP");
    let mut given_up = 0;
    for number in 0..2_000 {
        if number == 1_000 {
            server.kill();
        }
        let key = key(number);
        let put = store.put(&key, write("late"), When::Always);
        given_up += usize::from(abandon_after(2, put).is_none());
        if number % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert!(given_up > 0, "every caller got an answer");
    eprintln!("{given_up} were given up");
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    until("Redis has its port again", || server.run());
    let begin = Instant::now();
    while store.get(&key(0)).await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(3));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for number in 0..2_000 {
        assert!(store.get(&key(number)).await.unwrap().is_none(), "{number}");
    }
}

/// A caller that is cancelled after the first poll loses only its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_goes_on_without_its_caller() {
    let server = Server::start();
    let store = patient(&server.url()).await;
    drop(store.put(&key(1), write("never polled"), When::Always));
    let polled = key(2);
    let put = store.put(&polled, write("polled").in_group(group()), When::Absent);
    // The server delays its answer until the caller is gone.
    server.signal("STOP");
    assert!(abandon_after(1, put).is_none());
    server.signal("CONT");
    let begin = Instant::now();
    while store.get(&key(2)).await.unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(2));
    }
    assert_eq!(store.list(&group()).await.unwrap().len(), 1);
    assert!(store.get(&key(1)).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_server_starts_again() {
    let server = Server::start();
    let store = patient(&server.url()).await;
    for what in [&["SCRIPT", "FLUSH"][..], &["FLUSHALL"]] {
        store.add(&key(1), 41, in_an_hour()).await.unwrap();
        let put = write("value").in_group(group());
        store.put(&key(2), put, When::Always).await.unwrap();
        server.command(what);
        if what == ["FLUSHALL"] {
            server.command(&["SCRIPT", "FLUSH"]);
            assert!(store.get(&key(2)).await.unwrap().is_none());
            assert!(store.list(&group()).await.unwrap().is_empty());
            assert_eq!(store.add(&key(1), 1, in_an_hour()).await.unwrap(), 1);
        }
        for verb in VERBS {
            call(&store, verb).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_only_refuses_writes() {
    let server = Server::start();
    let store = patient(&server.url()).await;
    store
        .put(&key(1), write("value"), When::Always)
        .await
        .unwrap();
    store.add(&key(5), 1, in_an_hour()).await.unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let ungrouped = store.put(&key(3), write("value"), When::Absent).await;
    assert!(matches!(ungrouped, Err(StoreError::Full)), "{ungrouped:?}");
    for verb in ["put always", "put absent", "add"] {
        let answer = call(&store, verb).await;
        assert!(
            matches!(answer, Err(StoreError::Full)),
            "{verb}: {answer:?}"
        );
    }
    assert_eq!(store.get(&key(1)).await.unwrap().unwrap().value, "value");
    assert!(
        store.take(&key(1)).await.unwrap().is_some(),
        "it frees space"
    );
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    for verb in VERBS {
        call(&store, verb).await.unwrap();
    }
}

/// A managed failover turns a primary into a replica and leaves its connections open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_became_a_replica_is_unavailable() {
    let (server, other) = (Server::start(), Server::start());
    let store = store(&server.url()).await;
    server.command(&["REPLICAOF", "127.0.0.1", &other.port.to_string()]);
    for verb in ["put always", "put absent", "take", "add"] {
        let answer = call(&store, verb).await;
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{verb}: {answer:?}"
        );
    }
    server.command(&["REPLICAOF", "NO", "ONE"]);
    recovery(&store, Duration::from_secs(2)).await;
}

/// Many requests are in flight when the server hangs, resumes, drops its connections and crashes.
/// Every answer reaches the caller that asked for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_caller_gets_the_answer_to_another_request() {
    let mut server = Server::start();
    let store = shared(&server.url()).await;
    for number in 0..64 {
        let value = format!("value {number}");
        let put = Write::new(value, in_an_hour());
        store.put(&key(number), put, When::Always).await.unwrap();
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let mut in_flight = tokio::task::JoinSet::new();
    for number in 0..64_u64 {
        let (store, is_over) = (Arc::clone(&store), Arc::clone(&is_over));
        in_flight.spawn(async move {
            let (key, mut answered, mut failed) = (key(number), 0, 0);
            while !is_over.load(Ordering::SeqCst) {
                // Some of the callers are cancelled.
                let outcomes =
                    tokio::time::timeout(Duration::from_millis(number * 20 + 5), store.get(&key));
                match outcomes.await {
                    Ok(Ok(Some(entry))) => {
                        assert_eq!(entry.value, format!("value {number}"));
                        answered += 1;
                    }
                    Ok(Ok(None)) => panic!("an existing entry was reported as absent"),
                    Ok(Err(_)) | Err(_) => failed += 1,
                }
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
            (answered, failed)
        });
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        server.signal("STOP");
        tokio::time::sleep(Duration::from_millis(1_300)).await;
        server.signal("CONT");
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    tokio::time::sleep(Duration::from_millis(800)).await;
    is_over.store(true, Ordering::SeqCst);
    let outcomes = in_flight.join_all().await;
    assert!(
        outcomes.iter().all(|(answered, _)| *answered > 0),
        "{outcomes:?}"
    );
    assert!(
        outcomes.iter().any(|(_, failed)| *failed > 0),
        "{outcomes:?}"
    );
    server.kill();
}

/// An operator shuts the server down in an orderly way, and starts it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_shut_down_is_unavailable_and_recovers() {
    let mut server = Server::start();
    let store = store(&server.url()).await;
    for order in ["SHUTDOWN", "TERM"] {
        store
            .put(&key(1), write("value"), When::Always)
            .await
            .unwrap();
        match order {
            "SHUTDOWN" => drop(reply(server.port, &["SHUTDOWN", "NOSAVE"])),
            signal => server.signal(signal),
        }
        until("the process has ended", || server.has_ended());
        each_verb_fails_in_time(&store, Duration::from_millis(1_500)).await;
        server.kill();
        until("Redis has its port again", || server.run());
        recovery(&store, Duration::from_secs(5)).await;
    }
}

/// Memory is exhausted: no user can log in, and every user can be logged out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_and_devices_are_revoked_without_memory() {
    let server = Server::start();
    let store = shared(&server.url()).await;
    let secret = MasterSecret::generate();
    let sessions = Sessions::<Claims>::builder(&Env::new("self", store.clone(), &secret));
    let sessions = sessions.build().unwrap();
    let alice = || Grant::new("alice", Claims::new());
    let jwt = Jwt::<Claims>::builder(KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap()))
        .issuer("https://auth.acme.dev")
        .audience("api")
        .build()
        .unwrap();
    let reread = |subject: String| {
        let grant = Grant::new(subject, Claims::new());
        async move { Ok(Some(grant)) }
    };
    let pairs = TokenPairs::builder(
        &Env::new("https://auth.acme.dev", store.clone(), &secret),
        jwt,
        reread,
    )
    .build()
    .unwrap();
    let mut devices = Vec::new();
    for _ in 0..4 {
        devices.push(pairs.issue(alice()).await.unwrap());
    }
    let kept = sessions.create(alice()).await.unwrap();
    let ended = sessions.create(alice()).await.unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = sessions.create(alice()).await.unwrap_err();
    assert!(
        matches!(refused, IssueError::Store(StoreError::Full)),
        "{refused:?}"
    );
    assert!(sessions.revoke_token(ended.token.expose()).await.unwrap());
    let logged_out = pairs.logout(devices[0].refresh_token.expose()).await;
    logged_out.unwrap();
    assert!(pairs.revoke("alice", &devices[1].session_id).await.unwrap());
    assert_eq!(pairs.list("alice").await.unwrap().len(), 2);
    pairs.revoke_all("alice").await.unwrap();
    assert!(pairs.list("alice").await.unwrap().is_empty());
    // The new record for pending logins finds no space; the sessions are revoked all the same.
    let cleared = sessions.revoke_all("alice").await;
    assert!(matches!(cleared, Err(StoreError::Full)), "{cleared:?}");
    assert!(sessions.get(kept.token.expose()).await.unwrap().is_none());
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(sessions.revoke_all("alice").await.unwrap(), 0);
    assert!(sessions.create(alice()).await.is_ok());
}
