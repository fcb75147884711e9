//! What a store refuses to start with, and the errors.

use std::{fs, time::Duration};

use tower_jam::{
    ConfigError,
    store::{RedisStore, RedisStoreBuilder, Store, StoreKey, When},
};

use super::{
    support::{
        process::free_port,
        redis::{Certificate, Cluster, Server, Shape},
    },
    world::{error_chain, key, write},
};

async fn refused(builder: RedisStoreBuilder, setting: &str, words: &str) -> ConfigError {
    let error = builder.connect().await.expect_err("it must not connect");
    let error_chain = error_chain(&error);
    assert_eq!(error.setting(), setting, "{error_chain}");
    assert!(error_chain.contains(words), "{error_chain}");
    assert!(!error_chain.contains("hunter2"), "{error_chain}");
    error
}

async fn serves(builder: RedisStoreBuilder) -> RedisStore {
    let store = builder.connect().await.unwrap();
    assert!(
        store
            .put(&key(1), write("value"), When::Always)
            .await
            .unwrap()
    );
    assert_eq!(store.get(&key(1)).await.unwrap().unwrap().value, "value");
    assert!(!format!("{store:?}").contains("hunter2"));
    store
}

#[tokio::test]
async fn a_bad_url_is_refused_and_not_shown() {
    for url in [
        "",
        "hunter2",
        "http://user:hunter2@localhost",
        "redis+unix://user:hunter2@host/redis.sock",
        "redis://:hunter2@",
        "redis://:hunter2@local host",
        "redis://:hunter2@localhost:99999",
        "redis://:hunter2@localhost/database",
        "redis://:hunter2@localhost/0/1",
        "redis-sentinel://:hunter2@localhost:26379",
        "redis-cluster://:hunter2@localhost:7000?node=hunter2",
        "rediss-nothing://:hunter2@localhost",
    ] {
        let builder = RedisStore::builder(url);
        assert!(!format!("{builder:?}").contains("hunter2"));
        refused(builder, "url", "").await;
    }
}

#[tokio::test]
async fn settings_have_limits() {
    let builder = || RedisStore::builder("redis://127.0.0.1:1");
    for timeout in [Duration::ZERO, Duration::from_millis(2_001), Duration::MAX] {
        refused(
            builder().connect_timeout(timeout),
            "connect_timeout",
            "two seconds",
        )
        .await;
        refused(
            builder().command_timeout(timeout),
            "command_timeout",
            "two seconds",
        )
        .await;
    }
    for prefix in ["", "a b", "{a}", "ä", "a\n", &"a".repeat(129)] {
        refused(builder().prefix(prefix), "prefix", "visible ASCII").await;
    }
    refused(builder().ca_file("/nowhere"), "ca_file", "TLS").await;
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_is_named() {
    let port = free_port();
    for scheme in ["redis", "redis-cluster", "redis-sentinel"] {
        let query = if scheme == "redis-sentinel" {
            "?sentinelServiceName=main"
        } else {
            ""
        };
        let url = format!("{scheme}://user:hunter2@127.0.0.1:{port}{query}");
        let begin = std::time::Instant::now();
        let words = format!("127.0.0.1:{port} cannot be reached");
        refused(RedisStore::builder(&url), "url", &words).await;
        assert!(
            begin.elapsed() < Duration::from_millis(1_500),
            "{scheme}: {:?}",
            begin.elapsed()
        );
    }
}

#[tokio::test]
async fn a_server_that_hangs_at_the_start_is_named() {
    let server = Server::start();
    server.signal("STOP");
    let begin = std::time::Instant::now();
    let words = format!("127.0.0.1:{} cannot be reached", server.port);
    refused(RedisStore::builder(&server.url()), "url", &words).await;
    assert!(
        begin.elapsed() < Duration::from_millis(2_500),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn a_password_is_used_and_not_shown() {
    let shape = Shape {
        password: Some("hunter2"),
        ..Shape::default()
    };
    let server = Server::with(&shape);
    let url = |user: &str| format!("redis://{user}127.0.0.1:{}", server.port);
    drop(serves(RedisStore::builder(&url(":hunter2@"))).await);
    drop(serves(RedisStore::builder(&url("default:hunter2@"))).await);
    refused(
        RedisStore::builder(&url(":hunter22@")),
        "url",
        "refuses the name or the password",
    )
    .await;
    refused(RedisStore::builder(&url("")), "url", "127.0.0.1").await;
}

#[tokio::test]
async fn tls_needs_an_authority_that_is_trusted() {
    let certificate = Certificate::new();
    let shape = Shape {
        certificate: Some(certificate.clone()),
        ..Shape::default()
    };
    let server = Server::with(&shape);
    let url = format!("rediss://127.0.0.1:{}", server.port);
    let trusted = certificate.folder().join("ca.pem");
    drop(serves(RedisStore::builder(&url).ca_file(&trusted)).await);

    refused(RedisStore::builder(&url), "url", "cannot be reached").await;
    let stranger = Certificate::new();
    let builder = RedisStore::builder(&url).ca_file(stranger.folder().join("ca.pem"));
    refused(builder, "url", "cannot be reached").await;
    let other_name = format!("rediss://localhost:{}", server.port);
    refused(
        RedisStore::builder(&other_name).ca_file(&trusted),
        "url",
        "cannot be reached",
    )
    .await;
    let plain = RedisStore::builder(&url[..5].replace("rediss", "redis")).ca_file(&trusted);
    refused(plain, "url", "").await;
    refused(
        RedisStore::builder(&server.url()),
        "url",
        "cannot be reached",
    )
    .await;

    let odd = certificate.folder().join("odd.pem");
    for content in [
        "",
        "text",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        fs::write(&odd, content).unwrap();
        refused(
            RedisStore::builder(&url).ca_file(&odd),
            "ca_file",
            "odd.pem",
        )
        .await;
    }
    let nowhere = certificate.folder().join("nowhere.pem");
    refused(
        RedisStore::builder(&url).ca_file(&nowhere),
        "ca_file",
        "nowhere.pem",
    )
    .await;
}

#[tokio::test]
async fn a_server_that_may_lose_data_is_refused_unless_allowed() {
    let server = Server::start();
    let set = |policy| server.command(&["CONFIG", "SET", "maxmemory-policy", policy]);
    for policy in ["allkeys-lru", "volatile-ttl"] {
        set(policy);
        let builder = RedisStore::builder(&server.url());
        refused(builder, "dangerous_allow_eviction", policy).await;
        drop(serves(RedisStore::builder(&server.url()).dangerous_allow_eviction()).await);
    }
    set("noeviction");
    drop(serves(RedisStore::builder(&server.url())).await);
    // A managed server forbids CONFIG, and allows INFO.
    for forbidden in ["config", "info"] {
        let rule = format!("-{forbidden}");
        server.command(&[
            "ACL", "SETUSER", "app", "on", ">hunter2", "~*", "+@all", &rule,
        ]);
        let builder =
            RedisStore::builder(&format!("redis://app:hunter2@127.0.0.1:{}", server.port));
        match forbidden {
            "config" => drop(serves(builder).await),
            _ => drop(refused(builder, "url", "INFO").await),
        }
        server.command(&["ACL", "DELUSER", "app"]);
    }
}

#[tokio::test]
async fn every_primary_of_a_cluster_is_checked() {
    let cluster = Cluster::start();
    for node in &cluster.nodes[..3] {
        node.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
        let named = format!("127.0.0.1:{}", node.port);
        refused(
            RedisStore::builder(&cluster.url()),
            "dangerous_allow_eviction",
            &named,
        )
        .await;
        node.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    }
    drop(serves(RedisStore::builder(&cluster.url())).await);
}

#[tokio::test]
async fn a_replica_is_refused() {
    let (primary, replica) = (Server::start(), Server::start());
    replica.command(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]);
    refused(RedisStore::builder(&replica.url()), "url", "is a replica").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_store_leaves_no_connection() {
    let server = Server::start();
    let connections = || {
        server
            .command(&["CLIENT", "LIST"])
            .matches(" laddr=")
            .count()
    };
    assert_eq!(connections(), 1, "only the test's own");
    let store = serves(RedisStore::builder(&server.url())).await;
    assert_eq!(connections(), 2);
    drop(store);
    crate::support::process::until("it is closed", || connections() == 1);
}

#[tokio::test]
async fn two_prefixes_do_not_see_each_other() {
    let server = Server::start();
    let one = serves(RedisStore::builder(&server.url()).prefix("one")).await;
    let group = StoreKey::new("account", &[b"alice"]);
    one.put(
        &key(1),
        write("in a group").in_group(group.clone()),
        When::Always,
    )
    .await
    .unwrap();
    for prefix in ["two", "one:session", "on"] {
        let two = RedisStore::builder(&server.url())
            .prefix(prefix)
            .connect()
            .await
            .unwrap();
        assert!(two.get(&key(1)).await.unwrap().is_none());
        assert!(two.list(&group).await.unwrap().is_empty());
        assert_eq!(two.remove_group(&group).await.unwrap(), 0);
        assert!(two.take(&key(1)).await.unwrap().is_none());
    }
    assert_eq!(one.list(&group).await.unwrap().len(), 1);
}
