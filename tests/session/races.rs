//! Concurrent operations on one session: in every order of their store calls where the order can be
//! controlled, and with many rounds on real threads where it cannot.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use crate::support::{
    ProbeStore, abandon_after, every_interleaving, late::LateStore, pause, shared,
};
use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{HeaderMap, Request, Response},
    routing::post,
};
use serde_json::json;
use tokio::sync::Barrier;
use tower::ServiceExt;
use tower_jam::{
    Env, Grant, IssueError, MasterSecret, Rejection, Session, SessionLayer, Sessions,
    session::SessionEpoch,
    store::{MemoryStore, Store},
};

type Engine = Sessions<String>;

fn engine(store: Arc<dyn Store>) -> Engine {
    Sessions::builder(&Env::new("self", store, &MasterSecret::generate()))
        .build()
        .unwrap()
}

fn alice() -> Grant<String> {
    Grant::new("alice", "Alice".to_owned())
}

/// Two sessions of one user on a store that pauses, and slots for the results of the operations.
struct World {
    sessions: Engine,
    token: String,
    epoch: SessionEpoch,
    got: RefCell<Option<String>>,
    changed: Cell<bool>,
}

/// A world on a plain store cannot be paused, so it is created on the pausing store and driven
/// until it is ready.
fn world() -> World {
    let (_, store) = shared(ProbeStore::pausing(MemoryStore::new()));
    let sessions = engine(store);
    let token = finish(async {
        sessions
            .create(alice())
            .await
            .unwrap()
            .token
            .expose()
            .clone()
    });
    let epoch = finish(async { sessions.epoch("alice").await.unwrap() });
    World {
        sessions,
        token,
        epoch,
        got: None.into(),
        changed: false.into(),
    }
}

fn finish<T>(future: impl Future<Output = T>) -> T {
    abandon_after(10_000, future).expect("it completes")
}

#[tokio::test]
async fn nothing_survives_clear_whatever_cycle_id_does_meanwhile() {
    let orders = every_interleaving(
        world,
        |world| {
            let cycle_id = async {
                let token = world.sessions.cycle_id(&world.token).await.unwrap();
                *world.got.borrow_mut() = token.map(|token| token.expose().clone());
            };
            let clear = async {
                world.sessions.revoke_all("alice").await.unwrap();
            };
            [Box::pin(cycle_id), Box::pin(clear)]
        },
        async |world: &World, order: &str| {
            assert!(
                world.sessions.get(&world.token).await.unwrap().is_none(),
                "{order}"
            );
            let reworked = world.got.borrow().clone();
            if let Some(token) = reworked {
                assert!(
                    world.sessions.get(&token).await.unwrap().is_none(),
                    "{order}"
                );
            }
            assert!(
                world.sessions.list("alice").await.unwrap().is_empty(),
                "{order}"
            );
        },
    )
    .await;
    assert!(orders >= 10, "{orders} orders");
}

#[tokio::test]
async fn a_login_that_began_before_clear_is_rejected() {
    let orders = every_interleaving(
        world,
        |world| {
            let login = async {
                let created = world.sessions.create(alice()).since(world.epoch).await;
                match created {
                    Ok(session) => *world.got.borrow_mut() = Some(session.token.expose().clone()),
                    Err(IssueError::Withdrawn) => {}
                    Err(error) => panic!("{error}"),
                }
            };
            let clear = async {
                world.sessions.revoke_all("alice").await.unwrap();
            };
            [Box::pin(login), Box::pin(clear)]
        },
        async |world: &World, order: &str| {
            let created = world.got.borrow().clone();
            if let Some(token) = created {
                assert!(
                    world.sessions.get(&token).await.unwrap().is_none(),
                    "{order}"
                );
            }
            assert!(
                world.sessions.list("alice").await.unwrap().is_empty(),
                "{order}"
            );
        },
    )
    .await;
    assert!(orders >= 20, "{orders} orders");
}

/// A login over a session of the same user gives that session a new id; `clear` revokes this one
/// too.
#[tokio::test]
async fn a_new_id_that_began_before_clear_is_rejected() {
    let orders = every_interleaving(
        || {
            let shop = Shop::new();
            let guest = shop.world.token.clone();
            Shop { guest, ..shop }
        },
        |shop| {
            let login = async {
                let status = shop.ask("/login-since").await.status();
                assert!(status == 200 || status == 401, "{status}");
                shop.world.changed.set(status == 200);
            };
            let clear = async {
                shop.world.sessions.revoke_all("alice").await.unwrap();
            };
            [Box::pin(login), Box::pin(clear)]
        },
        async |shop: &Shop, order: &str| {
            let left = shop.world.sessions.list("alice").await.unwrap().len();
            assert_eq!(left, 0, "{order}, logged in: {}", shop.world.changed.get());
        },
    )
    .await;
    assert!(orders >= 20, "{orders} orders");
}

#[tokio::test]
async fn a_change_revives_nothing_that_was_deleted() {
    let orders = every_interleaving(
        world,
        |world| {
            let change = async {
                let changed = world.sessions.update(&world.token, |data| {
                    data.values.insert("n".into(), 1.into())
                });
                changed.await.unwrap();
            };
            let delete = async {
                assert!(world.sessions.revoke_token(&world.token).await.unwrap());
            };
            [Box::pin(change), Box::pin(delete)]
        },
        async |world: &World, order: &str| {
            assert!(
                world.sessions.get(&world.token).await.unwrap().is_none(),
                "{order}"
            );
        },
    )
    .await;
    assert!(orders >= 3, "{orders} orders");
}

/// A guest adds to the cart while another tab logs in: the value is in the member's cart, or the
/// tab gets an error and no cookie of its own.
#[tokio::test]
async fn nothing_put_into_a_guests_cart_is_lost_at_login() {
    let orders = every_interleaving(
        Shop::new,
        |shop| {
            let add = async {
                let response = shop.ask("/set/cart").await;
                let status = response.status();
                assert!(status == 200 || status == 401, "{status}");
                assert!(!response.headers().contains_key("set-cookie"));
                shop.world.changed.set(status == 200);
            };
            let login = async {
                let response = shop.ask("/login").await;
                assert_eq!(response.status(), 200);
                let token = axum::body::to_bytes(response.into_body(), 1 << 10)
                    .await
                    .unwrap();
                *shop.world.got.borrow_mut() = Some(String::from_utf8(token.to_vec()).unwrap());
            };
            [Box::pin(add), Box::pin(login)]
        },
        async |shop: &Shop, order: &str| {
            let sessions = &shop.world.sessions;
            let token = shop
                .world
                .got
                .borrow()
                .clone()
                .expect("a login always succeeds");
            let (_, data) = sessions.get(&token).await.unwrap().expect("alive");
            assert!(data.values.contains_key("visited"), "{order}");
            assert_eq!(
                data.values.contains_key("cart"),
                shop.world.changed.get(),
                "{order}"
            );
            assert!(
                sessions.get(&shop.guest).await.unwrap().is_none(),
                "{order}"
            );
        },
    )
    .await;
    assert!(orders >= 20, "{orders} orders");
}

/// A site that a guest has visited once.
struct Shop {
    world: World,
    app: Router,
    guest: String,
}

impl Shop {
    fn new() -> Self {
        let world = world();
        let set = |session: Session, Path(name): Path<String>| async move {
            session.insert(&name, &true).await
        };
        let login = |session: Session| async move {
            Ok::<_, Rejection>(session.login(alice()).await?.token.expose().clone())
        };
        let epoch = world.epoch;
        let login_since = move |session: Session| async move {
            let entered = session.login(alice()).since(epoch).await?;
            Ok::<_, Rejection>(entered.token.expose().clone())
        };
        let layer = SessionLayer::new(world.sessions.clone()).optional();
        let app = Router::new()
            .route("/set/{name}", post(set))
            .route("/login", post(login))
            .route("/login-since", post(login_since))
            .route_layer(layer);
        let mut shop = Self {
            world,
            app,
            guest: String::new(),
        };
        let first = finish(shop.ask("/set/visited"));
        let line = first.headers()["set-cookie"].to_str().unwrap();
        let value = line
            .strip_prefix("__Host-sid=")
            .unwrap()
            .split(';')
            .next()
            .unwrap();
        shop.guest = value.to_owned();
        shop
    }

    async fn ask(&self, path: &str) -> Response<Body> {
        let cookie = format!("__Host-sid={}", self.guest);
        let request = Request::post(path)
            .header("cookie", cookie)
            .body(Body::empty())
            .unwrap();
        self.app.clone().oneshot(request).await.unwrap()
    }
}

#[tokio::test]
async fn of_two_new_ids_one_wins_and_the_other_gets_nothing() {
    every_interleaving(
        world,
        |world| {
            let cycle_id = || async {
                if let Some(token) = world.sessions.cycle_id(&world.token).await.unwrap() {
                    let before = world.got.borrow_mut().replace(token.expose().clone());
                    assert!(before.is_none(), "two successors of one session");
                }
            };
            [Box::pin(cycle_id()), Box::pin(cycle_id())]
        },
        async |world: &World, order: &str| {
            let token = world.got.borrow().clone().expect("one wins");
            assert!(
                world.sessions.get(&token).await.unwrap().is_some(),
                "{order}"
            );
            assert!(
                world.sessions.get(&world.token).await.unwrap().is_none(),
                "{order}"
            );
        },
    )
    .await;
}

#[tokio::test]
async fn a_holder_of_an_old_secret_changes_nothing() {
    every_interleaving(
        world,
        |world| {
            let cycle_id = async {
                let token = world
                    .sessions
                    .cycle_id(&world.token)
                    .await
                    .unwrap()
                    .expect("alive");
                *world.got.borrow_mut() = Some(token.expose().clone());
            };
            let change = async {
                let changed = world.sessions.update(&world.token, |data| {
                    data.values.insert("late".into(), true.into());
                });
                world.changed.set(changed.await.unwrap().is_some());
            };
            [Box::pin(cycle_id), Box::pin(change)]
        },
        async |world: &World, order: &str| {
            assert!(
                world.sessions.get(&world.token).await.unwrap().is_none(),
                "{order}"
            );
            let token = world
                .got
                .borrow()
                .clone()
                .expect("cycle_id wins or comes second");
            let (_, data) = world.sessions.get(&token).await.unwrap().expect("alive");
            // Either the change came first and is stored, or its caller got an error.
            assert_eq!(
                data.values.contains_key("late"),
                world.changed.get(),
                "{order}"
            );
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_concurrent_updates_all_are_kept() {
    a_hundred_updates(Arc::new(MemoryStore::new())).await;
}

async fn a_hundred_updates(store: Arc<dyn Store>) {
    let sessions = engine(store);
    let token = Arc::new(sessions.create(alice()).await.unwrap().token);
    let barrier = Arc::new(Barrier::new(100));
    let tasks = (0..100).map(|n| {
        let (sessions, token, barrier) =
            (sessions.clone(), Arc::clone(&token), Arc::clone(&barrier));
        tokio::spawn(async move {
            barrier.wait().await;
            let count = |data: &mut tower_jam::session::SessionData<String>| {
                let count = data
                    .values
                    .get("count")
                    .and_then(|count| count.as_u64())
                    .unwrap_or(0);
                data.values.insert("count".into(), (count + 1).into());
                data.values.insert(format!("task {n}"), n.into());
            };
            sessions
                .update(token.expose(), count)
                .await
                .unwrap()
                .expect("the session lives");
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let (_, data) = sessions.get(token.expose()).await.unwrap().unwrap();
    assert_eq!(data.values["count"], 100);
    assert_eq!(data.values.len(), 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_late_write_revives_a_session_in_a_thousand_rounds() {
    let store = ProbeStore::pausing(MemoryStore::new());
    let wrote_first = late_writes(Arc::new(store), 1_000).await;
    // If the order were always the same, nothing would have been raced.
    assert!(
        wrote_first > 0 && wrote_first < 1_000,
        "the writer came first {wrote_first} times"
    );
}

/// Races a write against a logout, and returns how often the write came first.
async fn late_writes(store: Arc<dyn Store>, rounds: u32) -> u32 {
    let sessions = engine(store);
    let mut wrote_first = 0;
    for round in 0..rounds {
        let token = Arc::new(sessions.create(alice()).await.unwrap().token);
        let barrier = Arc::new(Barrier::new(2));
        let writer = {
            let (sessions, token, barrier) =
                (sessions.clone(), Arc::clone(&token), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                sessions
                    .update(token.expose(), |data| {
                        data.values.insert("late".into(), json!(1))
                    })
                    .await
                    .unwrap()
            })
        };
        let logout = {
            let (sessions, token, barrier) =
                (sessions.clone(), Arc::clone(&token), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                // A write takes two calls and a logout one: without a delay, the logout may come
                // first every time on a busy machine.
                for _ in 0..round % 5 {
                    pause().await;
                }
                sessions.revoke_token(token.expose()).await.unwrap()
            })
        };
        wrote_first += u32::from(writer.await.unwrap().is_some());
        assert!(logout.await.unwrap(), "round {round}");
        assert!(
            sessions.get(token.expose()).await.unwrap().is_none(),
            "round {round}"
        );
        assert!(
            sessions.list("alice").await.unwrap().is_empty(),
            "round {round}"
        );
    }
    wrote_first
}

/// A caller may be cancelled at every await. Whatever it left behind, the rules hold: the old token
/// is valid or not, a session never has two valid tokens, and revoking everything revokes it.
#[tokio::test]
async fn a_cancelled_caller_breaks_nothing() {
    for polls in 1..12 {
        let world = world();
        abandon_after(polls, world.sessions.cycle_id(&world.token));
        abandon_after(
            polls,
            world.sessions.update(&world.token, |data| {
                data.values.insert("n".into(), 1.into())
            }),
        );
        assert!(
            world.sessions.list("alice").await.unwrap().len() == 1,
            "{polls} polls"
        );
        abandon_after(polls, world.sessions.create(alice()).into_future());
        abandon_after(polls, world.sessions.revoke_all("alice"));
        assert!(world.sessions.revoke_all("alice").await.is_ok());
        assert!(
            world.sessions.list("alice").await.unwrap().is_empty(),
            "{polls} polls"
        );
        assert!(
            world.sessions.get(&world.token).await.unwrap().is_none(),
            "{polls} polls"
        );
    }
}

/// Each call of each operation fails once, executed or not.
#[tokio::test]
async fn a_store_that_fails_is_an_error_and_never_an_answer() {
    for loses_answer in [false, true] {
        for call in 1..6 {
            let (probe, store) = shared(ProbeStore::new(MemoryStore::new()));
            let sessions = engine(store);
            let token = sessions.create(alice()).await.unwrap().token;
            let made = probe.calls();

            probe.fail_at(call, loses_answer);
            let updated = sessions.update(token.expose(), |data| {
                let count = data
                    .values
                    .get("count")
                    .and_then(|count| count.as_u64())
                    .unwrap_or(0);
                data.values.insert("count".into(), (count + 1).into());
            });
            let updated = updated.await;
            let was_hit = probe.calls() >= made + call;
            probe.fail_at(0, false);
            let (_, data) = sessions
                .get(token.expose())
                .await
                .unwrap()
                .expect("the session exists");
            let count = data
                .values
                .get("count")
                .and_then(|count| count.as_u64())
                .unwrap_or(0);
            match updated {
                Ok(done) => assert_eq!((done, count), (Some(()), 1), "call {call}"),
                Err(_) => assert!(was_hit && count <= 1, "call {call}: {count}"),
            }

            probe.fail_at(call, loses_answer);
            if let Ok(session) = sessions.create(alice()).await {
                probe.fail_at(0, false);
                assert!(
                    sessions
                        .get(session.token.expose())
                        .await
                        .unwrap()
                        .is_some()
                );
            }
            probe.fail_at(0, false);
        }
    }
}

/// A write whose answer was lost is recognised by its version, so it is not made twice.
#[tokio::test]
async fn an_update_whose_answer_was_lost_counts_once() {
    let (probe, store) = shared(ProbeStore::new(MemoryStore::new()));
    let sessions = engine(store);
    let token = sessions.create(alice()).await.unwrap().token;
    probe.fail_at(2, true);
    let mut calls = 0;
    let updated = sessions
        .update(token.expose(), |_| calls += 1)
        .await
        .unwrap();
    assert_eq!((updated, calls), (Some(()), 1));
}

/// A session on a store that executes one write late.
async fn late_world() -> (Arc<LateStore>, Engine, tower_jam::Secret<String>) {
    let store = Arc::new(LateStore::new(MemoryStore::new()));
    let sessions = engine(store.clone());
    let token = sessions.create(alice()).await.unwrap().token;
    (store, sessions, token)
}

/// The server stopped, the caller got no answer to its write and retried, and then the first write
/// was executed.
#[tokio::test]
async fn a_late_update_is_applied_once() {
    let (store, sessions, token) = late_world().await;
    store.hold(1);
    let updated = sessions.update(token.expose(), |data| {
        let count = data.values.get("count").and_then(|count| count.as_u64());
        data.values
            .insert("count".into(), (count.unwrap_or(0) + 1).into());
    });
    assert_eq!(updated.await.unwrap(), Some(()));
    assert!(store.was_late());
    let (_, data) = sessions.get(token.expose()).await.unwrap().unwrap();
    assert_eq!(data.values["count"], 1);
}

/// The new secret was written late, so the record no longer opens for the old one: that does not
/// end the session.
#[tokio::test]
async fn an_id_that_is_cycled_late_belongs_to_the_caller() {
    let (store, sessions, token) = late_world().await;
    store.hold(1);
    let cycled = sessions.cycle_id(token.expose()).await.unwrap();
    assert!(store.was_late());
    let cycled = cycled.expect("the session did not end");
    assert!(sessions.get(cycled.expose()).await.unwrap().is_some());
    assert!(sessions.get(token.expose()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_that_is_created_late_exists_once() {
    let (store, sessions, _) = late_world().await;
    store.hold(1);
    let created = sessions.create(alice()).await.unwrap();
    assert!(store.was_late());
    assert!(
        sessions
            .get(created.token.expose())
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(sessions.list("alice").await.unwrap().len(), 2);
}

/// A guest logs in: the record that the guest's session has moved is written late, and its cart is
/// moved all the same.
#[tokio::test]
async fn a_session_that_moves_late_takes_its_values_along() {
    let (store, sessions, _) = late_world().await;
    let login = {
        let (store, sessions) = (store.clone(), sessions.clone());
        async move |headers: HeaderMap, session: Session| -> Result<String, Rejection> {
            // Another tab of the guest adds to the cart during this request.
            let cookie = headers["cookie"].to_str().unwrap();
            let (_, token) = cookie.split_once('=').unwrap();
            let added = sessions.update(token, |data| {
                data.values.insert("added".into(), 2.into());
            });
            added.await?.unwrap();
            store.hold(2);
            session.login(alice()).await?;
            Ok(session.get::<u32>("added")?.unwrap_or(0).to_string())
        }
    };
    let cart = async |session: Session| session.insert("cart", &1).await;
    let app = Router::new()
        .route("/cart", post(cart))
        .route("/login", post(login))
        .layer(SessionLayer::new(sessions.clone()).optional());
    let ask = async |path: &str, cookie: Option<String>| {
        let mut request = Request::post(path);
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        let request = request.body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap()
    };
    let response: Response<Body> = ask("/cart", None).await;
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let response = ask("/login", Some(cookie)).await;
    assert_eq!(response.status(), 200);
    assert!(store.was_late());
    let body = axum::body::to_bytes(response.into_body(), 100).await;
    assert_eq!(body.unwrap(), "2");
}

#[tokio::test]
async fn a_full_store_refuses_new_sessions_and_evicts_no_old_one() {
    let sessions = engine(Arc::new(MemoryStore::new().with_capacity(3)));
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(sessions.create(alice()).await.unwrap().token);
    }
    let refused = sessions.create(alice()).await.unwrap_err();
    assert!(
        matches!(refused, IssueError::Store(tower_jam::StoreError::Full)),
        "{refused:?}"
    );
    for token in &tokens {
        assert!(sessions.get(token.expose()).await.unwrap().is_some());
    }
    assert!(sessions.revoke_token(tokens[0].expose()).await.unwrap());
    assert!(sessions.create(alice()).await.is_ok());
}
