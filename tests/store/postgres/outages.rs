//! A server that crashes, hangs, closes connections or has none left, and how soon the store
//! recovers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection, postgres::PgPoolOptions};
use tower_jam::{
    StoreError,
    store::{PostgresStore, Store, When},
};

use super::{
    support::postgres::{Server, execute},
    world::{SLACK, connect, is_unavailable, is_unknown, key, write},
};

const LIMIT: Duration = Duration::from_secs(1);

/// Every operation at the same time: the results, and the longest duration.
async fn all_verbs(store: &Arc<PostgresStore>) -> (Vec<Result<(), StoreError>>, Duration) {
    let started = Instant::now();
    let (a, b, group) = (key("a"), key("b"), key("group"));
    let (get, put, take, list, add, remove) = tokio::join!(
        store.get(&a),
        store.put(&a, write("a"), When::Always),
        store.take(&b),
        store.list(&group),
        store.add(&b, 1, write("").expires_at),
        store.remove_group(&group),
    );
    let answers = vec![
        get.map(drop),
        list.map(drop),
        put.map(drop),
        take.map(drop),
        add.map(drop),
        remove.map(drop),
    ];
    (answers, started.elapsed())
}

/// All operations fail within the limit, the reads as unavailable.
async fn assert_away(store: &Arc<PostgresStore>) {
    let (answers, elapsed) = all_verbs(store).await;
    assert!(elapsed < LIMIT + SLACK, "{elapsed:?}");
    for (number, answer) in answers.iter().enumerate() {
        let is_read = number < 2;
        assert!(
            is_unavailable(answer) || !is_read && is_unknown(answer),
            "{number}: {answer:?}"
        );
    }
}

/// Every operation is answered again soon. Tens of milliseconds are usual.
async fn recovers(store: &Arc<PostgresStore>) {
    let started = Instant::now();
    loop {
        let (answers, _) = all_verbs(store).await;
        if answers.iter().all(Result::is_ok) {
            return;
        }
        assert!(started.elapsed() < LIMIT + SLACK, "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_crashes_is_unavailable_until_it_recovers() {
    let mut server = Server::start(&[]);
    let store = connect(PostgresStore::builder(server.url("postgres"))).await;
    recovers(&store).await;
    for _ in 0..2 {
        server.kill();
        assert_away(&store).await;
        assert_away(&store).await;
        server.restart();
        recovers(&store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_times_out_and_recovers() {
    let server = Server::start(&[]);
    let store = connect(PostgresStore::builder(server.url("postgres"))).await;
    for _ in 0..2 {
        recovers(&store).await;
        server.signal("STOP");
        assert_away(&store).await;
        assert_away(&store).await;
        server.signal("CONT");
        recovers(&store).await;
    }
}

/// A failover, an administrator or a timeout ends the connections; the next operations open others.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_were_ended_are_replaced() {
    let url = Server::shared().database().await;
    let store = connect(PostgresStore::builder(&url)).await;
    assert!(
        store
            .put(&key("a"), write("a"), When::Always)
            .await
            .unwrap()
    );
    for _ in 0..5 {
        recovers(&store).await;
        execute(
            &url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
        // A read is retried on another connection.
        assert!(store.get(&key("a")).await.unwrap().is_some());
        recovers(&store).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_in_use_is_unavailable_and_nothing_more() {
    let url = Server::shared().database().await;
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect(&url)
        .await
        .unwrap();
    let store = connect(PostgresStore::with_pool(pool.clone())).await;
    let held = pool.acquire().await.unwrap();
    let (answers, elapsed) = all_verbs(&store).await;
    assert!(answers.iter().all(is_unavailable), "{answers:?}");
    assert!(elapsed < LIMIT + SLACK, "{elapsed:?}");
    drop(held);
    recovers(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_room_for_connections_is_unavailable() {
    let server = Server::start(&["max_connections=5", "superuser_reserved_connections=0"]);
    let url = server.url("postgres");
    let store = connect(PostgresStore::builder(&url).max_connections(3)).await;
    let mut held = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    // All five, including those that the store closed and the server has not ended yet.
    while held.len() < 5 {
        match PgConnection::connect(&url).await {
            Ok(connection) => held.push(connection),
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
    let (answers, elapsed) = all_verbs(&store).await;
    assert!(answers.iter().all(is_unavailable), "{answers:?}");
    assert!(elapsed < LIMIT + SLACK, "{elapsed:?}");
    let refused = PostgresStore::connect(&url).await.unwrap_err();
    assert_eq!(refused.setting(), "url");
    held.clear();
    recovers(&store).await;
}
