//! Errors of the server in a statement, and statements whose callers are gone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng, rngs::StdRng};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tower_jam::{
    StoreError,
    store::{PostgresStore, Store, StoreKey, When, Write},
};

use super::{
    start::numbers,
    support::{
        abandon_after,
        postgres::{Server, execute},
    },
    world::{SLACK, connect, in_an_hour, is_unavailable, key, write},
};

async fn store() -> (Arc<PostgresStore>, String) {
    let url = Server::shared().database().await;
    (connect(PostgresStore::builder(&url)).await, url)
}

/// Makes every insert fail with the SQLSTATEs in `codes`, one after the other, and succeed when
/// they are used up.
async fn fail_with(url: &str, codes: &[&str]) {
    let codes = codes.join(",");
    execute(
        url,
        &format!(
            "CREATE SEQUENCE IF NOT EXISTS attempts; ALTER SEQUENCE attempts RESTART; \
             CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ \
             DECLARE code text := split_part('{codes}', ',', nextval('attempts')::int); \
             BEGIN IF code <> '' THEN RAISE EXCEPTION 'on purpose' USING ERRCODE = code; END IF; \
             RETURN NEW; END $$; \
             CREATE OR REPLACE TRIGGER failing BEFORE INSERT ON tower_jam.entries \
             FOR EACH ROW EXECUTE FUNCTION fail()"
        ),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_with_other_clients_are_retried() {
    let (store, url) = store().await;
    fail_with(&url, &["40001", "40P01", "55P03", "0A000", "26000"]).await;
    assert!(
        store
            .put(&key("k"), write("v"), When::Absent)
            .await
            .unwrap()
    );
    assert_eq!(
        numbers(&url, "SELECT last_value::int FROM attempts").await,
        [6]
    );
    assert_eq!(
        numbers(&url, "SELECT count(*)::int FROM tower_jam.entries").await,
        [1]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lasting_contention_is_given_up_in_time() {
    let (store, url) = store().await;
    fail_with(&url, &["40001"; 500]).await;
    let started = Instant::now();
    let answer = store.put(&key("k"), write("v"), When::Absent).await;
    assert!(matches!(answer, Err(StoreError::Contended)), "{answer:?}");
    assert!(started.elapsed() < 2 * SLACK);
    let attempts = numbers(&url, "SELECT last_value::int FROM attempts").await[0];
    assert!((5..=50).contains(&attempts), "{attempts} attempts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_by_the_server_is_named_and_not_retried() {
    let (store, url) = store().await;
    type Check = fn(&StoreError) -> bool;
    let cases: [(&str, Check); 7] = [
        ("53100", |error| matches!(error, StoreError::Full)),
        ("53200", |error| matches!(error, StoreError::Unavailable(_))),
        ("57014", |error| matches!(error, StoreError::Unavailable(_))),
        ("XX001", |error| matches!(error, StoreError::Corrupt(_))),
        ("42501", |error| matches!(error, StoreError::Unavailable(_))),
        ("40003", |error| matches!(error, StoreError::Unknown(_))),
        ("08006", |error| matches!(error, StoreError::Unknown(_))),
    ];
    for (code, is_right) in cases {
        fail_with(&url, &[code]).await;
        let answer = store.put(&key(code), write("v"), When::Absent).await;
        assert!(answer.as_ref().is_err_and(is_right), "{code}: {answer:?}");
        assert_eq!(
            numbers(&url, "SELECT last_value::int FROM attempts").await,
            [1],
            "{code}"
        );
        assert!(
            store
                .put(&key(code), write("v"), When::Absent)
                .await
                .unwrap()
        );
    }
}

/// Another client holds the second of two rows and waits for the first, while `remove_group` holds
/// that one. The server ends one of the two transactions; if it is ours, it is retried.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_survived() {
    let (store, url) = store().await;
    let group = key("group");
    let mut keys = [key("first"), key("second")];
    keys.sort();
    for key in &keys {
        store
            .put(key, write("v").in_group(group.clone()), When::Absent)
            .await
            .unwrap();
    }
    let mut other = PgConnection::connect(&url).await.unwrap();
    let lock = |key: &StoreKey| {
        let hex: String = key
            .digest()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let sql = format!("SELECT 1 FROM tower_jam.entries WHERE digest = '\\x{hex}' FOR UPDATE");
        sqlx::raw_sql(AssertSqlSafe(sql))
    };
    let settings = sqlx::raw_sql("SET deadlock_timeout = '10s'; BEGIN");
    settings.execute(&mut other).await.unwrap();
    lock(&keys[1]).execute(&mut other).await.unwrap();
    let removing = tokio::spawn({
        let (store, group) = (store.clone(), group.clone());
        async move { store.remove_group(&group).await }
    });
    let waiting = "SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let deadline = Instant::now() + SLACK;
    while numbers(&url, waiting).await != [1] {
        assert!(Instant::now() < deadline, "no transaction waits");
    }
    lock(&keys[0]).execute(&mut other).await.unwrap();
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    assert_eq!(removing.await.unwrap().unwrap(), 2);
    let log = Server::shared().log();
    assert!(log.contains("deadlock detected"), "{log}");
}

/// The server gives up waiting for a lock, so the caller learns that nothing was done.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_stays_locked_is_unavailable() {
    let (store, url) = store().await;
    store
        .put(&key("k"), write("v"), When::Absent)
        .await
        .unwrap();
    let mut other = PgConnection::connect(&url).await.unwrap();
    let lock = sqlx::raw_sql("BEGIN; LOCK TABLE tower_jam.entries");
    lock.execute(&mut other).await.unwrap();
    let (started, row) = (Instant::now(), key("k"));
    let (get, put) = tokio::join!(store.get(&row), store.put(&row, write("w"), When::Always));
    assert!(is_unavailable(&get), "{get:?}");
    assert!(is_unavailable(&put), "{put:?}");
    assert!(started.elapsed() < Duration::from_secs(1) + SLACK);
    other.close().await.unwrap();
    assert_eq!(store.get(&key("k")).await.unwrap().unwrap().value, "v");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_rows_are_corrupt() {
    let (store, url) = store().await;
    let group = key("group");
    store
        .put(&key("k"), write("v").in_group(group.clone()), When::Absent)
        .await
        .unwrap();
    let is_corrupt = |answer: Result<(), StoreError>| {
        assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
    };
    for digest in ["", "\\x00", &format!("\\x{}", "00".repeat(33))] {
        let spoil = format!("UPDATE tower_jam.entries SET digest = '{digest}'");
        execute(&url, &spoil).await;
        is_corrupt(store.list(&group).await.map(drop));
    }
    execute(&url, "DELETE FROM tower_jam.entries").await;
    store
        .put(&key("k"), write("v").in_group(group.clone()), When::Absent)
        .await
        .unwrap();
    // A negative expiry has passed, whatever it was meant to be.
    execute(&url, "UPDATE tower_jam.entries SET expires_at = -1").await;
    assert!(store.get(&key("k")).await.unwrap().is_none());
    execute(
        &url,
        "UPDATE tower_jam.entries SET expires_at = 9223372036854775806",
    )
    .await;
    assert!(store.get(&key("k")).await.unwrap().is_some());
    for column in ["value", "version"] {
        execute(&url, &format!("ALTER TABLE tower_jam.entries ALTER {column} DROP NOT NULL; UPDATE tower_jam.entries SET {column} = NULL")).await;
        is_corrupt(store.get(&key("k")).await.map(drop));
        is_corrupt(store.list(&group).await.map(drop));
        store
            .put(&key("k"), write("v").in_group(group.clone()), When::Always)
            .await
            .unwrap();
    }
    execute(
        &url,
        "ALTER TABLE tower_jam.entries ALTER value TYPE text USING 'text'",
    )
    .await;
    is_corrupt(store.get(&key("k")).await.map(drop));
    is_corrupt(store.take(&key("k")).await.map(drop));
}

/// Callers are cancelled at any poll. The one connection that they leave behind must not answer the
/// next request with the answer to theirs.
#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_request_does_not_answer_the_next() {
    let url = Server::shared().database().await;
    let store = connect(PostgresStore::builder(&url).max_connections(1)).await;
    let names: Vec<_> = (0..10).map(|number| number.to_string()).collect();
    let group = key("group");
    for name in &names {
        let write = Write::new(name.clone(), in_an_hour()).in_group(group.clone());
        store.put(&key(name), write, When::Always).await.unwrap();
    }
    let mut random = StdRng::seed_from_u64(7);
    let (mut dropped, mut done) = (0, 0);
    for _ in 0..300 {
        let [name, other] = [(); 2].map(|()| &names[random.random_range(0..10)]);
        let polls = random.random_range(0..6);
        let (key, noise) = (key(name), key("noise"));
        let is_done = match random.random_range(0..6) {
            0 => yielding(polls, store.get(&key)).await.is_some(),
            1 => yielding(polls, store.put(&noise, write("noise"), When::Always))
                .await
                .is_some(),
            2 => yielding(polls, store.take(&noise)).await.is_some(),
            3 => yielding(polls, store.list(&group)).await.is_some(),
            4 => yielding(polls, store.remove_group(&noise)).await.is_some(),
            _ => abandon_after(polls, store.get(&key)).is_some(),
        };
        if is_done {
            done += 1;
        } else {
            dropped += 1;
        }
        let entry = store.get(&super::world::key(other)).await.unwrap().unwrap();
        assert_eq!(entry.value, other.as_str());
    }
    assert!(dropped > 50 && done > 10, "{dropped} dropped, {done} done");
    assert_eq!(store.list(&group).await.unwrap().len(), 10);
}

/// Polls a future a few times, with pauses so that answers may arrive in between, and drops it.
async fn yielding<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    for _ in 0..polls {
        let once =
            std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context)));
        if let std::task::Poll::Ready(answer) = once.await {
            return Some(answer);
        }
        tokio::time::sleep(Duration::from_micros(100)).await;
    }
    None
}
