use std::time::Duration;

use super::*;
use crate::{
    store::{Namespace, Version},
    testing::ManualClock,
};

const MINUTE: Duration = Duration::from_secs(60);

struct Fixture {
    store: MemoryStore,
    clock: Arc<ManualClock>,
}

impl Fixture {
    fn with_capacity(entries: usize) -> Self {
        let clock = Arc::new(ManualClock::default());
        Self {
            store: MemoryStore::new()
                .with_clock(clock.clone())
                .with_capacity(entries),
            clock,
        }
    }

    fn write(&self, life: Duration) -> Write {
        Write::new("value", self.clock.now().after(life))
    }

    async fn put(&self, key: &StoreKey, when: When) -> Result<bool, StoreError> {
        self.store.put(key, self.write(MINUTE), when).await
    }

    /// Writes `count` keys that expire in a minute, and returns those that were accepted.
    async fn fill(&self, namespace: &'static str, count: usize) -> Vec<StoreKey> {
        let mut accepted = Vec::new();
        for key in keys(namespace, count) {
            if self.put(&key, When::Absent).await.is_ok() {
                accepted.push(key);
            }
        }
        accepted
    }

    async fn is_live(&self, key: &StoreKey) -> bool {
        self.store.get(key).await.unwrap().is_some()
    }

    fn quota_count(&self, namespace: &str) -> usize {
        let namespaces = lock(&self.store.quotas);
        namespaces
            .iter()
            .find(|quota| quota.name == namespace)
            .map_or(0, |quota| quota.entries())
    }

    /// The number of slots in all tables, including expired ones.
    fn stored(&self) -> usize {
        self.store.shards.iter().map(|shard| shard.len()).sum()
    }
}

fn key(namespace: &'static str, number: usize) -> StoreKey {
    let namespace = match namespace {
        "throttle" => Namespace::new(namespace).evictable(),
        _ => Namespace::new(namespace),
    };
    StoreKey::new(namespace, &[&number.to_be_bytes()])
}

fn keys(namespace: &'static str, count: usize) -> impl Iterator<Item = StoreKey> {
    (0..count).map(move |number| key(namespace, number))
}

#[tokio::test]
async fn a_full_namespace_refuses_new_keys_and_nothing_else() {
    let fixture = Fixture::with_capacity(100);
    let accepted = fixture.fill("session", 150).await;
    assert_eq!(accepted.len(), 100);

    let newcomer = key("session", 1_000);
    for when in [When::Absent, When::Always] {
        assert!(matches!(
            fixture.put(&newcomer, when).await,
            Err(StoreError::Full)
        ));
    }
    assert!(matches!(
        fixture.store.add(&newcomer, 1, Timestamp::NEVER).await,
        Err(StoreError::Full)
    ));
    let nothing = When::Unchanged(Version::from_stored(1));
    assert!(
        !fixture.put(&newcomer, nothing).await.unwrap(),
        "a refusal needs no room"
    );

    for key in &accepted {
        let entry = fixture
            .store
            .get(key)
            .await
            .unwrap()
            .expect("live entries are never evicted");
        assert!(
            fixture
                .put(key, When::Unchanged(entry.version))
                .await
                .unwrap()
        );
        assert!(fixture.put(key, When::Always).await.unwrap());
        assert!(!fixture.put(key, When::Absent).await.unwrap());
    }
    assert!(
        fixture.put(&key("account", 1), When::Absent).await.unwrap(),
        "namespaces are independent"
    );
    assert_eq!(fixture.quota_count("session"), 100);
}

#[tokio::test]
async fn room_is_made_by_a_take_and_by_expiry() {
    let fixture = Fixture::with_capacity(100);
    let accepted = fixture.fill("session", 101).await;
    let newcomer = key("session", 100);
    assert!(fixture.store.take(&accepted[0]).await.unwrap().is_some());
    assert!(fixture.put(&newcomer, When::Absent).await.unwrap());
    assert!(fixture.put(&accepted[0], When::Absent).await.is_err());

    fixture.clock.advance(MINUTE);
    let late = key("session", 200);
    assert!(fixture.put(&late, When::Absent).await.unwrap());
    assert!(fixture.is_live(&late).await);
    assert_eq!(
        fixture.fill("session", 99).await.len(),
        99,
        "all expired entries were removed"
    );
    assert_eq!(fixture.quota_count("session"), 100);
}

#[tokio::test]
async fn removing_a_group_makes_room() {
    let fixture = Fixture::with_capacity(10);
    let group = key("group", 0);
    for key in keys("session", 10) {
        let write = fixture.write(MINUTE).in_group(group.clone());
        assert!(fixture.store.put(&key, write, When::Absent).await.unwrap());
    }
    assert_eq!(fixture.store.remove_group(&group).await.unwrap(), 10);
    assert_eq!(
        (fixture.quota_count("session"), fixture.store.groups.len()),
        (0, 0)
    );
    assert_eq!(fixture.fill("session", 11).await.len(), 10);
}

#[tokio::test]
async fn the_throttle_counter_that_expires_first_is_evicted() {
    let fixture = Fixture::with_capacity(50);
    let now = fixture.clock.now();
    for (number, key) in keys("throttle", 60).enumerate() {
        let expires_at = now.after(MINUTE * u32::try_from(number).unwrap() + MINUTE);
        assert_eq!(fixture.store.add(&key, 1, expires_at).await.unwrap(), 1);
    }
    assert_eq!(fixture.quota_count("throttle"), 50);
    for (number, key) in keys("throttle", 60).enumerate() {
        assert_eq!(fixture.is_live(&key).await, number >= 10, "{number}");
    }
    assert!(
        fixture
            .put(&key("throttle", 99), When::Absent)
            .await
            .unwrap(),
        "`put` makes room too"
    );
}

/// An attacker's flood of counters must not give a guesser a new budget, even if its counter
/// expires first.
#[tokio::test]
async fn a_flood_of_counters_evicts_itself_and_no_used_up_budget() {
    let fixture = Fixture::with_capacity(50);
    let now = fixture.clock.now();
    let victim = key("throttle", 10_000);
    for count in 1..=10 {
        let sum = fixture.store.add(&victim, 1, now.after(MINUTE)).await;
        assert_eq!(sum.unwrap(), count);
    }
    for key in keys("throttle", 5_000) {
        let sum = fixture.store.add(&key, 1, now.after(MINUTE * 15)).await;
        assert_eq!(sum.unwrap(), 1);
    }
    let sum = fixture.store.add(&victim, 1, now.after(MINUTE)).await;
    assert_eq!(sum.unwrap(), 11);
}

#[tokio::test]
async fn a_counter_that_returns_to_zero_releases_its_reservation() {
    let fixture = Fixture::with_capacity(50);
    let end = fixture.clock.now().after(MINUTE);
    for key in keys("throttle", 5_000) {
        fixture.store.add(&key, 1, end).await.unwrap();
        fixture.store.add(&key, -1, end).await.unwrap();
    }
    assert_eq!((fixture.quota_count("throttle"), fixture.stored()), (0, 0));
}

/// Memory allocated at a peak is released after it, also that of groups.
#[tokio::test]
async fn memory_allocated_at_a_peak_is_released() {
    let fixture = Fixture::with_capacity(1_000_000);
    let end = fixture.clock.now().after(MINUTE);
    let member = |number| (key("session", number), key("group", number / 2));
    for number in 0..100_000 {
        let (key, group) = member(number);
        let write = Write::new("", end).in_group(group);
        fixture.store.put(&key, write, When::Always).await.unwrap();
    }
    let one = key("group", 1_000_000);
    for number in 100_000..200_000 {
        let write = Write::new("", end).in_group(one.clone());
        let key = key("session", number);
        fixture.store.put(&key, write, When::Always).await.unwrap();
    }
    assert!(fixture.store.groups.capacity() > 200_000);
    for number in 0..199_990 {
        let key = key("session", number);
        fixture.store.take(&key).await.unwrap().unwrap();
    }
    let capacity = fixture.store.groups.capacity();
    assert!(capacity <= SHARDS * 256 + 256, "{capacity}");
    let slots = fixture
        .store
        .shards
        .iter()
        .map(|mut shard| shard.slot_capacity("session"));
    let slots = slots.sum::<usize>();
    assert!(slots <= SHARDS * 256, "{slots}");
    assert_eq!(fixture.store.list(&one).await.unwrap().len(), 10);
}

#[tokio::test]
async fn an_expired_throttle_counter_is_evicted_before_a_live_one() {
    let fixture = Fixture::with_capacity(2);
    let now = fixture.clock.now();
    for (number, life) in [(0, MINUTE), (1, MINUTE * 2)] {
        fixture
            .store
            .add(&key("throttle", number), 1, now.after(life))
            .await
            .unwrap();
    }
    fixture.clock.advance(MINUTE);
    fixture
        .store
        .add(&key("throttle", 2), 1, now.after(MINUTE * 9))
        .await
        .unwrap();
    assert!(fixture.is_live(&key("throttle", 1)).await);
    assert!(fixture.is_live(&key("throttle", 2)).await);
}

#[tokio::test]
async fn short_lived_keys_need_room_only_while_they_are_live() {
    let fixture = Fixture::with_capacity(1_000_000);
    let mut most = 0;
    for number in 0..20_000 {
        // A thousand are live at any time.
        fixture.clock.advance(Duration::from_millis(1));
        let write = fixture
            .write(Duration::from_secs(1))
            .in_group(key("group", number % 7_000));
        fixture
            .store
            .put(&key("state", number), write, When::Absent)
            .await
            .unwrap();
        most = most.max(fixture.stored());
    }
    assert!((1_000..1_500).contains(&most), "{most} at one time");
    assert_eq!(fixture.stored(), fixture.quota_count("state"));
    assert!(fixture.store.groups.len() <= most);
}

/// Writes to other keys, in any namespace, remove the rest of a burst, a few entries at a time.
#[tokio::test]
async fn a_burst_is_purged_in_small_steps() {
    let fixture = Fixture::with_capacity(1_000_000);
    fixture.fill("state", 20_000).await;
    fixture.clock.advance(MINUTE);
    let mut before = fixture.stored();
    for number in 0..10_000 {
        fixture
            .put(&key("session", number), When::Absent)
            .await
            .unwrap();
        let stored = fixture.stored();
        assert!(
            before < stored + 8,
            "one write removed {} entries",
            before - stored
        );
        before = stored;
    }
    assert_eq!(fixture.quota_count("state"), 0);
    let capacity: usize = fixture
        .store
        .shards
        .iter()
        .map(|mut shard| shard.slot_capacity("state"))
        .sum();
    assert!(capacity < 20_000, "{capacity} slots stay allocated");
}

/// The contract expires one entry at a time, and the next write removes it. Here most expired
/// entries are still stored when they are read.
#[tokio::test]
async fn what_expired_in_a_burst_is_absent_before_it_is_removed() {
    let fixture = Fixture::with_capacity(1_000_000);
    let group = key("group", 1);
    let version = Version::from_stored(7);
    for key in keys("session", 5_000) {
        let mut write = fixture.write(MINUTE).in_group(group.clone());
        write.version = version;
        write.value = "1".into();
        fixture.store.put(&key, write, When::Absent).await.unwrap();
    }
    fixture.clock.advance(MINUTE);
    let store = &fixture.store;
    assert!(store.list(&group).await.unwrap().is_empty());
    let expires_at = fixture.clock.now().after(MINUTE);
    for (number, key) in keys("session", 5_000).enumerate() {
        assert!(store.get(&key).await.unwrap().is_none());
        match number % 4 {
            0 => assert!(store.take(&key).await.unwrap().is_none()),
            1 => assert!(!fixture.put(&key, When::Unchanged(version)).await.unwrap()),
            2 => assert!(fixture.put(&key, When::Absent).await.unwrap()),
            _ => assert_eq!(store.add(&key, 1, expires_at).await.unwrap(), 1),
        }
    }
    assert_eq!(store.remove_group(&group).await.unwrap(), 0);
    assert_eq!(fixture.stored(), 2_500);
    assert_eq!(store.groups.len(), 0);
}

#[tokio::test]
async fn a_group_that_is_filled_and_emptied_for_ever_leaves_nothing() {
    let fixture = Fixture::with_capacity(1_000);
    for number in 0..10_000 {
        let (key, group) = (key("session", number), key("group", number % 100));
        let write = fixture.write(MINUTE).in_group(group.clone());
        assert!(fixture.store.put(&key, write, When::Absent).await.unwrap());
        match number % 2 {
            0 => assert!(fixture.store.take(&key).await.unwrap().is_some()),
            _ => assert_eq!(fixture.store.remove_group(&group).await.unwrap(), 1),
        }
    }
    assert_eq!((fixture.stored(), fixture.store.groups.len()), (0, 0));
}

/// A changed expiry must not leave the old one in the order, and an unchanged one must stay in it.
#[tokio::test]
async fn an_entry_that_is_touched_repeatedly_is_stored_once() {
    let fixture = Fixture::with_capacity(10);
    let key = key("session", 1);
    for _ in 0..1_000 {
        fixture.clock.advance(Duration::from_secs(1));
        fixture.put(&key, When::Always).await.unwrap();
        fixture.put(&key, When::Always).await.unwrap();
        assert_eq!(fixture.store.shards.of(key.digest).len(), 1);
    }
    fixture.clock.advance(MINUTE);
    assert!(fixture.put(&key, When::Absent).await.unwrap());
    assert_eq!(fixture.quota_count("session"), 1);
}

/// In a namespace full of live entries a refused put checks only the first entry of each shard,
/// however many there are.
#[tokio::test]
async fn a_refused_put_costs_the_same_in_a_large_namespace() {
    let mut costs = Vec::new();
    for capacity in [1_000, 64_000] {
        let fixture = Fixture::with_capacity(capacity);
        fixture.fill("session", capacity).await;
        let mut best = Duration::MAX;
        for number in capacity..capacity + 200 {
            let key = key("session", number);
            let started = std::time::Instant::now();
            assert!(fixture.put(&key, When::Absent).await.is_err());
            best = best.min(started.elapsed());
        }
        costs.push(best);
    }
    assert!(costs[1] < costs[0] * 16, "{costs:?}");
}

#[tokio::test]
async fn a_write_with_another_group_moves_the_entry() {
    let fixture = Fixture::with_capacity(10);
    let (member, old, new) = (key("session", 1), key("group", 1), key("group", 2));
    for group in [Some(&old), Some(&new), None, Some(&old)] {
        let mut write = fixture.write(MINUTE);
        write.group = group.cloned();
        assert!(
            fixture
                .store
                .put(&member, write, When::Always)
                .await
                .unwrap()
        );
        for candidate in [&old, &new] {
            let listed = fixture.store.list(candidate).await.unwrap().len();
            assert_eq!(listed, usize::from(group == Some(candidate)), "{group:?}");
        }
        assert_eq!(fixture.store.groups.len(), usize::from(group.is_some()));
    }
}

#[tokio::test]
async fn an_addition_keeps_the_group() {
    let fixture = Fixture::with_capacity(10);
    let (member, group) = (key("counter", 1), key("group", 1));
    let write = Write::new("1", fixture.clock.now().after(MINUTE)).in_group(group.clone());
    fixture
        .store
        .put(&member, write, When::Absent)
        .await
        .unwrap();
    assert_eq!(
        fixture
            .store
            .add(&member, 1, Timestamp::NEVER)
            .await
            .unwrap(),
        2
    );
    assert_eq!(fixture.store.list(&group).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_that_race_for_the_last_reservations_never_exceed_the_capacity() {
    for namespace in ["session", "throttle"] {
        let fixture = Arc::new(Fixture::with_capacity(100));
        let mut running = tokio::task::JoinSet::new();
        for task in 0..8 {
            let fixture = fixture.clone();
            running.spawn(async move {
                let mut accepted = 0;
                for number in 0..2_000 {
                    let key = key(namespace, task * 10_000 + number);
                    accepted += usize::from(fixture.put(&key, When::Absent).await.is_ok());
                    assert!(fixture.quota_count(namespace) <= 100);
                }
                accepted
            });
        }
        let accepted: usize = running.join_all().await.into_iter().sum();
        let expected = if namespace == "throttle" { 16_000 } else { 100 };
        assert_eq!(accepted, expected, "{namespace}");
        assert_eq!(
            (fixture.quota_count(namespace), fixture.stored()),
            (100, 100),
            "{namespace}"
        );
    }
}

/// `remove_group` reads the members first and the entries afterwards; in between a key may have
/// been taken and written to another group.
#[test]
fn a_key_that_changes_groups_is_removed_with_its_own_only() {
    let fixture = Fixture::with_capacity(10);
    let (member, old, new) = (key("session", 1), key("group", 1), key("group", 2));
    let done = std::sync::atomic::AtomicBool::new(false);
    let put = |group: &StoreKey| {
        let write = fixture.write(MINUTE).in_group(group.clone());
        drop(fixture.store.put(&member, write, When::Always));
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                drop(fixture.store.remove_group(&old));
            }
        });
        for iteration in 0..100_000 {
            put(&old);
            put(&new);
            if fixture.store.read(&member).is_none() {
                done.store(true, std::sync::atomic::Ordering::Relaxed);
                panic!("removed with a group it had left, in iteration {iteration}");
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[tokio::test]
async fn a_panic_under_a_lock_does_not_take_the_store_down() {
    let fixture = Arc::new(Fixture::with_capacity(10));
    let key = key("session", 1);
    fixture.put(&key, When::Absent).await.unwrap();
    for index in 0..SHARDS {
        let fixture = fixture.clone();
        let panicked = std::thread::spawn(move || {
            let _guard = fixture.store.shards.at(index);
            panic!("poisons the lock");
        });
        assert!(panicked.join().is_err());
    }
    assert!(fixture.is_live(&key).await);
    assert!(fixture.put(&key, When::Always).await.unwrap());
}

/// An attacker who chooses names by the first bits of their digests must not be able to choose the
/// shard or the bucket.
#[test]
fn digests_with_a_common_prefix_are_spread() {
    let spread = Sharded::new(SHARDS, |_| ());
    let mut shards = std::collections::HashSet::new();
    let mut buckets = std::collections::HashSet::new();
    for key in keys("session", 4_096) {
        let mut digest = key.digest;
        digest[..3].fill(0xff);
        let hash = spread.hash(digest);
        shards.insert((hash >> 32) as usize % SHARDS);
        buckets.insert(hash % 4_096);
    }
    assert_eq!(shards.len(), SHARDS);
    assert!(buckets.len() > 2_300, "{} of 4096 buckets", buckets.len());
}

#[tokio::test]
async fn debug_shows_counts_only() {
    let fixture = Fixture::with_capacity(10);
    let write = Write::new("swordfish", Timestamp::NEVER);
    fixture
        .store
        .put(&key("session", 1), write, When::Absent)
        .await
        .unwrap();
    let shown = format!("{:?}", fixture.store);
    assert_eq!(
        shown,
        r#"MemoryStore { capacity: 10, entries: {"session": 1}, .. }"#
    );
}
