//! Any key, version and value is read back as it was written.

use std::{slice::from_ref, sync::Arc};

use bytes::Bytes;

use super::probe::{Probe, sorted};
use crate::{
    clock::Timestamp,
    store::{Store, StoreKey, Version, When},
    testing::ManualClock,
};

/// Runs the checks of this module.
pub async fn run(store: &Arc<dyn Store>, clock: &ManualClock) {
    every_byte_is_kept(store, clock).await;
    an_empty_value_is_a_value(store, clock).await;
    a_value_of_a_megabyte_is_kept(store, clock).await;
    a_value_is_bytes_whatever_it_looks_like(store, clock).await;
    every_version_is_kept(store, clock).await;
    every_expiry_is_kept(store, clock).await;
    every_digest_is_a_key(store, clock).await;
    digests_that_differ_in_one_bit_are_two_keys(store, clock).await;
    the_namespace_is_part_of_the_key(store, clock).await;
}

/// All 256 byte values are preserved, in either order.
pub async fn every_byte_is_kept(store: &Arc<dyn Store>, clock: &ManualClock) {
    let up: Vec<u8> = (0..=255).collect();
    let down: Vec<u8> = (0..=255).rev().collect();
    for value in [up, down] {
        is_kept(&Probe::new(store, clock), value).await;
    }
}

/// An empty value is an entry, not an absence.
pub async fn an_empty_value_is_a_value(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    is_kept(&probe, "").await;
    let key = probe.key("key");
    let version = probe.set(&key, probe.write("")).await;
    assert!(
        !probe.put(&key, probe.write("new"), When::Absent).await,
        "something is there"
    );
    assert!(
        probe
            .put(&key, probe.write(""), When::Unchanged(version))
            .await
    );
    assert!(probe.take(&key).await.is_some());
}

/// A value of 1 MiB is preserved, and so is the list of its group.
pub async fn a_value_of_a_megabyte_is_kept(store: &Arc<dyn Store>, clock: &ManualClock) {
    let value: Vec<u8> = (0..=u8::MAX).cycle().step_by(7).take(1 << 20).collect();
    is_kept(&Probe::new(store, clock), value).await;
}

/// Values that look like numbers, JSON, invalid text or a backend's own markers are stored as plain
/// bytes.
pub async fn a_value_is_bytes_whatever_it_looks_like(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let values: [&[u8]; 9] = [
        b"0",
        b"007",
        b"1e3",
        b"null",
        b"{}",
        b"\0",
        b"\r\n",
        b"\\x00",
        b"\xff\xfe\xc0\x80",
    ];
    for value in values {
        is_kept(&probe, value).await;
    }
}

/// All 64 bits of a version are preserved. Doubles lose the low ones, signed columns the highest.
pub async fn every_version_is_kept(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    for number in [
        0,
        1,
        (1 << 53) + 1,
        (1 << 63) - 1,
        1 << 63,
        u64::MAX - 1,
        u64::MAX,
    ] {
        let mut write = probe.write("value");
        write.version = Version::from_stored(number);
        probe.set(&key, write).await;
        assert_eq!(probe.read(&key).await.version.as_u64(), number);

        let neighbour = When::Unchanged(Version::from_stored(number ^ 1));
        assert!(
            !probe.put(&key, probe.write("late"), neighbour).await,
            "{number} and {neighbour:?}"
        );
        let same = When::Unchanged(Version::from_stored(number));
        assert!(probe.put(&key, probe.write("next"), same).await, "{number}");
    }
}

/// An expiry is preserved to the millisecond, and `NEVER` as itself.
pub async fn every_expiry_is_kept(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let year_9999 = Timestamp::from_millis(253_402_300_799_999);
    let odd = Timestamp::from_millis(probe.in_an_hour.as_millis() + 1);
    for (number, expires_at) in [probe.in_an_hour, odd, year_9999, Timestamp::NEVER]
        .into_iter()
        .enumerate()
    {
        let key = probe.key(&number.to_string());
        let mut write = probe.write("value");
        write.expires_at = expires_at;
        probe.set(&key, write).await;
        assert_eq!(probe.read(&key).await.expires_at, expires_at);
        assert!(probe.take(&key).await.is_some());
    }
}

/// Digests are any 32 bytes, including those that terminate a string, a line or a pattern;
/// namespaces have 1 to 32 letters and dashes. Each key works as an entry, a group and a member.
pub async fn every_digest_is_a_key(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let longest = "contract-of-all-stores-long-name";
    for namespace in ["c", "contract-test", longest] {
        let keys = sorted(odd_keys(namespace));
        for key in &keys {
            // Entries left by an aborted run would look like a fault.
            probe.take(key).await;
        }
        let group = &keys[0];
        for key in &keys {
            let write = probe.write(key.digest().to_vec()).in_group(group.clone());
            assert!(probe.put(key, write, When::Absent).await, "{key:?}");
        }
        assert_eq!(probe.listed(group).await, keys);
        for key in &keys {
            assert_eq!(
                probe.read(key).await.value,
                key.digest().as_slice(),
                "{key:?}"
            );
        }
        for key in &keys {
            assert_eq!(
                probe.take(key).await.map(|entry| entry.value.len()),
                Some(32),
                "{key:?}"
            );
        }
        assert!(probe.listed(group).await.is_empty());
    }
}

/// Every bit of the digest counts, the last as well as the first.
pub async fn digests_that_differ_in_one_bit_are_two_keys(
    store: &Arc<dyn Store>,
    clock: &ManualClock,
) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    probe.set(&key, probe.write("here")).await;
    for bit in 0..256 {
        let mut digest = *key.digest();
        digest[bit / 8] ^= 1 << (bit % 8);
        let neighbour = StoreKey::from_stored(key.namespace(), digest);
        assert!(
            probe.get(&neighbour).await.is_none(),
            "bit {bit} is left out"
        );
    }
}

/// One digest in two namespaces is two entries and two groups.
pub async fn the_namespace_is_part_of_the_key(store: &Arc<dyn Store>, clock: &ManualClock) {
    let probe = Probe::new(store, clock);
    let key = probe.key("key");
    let others = ["contracts", "contrac", "c-ontract"]
        .map(|name| StoreKey::from_stored(name, *key.digest()));
    probe
        .set(&key, probe.write("session").in_group(key.clone()))
        .await;
    for other in &others {
        assert!(probe.get(other).await.is_none(), "{other:?}");
        assert!(probe.listed(other).await.is_empty(), "{other:?}");
        let write = probe
            .write(other.namespace().to_owned())
            .in_group(other.clone());
        assert!(probe.put(other, write, When::Absent).await, "{other:?}");
    }
    for other in others.iter().chain([&key]) {
        assert_eq!(probe.read(other).await.value, other.namespace().as_bytes());
        assert_eq!(probe.listed(other).await, from_ref(other));
        assert_eq!(probe.remove_group(other).await, 1);
    }
}

async fn is_kept(probe: &Probe, value: impl Into<Bytes>) {
    let value = value.into();
    let (key, group) = (probe.key("kept"), probe.key("kept group"));
    probe
        .set(&key, probe.write(value.clone()).in_group(group.clone()))
        .await;
    assert!(
        probe.read(&key).await.value == value,
        "`get` of {} bytes",
        value.len()
    );
    let listed = probe.list(&group).await;
    assert!(
        listed.len() == 1 && listed[0].1.value == value,
        "`list` of {} bytes",
        value.len()
    );
    let taken = probe.take(&key).await.map(|entry| entry.value);
    assert!(
        taken.as_ref() == Some(&value),
        "`take` of {} bytes",
        value.len()
    );
}

/// Digests with bytes that are special in a shell, a C string, Redis, SQL or a glob.
fn odd_keys(namespace: &str) -> Vec<StoreKey> {
    let fillings = [
        0x00, 0xff, b'\n', b'\r', b'%', b'_', b'{', b'}', b'*', b'\'', b'\\', b':', b' ', 0x80,
    ];
    let filled = fillings.map(|byte| [byte; 32]);
    let mut ends_in_nul = [b'a'; 32];
    ends_in_nul[31] = 0;
    let mut starts_with_nul = [b'a'; 32];
    starts_with_nul[0] = 0;
    let digests = filled.into_iter().chain([ends_in_nul, starts_with_nul]);
    digests
        .map(|digest| StoreKey::from_stored(namespace, digest))
        .collect()
}
