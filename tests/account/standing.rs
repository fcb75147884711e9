//! Users who are disabled, removed, or changed while they are logged in.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use tokio::sync::Barrier;
use tower_jam::{
    Accounts, Claims, Clock, Env, Identity, Sessions, StoreError, SystemClock,
    account::{User, Users},
    event::EventKind,
    layer::AuthLayer,
    store::{Store, StoreFuture},
    testing::ManualClock,
};

use super::{support::stores, world::*};

/// Users whose table can be unavailable, and whose reads are counted.
struct Table {
    inner: Arc<dyn Users<Claims>>,
    is_away: Mutex<bool>,
    /// The next read waits here once after it has read, and again before it returns.
    hold: Mutex<Option<Arc<Barrier>>>,
    reads: AtomicUsize,
}

impl Table {
    fn new(inner: Arc<dyn Users<Claims>>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            is_away: Mutex::new(false),
            hold: Mutex::new(None),
            reads: AtomicUsize::new(0),
        })
    }

    fn set_away(&self, is_away: bool) {
        *self.is_away.lock().unwrap() = is_away;
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Users<Claims> for Table {
    fn find<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<User<Claims>>> {
        self.inner.find(name)
    }

    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<User<Claims>>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if *self.is_away.lock().unwrap() {
            return Box::pin(async { Err(StoreError::Unavailable("away".into())) });
        }
        let hold = self.hold.lock().unwrap().take();
        Box::pin(async move {
            let found = self.inner.read(id).await;
            if let Some(barrier) = hold {
                barrier.wait().await;
                barrier.wait().await;
            }
            found
        })
    }

    fn replace_hash<'a>(&'a self, a: &'a str, b: &'a str, c: &'a str) -> StoreFuture<'a, bool> {
        self.inner.replace_hash(a, b, c)
    }

    fn set_disabled<'a>(&'a self, id: &'a str, is_disabled: bool) -> StoreFuture<'a, bool> {
        self.inner.set_disabled(id, is_disabled)
    }

    fn remove<'a>(&'a self, id: &'a str) -> StoreFuture<'a, bool> {
        self.inner.remove(id)
    }
}

/// A page behind a session that shows the roles that the handler sees.
fn page(sessions: &Sessions<Claims>) -> Router {
    let roles = get(|identity: Identity| async move { identity.roles().join(",") });
    let page = Router::new().route("/page", roles);
    page.route_layer(AuthLayer::new(sessions.clone()))
}

async fn see(app: &Router, cookie: &str) -> Answer {
    send(app, "GET", "/page", &[("cookie", cookie)], String::new()).await
}

async fn session_cookie(world: &World) -> String {
    let answer = post(
        &world.app(),
        "/session/login",
        &[],
        login("alice", PASSWORD),
    )
    .await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    let cookie = answer.cookie("__Host-sid").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// Two nodes with near-caches on each store that has nodes, one behind a near-cache of its own
/// elsewhere.
async fn nodes() -> Vec<(&'static str, [World; 2], Arc<Table>, stores::Backend)> {
    let manual = Arc::new(ManualClock::at(SystemClock.now()));
    let clock: Arc<dyn Clock> = manual.clone();
    let mut found = Vec::new();
    for backend in [stores::memory(&clock), stores::redis(&clock).await] {
        let first = world_on(backend.near[0].clone(), manual.clone()).await;
        let table = Table::new(first.users.clone());
        let node = |store: &Arc<dyn Store>| {
            let table = table.clone();
            first.shared.node(store, |_| table)
        };
        let nodes = [node(&backend.near[0]), node(&backend.near[1])];
        found.push((backend.name, nodes, table, backend));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_user_is_logged_out_everywhere_and_cannot_log_in() {
    for (name, [one, two], _, _backend) in nodes().await {
        let cookie = session_cookie(&one).await;
        let pair = one.login().await;
        let page = page(&two.sessions);
        assert_eq!(see(&page, &cookie).await.status, 200, "{name}");
        let me = send(
            &two.app(),
            "GET",
            "/me",
            &pair.authorization(),
            String::new(),
        )
        .await;
        assert_eq!(me.status, 200, "{name}");

        assert!(one.accounts.disable(&one.alice).await.unwrap());
        eventually(async || see(&page, &cookie).await.status == 401).await;
        eventually(async || {
            let (app, bearer) = (two.app(), pair.authorization());
            send(&app, "GET", "/me", &bearer, String::new())
                .await
                .status
                == 401
        })
        .await;
        let refused = post(&two.app(), "/refresh", &[], pair.body()).await;
        assert_eq!(refused.status, 401, "{name}");
        let refused = post(&two.app(), "/login", &[], login("alice", PASSWORD)).await;
        assert_eq!(refused.status, 401, "{name}");
        assert_eq!(one.count(EventKind::UserDisabled), 1, "{name}");

        assert!(two.accounts.enable(&one.alice).await.unwrap());
        two.login().await;
        assert!(one.accounts.remove(&one.alice).await.unwrap());
        let refused = post(&two.app(), "/login", &[], login("alice", PASSWORD)).await;
        assert_eq!(refused.status, 401, "{name}");
        assert!(!one.accounts.disable(&one.alice).await.unwrap());
        assert!(!one.accounts.remove(&one.alice).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_role_leaves_sessions_after_five_minutes_or_at_once_when_notified() {
    for (name, [one, two], table, _backend) in nodes().await {
        let cookie = session_cookie(&one).await;
        let page = page(&two.sessions);
        assert_eq!(see(&page, &cookie).await.text, "editor", "{name}");
        let reads = table.reads();
        for _ in 0..5 {
            assert_eq!(see(&page, &cookie).await.text, "editor", "{name}");
        }
        assert_eq!(
            table.reads(),
            reads,
            "{name}: a recent snapshot is not read again"
        );

        one.users.set_roles(&one.alice, ["reader"]).await.unwrap();
        one.clock.advance(Duration::from_secs(299));
        assert_eq!(see(&page, &cookie).await.text, "editor", "{name}");
        one.clock.advance(Duration::from_secs(1));
        assert_eq!(see(&page, &cookie).await.text, "reader", "{name}");

        one.users.set_roles(&one.alice, ["owner"]).await.unwrap();
        one.accounts.refresh_user(&one.alice).await.unwrap();
        eventually(async || see(&page, &cookie).await.text == "owner").await;
        assert_eq!(table.reads(), reads + 2, "{name}");

        // Without an invalidation, the engines notice within five minutes all the same.
        one.users.set_disabled(&one.alice, true).await.unwrap();
        one.clock.advance(Duration::from_secs(300));
        assert_eq!(see(&page, &cookie).await.status, 401, "{name}");
        one.users.set_disabled(&one.alice, false).await.unwrap();
        assert_eq!(
            see(&page, &cookie).await.status,
            401,
            "{name}: it was revoked"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unavailable_user_table_is_503_and_logs_no_user_out() {
    for (name, [one, two], table, _backend) in nodes().await {
        let cookie = session_cookie(&one).await;
        let page = page(&two.sessions);
        assert_eq!(see(&page, &cookie).await.status, 200, "{name}");
        table.set_away(true);
        assert_eq!(
            see(&page, &cookie).await.status,
            200,
            "{name}: not yet required"
        );
        one.clock.advance(Duration::from_secs(300));
        assert_eq!(see(&page, &cookie).await.status, 503, "{name}");
        table.set_away(false);
        assert_eq!(see(&page, &cookie).await.status, 200, "{name}");
    }
}

/// With a maximum age of zero, every request reads the user, and writes only what has changed.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_maximum_age_of_zero_the_next_request_notices() {
    let world = world().await;
    let table = Table::new(world.users.clone());
    let sessions = Sessions::builder(
        &Env::new(ISSUER, world.store.clone(), &world.shared.secret)
            .with_clock(world.clock.clone()),
    )
    .users(tower_jam::account::user_reader(
        table.clone() as Arc<dyn Users<Claims>>
    ))
    .user_max_age(Duration::ZERO)
    .build()
    .unwrap();
    let cookie = session_cookie(&world).await;
    let page = page(&sessions);
    for round in 0..5 {
        let role = format!("role{round}");
        world
            .users
            .set_roles(&world.alice, [role.clone()])
            .await
            .unwrap();
        assert_eq!(see(&page, &cookie).await.text, role);
        assert_eq!(see(&page, &cookie).await.text, role);
    }
    assert_eq!(table.reads(), 10);
}

/// A request that read the user before the change does not overwrite it, and does not treat the
/// invalidation of the change as processed.
#[tokio::test(flavor = "multi_thread")]
async fn no_stale_read_overwrites_the_change_of_a_user() {
    let first = world().await;
    let table = Table::new(first.users.clone());
    let world = first.shared.node(&first.store, |_| table.clone());
    let cookie = session_cookie(&world).await;
    let page = page(&world.sessions);
    for round in 0..10 {
        let role = format!("role{round}");
        world.accounts.refresh_user(&world.alice).await.unwrap();
        let barrier = Arc::new(Barrier::new(2));
        *table.hold.lock().unwrap() = Some(barrier.clone());
        let slow = {
            let (page, cookie) = (page.clone(), cookie.clone());
            tokio::spawn(async move { see(&page, &cookie).await.status })
        };
        barrier.wait().await;
        world
            .users
            .set_roles(&world.alice, [role.clone()])
            .await
            .unwrap();
        world.accounts.refresh_user(&world.alice).await.unwrap();
        if round % 2 == 0 {
            assert_eq!(
                see(&page, &cookie).await.text,
                role,
                "another request has noticed"
            );
        }
        barrier.wait().await;
        assert_eq!(slow.await.unwrap(), 200);
        assert_eq!(see(&page, &cookie).await.text, role, "round {round}");
    }
}

/// A login that read the user before the change writes an old role, which does not last.
#[tokio::test(flavor = "multi_thread")]
async fn a_login_in_progress_does_not_keep_the_role_that_it_read() {
    let world = world().await;
    let page = page(&world.sessions);
    for round in 0..50 {
        let role = format!("role{round}");
        let barrier = Arc::new(Barrier::new(2));
        let (one, accounts, users) = (barrier.clone(), world.accounts.clone(), world.users.clone());
        let (alice, new) = (world.alice.clone(), role.clone());
        let change = tokio::spawn(async move {
            one.wait().await;
            users.set_roles(&alice, [new]).await.unwrap();
            accounts.refresh_user(&alice).await.unwrap();
        });
        barrier.wait().await;
        let cookie = session_cookie(&world).await;
        change.await.unwrap();
        assert_eq!(see(&page, &cookie).await.text, role, "round {round}");
    }
}

#[tokio::test]
async fn engines_that_do_not_match_are_an_error() {
    let world = world().await;
    let builder = || {
        let (users, pairs) = (world.users.clone(), world.accounts.pairs().clone());
        let throttle = world.accounts.throttle().clone();
        Accounts::builder(
            &Env::new(ISSUER, world.store.clone(), &world.shared.secret),
            users,
            world.passwords.clone(),
            throttle,
            pairs,
        )
    };
    let sessions =
        |issuer| Sessions::builder(&Env::new(issuer, world.store.clone(), &world.shared.secret));
    let users = || tower_jam::account::user_reader(world.users.clone() as Arc<dyn Users<Claims>>);
    let foreign = sessions("self").users(users()).build().unwrap();
    let error = builder().sessions(foreign).build().unwrap_err();
    assert_eq!(error.setting(), "sessions");
    let lasting = sessions(ISSUER).build().unwrap();
    let error = builder().sessions(lasting).build().unwrap_err();
    assert_eq!(error.setting(), "sessions");
    let otp = tower_jam::Otp::builder(
        &Env::new("self", world.store.clone(), &world.shared.secret),
        "Acme",
    );
    let error = builder().otp(otp.build().unwrap()).build().unwrap_err();
    assert_eq!(error.setting(), "otp");
}

/// Retries until it holds, for as long as a near-cache may be stale.
async fn eventually(holds: impl AsyncFn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while !holds().await {
        assert!(
            std::time::Instant::now() < deadline,
            "the condition never held"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
