//! The file store under restarts, crashes, other processes, damage and a full disk.
//!
//! The tests that need another process run this binary again; its work is one of the functions
//! marked as ignored.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rand::{RngExt as _, SeedableRng, rngs::StdRng};
use tower_jam::{
    Clock, ConfigError, StoreError, Timestamp,
    store::{Entry, FileStore, Store, StoreKey, When, Write},
    testing::ManualClock,
};

use crate::{
    entries::{HOUR, in_an_hour},
    support::again,
};

/// A folder of its own, removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("store-file-{name}"));
        fs::remove_dir_all(&path).ok();
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("store.redb")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

fn key(number: u64) -> StoreKey {
    StoreKey::new("entry", &[&number.to_be_bytes()])
}

fn byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

/// The error with its causes, in one line.
fn error_chain(error: &ConfigError) -> String {
    let mut error_chain = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        error_chain.push_str(&format!(": {error}"));
        cause = error.source();
    }
    error_chain
}

#[track_caller]
fn refused(path: &Path, reason: &str) {
    let error = FileStore::open(path).expect_err("it must not open");
    let error_chain = error_chain(&error);
    assert_eq!(error.setting(), "path", "{error_chain}");
    assert!(
        error_chain.contains(path.to_str().unwrap()),
        "{error_chain}"
    );
    assert!(error_chain.contains(reason), "{error_chain}");
}

#[tokio::test]
async fn written_entries_survive_a_restart() {
    let folder = Folder::new("restart");
    let group = StoreKey::new("group", &[b"alice"]);
    let expires_at = in_an_hour();
    let (session, account) = (key(1), key(2));
    let write = Write::new("session", expires_at).in_group(group.clone());
    let version = write.version;

    let store = FileStore::open(folder.file()).unwrap();
    assert!(store.put(&session, write, When::Absent).await.unwrap());
    let forever = Write::new("account", Timestamp::NEVER);
    assert!(store.put(&account, forever, When::Absent).await.unwrap());
    assert_eq!(store.add(&key(3), 41, expires_at).await.unwrap(), 41);
    let gone = Write::new("gone", expires_at).in_group(group.clone());
    assert!(store.put(&key(4), gone, When::Absent).await.unwrap());
    assert!(store.take(&key(4)).await.unwrap().is_some());
    drop(store);

    let store = FileStore::open(folder.file()).unwrap();
    let entry = store.get(&session).await.unwrap().unwrap();
    assert_eq!(entry, Entry::new("session".into(), version, expires_at));
    let listed = store.list(&group).await.unwrap();
    assert_eq!(listed, [(session.clone(), entry)]);
    let entry = store.get(&account).await.unwrap().unwrap();
    assert_eq!(entry.value, "account");
    assert_eq!(entry.expires_at, Timestamp::NEVER);
    assert_eq!(store.add(&key(3), 1, in_an_hour()).await.unwrap(), 42);
    let counter = store.get(&key(3)).await.unwrap().unwrap();
    assert_eq!(counter.expires_at, expires_at);
    assert!(store.get(&key(4)).await.unwrap().is_none());
    let late = Write::new("late", expires_at);
    let when = When::Unchanged(version);
    assert!(store.put(&session, late, when).await.unwrap());
}

#[test]
fn a_file_has_one_owner() {
    let folder = Folder::new("owner");
    let first = FileStore::open(folder.file()).unwrap();
    refused(&folder.file(), "in use by another");
    drop(first);
    drop(FileStore::open(folder.file()).unwrap());

    let mut other = writer(&folder.file());
    let mut lines = BufReader::new(other.stdout.take().unwrap()).lines();
    next_word(&mut lines);
    refused(&folder.file(), "in use by another");
    other.kill().unwrap();
    other.wait().unwrap();
    drop(FileStore::open(folder.file()).unwrap());
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let folder = Folder::new("unopenable");
    refused(&folder.0, "cannot be opened");
    refused(
        &folder.0.join("absent").join("store.redb"),
        "cannot be opened",
    );
    fs::write(folder.0.join("file"), "").unwrap();
    refused(&folder.0.join("file").join("store.redb"), "");
}

#[test]
fn a_file_that_is_not_a_store_is_named_and_left_unchanged() {
    let folder = Folder::new("garbage");
    let mut random = StdRng::seed_from_u64(1);
    let mut noise = vec![0; 1 << 16];
    random.fill(&mut noise[..]);
    let forged = [&b"redb\x1a\x0a\xa9\x0d\x0a"[..], &noise].concat();
    let text = b"-----BEGIN PRIVATE KEY-----\n".to_vec();
    for content in [vec![], vec![0], vec![0; 1 << 20], text, noise, forged] {
        fs::write(folder.file(), &content).unwrap();
        refused(&folder.file(), "is damaged or not a store");
        let is_left = fs::read(folder.file()).unwrap() == content;
        assert!(is_left, "{} bytes", content.len());
    }
}

/// A database of another program, and a store of a later version, each after an orderly close and
/// after a crash.
#[tokio::test]
async fn a_foreign_file_is_not_changed() {
    let folder = Folder::new("foreign");
    let numbers = redb::TableDefinition::<u64, u64>::new("numbers");
    let meta = redb::TableDefinition::<&str, u64>::new("tower-jam");
    let image = |database: redb::Database| {
        let crashed = fs::read(folder.file()).unwrap();
        drop(database);
        let closed = fs::read(folder.file()).unwrap();
        fs::remove_file(folder.file()).unwrap();
        [crashed, closed]
    };
    let foreign = redb::Database::create(folder.file()).unwrap();
    let write = foreign.begin_write().unwrap();
    for number in 0..1_000 {
        let mut table = write.open_table(numbers).unwrap();
        table.insert(number, number).unwrap();
    }
    write.commit().unwrap();
    let foreign = image(foreign);

    let store = FileStore::open(folder.file()).unwrap();
    store
        .put(&key(1), Write::new("one", in_an_hour()), When::Always)
        .await
        .unwrap();
    drop(store);
    let later = redb::Database::open(folder.file()).unwrap();
    let write = later.begin_write().unwrap();
    write
        .open_table(meta)
        .unwrap()
        .insert("format", 99)
        .unwrap();
    write.commit().unwrap();
    let later = image(later);

    for (images, reason) in [(foreign, "another program"), (later, "format 99")] {
        assert!(images[0] != images[1]);
        for content in images {
            fs::write(folder.file(), &content).unwrap();
            let written_at = fs::metadata(folder.file()).unwrap().modified().unwrap();
            refused(&folder.file(), reason);
            assert!(fs::read(folder.file()).unwrap() == content, "{reason}");
            let now = fs::metadata(folder.file()).unwrap().modified().unwrap();
            assert_eq!(now, written_at, "{reason}");
        }
    }
}

/// Runs [`write_and_say_so`] on `path`.
fn writer(path: &Path) -> Child {
    again("file::write_and_say_so")
        .env("TOWER_JAM_FILE", path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn next_word(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Option<(char, u64)> {
    lines.find_map(|line| {
        let line = line.ok()?;
        let (word, number) = line.split_once(' ')?;
        let word = ["+", "-", "x"].into_iter().find(|known| *known == word)?;
        Some((word.chars().next()?, number.parse().ok()?))
    })
}

/// Prints `- n` before the entry n is taken, `x n` when that is acknowledged, and `+ n` when a
/// write of it is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by other tests, in a process of its own"]
async fn write_and_say_so() {
    let Some(path) = env::var_os("TOWER_JAM_FILE") else {
        return;
    };
    let say = |word: char, number: u64| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{word} {number}").unwrap();
        out.flush().unwrap();
    };
    let store = Arc::new(FileStore::open(path).unwrap());
    let start: u64 = rand::rng().random_range(0..u64::MAX / 2);
    let tasks = (0..4).map(|task| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in (start + task..).step_by(4) {
                let group = StoreKey::new("group", &[&task.to_be_bytes()]);
                let write = Write::new(value(number), in_an_hour()).in_group(group);
                assert!(store.put(&key(number), write, When::Absent).await.unwrap());
                say('+', number);
                if number % 3 == 0 {
                    say('-', number);
                    assert!(store.take(&key(number)).await.unwrap().is_some());
                    say('x', number);
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

fn value(number: u64) -> Vec<u8> {
    let length = usize::try_from(number % 5000).unwrap();
    number
        .to_be_bytes()
        .into_iter()
        .cycle()
        .take(length)
        .collect()
}

/// A process that writes is killed, again and again, on one file.
#[tokio::test]
async fn every_acknowledged_write_survives_kill_9() {
    let rounds = env::var("TOWER_JAM_KILL_ROUNDS").map_or(50, |rounds| rounds.parse().unwrap());
    let folder = Folder::new("kill");
    // The last line about each entry.
    let mut reported: BTreeMap<u64, char> = BTreeMap::new();
    for round in 0..rounds {
        let mut child = writer(&folder.file());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let before = reported.len();
        let enough = rand::rng().random_range(1..40);
        while reported.len() < before + enough {
            let (word, number) = next_word(&mut lines).expect("it writes until it is killed");
            reported.insert(number, word);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // The lines between the last one read and the kill were acknowledged, too.
        while let Some((word, number)) = next_word(&mut lines) {
            reported.insert(number, word);
        }

        let store = FileStore::open(folder.file()).unwrap();
        for (&number, word) in &reported {
            let entry = store.get(&key(number)).await.unwrap();
            match word {
                '+' => assert_eq!(
                    entry.expect("it was acknowledged").value,
                    value(number),
                    "round {round}"
                ),
                'x' => assert!(entry.is_none(), "round {round}: {number} came back"),
                _ => {}
            }
        }
        let mut listed = 0;
        for task in 0..4_u64 {
            let group = StoreKey::new("group", &[&task.to_be_bytes()]);
            listed += store.list(&group).await.unwrap().len();
        }
        let kept = reported.values().filter(|word| **word == '+').count();
        let open = reported.values().filter(|word| **word == '-').count();
        // A write that was not acknowledged may be present, one for each task and round.
        assert!(
            (kept..=kept + open + 4 * (round + 1)).contains(&listed),
            "round {round}: {listed} listed, {kept} acknowledged"
        );
    }
}

/// A file with a history: entries of many sizes, groups, changes, removals.
async fn populated(path: &Path, clock: &Arc<ManualClock>) -> (FileStore, Vec<(StoreKey, Entry)>) {
    let store = FileStore::builder(path)
        .clock(clock.clone())
        .open()
        .unwrap();
    let group = StoreKey::new("group", &[]);
    for round in 0..3_u64 {
        let writes = (0..120).filter(|number| round == 0 || number % (round + 2) == 0);
        for number in writes {
            let content = vec![byte(number); 20 + 37 * usize::try_from(number).unwrap()];
            let write = Write::new(content, clock.now().after(HOUR)).in_group(group.clone());
            assert!(store.put(&key(number), write, When::Always).await.unwrap());
        }
        store.take(&key(7 * round)).await.unwrap().unwrap();
    }
    let listed = store.list(&group).await.unwrap();
    assert!(listed.len() > 100);
    (store, listed)
}

/// Opens the file and reads all of it. Every answer is correct, or an error.
async fn assert_correct_or_refused(
    path: &Path,
    clock: &Arc<ManualClock>,
    expected: &[(StoreKey, Entry)],
    what: &str,
) -> bool {
    let store = match FileStore::builder(path).clock(clock.clone()).open() {
        Ok(store) => store,
        Err(error) => {
            let error_chain = error_chain(&error);
            assert!(
                error_chain.contains(path.to_str().unwrap()),
                "{what}: {error_chain}"
            );
            return false;
        }
    };
    for (key, entry) in expected {
        match store.get(key).await {
            Ok(found) => assert_eq!(found.as_ref(), Some(entry), "{what}"),
            Err(error) => assert!(matches!(error, StoreError::Corrupt(_)), "{what}: {error}"),
        }
    }
    match store.list(&StoreKey::new("group", &[])).await {
        Ok(listed) => assert_eq!(listed, expected, "{what}"),
        Err(error) => assert!(matches!(error, StoreError::Corrupt(_)), "{what}: {error}"),
    }
    let last = StoreKey::new("last", &[]);
    match store
        .put(&last, Write::new("last", Timestamp::NEVER), When::Always)
        .await
    {
        Ok(written) => assert!(written, "{what}"),
        Err(error) => assert!(matches!(error, StoreError::Corrupt(_)), "{what}: {error}"),
    }
    true
}

/// Images of a file after an orderly close, and after a crash.
async fn images(
    folder: &Folder,
    clock: &Arc<ManualClock>,
) -> ([Vec<u8>; 2], Vec<(StoreKey, Entry)>) {
    let (store, expected) = populated(&folder.file(), clock).await;
    let crashed = fs::read(folder.file()).unwrap();
    drop(store);
    ([fs::read(folder.file()).unwrap(), crashed], expected)
}

/// The byte of redb's header that selects the current one of its two states.
const STATE_BYTE: usize = 9;

#[tokio::test]
async fn a_flipped_bit_is_an_error_and_never_another_answer() {
    let folder = Folder::new("flipped");
    let clock = Arc::new(ManualClock::default());
    let (images, expected) = images(&folder, &clock).await;
    let seed = env::var("TOWER_JAM_SEED").map_or(61, |seed| seed.parse().unwrap());
    let mut random = StdRng::seed_from_u64(seed);
    let mut refused = 0;
    for (image, name) in images.iter().zip(["closed", "crashed"]) {
        let used: Vec<_> = (0..image.len())
            .filter(|at| image[at & !511..].iter().take(512).any(|byte| *byte != 0))
            .collect();
        // The header, byte by byte, and as many places among the written data.
        let header = (0..320).map(|at| (at, random.random_range(0..8)));
        let mut flips: Vec<_> = header.collect();
        flips.extend((0..8).map(|bit| (STATE_BYTE, bit)));
        for _ in 0..200 {
            let at = used[random.random_range(0..used.len())];
            flips.push((at, random.random_range(0..8)));
        }
        // After a crash, this one bit selects the last of two states, and nothing else does. After
        // an orderly close, both states are equal.
        flips.retain(|flip| name == "closed" || *flip != (STATE_BYTE, 0));
        for (offset, bit) in flips {
            let mut damaged = image.clone();
            damaged[offset] ^= 1 << bit;
            let path = folder.0.join("damaged.redb");
            fs::write(&path, &damaged).unwrap();
            let what = format!("seed {seed}: the {name} file, byte {offset}, bit {bit}");
            let opened = assert_correct_or_refused(&path, &clock, &expected, &what).await;
            refused += usize::from(!opened);
        }
    }
    assert!(refused > 100, "only {refused} files were found damaged");
}

#[tokio::test]
async fn a_truncated_file_is_refused() {
    let folder = Folder::new("truncated");
    let clock = Arc::new(ManualClock::default());
    let (images, expected) = images(&folder, &clock).await;
    let mut random = StdRng::seed_from_u64(7);
    for image in &images {
        let near_end = [image.len() - 1, image.len() - 4096];
        let lengths = (0..40).map(|_| random.random_range(0..image.len()));
        for length in lengths.chain(near_end).collect::<Vec<_>>() {
            let path = folder.0.join("damaged.redb");
            fs::write(&path, &image[..length]).unwrap();
            let what = format!("{length} bytes of {}", image.len());
            assert_correct_or_refused(&path, &clock, &expected, &what).await;
        }
    }
}

/// The shell limits the size of the file, which fails like a full disk. The test lifts the limit as
/// an administrator frees space.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_refuses_writes_and_recovers_by_itself() {
    let folder = Folder::new("full");
    let child = again("file::fill_the_disk");
    let mut shell = Command::new("sh");
    // 6 MiB, in blocks of 512 bytes. The signal that accompanies the error is ignored, as servers
    // do.
    shell.args(["-c", "trap '' XFSZ; ulimit -S -f 12288; exec \"$0\" \"$@\""]);
    shell.arg(child.get_program()).args(child.get_args());
    let mut child = shell
        .env("TOWER_JAM_FILE", folder.file())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reported = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut reported)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{reported}");
    assert!(reported.contains("healed"), "{reported}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "run by another test, under a limit"]
async fn fill_the_disk() {
    let Some(path) = env::var_os("TOWER_JAM_FILE") else {
        return;
    };
    let clock = Arc::new(ManualClock::default());
    let open = || FileStore::builder(&path).clock(clock.clone()).open();
    let write = |number: u64| Write::new(vec![byte(number); 20_000], Timestamp::NEVER);
    let store = open().unwrap();
    let mut kept = 0;
    let error = loop {
        match store.put(&key(kept), write(kept), When::Absent).await {
            Ok(written) => assert!(written),
            Err(error) => break error,
        }
        kept += 1;
        assert!(kept < 1000, "the limit has no effect");
    };
    assert!(matches!(error, StoreError::Full), "{error:?}");
    assert!(kept > 50, "{kept}");

    let all_are_there = async |store: &FileStore| {
        for number in 0..kept {
            let entry = store.get(&key(number)).await.unwrap().unwrap();
            assert_eq!(entry.value, vec![byte(number); 20_000]);
        }
        assert!(store.get(&key(kept)).await.unwrap().is_none());
    };
    for _ in 0..3 {
        all_are_there(&store).await;
        // At once by the remembered failure, then by a new attempt.
        for _ in 0..2 {
            let big = Write::new(vec![0; 4_000_000], Timestamp::NEVER);
            let refused = store.put(&key(kept), big, When::Always).await;
            assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
        }
        clock.advance(Duration::from_secs(1));
    }
    // What needs no space is written all the same, at once and after the pause: a logout is such a
    // write.
    for number in 0..4 {
        let shorter = Write::new("short", Timestamp::NEVER);
        let written = store.put(&key(number), shorter, When::Always).await;
        assert!(written.unwrap(), "{number}");
        assert!(
            store.take(&key(number)).await.unwrap().is_some(),
            "{number}"
        );
        let big = Write::new(vec![0; 4_000_000], Timestamp::NEVER);
        let refused = store.put(&key(number), big, When::Always).await;
        assert!(matches!(refused, Err(StoreError::Full)), "{refused:?}");
        clock.advance(Duration::from_secs(u64::from(number % 2 == 0)));
    }
    for number in 0..4 {
        let again = store.put(&key(number), write(number), When::Absent).await;
        assert!(
            matches!(again, Ok(true) | Err(StoreError::Full)),
            "{again:?}"
        );
    }

    let pid = std::process::id().to_string();
    let lifted = Command::new("prlimit")
        .args(["--pid", &pid, "--fsize=unlimited"])
        .status();
    assert!(lifted.expect("prlimit is part of util-linux").success());
    clock.advance(Duration::from_secs(1));
    for number in 0..4 {
        store
            .put(&key(number), write(number), When::Always)
            .await
            .unwrap();
    }
    assert!(
        store
            .put(&key(kept + 1), write(1), When::Absent)
            .await
            .unwrap()
    );
    all_are_there(&store).await;
    drop(store);
    let store = open().unwrap();
    all_are_there(&store).await;
    assert!(store.get(&key(kept + 1)).await.unwrap().is_some());
    writeln!(std::io::stdout(), "healed").unwrap();
}
