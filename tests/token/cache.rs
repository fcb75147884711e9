//! A cached token is not verified again, and its claims are validated all the same.

use std::{sync::Arc, time::Duration};

use tower_jam::{
    Algorithm, Claims, Clock, Grant, Jwt, Key, KeyRing, Timestamp, testing::ManualClock,
};

struct World {
    clock: Arc<ManualClock>,
    ring: KeyRing,
    jwt: Jwt,
    token: String,
}

impl World {
    /// A cache with a token that was verified once.
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let ring = KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap());
        let jwt = Jwt::builder(ring.clone())
            .issuer("https://issuer")
            .audience("api")
            .clock(clock.clone())
            .build()
            .unwrap();
        let token = jwt
            .issue(Grant::new("alice", Claims::new()))
            .await
            .unwrap()
            .expose()
            .clone();
        let world = Self {
            clock,
            ring,
            jwt,
            token,
        };
        assert_eq!(world.verdict().await, "good");
        world
    }

    async fn verdict(&self) -> String {
        match self.jwt.verify(&self.token).await {
            Ok(verified) => {
                let identity = verified.identity().unwrap();
                assert_eq!(identity.subject().id(), "alice");
                assert_eq!(
                    identity.checked_at(),
                    self.clock.now(),
                    "the time of this check"
                );
                "good".to_owned()
            }
            Err(rejection) => rejection.reason().to_owned(),
        }
    }
}

#[tokio::test]
async fn a_cached_token_expires() {
    let world = World::new().await;
    world.clock.advance(Duration::from_secs(15 * 60 + 29));
    assert_eq!(world.verdict().await, "good");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.verdict().await, "the token has expired");
}

#[tokio::test]
async fn a_cached_token_is_of_the_future_when_the_clock_is_set_back() {
    let world = World::new().await;
    let earlier = Timestamp::from_secs(world.clock.now().as_secs() - 31);
    world.clock.set(earlier);
    assert_eq!(world.verdict().await, "the token was issued in the future");
}

#[tokio::test]
async fn a_cached_token_is_rejected_with_its_key_at_once_and_survives_a_rotation() {
    let world = World::new().await;
    let old = world.ring.active().kid().to_owned();
    world
        .ring
        .rotate(Key::generate(Algorithm::Es256).unwrap())
        .unwrap();
    assert_eq!(world.verdict().await, "good");
    assert_eq!(world.verdict().await, "good");
    assert!(world.ring.retire(&old));
    assert_eq!(world.verdict().await, "no key of the ring has this kid");
}

/// The cache of one engine does not affect another with other rules.
#[tokio::test]
async fn a_cached_token_is_accepted_only_by_the_engine_that_verified_it() {
    let world = World::new().await;
    let elsewhere = Jwt::<Claims>::builder(world.ring.clone())
        .issuer("https://issuer")
        .audience("other");
    let elsewhere = elsewhere.clock(world.clock.clone()).build().unwrap();
    let rejection = elsewhere.verify(&world.token).await.unwrap_err();
    assert_eq!(rejection.reason(), "the token is for another audience");
}

/// A changed token never matches the cached one.
#[tokio::test]
async fn a_similar_token_is_not_the_cached_one() {
    let world = World::new().await;
    for at in 0..world.token.len() {
        let mut changed = world.token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(world.jwt.verify(&changed).await.is_err(), "{at}");
    }
    for changed in [
        &world.token[1..],
        &format!("{}=", world.token),
        &format!(" {}", world.token),
    ] {
        assert!(world.jwt.verify(changed).await.is_err());
    }
}

#[tokio::test]
async fn the_same_user_is_shared_and_not_read_again() {
    let world = World::new().await;
    let first = world.jwt.verify(&world.token).await.unwrap();
    let second = world.jwt.clone().verify(&world.token).await.unwrap();
    assert!(Arc::ptr_eq(first.user().unwrap(), second.user().unwrap()));
}
