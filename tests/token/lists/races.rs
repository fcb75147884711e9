//! Revocations that race logins: in every order on one thread, and with barriers on many.

use std::{
    future::IntoFuture,
    sync::Arc,
    task::{Context, Waker},
};

use tokio::sync::Barrier;
use tower_jam::{
    Claims, Clock, Grant, Jwt, SystemClock,
    store::{Entry, MemoryStore, Store, StoreFuture, StoreKey, When, Write},
};

use super::{
    support::{ProbeStore, every_interleaving, pause, shared},
    world::{App, BOTH, ISSUER, Mode, is_good, issue, issued_at},
};

struct World {
    jwt: Jwt,
    marks: usize,
    token: std::sync::Mutex<Option<String>>,
}

/// `issue` is operation 0. The clock stands still, so that only the marks determine the order.
#[tokio::test]
async fn in_every_order_a_mark_revokes_earlier_tokens_and_no_later_ones() {
    for mode in BOTH {
        for marks in 1..=3 {
            let make = || {
                let app = App::new();
                let (_, store) = shared(ProbeStore::pausing(app.memory()));
                World {
                    jwt: app.node(mode, &store),
                    marks,
                    token: std::sync::Mutex::default(),
                }
            };
            let orders = every_interleaving(
                make,
                |world| {
                    [
                        Box::pin(async {
                            let token = issue(&world.jwt, "alice").await;
                            *world.token.lock().unwrap() = Some(token);
                        }),
                        Box::pin(async {
                            let list = world.jwt.list().unwrap();
                            for _ in 0..world.marks {
                                list.revoke_all("alice").await.unwrap();
                            }
                        }),
                    ]
                },
                async |world, order| {
                    let list = world.jwt.list().unwrap();
                    let token = world.token.lock().unwrap().take().unwrap();
                    let lives = is_good(&world.jwt, &token).await;
                    if !order.contains("10") {
                        assert!(!lives, "{mode:?}: issued first, {order}");
                    }
                    if !order.contains("01") {
                        assert!(lives, "{mode:?}: issued afterwards, {order}");
                    }
                    let next = issue(&world.jwt, "alice").await;
                    assert!(is_good(&world.jwt, &next).await, "{order}");
                    list.revoke_all("alice").await.unwrap();
                    for token in [&token, &next] {
                        assert!(!is_good(&world.jwt, token).await, "{order}");
                    }
                },
            )
            .await;
            assert!(orders > 10, "{orders}");
        }
    }
}

/// As on a server: eight logins at once, one call that revokes them, two nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_issued_before_a_mark_survives_it_and_later_tokens_are_valid() {
    for mode in BOTH {
        let app = App::new();
        let store = app.store();
        let nodes = [app.node(mode, &store), app.node(mode, &store)];
        for round in 0..100 {
            race(&nodes, &format!("alice {round}")).await;
            if round % 10 == 0 {
                app.advance(1);
            }
        }
    }
}

/// The same with a clock that crosses the ends of seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_mark_holds_by_the_systems_clock_too() {
    for mode in BOTH {
        let app = App::new();
        let store = app.store();
        let nodes = [(); 2].map(|()| {
            let list = app
                .list_of(mode, &store, ISSUER, Arc::new(SystemClock))
                .build()
                .unwrap();
            app.engine()
                .clock(Arc::new(SystemClock))
                .list(list)
                .build()
                .unwrap()
        });
        for round in 0..300 {
            race(&nodes, &format!("alice {round}")).await;
        }
    }
}

async fn race(nodes: &[Jwt; 2], subject: &str) {
    let [one, other] = nodes;
    let before = issue(one, subject).await;
    let start = Arc::new(Barrier::new(9));
    let logins: Vec<_> = (0..8)
        .map(|number| {
            let (jwt, start) = (nodes[number % 2].clone(), Arc::clone(&start));
            let subject = subject.to_owned();
            tokio::spawn(async move {
                start.wait().await;
                issue(&jwt, &subject).await
            })
        })
        .collect();
    start.wait().await;
    other.list().unwrap().revoke_all(subject).await.unwrap();
    let after = issue(one, subject).await;
    assert!(!is_good(one, &before).await && !is_good(other, &before).await);
    assert!(is_good(one, &after).await && is_good(other, &after).await);
    let mark = one
        .list()
        .unwrap()
        .issued_before(subject)
        .await
        .unwrap()
        .unwrap();
    let mut racing = Vec::new();
    for login in logins {
        let token = login.await.unwrap();
        let lives = is_good(one, &token).await;
        assert_eq!(lives, issued_at(&token) > mark.as_secs());
        racing.push(token);
    }
    one.list().unwrap().revoke_all(subject).await.unwrap();
    for token in racing.iter().chain([&after]) {
        assert!(
            !is_good(other, token).await,
            "the next mark revokes them all"
        );
    }
}

/// Two nodes find a list lost at the same time, during one login.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_list_is_created_once_however_many_nodes_miss_it() {
    for round in 0..100 {
        let app = App::new();
        let old = issue(&app.engine().build().unwrap(), "alice").await;
        let store: Arc<dyn Store> = app.store();
        let start = Arc::new(Barrier::new(4));
        let tasks: Vec<_> = (0..4)
            .map(|number| {
                let (jwt, start) = (app.node(Mode::Black, &store), Arc::clone(&start));
                let old = old.clone();
                tokio::spawn(async move {
                    start.wait().await;
                    if number == 0 {
                        let token = issue(&jwt, "alice").await;
                        assert!(is_good(&jwt, &token).await, "round {round}");
                    }
                    assert!(!is_good(&jwt, &old).await, "round {round}");
                    jwt.list().unwrap().created_at().await.unwrap()
                })
            })
            .collect();
        let mut births = Vec::new();
        for task in tasks {
            births.push(task.await.unwrap());
        }
        assert!(births.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

/// A token is revoked on one node while the other verifies it continuously.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_check_that_begins_after_a_revocation_accepts_the_token() {
    for mode in BOTH {
        let app = App::new();
        let store = app.store();
        let nodes = [app.node(mode, &store), app.node(mode, &store)];
        for _ in 0..50 {
            let token = issue(&nodes[0], "alice").await;
            let start = Arc::new(Barrier::new(2));
            let asking = {
                let (jwt, token, start) = (nodes[1].clone(), token.clone(), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    let mut was_refused = false;
                    for _ in 0..50 {
                        let lives = is_good(&jwt, &token).await;
                        assert!(!(was_refused && lives), "the token became valid again");
                        was_refused |= !lives;
                        tokio::task::yield_now().await;
                    }
                })
            };
            start.wait().await;
            nodes[0].revoke_token(&token).await.unwrap();
            assert!(!is_good(&nodes[1], &token).await);
            asking.await.unwrap();
        }
    }
}

/// The store has read the mark and its answer is under way when the subject is revoked, seconds
/// later. The token is dated by the beginning of its issue, so the mark revokes it.
#[tokio::test]
async fn a_token_begun_before_an_unseen_mark_is_revoked_by_it() {
    for mode in BOTH {
        let mut unaware = 0;
        for polls in 1..=4 {
            let app = App::new();
            let store: Arc<dyn Store> = Arc::new(Late(app.memory()));
            let jwt = app.node(mode, &store);
            let list = jwt.list().unwrap();
            list.created_at().await.unwrap();
            app.advance(1);
            let began = app.clock.now().as_secs();
            let grant = Grant::new("alice", Claims::new());
            let mut issuing = jwt.issue(grant).into_future();
            let mut cx = Context::from_waker(Waker::noop());
            let is_done = (0..polls).any(|_| issuing.as_mut().poll(&mut cx).is_ready());
            if is_done {
                break;
            }
            app.advance(5);
            list.revoke_all("alice").await.unwrap();
            let mark = list
                .issued_before("alice")
                .await
                .unwrap()
                .unwrap()
                .as_secs();
            app.advance(5);
            let token = issuing.await.unwrap();
            let dated = issued_at(token.expose());
            assert!([began, mark + 1].contains(&dated), "{polls}");
            assert_eq!(is_good(&jwt, token.expose()).await, dated > mark);
            unaware += usize::from(dated == began);
        }
        assert!(unaware > 0);
    }
}

/// A store whose answers are late: what it has read may have changed by the time that the caller
/// receives it.
#[derive(Debug)]
struct Late(MemoryStore);

impl Store for Late {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(async move {
            let entry = self.0.get(key).await;
            pause().await;
            entry
        })
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        self.0.put(key, write, when)
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        self.0.take(key)
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        self.0.list(group)
    }
}
