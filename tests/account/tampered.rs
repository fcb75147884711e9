//! An attacker with write access to the store: what it can delete and restore, and what it can
//! never forge.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tower_jam::{
    Clock, Env, StoreError, SystemClock,
    event::EventKind,
    store::{Entry, MemoryStore, Store, StoreFuture, StoreKey, When, Write},
    testing::ManualClock,
};

use super::{
    second::{enroll, first_step},
    world::*,
};
use crate::support::ProbeStore;

/// A store that records all keys, so that the test can change their entries.
#[derive(Debug)]
struct Owned {
    inner: MemoryStore,
    keys: Mutex<Vec<StoreKey>>,
}

impl Owned {
    /// Overwrites the value under `key`, as an attacker with access to the store would.
    async fn overwrite(&self, key: &StoreKey, value: Vec<u8>) {
        let entry = self.inner.get(key).await.unwrap().unwrap();
        let write = Write::new(value, entry.expires_at);
        assert!(self.inner.put(key, write, When::Always).await.unwrap());
    }

    /// The keys of this namespace, in the order of their first use.
    fn of(&self, namespace: &str) -> Vec<StoreKey> {
        let keys = self.keys.lock().unwrap();
        let of_it = keys.iter().filter(|key| key.namespace() == namespace);
        of_it.cloned().collect()
    }

    async fn value(&self, key: &StoreKey) -> Vec<u8> {
        self.inner.get(key).await.unwrap().unwrap().value.to_vec()
    }
}

impl Store for Owned {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        self.inner.get(key)
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        let mut keys = self.keys.lock().unwrap();
        if !keys.contains(key) {
            keys.push(key.clone());
        }
        drop(keys);
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
        expires_at: tower_jam::Timestamp,
    ) -> StoreFuture<'a, i64> {
        self.inner.add(key, delta, expires_at)
    }

    fn remove_group<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, u64> {
        self.inner.remove_group(group)
    }
}

async fn owned() -> (Arc<Owned>, World) {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let inner = MemoryStore::new().with_clock(clock.clone());
    let store = Arc::new(Owned {
        inner,
        keys: Mutex::default(),
    });
    let world = world_on(store.clone(), clock).await;
    (store, world)
}

/// Every value with one bit flipped or the end cut off: none of them is a valid record.
fn damages(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let flips = (0..value.len()).map(|at| {
        let mut changed = value.to_vec();
        changed[at] ^= 0x20;
        changed
    });
    let cuts = [0, 1, value.len() / 2, value.len() - 1].map(|length| value[..length].to_vec());
    flips.chain(cuts)
}

#[tokio::test]
async fn a_device_record_that_was_changed_or_moved_refreshes_no_token() {
    let (store, world) = owned().await;
    let bob = world
        .users
        .add("bob", "", ["admin"], tower_jam::Claims::new())
        .await
        .unwrap()
        .unwrap();
    let pair = world.login().await;
    let [alice_key] = &store.of("account")[..] else {
        panic!("expected one record");
    };
    let genuine = store.value(alice_key).await;

    // If a record were readable in its former form, its subject could be replaced by another
    // user's.
    let replaced = String::from_utf8_lossy(&genuine).contains(&world.alice);
    assert!(!replaced, "the record contains no plain subject to replace");
    // The id of its key, after the format and the id of the one device: another key may exist on
    // another node.
    let of_another_key = 18..22;
    for (at, damaged) in damages(&genuine).enumerate() {
        store.overwrite(alice_key, damaged).await;
        let refused = post(&world.app(), "/refresh", &[], pair.body()).await;
        let status = if of_another_key.contains(&at) {
            503
        } else {
            401
        };
        assert_eq!(refused.status, status, "byte {at}: {}", refused.text);
        let me = send(
            &world.app(),
            "GET",
            "/me",
            &pair.authorization(),
            String::new(),
        )
        .await;
        assert_eq!(me.status, 401, "{}", me.text);
    }
    assert!(world.count(EventKind::RecordUnreadable) >= genuine.len());

    // Bob's record in the place of Alice's, and the reverse.
    let grant = tower_jam::Grant::new(bob.as_str(), tower_jam::Claims::new());
    let his = world.accounts.pairs().issue(grant).await.unwrap();
    let bob_key = store.of("account").pop().unwrap();
    assert_ne!(bob_key, *alice_key);
    let moved = store.value(&bob_key).await;
    store.overwrite(alice_key, moved).await;
    store.overwrite(&bob_key, genuine.clone()).await;
    for token in [pair.refresh.as_str(), his.refresh_token.expose()] {
        let body = json!({ "refresh_token": token });
        let refused = post(&world.app(), "/refresh", &[], body).await;
        assert_eq!(refused.status, 401);
    }
    // A restored record is what it was.
    store.overwrite(alice_key, genuine).await;
    let kept = post(&world.app(), "/refresh", &[], pair.body()).await;
    assert_eq!(kept.status, 200, "{}", kept.text);
}

#[tokio::test]
async fn a_device_record_that_cannot_be_opened_locks_no_user_out() {
    let (store, world) = owned().await;
    let pair = world.login().await;
    let key = store.of("account").remove(0);
    store
        .overwrite(&key, b"\x01 as an older version wrote".to_vec())
        .await;
    let gone = post(&world.app(), "/logout", &[], pair.body()).await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    let sessions = world.accounts.pairs().list(&world.alice).await;
    assert!(sessions.unwrap().is_empty());
    let again = world.login().await;
    let refreshed = post(&world.app(), "/refresh", &[], again.body()).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text);

    store.overwrite(&key, Vec::new()).await;
    world.accounts.revoke_all(&world.alice).await.unwrap();
    world.login().await;
}

#[tokio::test]
async fn a_pending_login_that_was_forged_or_changed_in_the_store_is_rejected() {
    let (store, world) = owned().await;
    let pair = world.login().await;
    let phone = enroll(&world, &pair, &[]).await;
    let challenge = first_step(&world, "/login").await;
    let key = store.of("login-challenge").pop().unwrap();
    let genuine = store.value(&key).await;
    let code = phone.code(&world);
    let second = async |challenge: &str| {
        let body = json!({ "challenge": challenge, "code": code });
        post(&world.app(), "/login/otp", &[], body).await
    };
    for damaged in damages(&genuine) {
        store.overwrite(&key, damaged).await;
        let refused = second(&challenge).await;
        assert_eq!(refused.status, 401, "{}", refused.text);
        assert_eq!(refused.json()["error"], "challenge_over");
    }
    // A pending login under another id: the key of the entry is part of what is sealed.
    let other = first_step(&world, "/login").await;
    let challenge_key = store.of("login-challenge").pop().unwrap();
    store.overwrite(&challenge_key, genuine.clone()).await;
    assert_eq!(second(&other).await.json()["error"], "challenge_over");
    store.overwrite(&key, genuine).await;
    assert_eq!(second(&challenge).await.status, 200);
}

#[tokio::test]
async fn a_user_record_that_was_changed_or_moved_accepts_no_login() {
    let (store, world) = owned().await;
    let bob = world
        .users
        .add("bob", "", ["admin"], tower_jam::Claims::new());
    bob.await.unwrap().unwrap();
    for namespace in ["user", "user-name"] {
        let [alice, bob] = &store.of(namespace)[..] else {
            panic!("expected two entries of {namespace}");
        };
        let genuine = store.value(alice).await;
        let shown = String::from_utf8_lossy(&genuine).into_owned();
        assert!(
            !shown.contains("editor") && !shown.contains("argon2"),
            "{namespace}"
        );
        let moved = store.value(bob).await;
        for changed in damages(&genuine).step_by(7).chain([moved]) {
            if changed.is_empty() {
                continue;
            }
            store.overwrite(alice, changed).await;
            let refused = post(&world.app(), "/login", &[], login("alice", PASSWORD)).await;
            assert_eq!(refused.status, 503, "{namespace}: {}", refused.text);
        }
        store.overwrite(alice, genuine).await;
        world.login().await;
    }
}

/// A user under a retired secret is reported as such, and one under an accepted secret is sealed
/// again at the login.
#[tokio::test]
async fn users_move_to_the_active_secret_as_they_log_in() {
    use tower_jam::{
        Claims, MasterSecret,
        account::{StoreUsers, Users},
    };

    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (old, new) = (MasterSecret::generate(), MasterSecret::generate());
    let users =
        |secret: &MasterSecret| StoreUsers::<Claims>::new(&Env::new(ISSUER, store.clone(), secret));
    let before = users(&old);
    let alice = before.add("alice", "hash", ["editor"], Claims::new());
    let alice = alice.await.unwrap().unwrap();
    let found = users(&new).find("alice").await;
    assert!(matches!(found, Err(StoreError::Corrupt(_))), "{found:?}");

    let both = users(&new.clone().accept(&old));
    assert!(both.read(&alice).await.unwrap().is_some());
    let found = users(&new).read(&alice).await;
    assert!(found.is_err(), "a read alone writes nothing");
    assert!(both.find("alice").await.unwrap().is_some());
    let found = users(&new).find("alice").await.unwrap().unwrap();
    assert_eq!(found.grant.subject(), alice);
    assert!(users(&old).find("alice").await.is_err());
}

/// Regression: if the write of the name failed, it was never repeated, since the record was current
/// by then.
#[tokio::test]
async fn a_name_that_was_not_resealed_is_resealed_at_the_next_login() {
    use tower_jam::{
        Claims, MasterSecret,
        account::{StoreUsers, Users},
    };

    for call in 3..=6 {
        let store = Arc::new(ProbeStore::new(MemoryStore::new()));
        let (old, new) = (MasterSecret::generate(), MasterSecret::generate());
        let users = |secret: &MasterSecret| {
            StoreUsers::<Claims>::new(&Env::new(ISSUER, store.clone(), secret))
        };
        let before = users(&old);
        let added = before.add("alice", "hash", ["editor"], Claims::new());
        added.await.unwrap().unwrap();
        let both = users(&new.clone().accept(&old));
        store.fail_at(call, false);
        assert!(both.find("alice").await.unwrap().is_some(), "{call}");
        assert!(both.find("alice").await.unwrap().is_some(), "{call}");
        let found = users(&new).find("alice").await;
        assert!(found.is_ok_and(|found| found.is_some()), "{call}");
    }
}

/// Mallory has a session and can write to the store. The holder of a session knows its secret, so a
/// record must not be sealed with that alone.
#[tokio::test]
async fn the_holder_of_a_session_cannot_forge_a_record_of_another_user() {
    use aws_lc_rs::{
        aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
        hkdf,
    };
    use base64_simd::URL_SAFE_NO_PAD;

    let (store, world) = owned().await;
    let answer = post(
        &world.app(),
        "/session/login",
        &[],
        login("alice", PASSWORD),
    )
    .await;
    let cookie = answer.cookie("__Host-sid").unwrap();
    let text = cookie.split(['=', ';']).nth(1).unwrap();
    assert!(world.sessions.get(text).await.unwrap().is_some());
    let key = store.of("session").pop().unwrap();
    let mut value = store.value(&key).await;
    // The format: format byte, hash, length, head, and the sealed rest, without the mark.
    value[0] &= 0x7f;
    let length = u32::from_be_bytes(value[33..37].try_into().unwrap()) as usize;
    let head = String::from_utf8(value[37..37 + length].to_vec()).unwrap();
    let forged = head
        .replace(&world.alice, "victim")
        .replace("editor", "admin");
    assert_ne!(head, forged);
    let mut record = value[..33].to_vec();
    record.extend_from_slice(&u32::try_from(forged.len()).unwrap().to_be_bytes());
    record.extend_from_slice(forged.as_bytes());
    let secret = &URL_SAFE_NO_PAD.decode_to_vec(text).unwrap()[16..48];
    let mut sealing = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(secret)
        .expand(&[b"tower-jam session record"], hkdf::HKDF_SHA256)
        .and_then(|material| material.fill(&mut sealing))
        .unwrap();
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &sealing).unwrap());
    let aad = Aad::from([key.digest().as_slice(), &record].concat());
    let mut body = br#"{"user":{"name":"Victim"},"values":{}}"#.to_vec();
    let nonce = Nonce::assume_unique_for_key([7; NONCE_LEN]);
    cipher
        .seal_in_place_append_tag(nonce, aad, &mut body)
        .unwrap();
    record.extend_from_slice(&[7; NONCE_LEN]);
    record.extend_from_slice(&body);
    store.overwrite(&key, record).await;
    assert!(world.sessions.get(text).await.unwrap().is_none());
}

#[tokio::test]
async fn a_record_of_remembered_devices_that_was_changed_or_moved_remembers_none() {
    let (store, world) = owned().await;
    let pair = world.login().await;
    let phone = enroll(&world, &pair, &[]).await;
    let challenge = first_step(&world, "/login").await;
    let body = json!({ "challenge": challenge, "code": phone.code(&world), "remember": true });
    let answer = post(&world.app(), "/login/otp", &[], body).await;
    let cookie = answer.cookie("__Host-remembered").unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let login_again = async || {
        let headers = [("cookie", cookie)];
        post(&world.app(), "/login", &headers, login("alice", PASSWORD))
            .await
            .status
    };
    assert_eq!(login_again().await, 200);
    let key = store.of("remembered-devices").pop().unwrap();
    let genuine = store.value(&key).await;
    for damaged in damages(&genuine).step_by(5) {
        store.overwrite(&key, damaged).await;
        assert_eq!(login_again().await, 401);
    }
    let another = store.value(&store.of("account").pop().unwrap()).await;
    store.overwrite(&key, another).await;
    assert_eq!(login_again().await, 401);
    store.overwrite(&key, genuine).await;
    assert_eq!(login_again().await, 200);
}

/// Data that the application stores with a user grants nothing, in a token as in a session.
#[tokio::test]
async fn a_profile_with_members_like_roles_grants_none() {
    use tower_jam::{Claims, Grant};

    let (_, world) = owned().await;
    let mut profile = Claims::new();
    for (name, value) in [
        ("roles", json!(["admin"])),
        ("scope", json!("everything")),
        ("amr", json!(["otp"])),
        ("acr", json!("otp")),
        ("auth_time", json!(4_000_000_000_u64)),
        ("proofs", json!({ "otp": 4_000_000_000_u64 })),
        ("sid", json!("another")),
        ("act", json!({ "sub": "somebody" })),
        ("cnf", json!({ "jkt": "a key" })),
    ] {
        profile = profile.with(name, value).unwrap();
    }
    let bob = world.users.add("bob", "", ["reader"], profile);
    let bob = bob.await.unwrap().unwrap();
    let found = tower_jam::account::Users::read(&*world.users, &bob).await;
    let grant: Grant<Claims> = found.unwrap().unwrap().grant;
    let pair = world.accounts.pairs().issue(grant).await.unwrap();
    let verified = world
        .accounts
        .pairs()
        .verify(pair.access_token.expose())
        .await;
    let verified = verified.unwrap();
    let identity = verified.identity().unwrap();
    assert_eq!(identity.roles(), ["reader"]);
    assert!(identity.scopes().is_empty() && identity.factors().is_empty());
    assert_eq!(identity.session_id(), Some(&*pair.session_id));
}
