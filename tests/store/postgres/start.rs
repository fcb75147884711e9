//! How a store starts, and what it refuses to start with.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection, Row, postgres::PgPoolOptions};
use tower_jam::store::{PostgresStore, PostgresStoreBuilder, Store, When};

use super::{
    support::{
        postgres::{Server, execute},
        process::free_port,
    },
    world::{HOUR, SLACK, connect, error_chain, key, write},
};

/// The error must name the setting, state the reason, and show no password.
#[track_caller]
fn assert_refused(
    answer: Result<PostgresStore, tower_jam::ConfigError>,
    setting: &str,
    reason: &str,
) {
    let error = answer.expect_err("it must not start");
    let error_chain = error_chain(&error);
    assert_eq!(error.setting(), setting, "{error_chain}");
    assert!(error_chain.contains(reason), "{error_chain}");
    // Either of them is a part of a password.
    assert!(
        !error_chain.contains("hunter2") && !error_chain.contains("4711"),
        "{error_chain}"
    );
}

#[tokio::test]
async fn a_server_that_is_down_is_named() {
    let port = free_port();
    let started = Instant::now();
    let url = format!("postgres://jam:hunter2@127.0.0.1:{port}/jam");
    let refused = PostgresStore::connect(&url).await;
    assert_refused(
        refused,
        "url",
        &format!("no connection to 127.0.0.1:{port}"),
    );
    assert!(started.elapsed() < SLACK, "{:?}", started.elapsed());

    let pool = PgPoolOptions::new().connect_lazy(&url).unwrap();
    let refused = PostgresStore::with_pool(pool).connect().await;
    assert_refused(
        refused,
        "url",
        &format!("no connection to 127.0.0.1:{port}"),
    );
    assert!(started.elapsed() < SLACK * 3, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_in_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let started = Instant::now();
    let refused = PostgresStore::connect(format!("postgres://jam:hunter2@{address}/jam")).await;
    assert_refused(refused, "url", &format!("no connection to {address}"));
    assert!(started.elapsed() < SLACK * 2, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_password_is_never_shown() {
    let server = Server::shared();
    let url = server.database().await;
    execute(&url, "CREATE ROLE guarded LOGIN PASSWORD 'right'").await;
    let address = format!("127.0.0.1:{}", server.port());
    let refused = PostgresStore::connect(format!("postgres://guarded:hunter2@{address}/postgres"));
    assert_refused(refused.await, "url", "password authentication failed");

    for url in [
        "",
        "hunter2",
        "mysql://jam:hunter2@127.0.0.1/jam",
        "postgres://jam:hunter2@127.0.0.1:port/jam",
        "postgres://jam:hunter2@127.0.0.1/jam?sslmode=hunter2",
        "postgres://jam:4711/hunter2@127.0.0.1/jam",
        "postgres://jam:4711?hunter2@127.0.0.1/jam",
        "postgres://jam:4711#hunter2@127.0.0.1/jam",
    ] {
        assert_refused(PostgresStore::connect(url).await, "url", "");
    }

    let builder = PostgresStore::builder(url.replace("postgres@", "postgres:hunter2@"));
    assert!(!format!("{builder:?}").contains("hunter2"));
    let store = connect(builder).await;
    let shown = format!("{store:?}");
    assert!(
        shown.contains("tower_jam.entries") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_together_create_the_tables_once() {
    let url = Server::shared().database().await;
    for schema in ["one", "two"] {
        let builder = || {
            PostgresStore::builder(&url)
                .schema(schema)
                .table_prefix("jam_")
        };
        let nodes = (0..8).map(|_| tokio::spawn(connect(builder())));
        let nodes: Vec<_> = nodes.collect();
        for (number, node) in nodes.into_iter().enumerate() {
            let store = node.await.unwrap();
            let key = key(&number.to_string());
            assert!(store.put(&key, write("here"), When::Absent).await.unwrap());
        }
        let versions = format!("SELECT version FROM {schema}.jam_version");
        assert_eq!(numbers(&url, &versions).await, [1]);
        let rows = format!("SELECT count(*)::int FROM {schema}.jam_entries");
        assert_eq!(numbers(&url, &rows).await, [8]);
    }
}

#[tokio::test]
async fn tables_of_a_later_version_are_refused_and_left_alone() {
    let url = Server::shared().database().await;
    drop(connect(PostgresStore::builder(&url)).await);
    execute(&url, "UPDATE tower_jam.version SET version = 2").await;
    assert_refused(PostgresStore::connect(&url).await, "schema", "version 2");
    assert_eq!(
        numbers(&url, "SELECT version FROM tower_jam.version").await,
        [2]
    );
}

/// A deployment creates the tables; the service has no right to do so.
#[tokio::test]
async fn a_role_that_may_create_nothing_starts_on_existing_tables() {
    let server = Server::shared();
    let url = server.database().await;
    execute(&url, "CREATE ROLE worker LOGIN").await;
    let worker = url.replace("postgres@", "worker@");
    let refused = PostgresStore::connect(&worker).await;
    assert_refused(refused, "schema", "permission denied");

    drop(connect(PostgresStore::builder(&url)).await);
    let rights = "GRANT USAGE ON SCHEMA tower_jam TO worker;
        GRANT SELECT ON tower_jam.version TO worker;
        GRANT SELECT, INSERT, UPDATE, DELETE ON tower_jam.entries TO worker";
    execute(&url, rights).await;
    let store = connect(PostgresStore::builder(&worker)).await;
    assert!(
        store
            .put(&key("k"), write("v"), When::Absent)
            .await
            .unwrap()
    );
    assert_eq!(
        store.add(&key("n"), 1, write("").expires_at).await.unwrap(),
        1
    );
    assert_eq!(store.remove_group(&key("group")).await.unwrap(), 0);
    assert!(store.take(&key("k")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_that_accepts_no_writes_is_refused() {
    let url = Server::shared().database().await;
    drop(connect(PostgresStore::builder(&url)).await);
    let name = url.rsplit('/').next().unwrap();
    execute(
        &url,
        &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"),
    )
    .await;
    assert_refused(
        PostgresStore::connect(&url).await,
        "url",
        "accepts no writes",
    );
}

#[tokio::test]
async fn settings_out_of_range_are_named() {
    let url = Server::shared().url("postgres");
    type Spoil = fn(PostgresStoreBuilder) -> PostgresStoreBuilder;
    let cases: [(&str, Spoil); 8] = [
        ("schema", |builder| builder.schema("Public")),
        ("schema", |builder| {
            builder.schema("a\"; DROP TABLE users; --")
        }),
        ("table_prefix", |builder| builder.table_prefix("jam-")),
        ("max_connections", |builder| builder.max_connections(0)),
        ("max_connections", |builder| builder.max_connections(1001)),
        ("command_timeout", |builder| builder.command_timeout(HOUR)),
        ("command_timeout", |builder| {
            builder.command_timeout(Duration::ZERO)
        }),
        ("purge_interval", |builder| {
            builder.purge_interval(Duration::ZERO)
        }),
    ];
    for (setting, spoil) in cases {
        let refused = spoil(PostgresStore::builder(&url)).connect().await;
        assert_refused(refused, setting, "must be");
    }
    let pool = PgPoolOptions::new().connect_lazy(&url).unwrap();
    let refused = PostgresStore::with_pool(pool)
        .max_connections(3)
        .connect()
        .await;
    assert_refused(refused, "max_connections", "a shared pool has a size");
}

#[tokio::test]
async fn a_schema_and_a_prefix_are_a_store_of_their_own() {
    let url = Server::shared().database().await;
    let mut stores = Vec::new();
    for (schema, prefix) in [("a", ""), ("a", "b_"), ("ab", ""), ("b", "")] {
        let builder = PostgresStore::builder(&url)
            .schema(schema)
            .table_prefix(prefix);
        let store = connect(builder).await;
        assert!(
            store
                .put(&key("k"), write("v"), When::Absent)
                .await
                .unwrap()
        );
        stores.push(store);
    }
    assert!(stores[0].take(&key("k")).await.unwrap().is_some());
    for store in &stores[1..] {
        assert!(store.get(&key("k")).await.unwrap().is_some());
    }
}

pub(crate) async fn numbers(url: &str, sql: &str) -> Vec<i32> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let query = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
    let rows = query.fetch_all(&mut connection).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
