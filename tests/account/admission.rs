//! A flood of logins delays only itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Barrier, task::JoinSet};
use tower_jam::{
    Claims, Clock, Secret, SystemClock,
    account::{Credentials, LoginError, Origin},
    event::EventKind,
    store::MemoryStore,
    testing::ManualClock,
};

use crate::world::{PASSWORD, WRONG, World, origin, world, world_at};

const IN_FLIGHT: usize = 90;
const OTHERS: usize = 40;

/// Enough for a hash to take some milliseconds, so that the queue fills up.
const MEMORY_KIB: u32 = 4_096;

async fn crowded() -> Arc<World> {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    let world = world_at(store, clock, MEMORY_KIB).await;
    let hash = world.passwords.check_new(PASSWORD).await.unwrap();
    let hash = world.passwords.hash(&hash).await.unwrap();
    for number in 0..OTHERS {
        let roles: [&str; 0] = [];
        let name = format!("user {number}");
        let added = world.users.add(&name, hash.expose(), roles, Claims::new());
        added.await.unwrap().unwrap();
    }
    Arc::new(world)
}

fn credentials(name: &str) -> Credentials {
    Credentials {
        name: name.to_owned(),
        password: Secret::new(PASSWORD.to_owned()),
    }
}

fn status(answer: Result<impl Sized, LoginError>) -> u16 {
    match answer {
        Ok(_) => 200,
        Err(LoginError::Rejected(rejection)) => rejection.status().as_u16(),
        Err(error) => panic!("{error:?}"),
    }
}

/// Counts how many of the other users can log in at the same time, each from the address that
/// `address_of` returns.
async fn others(world: &Arc<World>, address_of: fn(u8) -> [u8; 4]) -> usize {
    let start = Arc::new(Barrier::new(OTHERS));
    let mut running = JoinSet::new();
    for number in 0..u8::try_from(OTHERS).unwrap() {
        let (world, start) = (world.clone(), start.clone());
        running.spawn(async move {
            let origin = Origin::new(address_of(number).into());
            start.wait().await;
            let credentials = credentials(&format!("user {number}"));
            status(world.accounts.prove(&credentials, &origin).await)
        });
    }
    let statuses = running.join_all().await;
    statuses.iter().filter(|status| **status == 200).count()
}

/// One registered user keeps ninety logins with the correct password in flight, each from a known
/// device of its own, so that none shares the budget of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_correct_passwords_delays_only_itself() {
    let elsewhere = |number| [198, 51, 100, number];
    let same_office = |_| [192, 0, 2, 1];
    let world = crowded().await;
    assert_eq!(others(&world, elsewhere).await, OTHERS, "without a flood");

    let proved = world.accounts.prove(&credentials("alice"), &origin()).await;
    let proved = proved.unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let refused = Arc::new(AtomicUsize::new(0));
    let mut flood = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (world, is_over) = (world.clone(), is_over.clone());
        let refused = refused.clone();
        let mut origin = origin();
        origin.device = Some(world.accounts.device_token(&proved));
        flood.spawn(async move {
            while !is_over.load(Ordering::SeqCst) {
                match status(world.accounts.prove(&credentials("alice"), &origin).await) {
                    200 => {}
                    429 => {
                        refused.fetch_add(1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                    }
                    other => panic!("{other}"),
                }
            }
        });
    }
    // The flood is complete once the queue is full.
    while refused.load(Ordering::SeqCst) < IN_FLIGHT {
        tokio::task::yield_now().await;
    }
    let succeeded = [
        others(&world, elsewhere).await,
        others(&world, same_office).await,
    ];
    is_over.store(true, Ordering::SeqCst);
    flood.join_all().await;
    assert!(succeeded.iter().all(|it| *it >= 38), "{succeeded:?}");
    assert!(world.count(EventKind::Throttled) > 0);
}

/// A login that is rejected because the queue is full takes nothing from a budget and costs no
/// store call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_uses_up_no_budget() {
    let world = crowded().await;
    let mut running = JoinSet::new();
    let start = Arc::new(Barrier::new(200));
    for _ in 0..200 {
        let (world, start) = (world.clone(), start.clone());
        running.spawn(async move {
            start.wait().await;
            let credentials = world.credentials(WRONG);
            world
                .accounts
                .prove(&credentials, &origin())
                .await
                .err()
                .unwrap()
        });
    }
    let answers = running.join_all().await;
    let wrong = |answer: &&LoginError| matches!(answer, LoginError::WrongCredentials);
    let verified = answers.iter().filter(wrong).count();
    assert!((1..=10).contains(&verified), "{verified}");
    // The rest of the budget of ten is available to sequential attempts.
    let mut left = 0;
    while let Err(LoginError::WrongCredentials) = world
        .accounts
        .prove(&world.credentials(WRONG), &origin())
        .await
    {
        left += 1;
    }
    assert_eq!(verified + left, 10);
}

/// A thousand logins in a quarter of an hour are more than any user needs, and correct passwords
/// cost work too.
#[tokio::test]
async fn correct_passwords_use_up_a_budget_of_work() {
    let world = world().await;
    for _ in 0..1_000 {
        let proved = world.accounts.prove(&credentials("alice"), &origin()).await;
        assert_eq!(status(proved), 200);
    }
    let origin = Origin::new([203, 0, 113, 1].into());
    let refused = world.accounts.prove(&credentials("alice"), &origin).await;
    assert_eq!(status(refused), 429, "from any address");
    world.clock.advance(Duration::from_secs(15 * 60));
    let proved = world.accounts.prove(&credentials("alice"), &origin).await;
    assert_eq!(status(proved), 200);
}
