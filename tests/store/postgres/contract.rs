//! The contract, wherever the tables are and whatever the server's isolation level is.

use std::{sync::Arc, time::Duration};

use sqlx::postgres::PgPoolOptions;
use tower_jam::{
    store::{PostgresStore, PostgresStoreBuilder},
    testing::{ManualClock, contract},
};

use super::{
    support::postgres::{Server, execute},
    world::connect,
};

async fn holds(builder: PostgresStoreBuilder) {
    let clock = Arc::new(ManualClock::default());
    let store = connect(builder.clock(clock.clone())).await;
    contract::run(store, &clock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_contract_holds_in_another_schema_with_a_prefix() {
    let url = Server::shared().database().await;
    holds(
        PostgresStore::builder(url)
            .schema("select")
            .table_prefix("_1"),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_contract_holds_where_transactions_are_serializable() {
    let url = Server::shared().database().await;
    serializable(&url).await;
    holds(PostgresStore::builder(url)).await;
}

/// A shared pool has its own isolation level, so transactions conflict there and are retried.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_contract_holds_in_a_shared_pool_that_is_serializable() {
    let url = Server::shared().database().await;
    serializable(&url).await;
    let pool = PgPoolOptions::new().connect(&url).await.unwrap();
    let store = PostgresStore::with_pool(pool).command_timeout(Duration::from_secs(2));
    holds(store).await;
}

async fn serializable(url: &str) {
    let name = url.rsplit('/').next().unwrap();
    let sql = format!("ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'");
    execute(url, &sql).await;
}
