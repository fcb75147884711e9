//! What is stored in Redis, and what must not be.

use std::{sync::Arc, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tower_jam::{
    Clock as _, StoreError, Timestamp,
    store::{RedisStore, Store, StoreKey, Version, When, Write},
    testing::ManualClock,
};

use super::{
    support::redis::{Server, reply_to},
    world::{HOUR, group, in_an_hour, key, name, patient, write},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_bytes_are_corrupt_and_stay() {
    let server = Server::start();
    let store = patient(&server.url()).await;
    let put = write("value").in_group(group());
    store.put(&key(1), put.clone(), When::Always).await.unwrap();
    let name = name(&key(1)).into_bytes();
    let command = |words: &[&[u8]]| reply_to(server.port, words).unwrap();
    let whole = command(&[b"GET", &name]);
    let at = whole.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
    let whole = &whole[at..whole.len() - 2];
    assert!(whole.ends_with(b"value"), "{whole:?}");

    let mut planted: Vec<Vec<Vec<u8>>> = Vec::new();
    for length in 0..whole.len() - 5 {
        planted.push(vec![
            b"SET".to_vec(),
            name.clone(),
            whole[..length].to_vec(),
        ]);
    }
    let later = [&[2], &whole[1..]].concat();
    for garbage in [&b"text"[..], &[0xff; 100], &later, b"123"] {
        planted.push(vec![b"SET".to_vec(), name.clone(), garbage.to_vec()]);
    }
    planted.push(
        ["RPUSH", "", "x"]
            .map(|word| word.as_bytes().to_vec())
            .to_vec(),
    );
    planted.push(
        ["HSET", "", "x", "y"]
            .map(|word| word.as_bytes().to_vec())
            .to_vec(),
    );
    planted.push(
        ["SADD", "", "x"]
            .map(|word| word.as_bytes().to_vec())
            .to_vec(),
    );
    let is_corrupt = |error: StoreError| matches!(error, StoreError::Corrupt(_));
    for mut words in planted {
        words[1].clone_from(&name);
        let words: Vec<_> = words.iter().map(Vec::as_slice).collect();
        command(&[b"DEL", &name]);
        command(&words);
        let before = command(&[b"DUMP", &name]);
        let unchanged = When::Unchanged(Version::from_stored(1));
        assert!(
            is_corrupt(store.get(&key(1)).await.unwrap_err()),
            "{words:?}"
        );
        assert!(
            is_corrupt(store.take(&key(1)).await.unwrap_err()),
            "{words:?}"
        );
        for when in [When::Absent, unchanged] {
            let answer = store.put(&key(1), write("new"), when).await;
            assert!(is_corrupt(answer.unwrap_err()), "{words:?}");
        }
        assert!(
            is_corrupt(store.add(&key(1), 1, in_an_hour()).await.unwrap_err()),
            "{words:?}"
        );
        assert!(
            is_corrupt(store.list(&group()).await.unwrap_err()),
            "{words:?}"
        );
        assert!(
            is_corrupt(store.remove_group(&group()).await.unwrap_err()),
            "{words:?}"
        );
        assert_eq!(command(&[b"DUMP", &name]), before, "{words:?}");
        assert!(
            store.put(&key(1), put.clone(), When::Always).await.unwrap(),
            "{words:?}"
        );
        assert_eq!(store.get(&key(1)).await.unwrap().unwrap().value, "value");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_index_is_corrupt() {
    let server = Server::start();
    let store = patient(&server.url()).await;
    let command = |words: &[&[u8]]| reply_to(server.port, words).unwrap();
    let is_corrupt = |error: StoreError| matches!(error, StoreError::Corrupt(_));
    let put = write("value").in_group(group());
    store.put(&key(1), put, When::Always).await.unwrap();
    let index = [name(&group()).as_bytes(), b":group"].concat();
    assert_eq!(command(&[b"ZCARD", &index]), b":1\r\n");
    command(&[b"ZADD", &index, b"+inf", b"odd"]);
    assert!(is_corrupt(store.list(&group()).await.unwrap_err()));
    command(&[b"DEL", &index]);
    command(&[b"SET", &index, b"text"]);
    assert!(is_corrupt(store.list(&group()).await.unwrap_err()));
    let answer = store
        .put(&key(2), write("new").in_group(group()), When::Always)
        .await;
    assert!(is_corrupt(answer.unwrap_err()));
    assert!(store.get(&key(2)).await.unwrap().is_none());
}

/// A member whose entry does not exist yet, or is in another group by now, is not listed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_may_list_missing_members() {
    let server = Server::start();
    let store = patient(&server.url()).await;
    let other = StoreKey::new("account", &[b"bob"]);
    let first = write("first").in_group(group());
    store.put(&key(1), first, When::Absent).await.unwrap();
    server.command(&["DEL", &name(&key(1))]);
    assert!(store.list(&group()).await.unwrap().is_empty());
    let second = write("second").in_group(other.clone());
    store.put(&key(1), second, When::Absent).await.unwrap();
    assert!(store.list(&group()).await.unwrap().is_empty());
    assert_eq!(store.remove_group(&group()).await.unwrap(), 0);
    assert_eq!(store.list(&other).await.unwrap().len(), 1);
    // A rejected write leaves a member behind.
    let third = write("third").in_group(group());
    assert!(!store.put(&key(1), third, When::Absent).await.unwrap());
    assert!(store.list(&group()).await.unwrap().is_empty());
    assert_eq!(store.remove_group(&other).await.unwrap(), 1);
}

/// What is stored in Redis expires by itself: entries with their expiry, an index with its last
/// member.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_frees_expired_entries() {
    let server = Server::start();
    let store = patient(&server.url()).await;
    let ttl = |name: &[u8]| -> i64 {
        let reply = reply_to(server.port, &[b"PTTL", name]).unwrap();
        String::from_utf8(reply)
            .unwrap()
            .trim_start_matches(':')
            .trim()
            .parse()
            .unwrap()
    };
    let index = [name(&group()).as_bytes(), b":group"].concat();
    let hour = i64::try_from(HOUR.as_millis()).unwrap();
    let near = |left: i64, whole: i64| (whole - 5_000..=whole).contains(&left);

    store
        .put(&key(1), write("hour").in_group(group()), When::Absent)
        .await
        .unwrap();
    assert!(near(ttl(name(&key(1)).as_bytes()), hour));
    assert!(
        near(ttl(&index), 2 * hour),
        "an hour longer than its member"
    );
    let shorter = Write::new("minute", in_an_hour().before(HOUR / 2)).in_group(group());
    store.put(&key(2), shorter, When::Absent).await.unwrap();
    assert!(near(ttl(&index), 2 * hour), "as long as its longest member");
    store.add(&key(3), 1, in_an_hour()).await.unwrap();
    store
        .add(&key(3), 1, in_an_hour().after(HOUR))
        .await
        .unwrap();
    assert!(
        near(ttl(name(&key(3)).as_bytes()), hour),
        "the first expiry stays"
    );
    let forever = Write::new("ever", Timestamp::NEVER).in_group(group());
    store.put(&key(1), forever, When::Always).await.unwrap();
    assert_eq!(ttl(name(&key(1)).as_bytes()), -1);
    assert_eq!(ttl(&index), -1);
}

/// Lua has only doubles, so the script computes a sum in two parts, and it must equal the sum in
/// Rust.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_are_exact_to_the_last_bit() {
    let server = Server::start();
    let store = patient(&server.url()).await;
    let seed = std::env::var("TOWER_JAM_SEED").map_or(64, |seed| seed.parse().unwrap());
    let mut random = StdRng::seed_from_u64(seed);
    let edges = [
        0,
        1,
        999_999_999,
        1_000_000_000,
        1 << 53,
        i64::MAX - 1,
        i64::MAX,
    ];
    let mut number = || {
        let any = match random.random_range(0..3) {
            0 => edges[random.random_range(0..edges.len())],
            _ => random.random::<i64>() >> random.random_range(0..64),
        };
        if random.random() {
            any
        } else {
            any.wrapping_neg()
        }
    };
    for round in 0..1_000 {
        let (first, second) = (number(), number());
        let put = Write::new(first.to_string(), in_an_hour());
        store.put(&key(1), put, When::Always).await.unwrap();
        let sum = store.add(&key(1), second, in_an_hour()).await.unwrap();
        assert_eq!(
            sum,
            first.saturating_add(second),
            "seed {seed}, round {round}: {first} + {second}"
        );
        let entry = store.get(&key(1)).await.unwrap();
        let value = (sum != 0).then(|| sum.to_string().into());
        assert_eq!(entry.map(|entry| entry.value), value);
    }
    for (text, sum) in [
        ("+5", 6),
        ("007", 8),
        ("-0", 1),
        ("-00000000000000000000001", 0),
    ] {
        store.put(&key(1), write(text), When::Always).await.unwrap();
        assert_eq!(
            store.add(&key(1), 1, in_an_hour()).await.unwrap(),
            sum,
            "{text}"
        );
    }
    for text in [
        "+",
        "-",
        "--1",
        "1e3",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999",
    ] {
        store.put(&key(1), write(text), When::Always).await.unwrap();
        let answer = store.add(&key(1), 1, in_an_hour()).await;
        assert!(
            matches!(answer, Err(StoreError::Corrupt(_))),
            "{text}: {answer:?}"
        );
    }
}

/// A rejected write must not shorten the expiry of the entry's index: "log out everywhere" would
/// miss the entry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_write_does_not_shorten_an_index() {
    let server = Server::start();
    let clock = Arc::new(ManualClock::default());
    let builder = RedisStore::builder(&server.url()).clock(clock.clone());
    let longest = Duration::from_secs(2);
    let builder = builder.connect_timeout(longest).command_timeout(longest);
    let store = builder.connect().await.unwrap();
    let until = |hours| clock.now().after(HOUR * hours);
    let long = Write::new("long", until(12)).in_group(group());
    assert!(store.put(&key(1), long, When::Absent).await.unwrap());
    let short = Write::new("short", until(1)).in_group(group());
    assert!(!store.put(&key(1), short, When::Absent).await.unwrap());
    clock.advance(HOUR * 4);
    // This write removes what has expired.
    let other = Write::new("other", until(5)).in_group(group());
    assert!(store.put(&key(2), other, When::Absent).await.unwrap());
    assert_eq!(store.list(&group()).await.unwrap().len(), 2);
    clock.advance(HOUR * 9);
    let last = Write::new("last", until(5)).in_group(group());
    assert!(store.put(&key(3), last, When::Absent).await.unwrap());
    assert_eq!(store.list(&group()).await.unwrap().len(), 1);
    let index = String::from_utf8([name(&group()).as_bytes(), b":group"].concat()).unwrap();
    assert_eq!(
        server.command(&["ZCARD", &index]),
        ":1\r\n",
        "an entry that expired long ago is removed"
    );
}
