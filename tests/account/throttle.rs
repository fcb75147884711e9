//! The throttle through its public API: budgets, windows, devices, races, and a failing store.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{ProbeStore, abandon_after, shared};
use tokio::sync::{Barrier, Semaphore, SemaphorePermit};
use tower_jam::{
    Clock, Env, MasterSecret, Rejection, RejectionKind, StoreError, Throttle, Timestamp,
    event::{Event, EventKind, Events},
    store::{Entry, MemoryStore, Store, StoreFuture, StoreKey, When, Write},
    testing::ManualClock,
    throttle::{Attempt, Budget},
};

struct World {
    clock: Arc<ManualClock>,
    store: Arc<ProbeStore>,
    throttle: Throttle,
    secret: MasterSecret,
    recorded: Arc<Mutex<Vec<Event>>>,
}

const WINDOW: Duration = Duration::from_secs(15 * 60);

impl World {
    fn new() -> Self {
        Self::on(ProbeStore::new)
    }

    fn on(probe: fn(MemoryStore) -> ProbeStore) -> Self {
        let clock = Arc::new(ManualClock::default());
        let (store, shared) = shared(probe(MemoryStore::new().with_clock(clock.clone())));
        let secret = MasterSecret::generate();
        let recorded = Arc::new(Mutex::new(Vec::new()));
        let events = Events::to({
            let recorded = Arc::clone(&recorded);
            move |event| recorded.lock().unwrap().push(event.clone())
        });
        let env = Env::new("self", shared, &secret).with_clock(clock.clone());
        let throttle = Throttle::builder(&env.with_events(events)).build();
        Self {
            clock,
            store,
            throttle,
            secret,
            recorded,
        }
    }

    async fn fail(
        &self,
        account: &str,
        address: &str,
        device: Option<&str>,
    ) -> Result<(), Rejection> {
        let attempt = self.throttle.attempt(account, ip(address), device).await;
        attempt.map(drop)
    }

    async fn fail_times(&self, times: usize, account: &str, address: &str, device: Option<&str>) {
        for _ in 0..times {
            self.fail(account, address, device).await.unwrap();
        }
    }
}

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

fn wait(answer: Result<impl Sized, Rejection>) -> u64 {
    let Err(rejection) = answer else {
        panic!("not throttled");
    };
    assert!(
        matches!(rejection.kind(), RejectionKind::Throttled { .. }),
        "{rejection:?}"
    );
    rejection.retry_after().unwrap()
}

#[tokio::test]
async fn ten_failures_use_up_the_budget_of_a_network_until_the_window_ends() {
    let world = World::new();
    world.fail("alice", "192.0.2.3", None).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    world.fail_times(9, "alice", "192.0.2.3", None).await;

    let mut last = 15 * 60 - 60;
    assert_eq!(wait(world.fail("alice", "192.0.2.3", None).await), last);
    assert!(world.fail("bob", "192.0.2.3", None).await.is_ok());
    assert!(world.fail("alice", "192.0.2.4", None).await.is_ok());
    // Further attempts do not extend the wait: it only gets shorter.
    for _ in 0..20 {
        world
            .clock
            .advance(Duration::from_secs(42) - Duration::from_millis(1));
        let wait = wait(world.fail("alice", "192.0.2.3", None).await);
        assert!(wait < last);
        last = wait;
    }
    assert_eq!(last, 1);
    world.clock.advance(Duration::from_secs(1));
    world.fail_times(10, "alice", "192.0.2.3", None).await;
    assert_eq!(
        wait(world.fail("alice", "192.0.2.3", None).await),
        WINDOW.as_secs()
    );
}

/// Strangers do not lock a user out of new devices with ten guesses: that takes ten networks and a
/// hundred guesses.
#[tokio::test]
async fn an_account_has_a_budget_for_all_networks_together() {
    let world = World::new();
    for network in 1..=9 {
        let address = format!("192.0.2.{network}");
        world.fail_times(10, "alice", &address, None).await;
        wait(world.fail("alice", &address, None).await);
        assert!(world.fail("alice", "198.51.100.1", None).await.is_ok());
    }
    world.fail_times(1, "alice", "192.0.2.10", None).await;
    wait(world.fail("alice", "203.0.113.1", None).await);
    // A /48 is one network, however many addresses it has.
    let site = |number| format!("2001:db8:1:{number:x}::1");
    for number in 0..10 {
        world.fail("bob", &site(number), None).await.unwrap();
    }
    wait(world.fail("bob", &site(10), None).await);
    assert!(world.fail("bob", "2001:db8:2::1", None).await.is_ok());
}

#[tokio::test]
async fn attempts_over_the_budget_write_nothing() {
    let world = World::new();
    world.fail_times(10, "alice", "192.0.2.2", None).await;
    let written = world.store.written().len();
    for _ in 0..50 {
        wait(world.fail("alice", "192.0.2.2", None).await);
    }
    assert_eq!(world.store.written().len(), written);
    // So nothing was taken from the budget of the address either.
    let mut names = 0;
    while world
        .fail(&format!("user{names}"), "192.0.2.2", None)
        .await
        .is_ok()
    {
        names += 1;
    }
    assert_eq!(names, 90);
}

/// The owner of a /56 or a /48 can choose among many /64s, which share a larger budget.
#[tokio::test]
async fn households_and_sites_have_budgets_too() {
    for (network, attempts) in [
        ("2001:db8:1:2::", 100),
        ("2001:db8:1:0", 400),
        ("2001:db8:1", 1_600),
    ] {
        let world = World::new();
        let address = |number: usize| match network {
            "2001:db8:1:2::" => format!("{network}{number:x}"),
            "2001:db8:1:0" => format!("{network}{:02x}::1", number % 256),
            _ => format!("{network}:{number:x}::1"),
        };
        for number in 0..attempts {
            let name = format!("user{number}");
            world.fail(&name, &address(number), None).await.unwrap();
        }
        wait(world.fail("alice", &address(attempts), None).await);
        assert!(world.fail("alice", "2001:db8:2::1", None).await.is_ok());
    }
}

/// An attempt that was refunded leaves no entry, so that successful logins cannot fill a store.
#[tokio::test]
async fn a_success_leaves_no_counter_of_failures() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
    let store = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    let env = Env::new("self", store.clone(), &MasterSecret::generate()).with_clock(clock);
    let throttle = Throttle::builder(&env).build();
    for number in 0..200 {
        let address = ip(&format!("2001:db8:{number:x}::1"));
        let attempt = throttle.attempt("alice", address, None).await.unwrap();
        attempt.give_back().await;
    }
    // One entry counts the work of the account.
    assert!(
        format!("{store:?}").contains(r#""throttle": 1"#),
        "{store:?}"
    );
}

/// Regression: the window ended between the reads and the additions, which then did not count:
/// fifty of fifty passed.
#[tokio::test]
async fn a_window_that_ends_midway_frees_no_budget() {
    let world = World::new();
    let store = Arc::new(SlowStore {
        inner: MemoryStore::new().with_clock(world.clock.clone()),
        waiting: AtomicUsize::new(0),
        gate: Semaphore::new(4),
    });
    let throttle = Throttle::builder(
        &Env::new("self", store.clone(), &world.secret).with_clock(world.clock.clone()),
    )
    .build();
    drop(throttle.attempt("alice", ip("192.0.2.1"), None).await);
    assert_eq!(store.waiting.load(Ordering::SeqCst), 3);
    world.clock.advance(WINDOW - Duration::from_millis(1));
    drop(store.gate.try_acquire().map(SemaphorePermit::forget));
    let guesses: Vec<_> = (0..50)
        .map(|_| {
            let throttle = throttle.clone();
            tokio::spawn(async move { throttle.attempt("alice", ip("192.0.2.1"), None).await })
        })
        .collect();
    while store.waiting.load(Ordering::SeqCst) < 53 {
        tokio::task::yield_now().await;
    }
    world.clock.advance(Duration::from_millis(1));
    store.gate.add_permits(10_000);
    let mut passed = Vec::new();
    for guess in guesses {
        passed.extend(guess.await.unwrap());
    }
    assert_eq!(passed.len(), 10);
    // The next window must not begin below zero when they are refunded.
    for attempt in passed {
        attempt.give_back().await;
    }
    let mut left = 0;
    while throttle
        .attempt("alice", ip("192.0.2.1"), None)
        .await
        .is_ok()
    {
        left += 1;
    }
    assert!(left <= 10, "{left}");
}

/// Others use up the budget of an account between its check and the addition, and the first refund
/// fails: the other counters must not stay charged for a rejected attempt.
#[tokio::test]
async fn a_refund_that_fails_leaves_the_other_counters_free() {
    let world = World::new();
    let store = Arc::new(Overshooting {
        inner: MemoryStore::new().with_clock(world.clock.clone()),
        additions: Mutex::new(Vec::new()),
    });
    let env = Env::new("self", store.clone(), &world.secret).with_clock(world.clock.clone());
    let throttle = Throttle::builder(&env).build();
    wait(throttle.attempt("alice", ip("192.0.2.1"), None).await);
    let additions = store.additions.lock().unwrap().clone();
    let sums: Vec<i64> = additions[..3]
        .iter()
        .map(|(key, _)| {
            let of_key = additions.iter().filter(|(other, _)| other == key);
            of_key.map(|(_, delta)| delta).sum()
        })
        .collect();
    // The first one could not be refunded.
    assert_eq!(sums, [1, 0, 0]);
}

/// A [`MemoryStore`] that adds much to the third counter before it is charged, and fails at the
/// first refund.
#[derive(Debug)]
struct Overshooting {
    inner: MemoryStore,
    additions: Mutex<Vec<([u8; 32], i64)>>,
}

impl Store for Overshooting {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        self.inner.get(key)
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        self.inner.put(key, write, when)
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        self.inner.take(key)
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        self.inner.list(group)
    }

    fn add<'a>(
        &'a self,
        key: &'a StoreKey,
        delta: i64,
        expires_at: Timestamp,
    ) -> StoreFuture<'a, i64> {
        Box::pin(async move {
            let is_refund = delta < 0;
            let is_first_refund = {
                let mut additions = self.additions.lock().unwrap();
                let was_refunded = additions.iter().any(|(_, delta)| *delta <= 0);
                let fails = is_refund && !was_refunded;
                additions.push((*key.digest(), if fails { 0 } else { delta }));
                fails
            };
            if is_first_refund {
                return Err(StoreError::Unavailable("connection refused".into()));
            }
            if self.additions.lock().unwrap().len() == 3 {
                self.inner.add(key, 1000, expires_at).await?;
            }
            self.inner.add(key, delta, expires_at).await
        })
    }
}

/// A [`MemoryStore`] whose additions wait at a gate.
#[derive(Debug)]
struct SlowStore {
    inner: MemoryStore,
    waiting: AtomicUsize,
    gate: Semaphore,
}

impl Store for SlowStore {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        self.inner.get(key)
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        self.inner.put(key, write, when)
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        self.inner.take(key)
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        self.inner.list(group)
    }

    fn add<'a>(
        &'a self,
        key: &'a StoreKey,
        delta: i64,
        expires_at: Timestamp,
    ) -> StoreFuture<'a, i64> {
        Box::pin(async move {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            self.gate.acquire().await.unwrap().forget();
            self.inner.add(key, delta, expires_at).await
        })
    }
}

#[tokio::test]
async fn a_success_costs_nothing() {
    let world = World::new();
    for _ in 0..250 {
        let attempt = world
            .throttle
            .attempt("alice", ip("192.0.2.1"), None)
            .await
            .unwrap();
        attempt.give_back().await;
    }
    // The failures of others stay counted.
    world.fail_times(9, "alice", "192.0.2.1", None).await;
    let attempt = world
        .throttle
        .attempt("alice", ip("192.0.2.1"), None)
        .await
        .unwrap();
    attempt.give_back().await;
    world.fail_times(1, "alice", "192.0.2.1", None).await;
    wait(world.fail("alice", "192.0.2.1", None).await);
}

/// An attempt that begins in one window and is refunded in the next must not add to the budget of
/// the next.
#[tokio::test]
async fn a_late_refund_is_no_credit() {
    let world = World::new();
    let mut attempts = Vec::new();
    for _ in 0..10 {
        attempts.push(
            world
                .throttle
                .attempt("alice", ip("192.0.2.1"), None)
                .await
                .unwrap(),
        );
    }
    world.clock.advance(WINDOW);
    world.fail_times(1, "alice", "192.0.2.1", None).await;
    for attempt in attempts {
        attempt.give_back().await;
    }
    world.fail_times(9, "alice", "192.0.2.1", None).await;
    wait(world.fail("alice", "192.0.2.1", None).await);
}

#[tokio::test]
async fn an_address_is_a_network_whatever_its_form() {
    let world = World::new();
    for i in 0..100 {
        let address = format!("2001:db8:1:2::{i:x}");
        world
            .fail(&format!("user{i}"), &address, None)
            .await
            .unwrap();
        let address = ["192.0.2.1", "::ffff:192.0.2.1", "64:ff9b::192.0.2.1"][i % 3];
        world
            .fail(&format!("person{i}"), address, None)
            .await
            .unwrap();
    }
    wait(world.fail("alice", "2001:db8:1:2:aaaa::", None).await);
    wait(world.fail("alice", "192.0.2.1", None).await);
    wait(world.fail("alice", "::ffff:192.0.2.1", None).await);
    assert!(world.fail("alice", "2001:db8:1:3::1", None).await.is_ok());
    wait(world.throttle.attempt_from(ip("192.0.2.1")).await);
    assert!(world.throttle.attempt_from(ip("192.0.2.2")).await.is_ok());
}

#[tokio::test]
async fn a_known_device_is_not_locked_out_by_others() {
    let world = World::new();
    let cookie = world.throttle.device_token("alice");
    let device = Some(cookie.expose().as_str());
    for network in 11..=20 {
        let address = format!("192.0.2.{network}");
        world.fail_times(10, "alice", &address, None).await;
    }
    wait(world.fail("alice", "192.0.2.9", None).await);
    for i in 0..100 {
        world
            .fail(&format!("user{i}"), "192.0.2.1", None)
            .await
            .unwrap();
    }
    wait(world.fail("carol", "192.0.2.1", None).await);

    // A known device behind the same address has a budget too.
    world.fail_times(10, "alice", "192.0.2.1", device).await;
    wait(world.fail("alice", "192.0.2.1", device).await);
    wait(world.fail("alice", "192.0.2.8", device).await);
    // Another device of alice has its own budget.
    let other = world.throttle.device_token("alice");
    assert!(
        world
            .fail("alice", "192.0.2.1", Some(other.expose()))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_device_token_helps_no_other_user() {
    let world = World::new();
    let of_alice = world.throttle.device_token("alice");
    world.fail_times(10, "bob", "192.0.2.2", None).await;
    for token in [
        of_alice.expose(),
        "",
        "made up",
        &of_alice.expose().replace('A', "B"),
    ] {
        wait(world.fail("bob", "192.0.2.2", Some(token)).await);
    }
    // A forged token counts as none: it falls under the account's budget and not under one of its
    // own.
    for i in 0..10 {
        world
            .fail("carol", "192.0.2.3", Some(&format!("{i:A>55}")))
            .await
            .unwrap();
    }
    wait(world.fail("carol", "192.0.2.3", None).await);

    world.fail_times(10, "alice", "192.0.2.5", None).await;
    assert!(
        world
            .fail("alice", "192.0.2.5", Some(of_alice.expose()))
            .await
            .is_ok()
    );
    world.clock.advance(world.throttle.device_life());
    world.fail_times(10, "alice", "192.0.2.7", None).await;
    wait(
        world
            .fail("alice", "192.0.2.7", Some(of_alice.expose()))
            .await,
    );
}

/// Of a hundred attempts at once, no more are evaluated than the budget allows, in any order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_attempts_at_once_ten_are_evaluated() {
    for round in 0..20 {
        let world = Arc::new(World::on(if round % 2 == 0 {
            ProbeStore::new
        } else {
            ProbeStore::pausing
        }));
        let barrier = Arc::new(Barrier::new(100));
        let tasks = (0..100).map(|i| {
            let (world, barrier) = (Arc::clone(&world), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                world
                    .throttle
                    .attempt("alice", ip(&format!("2001:db8:1:{i:x}::1")), None)
                    .await
            })
        });
        let mut allowed = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            match task.await.unwrap() {
                Ok(attempt) => allowed.push(attempt),
                Err(rejection) => assert!((899..=900).contains(&wait(Err::<(), _>(rejection)))),
            }
        }
        assert_eq!(allowed.len(), 10);
        // The rejected attempts left no trace: when all the others succeed, the budget is whole.
        for attempt in allowed {
            attempt.give_back().await;
        }
        world.fail_times(10, "alice", "2001:db8:1::1", None).await;
        wait(world.fail("alice", "2001:db8:1::1", None).await);
    }
}

/// Wherever its caller is cancelled, an attempt is never free.
#[tokio::test]
async fn a_cancelled_caller_gains_nothing() {
    for polls in 0..20 {
        let world = World::on(ProbeStore::pausing);
        let mut evaluated = 0;
        for _ in 0..40 {
            let attempt = world.throttle.attempt("alice", ip("192.0.2.1"), None);
            let answer = abandon_after(polls, attempt);
            evaluated += usize::from(matches!(answer, Some(Ok(_))));
        }
        assert!(evaluated <= 10, "{evaluated} after {polls} polls");
        // Refunding an abandoned attempt refunds nothing twice.
        let world = World::on(ProbeStore::pausing);
        for _ in 0..5 {
            let attempt = world
                .throttle
                .attempt("alice", ip("192.0.2.1"), None)
                .await
                .unwrap();
            abandon_after(polls, attempt.give_back());
        }
        let mut left = 0;
        while world.fail("alice", "192.0.2.1", None).await.is_ok() {
            left += 1;
        }
        assert!((5..=10).contains(&left), "{left} after {polls} polls");
    }
}

#[tokio::test]
async fn a_failing_store_is_503_and_permits_no_guess() {
    let world = World::new();
    // Ten calls: four reads and three additions of two. Each fails once, executed with its answer
    // lost, or not executed at all.
    for call in 1..=10 {
        for loses_answer in [false, true] {
            world.store.fail_at(call, loses_answer);
            let refused = world.fail("alice", "192.0.2.1", None).await.unwrap_err();
            assert_eq!(refused.kind(), &RejectionKind::Unavailable);
        }
    }
    world.store.set_down(true);
    for device in [None, Some(world.throttle.device_token("alice"))] {
        let device = device.as_ref().map(|device| device.expose().as_str());
        let refused = world.fail("alice", "192.0.2.1", device).await.unwrap_err();
        assert_eq!(refused.status(), 503);
    }
    world.store.set_down(false);
    // A correct login is not undone by a store that fails after it; the attempt stays counted.
    let attempt = world
        .throttle
        .attempt("bob", ip("192.0.2.2"), None)
        .await
        .unwrap();
    world.store.set_down(true);
    attempt.give_back().await;
    world.store.set_down(false);
    world.fail_times(9, "bob", "192.0.2.2", None).await;
    wait(world.fail("bob", "192.0.2.2", None).await);
}

#[tokio::test]
async fn nodes_share_their_counters_and_purposes_do_not() {
    let world = World::new();
    let build = |purpose| {
        let store = Arc::clone(&world.store) as _;
        let builder = Throttle::builder(
            &Env::new("self", store, &world.secret).with_clock(world.clock.clone()),
        );
        builder.purpose(purpose).build()
    };
    let (node, other) = (build("login"), build("otp"));
    world.fail_times(10, "alice", "192.0.2.2", None).await;
    wait(node.attempt("alice", ip("192.0.2.2"), None).await);
    assert!(other.attempt("alice", ip("192.0.2.2"), None).await.is_ok());
    let device = node.device_token("alice");
    assert!(
        world
            .fail("alice", "192.0.2.1", Some(device.expose()))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn each_rejection_has_one_event_without_a_name() {
    let world = World::new();
    world.fail_times(10, "alice", "192.0.2.1", None).await;
    assert!(world.recorded.lock().unwrap().is_empty());
    wait(world.fail("alice", "192.0.2.1", None).await);
    let recorded = world.recorded.lock().unwrap();
    assert_eq!(recorded.len(), 1);
    assert_eq!(
        (recorded[0].kind, &recorded[0].subject),
        (EventKind::Throttled, &None)
    );
    let shown = format!("{:?} {:?}", world.throttle, recorded);
    assert!(
        !shown.contains("alice") && !shown.contains("192.0.2"),
        "{shown}"
    );
}

#[tokio::test]
async fn budgets_can_be_chosen() {
    let (_, store) = shared(ProbeStore::new(MemoryStore::new()));
    let budget = |attempts| Budget::new(attempts, Duration::from_secs(3600)).unwrap();
    let throttle = Throttle::builder(&Env::new("self", store, &MasterSecret::generate()))
        .account(budget(2))
        .address(budget(3))
        .device(budget(1))
        .build();
    let device = throttle.device_token("alice");
    let attempt = async |account, device| -> Result<Attempt, Rejection> {
        throttle.attempt(account, ip("192.0.2.1"), device).await
    };
    assert!(attempt("alice", Some(device.expose())).await.is_ok());
    assert!(wait(attempt("alice", Some(device.expose())).await) > 3590);
    assert!(attempt("alice", None).await.is_ok());
    assert!(attempt("alice", None).await.is_ok());
    wait(attempt("alice", None).await);
    assert!(attempt("bob", None).await.is_ok());
    wait(attempt("carol", None).await);

    for (attempts, seconds) in [(0, 60), (1_000_001, 60), (1, 0), (1, 8 * 24 * 3600)] {
        assert!(Budget::new(attempts, Duration::from_secs(seconds)).is_err());
    }
}
