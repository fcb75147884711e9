//! Networks that break between a request and its answer.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tower_jam::{
    Algorithm, Claims, Env, Grant, Jwt, Key, KeyRing, MasterSecret, Sessions, StoreError,
    TokenPairs,
    store::{RedisStore, Store, When},
};

use super::{
    proxy::Proxy,
    support::redis::Server,
    world::{group, in_an_hour, key, patient, shared, store, write},
};

/// The answer to an operation is cut at `bytes`; the result must be true.
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

/// The server executed the command, and its answer is lost: the result is unknown, and nothing is
/// executed twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_unknown_and_nothing_runs_twice() {
    let server = Server::start();
    let direct = patient(&server.url()).await;
    let proxy = Proxy::to(server.port);
    let cut = store(&proxy.url()).await;
    // The server has cached the scripts, so that the answer that is cut is that of the operation.
    direct.add(&key(1000), 1, in_an_hour()).await.unwrap();
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

        let before = direct.add(&key(2), 0, in_an_hour()).await.unwrap();
        let answer = with_answer_cut(&proxy, bytes, cut.add(&key(2), 1, in_an_hour())).await;
        assert!(is_unknown(&answer.unwrap_err()), "{bytes} bytes");
        connected_again(&cut).await;
        assert_eq!(
            direct.add(&key(2), 0, in_an_hour()).await.unwrap(),
            before + 1
        );

        let answer = with_answer_cut(&proxy, bytes, cut.get(&key(2))).await;
        assert!(
            matches!(answer, Err(StoreError::Unavailable(_))),
            "{bytes} bytes"
        );
        connected_again(&cut).await;
    }
}

/// The request never reached the server. To the store this looks the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_request_is_not_sent_again() {
    let server = Server::start();
    let direct = patient(&server.url()).await;
    let proxy = Proxy::to(server.port);
    let cut = store(&proxy.url()).await;
    for number in 0..3 {
        proxy.swallow_request();
        let answer = cut.add(&key(number), 1, in_an_hour()).await;
        assert!(matches!(answer, Err(StoreError::Unknown(_))), "{answer:?}");
        assert!(proxy.has_cut());
        connected_again(&cut).await;
        assert!(direct.get(&key(number)).await.unwrap().is_none());
    }
}

/// The index could not be written, so the entry was not either: the result is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_index_no_entry_is_written() {
    let server = Server::start();
    let direct = patient(&server.url()).await;
    let proxy = Proxy::to(server.port);
    let cut = store(&proxy.url()).await;
    // The server has cached the script of the index, so that the answer that is cut is that of the
    // index itself.
    let other = tower_jam::store::StoreKey::new("account", &[b"bob"]);
    let put = write("value").in_group(other);
    direct.put(&key(2), put, When::Always).await.unwrap();
    for cuts_answer in [true, false] {
        if cuts_answer {
            proxy.cut_answer_after(0);
        } else {
            proxy.swallow_request();
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

/// Operations on a group are several commands. Whichever answer is lost, the result is true, and a
/// retry completes the operation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_operation_whose_answer_is_lost_reports_what_is_known() {
    let server = Server::start();
    let direct = patient(&server.url()).await;
    let proxy = Proxy::to(server.port);
    let cut = store(&proxy.url()).await;
    for skips in 0..3 {
        for number in 0..3 {
            let put = write("value").in_group(group());
            direct.put(&key(number), put, When::Always).await.unwrap();
        }
        proxy.cut_later_answer(skips, 0);
        let listed = cut.list(&group()).await;
        match proxy.has_cut() {
            true => assert!(
                matches!(listed, Err(StoreError::Unavailable(_))),
                "{listed:?}"
            ),
            // Commands that are sent together may be answered together.
            false => proxy.cut_later_answer(0, 0),
        }
        connected_again(&cut).await;

        proxy.cut_later_answer(skips, 0);
        let removed = cut.remove_group(&group()).await;
        connected_again(&cut).await;
        let left = direct.list(&group()).await.unwrap().len();
        match removed {
            Ok(count) => assert_eq!((count, left), (3, 0)),
            Err(StoreError::Unavailable(_)) => assert_eq!(left, 3, "nothing was done"),
            Err(error) => assert!(matches!(error, StoreError::Unknown(_)), "{error:?}"),
        }
        proxy.cut_later_answer(usize::MAX, 0);
        cut.remove_group(&group()).await.unwrap();
        assert!(direct.list(&group()).await.unwrap().is_empty());
    }
    // The index is written, and then the entry, whose answer is lost. The server has cached its
    // script.
    direct
        .put(&key(8), write("value"), When::Absent)
        .await
        .unwrap();
    for when in [When::Always, When::Absent] {
        direct.remove_group(&group()).await.unwrap();
        let put = write("value").in_group(group());
        let version = put.version;
        proxy.cut_later_answer(1, 0);
        let answer = cut.put(&key(7), put, when).await;
        assert!(matches!(answer, Err(StoreError::Unknown(_))), "{answer:?}");
        assert!(proxy.has_cut());
        let versions: Vec<_> = direct
            .list(&group())
            .await
            .unwrap()
            .into_iter()
            .map(|(_, entry)| entry.version)
            .collect();
        assert_eq!(versions, [version], "{when:?}");
        connected_again(&cut).await;
    }
}

/// A change that was made though its answer was lost counts as made: the engines look for it, and
/// neither repeat it nor report a failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_applied_change_is_recognised_by_the_engines() {
    let server = Server::start();
    let proxy = Proxy::to(server.port);
    let direct = shared(&server.url()).await;
    let cut: Arc<RedisStore> = shared(&proxy.url()).await;
    let secret = MasterSecret::generate();
    let sessions = Sessions::<u32>::builder(&Env::new("self", cut.clone(), &secret))
        .build()
        .unwrap();
    let token = sessions.create(Grant::new("alice", 0)).await.unwrap().token;
    let jwt = Jwt::builder(KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap()));
    let jwt = jwt.issuer("i").audience("a").build().unwrap();
    let users = |subject: String| async { Ok(Some(Grant::new(subject, Claims::new()))) };
    let pairs = TokenPairs::builder(&Env::new("i", cut.clone(), &secret), jwt, users)
        .build()
        .unwrap();
    let mut refresh = pairs
        .issue(Grant::new("alice", Claims::new()))
        .await
        .unwrap()
        .refresh_token;
    direct.take(&key(1)).await.unwrap();
    for round in 1..=20 {
        // The session is read, its index is written, and then the session itself.
        proxy.cut_later_answer(2, 0);
        let changed = sessions
            .update(token.expose(), |session| {
                *session.user.as_mut().unwrap() += 1;
            })
            .await;
        assert!(proxy.has_cut());
        connected_again(&cut).await;
        changed.expect("the change is found on the next connection");
        let (_, data) = sessions.get(token.expose()).await.unwrap().unwrap();
        assert_eq!(data.user, Some(round), "it is applied once");

        // The account is read, read again, and then written.
        proxy.cut_later_answer(2, 0);
        let next = pairs.refresh(refresh.expose(), None).await;
        assert!(proxy.has_cut());
        connected_again(&cut).await;
        let next = next.expect("the change is found on the next connection");
        let again = pairs
            .refresh(refresh.expose(), None)
            .await
            .unwrap()
            .refresh_token;
        assert_eq!(next.refresh_token, again);
        refresh = again;
    }
}
