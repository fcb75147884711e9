//! A change of password that races everything that can happen during it.

use std::{
    borrow::Cow,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tower_jam::{
    Claims, Clock, Identity, Secret, SystemClock, TokenPair,
    account::{LoginError, NewDevice, Origin, User, Users},
    event::EventKind,
    store::{MemoryStore, Store, StoreFuture},
    testing::ManualClock,
};

use super::{
    support::{ProbeStore, race::race, stores},
    world::*,
};

const NEW: &str = "a new password";

/// What a caller holds after a race.
#[derive(Default)]
struct Held {
    pairs: Vec<TokenPair>,
    cookies: Vec<String>,
}

type Racer = Pin<Box<dyn Future<Output = Held> + Send>>;

async fn identity(world: &World, token: &str) -> Identity {
    let verified = world.accounts.pairs().verify(token).await.unwrap();
    verified.identity().unwrap().clone()
}

async fn log_in(world: &World, password: &str) -> Option<TokenPair> {
    log_in_from(world, password, &origin()).await
}

async fn log_in_from(world: &World, password: &str, origin: &Origin) -> Option<TokenPair> {
    let proved = world
        .accounts
        .prove(&world.credentials(password), origin)
        .await;
    let finished = world
        .accounts
        .finish_login(proved.ok()?, NewDevice::default())
        .await;
    finished.ok()
}

/// Logins with the old password, refreshes and new sessions race a change of the password on
/// another node. Afterwards nothing of them is valid on any node, and only the new password is
/// accepted.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_login_by_the_old_password_survives_its_change_on_any_store() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let first = world_on(backend.nodes[0].clone(), clock).await;
        let second = first.shared.node(&backend.nodes[1], |users| users);
        let nodes = [Arc::new(first), Arc::new(second)];
        let (mut overtaken, mut early) = (0, 0);
        for round in 0..50 {
            // The failures of each round are counted under an address of their own.
            let from = Origin::new([192, 0, 2, round].into());
            let [old, new] = [PASSWORD, NEW].map(str::to_owned);
            let (old, new) = if round % 2 == 0 {
                (old, new)
            } else {
                (new, old)
            };
            let own = log_in_from(&nodes[0], &old, &from).await.unwrap();
            let other = log_in_from(&nodes[1], &old, &from).await.unwrap();
            let mut racers: Vec<Racer> = Vec::new();
            {
                let (node, token, from) =
                    (nodes[0].clone(), own.access_token.clone(), from.clone());
                let (old, new) = (Secret::new(old.clone()), new.clone());
                racers.push(Box::pin(async move {
                    let caller = identity(&node, token.expose()).await;

                    let change = node.accounts.change_password(&caller, &old, &new, &from);
                    change.await.unwrap();
                    Held::default()
                }));
            }
            for node in &nodes {
                let (node, old, from) = (node.clone(), old.clone(), from.clone());
                racers.push(Box::pin(async move {
                    let pairs = log_in_from(&node, &old, &from).await.into_iter().collect();
                    let (peer, body) = (
                        format!("{}:9", from.address),
                        login("alice", &old).to_string(),
                    );
                    let json = [("content-type", "application/json")];
                    let opened = send_from(
                        &node.app(),
                        Some(&peer),
                        "POST",
                        "/session/login",
                        &json,
                        body,
                    )
                    .await;
                    let cookie = opened.cookie("__Host-sid");
                    let value =
                        cookie.map(|line| line.split(['=', ';']).nth(1).unwrap().to_owned());
                    Held {
                        pairs,
                        cookies: value.into_iter().collect(),
                    }
                }));
            }
            {
                let (node, token) = (nodes[1].clone(), other.refresh_token.clone());
                racers.push(Box::pin(async move {
                    let next = node.accounts.pairs().refresh(token.expose(), None).await;
                    Held {
                        pairs: next.ok().into_iter().collect(),
                        ..Held::default()
                    }
                }));
            }
            let held = race(racers).await;
            for pair in held
                .iter()
                .flat_map(|held| &held.pairs)
                .chain([&own, &other])
            {
                early += 1;
                for node in &nodes {
                    let pairs = node.accounts.pairs();
                    let access = pairs.verify(pair.access_token.expose()).await;
                    assert_eq!(
                        access.unwrap_err().status(),
                        401,
                        "{} round {round}",
                        backend.name
                    );
                    let next = pairs.refresh(pair.refresh_token.expose(), None).await;
                    assert_eq!(
                        next.unwrap_err().status(),
                        401,
                        "{} round {round}",
                        backend.name
                    );
                }
            }
            // The change itself issues nothing, in every round.
            overtaken += held.iter().filter(|held| held.pairs.is_empty()).count();
            for token in held.iter().flat_map(|held| &held.cookies) {
                let found = nodes[1].sessions.get(token).await.unwrap();
                assert!(found.is_none(), "{} round {round}", backend.name);
            }
            assert!(
                log_in_from(&nodes[1], &old, &from).await.is_none(),
                "{}",
                backend.name
            );
            assert!(
                log_in_from(&nodes[0], &new, &from).await.is_some(),
                "{}",
                backend.name
            );
            nodes[0].accounts.revoke_all(&nodes[0].alice).await.unwrap();
        }
        assert!(
            overtaken > 50 && early > 150,
            "{}: {overtaken} {early}",
            backend.name
        );
    }
}

/// Users whose first lookup is followed by something else before it returns.
struct Then<F> {
    users: Arc<dyn Users<Claims>>,
    then: F,
    is_over: AtomicBool,
}

impl<F> Users<Claims> for Then<F>
where
    F: Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'static,
{
    fn find<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<User<Claims>>> {
        Box::pin(async move {
            let found = self.users.find(name).await;
            if !self.is_over.swap(true, Ordering::SeqCst) {
                (self.then)().await;
            }
            found
        })
    }

    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<User<Claims>>> {
        self.users.read(id)
    }

    fn replace_hash<'a>(
        &'a self,
        id: &'a str,
        old: &'a str,
        new: &'a str,
    ) -> StoreFuture<'a, bool> {
        self.users.replace_hash(id, old, new)
    }
}

/// Regression: a login read the old hash, and only then the epoch that decides which logins are
/// revoked. With a change in between, it passed by the old password, and so did a user who was
/// disabled in between.
#[tokio::test]
async fn a_login_that_a_change_overtakes_is_decided_by_the_new_hash() {
    for disables in [false, true] {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new().with_clock(clock.clone()));
        let world = Arc::new(world_on(store.clone(), clock).await);
        let pair = log_in(&world, PASSWORD).await.unwrap();
        let caller = identity(&world, pair.access_token.expose()).await;
        let elsewhere = world.clone();
        let between = move || -> Pin<Box<dyn Future<Output = ()> + Send>> {
            let (world, caller) = (elsewhere.clone(), caller.clone());
            Box::pin(async move {
                if disables {
                    assert!(world.users.set_disabled(&world.alice, true).await.unwrap());
                    return world.accounts.revoke_all(&world.alice).await.unwrap();
                }
                let old = Secret::new(PASSWORD.to_owned());
                let origin = origin();
                let change = world.accounts.change_password(&caller, &old, NEW, &origin);
                change.await.unwrap();
            })
        };
        let late = world.shared.node(&store, |users| {
            Arc::new(Then {
                users,
                then: between,
                is_over: AtomicBool::new(false),
            })
        });
        let refused = late
            .accounts
            .prove(&late.credentials(PASSWORD), &origin())
            .await;
        assert!(matches!(refused, Err(LoginError::WrongCredentials)));
    }
}

/// Once the old password is verified, a cancelled caller does not leave the change half done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_caller_is_cancelled_completes() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let (mut changed, mut untouched) = (0, 0);
    for polls in 0..60 {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let store = MemoryStore::new().with_clock(clock.clone());
        let world = world_on(Arc::new(ProbeStore::pausing(store)), clock).await;
        let pair = log_in(&world, PASSWORD).await.unwrap();
        let caller = identity(&world, pair.access_token.expose()).await;
        let (old, origin) = (Secret::new(PASSWORD.to_owned()), origin());
        let before = tasks();
        {
            let change = world.accounts.change_password(&caller, &old, NEW, &origin);
            let mut change = Box::pin(change);
            for _ in 0..polls {
                let step = tokio::time::timeout(Duration::from_micros(200), &mut change);
                if step.await.is_ok() {
                    break;
                }
            }
        }
        // The change completes without its caller.
        let deadline = Instant::now() + Duration::from_secs(10);
        while tasks() > before {
            assert!(Instant::now() < deadline, "{polls}: {} tasks", tasks());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let is_changed = world.count(EventKind::AllDevicesRevoked) == 1;
        let is_alive = world
            .accounts
            .pairs()
            .verify(pair.access_token.expose())
            .await
            .is_ok();
        assert_ne!(is_changed, is_alive, "{polls}");
        let works = async |password| {
            world
                .accounts
                .prove(&world.credentials(password), &origin)
                .await
                .is_ok()
        };
        assert_eq!(works(NEW).await, is_changed, "{polls}");
        assert_eq!(works(PASSWORD).await, !is_changed, "{polls}");
        changed += usize::from(is_changed);
        untouched += usize::from(!is_changed);
    }
    assert!(changed > 0 && untouched > 0, "{changed} {untouched}");
}

/// Each call of a change fails once, executed or not: never are both passwords valid, never
/// neither, and once the new one is valid nothing of the old login is.
#[tokio::test(start_paused = true)]
async fn a_change_with_a_failing_store_leaves_exactly_one_password() {
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    for loses_answer in [false, true] {
        for fails_at in 1..40 {
            let clock = Arc::new(ManualClock::at(SystemClock.now()));
            let store = Arc::new(ProbeStore::new(
                MemoryStore::new().with_clock(clock.clone()),
            ));
            let world = world_on(store.clone(), clock).await;
            let pair = log_in(&world, PASSWORD).await.unwrap();
            let caller = identity(&world, pair.access_token.expose()).await;
            let old = Secret::new(PASSWORD.to_owned());
            store.fail_at(fails_at, loses_answer);
            let change = world
                .accounts
                .change_password(&caller, &old, NEW, &origin())
                .await;
            store.fail_at(0, false);
            if let Err(error) = &change {
                assert!(
                    matches!(error, LoginError::Rejected(it) if it.status() == 503),
                    "{error:?}"
                );
            }
            let works = async |password| {
                world
                    .accounts
                    .prove(&world.credentials(password), &origin())
                    .await
                    .is_ok()
            };
            let is_changed = works(NEW).await;
            assert_eq!(works(PASSWORD).await, !is_changed, "{fails_at}");
            if is_changed {
                assert!(
                    world
                        .accounts
                        .pairs()
                        .verify(pair.access_token.expose())
                        .await
                        .is_err()
                );
            }
            if change.is_ok() {
                assert!(is_changed);
            }
            outcomes.lock().unwrap().push((is_changed, change.is_ok()));
        }
    }
    let outcomes = outcomes.lock().unwrap();
    assert!(
        outcomes.contains(&(false, false)) && outcomes.contains(&(true, true)),
        "{outcomes:?}"
    );
}

/// The device on which the password was changed is known under the new one, too.
#[tokio::test]
async fn a_new_password_is_set_on_a_device_that_stays_known() {
    let world = world().await;
    let app = world.app();
    let pair = world.login().await;
    let body = json!({ "current": PASSWORD, "new": "a new password" });
    let answer = post(&app, "/password", &pair.authorization(), body).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    let cookie = answer
        .cookie("__Host-device")
        .expect("the device is remembered");
    let cookie = cookie.split(';').next().unwrap();
    for number in 0..110 {
        let guess = login("alice", WRONG).to_string();
        let peer = format!("198.51.100.{}:9", number % 11);
        let headers = [("content-type", "application/json")];
        let guess = send_from(&app, Some(&peer), "POST", "/login", &headers, guess).await;
        assert!([401, 429].contains(&guess.status));
    }
    let right = login("alice", "a new password");
    let stranger = post(&app, "/login", &[], right.clone()).await;
    assert_eq!(stranger.status, 429, "an unknown device has to wait");
    let known = post(&app, "/login", &[("cookie", cookie)], right).await;
    assert_eq!(known.status, 200, "{}", known.text);
}

/// Users whose names are compared without case.
struct Folding(Arc<dyn Users<Claims>>);

impl Users<Claims> for Folding {
    fn find<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<User<Claims>>> {
        Box::pin(async move { self.0.find(&self.canonical(name)).await })
    }

    fn canonical<'a>(&self, name: &'a str) -> Cow<'a, str> {
        Cow::Owned(name.to_lowercase())
    }

    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<User<Claims>>> {
        self.0.read(id)
    }

    fn replace_hash<'a>(
        &'a self,
        id: &'a str,
        old: &'a str,
        new: &'a str,
    ) -> StoreFuture<'a, bool> {
        self.0.replace_hash(id, old, new)
    }
}

/// An unknown name has one budget in every spelling, as a user's name has.
#[tokio::test]
async fn all_spellings_of_a_name_share_one_budget() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let world = world_on(store.clone(), clock).await;
    let node = world.shared.node(&store, |users| Arc::new(Folding(users)));
    for name in ["nobody", "alice"] {
        let mut evaluated = 0;
        for number in 0..1 << name.len() {
            let upper = |(at, letter): (usize, char)| match number >> at & 1 {
                1 => letter.to_ascii_uppercase(),
                _ => letter,
            };
            let spelt: String = name.chars().enumerate().map(upper).collect();
            let answer = post(&node.app(), "/login", &[], login(&spelt, WRONG)).await;
            evaluated += usize::from(answer.status == 401);
        }
        assert_eq!(evaluated, 10, "{name}");
    }
}
