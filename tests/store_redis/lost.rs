//! Networks that break between a request and its answer.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use tower_jam::{
    StoreError,
    store::{RedisStore, Store, When},
};

use crate::{
    proxy::Proxy,
    support::redis::Server,
    world::{group, hence, key, store, write},
};

/// The answer to a verb is cut at `bytes`; what it says must be true.
async fn with_answer_cut<T>(
    proxy: &Proxy,
    bytes: usize,
    verb: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    proxy.cut_answer_after(bytes);
    let answer = verb.await;
    assert!(proxy.has_cut());
    answer
}

async fn connected_again(store: &RedisStore) {
    let begin = Instant::now();
    while store.get(&key(999)).await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(2));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The server has run the command, and its answer is lost: that is not known here, and nothing is run twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_unknown_and_nothing_runs_twice() {
    let server = Server::start();
    let direct = store(&server.url()).await;
    let proxy = Proxy::to(server.port);
    let cut = store(&proxy.url()).await;
    // The scripts are known to the server, so that the answer that is cut is the one that counts.
    direct.add(&key(1000), 1, hence()).await.unwrap();
    direct
        .put(&key(1001), write("value"), When::Absent)
        .await
        .unwrap();
    direct.take(&key(1001)).await.unwrap();
    let is_unknown = |error: &StoreError| matches!(error, StoreError::Unknown(_));

    for bytes in [0, 1, 3] {
        for when in [When::Always, When::Absent] {
            direct.take(&key(1)).await.unwrap();
            let put = write("put");
            let version = put.version;
            let answer = with_answer_cut(&proxy, bytes, cut.put(&key(1), put, when)).await;
            assert!(is_unknown(&answer.unwrap_err()), "{when:?}, {bytes} bytes");
            assert_eq!(direct.get(&key(1)).await.unwrap().unwrap().version, version);
            connected_again(&cut).await;

            let over = write("over");
            let (next, unchanged) = (over.version, When::Unchanged(version));
            let answer = with_answer_cut(&proxy, bytes, cut.put(&key(1), over, unchanged)).await;
            assert!(is_unknown(&answer.unwrap_err()), "{bytes} bytes");
            assert_eq!(direct.get(&key(1)).await.unwrap().unwrap().version, next);
            connected_again(&cut).await;
        }

        let answer = with_answer_cut(&proxy, bytes, cut.take(&key(1))).await;
        assert!(is_unknown(&answer.unwrap_err()), "{bytes} bytes");
        assert!(direct.get(&key(1)).await.unwrap().is_none());
        connected_again(&cut).await;

        let before = direct.add(&key(2), 0, hence()).await.unwrap();
        let answer = with_answer_cut(&proxy, bytes, cut.add(&key(2), 1, hence())).await;
        assert!(is_unknown(&answer.unwrap_err()), "{bytes} bytes");
        connected_again(&cut).await;
        assert_eq!(direct.add(&key(2), 0, hence()).await.unwrap(), before + 1);

        let answer = with_answer_cut(&proxy, bytes, cut.get(&key(2))).await;
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{bytes} bytes"
        );
        connected_again(&cut).await;
    }
}

/// The request never reached the server. Here that looks the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_request_is_not_sent_again() {
    let server = Server::start();
    let direct = store(&server.url()).await;
    let proxy = Proxy::to(server.port);
    let cut = store(&proxy.url()).await;
    for number in 0..3 {
        proxy.swallow_request();
        let answer = cut.add(&key(number), 1, hence()).await;
        assert!(matches!(answer, Err(StoreError::Unknown(_))), "{answer:?}");
        assert!(proxy.has_cut());
        connected_again(&cut).await;
        assert!(direct.get(&key(number)).await.unwrap().is_none());
    }
}

/// The index could not be written, so the entry was not: that is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_place_in_the_index_nothing_is_written() {
    let server = Server::start();
    let direct = store(&server.url()).await;
    let proxy = Proxy::to(server.port);
    let cut = store(&proxy.url()).await;
    for cuts_answer in [true, false] {
        match cuts_answer {
            true => proxy.cut_answer_after(0),
            false => proxy.swallow_request(),
        }
        let answer = cut
            .put(&key(1), write("value").in_group(group()), When::Always)
            .await;
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{answer:?}"
        );
        assert!(direct.get(&key(1)).await.unwrap().is_none());
        assert!(direct.list(&group()).await.unwrap().is_empty());
        connected_again(&cut).await;
    }
}
