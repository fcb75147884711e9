use std::{
    sync::{
        Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use redb::ReadableTableMetadata;

use super::{
    tables::{COMMITS_NAME, ENTRIES, EXPIRIES, FORMAT, FORMAT_NAME, GROUPS, META},
    *,
};
use crate::testing::{ManualClock, contract};

const MINUTE: Duration = Duration::from_secs(60);

/// A new directory, removed at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-jam-unit-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("store.redb")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

struct Fixture {
    store: Arc<FileStore>,
    clock: Arc<ManualClock>,
    folder: Folder,
}

impl Fixture {
    fn new() -> Self {
        let folder = Folder::new();
        let clock = Arc::new(ManualClock::default());
        let store = Arc::new(open(&folder, &clock));
        Self {
            store,
            clock,
            folder,
        }
    }

    fn reopen(self) -> Self {
        drop(self.store);
        let store = Arc::new(open(&self.folder, &self.clock));
        Self { store, ..self }
    }

    fn write(&self, life: Duration) -> Write {
        Write::new("value", self.clock.now().after(life))
    }

    async fn put(&self, key: &StoreKey, write: Write) {
        assert!(self.store.put(key, write, When::Always).await.unwrap());
    }

    /// The number of rows in `entries`, `groups` and `expiries`, including expired ones.
    fn rows(&self) -> [u64; 3] {
        self.inspect(|read| {
            [
                read.open_table(ENTRIES).unwrap().len().unwrap(),
                read.open_table(GROUPS).unwrap().len().unwrap(),
                read.open_table(EXPIRIES).unwrap().len().unwrap(),
            ]
        })
    }

    fn commits(&self) -> u64 {
        self.inspect(|read| {
            let meta = read.open_table(META).unwrap();
            let commits = meta.get(COMMITS_NAME).unwrap();
            commits.map_or(0, |number| number.value())
        })
    }

    fn inspect<T>(&self, inspect: impl Fn(&redb::ReadTransaction) -> T) -> T {
        let found = self
            .store
            .inner
            .read_now(|database| Ok(inspect(&database.begin_read()?)));
        found.expect("it is open").unwrap()
    }
}

fn open(folder: &Folder, clock: &Arc<ManualClock>) -> FileStore {
    FileStore::builder(folder.file())
        .clock(clock.clone())
        .open()
        .unwrap()
}

fn keys(count: usize) -> Vec<StoreKey> {
    (0..count)
        .map(|n| StoreKey::new("unit", &[&n.to_be_bytes()]))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds() {
    let Fixture {
        store,
        clock,
        folder: _folder,
    } = Fixture::new();
    contract::run(store, &clock).await;
}

#[tokio::test]
async fn expired_entries_leave_the_file_with_later_commits() {
    let fixture = Fixture::new();
    let group = StoreKey::new("group", &[]);
    for key in &keys(100) {
        let write = fixture.write(MINUTE).in_group(group.clone());
        fixture.put(key, write).await;
    }
    assert_eq!(fixture.rows(), [100, 100, 100]);
    fixture.clock.advance(MINUTE);
    assert!(fixture.store.list(&group).await.unwrap().is_empty());

    let last = StoreKey::new("unit", &[b"last"]);
    fixture.put(&last, fixture.write(MINUTE)).await;
    let [entries, groups, expiries] = fixture.rows();
    assert!(entries > 80, "one commit purges a few: {entries} are left");
    assert_eq!([groups, expiries], [entries - 1, entries]);
    for _ in 0..20 {
        fixture.put(&last, fixture.write(MINUTE)).await;
    }
    assert_eq!(fixture.rows(), [1, 0, 1]);
}

#[tokio::test]
async fn opening_removes_expired_entries() {
    let fixture = Fixture::new();
    let all = keys(50);
    for key in &all[..40] {
        fixture.put(key, fixture.write(MINUTE)).await;
    }
    for key in &all[40..] {
        fixture.put(key, fixture.write(3 * MINUTE)).await;
    }
    fixture.clock.advance(MINUTE);
    let fixture = fixture.reopen();
    assert_eq!(fixture.rows(), [10, 0, 10]);
    for key in &all[40..] {
        assert!(fixture.store.get(key).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn what_never_expires_is_in_no_index_of_expiries() {
    let fixture = Fixture::new();
    let key = StoreKey::new("account", &[b"alice"]);
    fixture
        .put(&key, Write::new("first", Timestamp::NEVER))
        .await;
    assert_eq!(fixture.rows(), [1, 0, 0]);
    fixture.put(&key, fixture.write(MINUTE)).await;
    assert_eq!(fixture.rows(), [1, 0, 1]);
    fixture
        .put(&key, Write::new("third", Timestamp::NEVER))
        .await;
    assert_eq!(fixture.rows(), [1, 0, 0]);
}

#[tokio::test]
async fn an_entry_is_in_the_group_of_its_last_write_alone() {
    let fixture = Fixture::new();
    let key = StoreKey::new("unit", &[]);
    let groups = keys(2);
    for group in [&groups[0], &groups[1], &groups[0]] {
        let write = fixture.write(MINUTE).in_group(group.clone());
        fixture.put(&key, write).await;
        assert_eq!(fixture.rows(), [1, 1, 1]);
        for other in &groups {
            let listed = fixture.store.list(other).await.unwrap().len();
            assert_eq!(listed, usize::from(other == group));
        }
    }
    fixture.put(&key, fixture.write(MINUTE)).await;
    assert_eq!(fixture.rows(), [1, 0, 1]);
    assert!(fixture.store.take(&key).await.unwrap().is_some());
    assert_eq!(fixture.rows(), [0, 0, 0]);
}

/// Sixty-four concurrent writers share their waits for the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_that_come_together_share_a_commit_and_lose_nothing() {
    const WRITERS: u64 = 64;
    const ROUNDS: u64 = 20;
    let fixture = Fixture::new();
    let key = StoreKey::new("unit", &[b"counter"]);
    let expires_at = fixture.clock.now().after(MINUTE);
    let first = Write::new("0", expires_at);
    fixture.put(&key, first).await;

    let tasks: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, key) = (Arc::clone(&fixture.store), key.clone());
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    let own = StoreKey::new("own", &[&writer.to_be_bytes(), &round.to_be_bytes()]);
                    let write = Write::new("mine", expires_at);
                    assert!(store.put(&own, write, When::Absent).await.unwrap());
                }
                loop {
                    let entry = store.get(&key).await.unwrap().unwrap();
                    let sum = crate::store::number(&entry.value).unwrap() + 1;
                    let write = Write::new(sum.to_string(), expires_at);
                    let when = When::Unchanged(entry.version);
                    if store.put(&key, write, when).await.unwrap() {
                        return;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let entry = fixture.store.get(&key).await.unwrap().unwrap();
    assert_eq!(entry.value, WRITERS.to_string());
    let writes = WRITERS * ROUNDS + WRITERS + 1;
    assert_eq!(fixture.rows()[0], WRITERS * ROUNDS + 1);
    let commits = fixture.commits();
    assert!(
        commits < writes / 4,
        "{commits} commits for {writes} writes"
    );
}

#[tokio::test]
async fn what_changes_nothing_costs_no_commit() {
    let fixture = Fixture::new();
    let key = StoreKey::new("unit", &[]);
    fixture.put(&key, fixture.write(MINUTE)).await;
    let before = fixture.commits();
    let refused = fixture
        .store
        .put(&key, fixture.write(MINUTE), When::Absent)
        .await;
    assert!(!refused.unwrap());
    let absent = StoreKey::new("absent", &[]);
    assert!(fixture.store.take(&absent).await.unwrap().is_none());
    assert_eq!(fixture.store.remove_group(&absent).await.unwrap(), 0);
    assert_eq!(fixture.commits(), before);
}

#[tokio::test]
async fn a_polled_write_happens_and_an_unpolled_one_does_not() {
    let fixture = Fixture::new();
    let (polled, unpolled) = (
        StoreKey::new("unit", &[b"1"]),
        StoreKey::new("unit", &[b"2"]),
    );
    let write = fixture.write(MINUTE);
    let mut first = fixture.store.put(&polled, write.clone(), When::Absent);
    let second = fixture.store.put(&unpolled, write, When::Absent);
    let mut cx = Context::from_waker(Waker::noop());
    // On a fast disk it may be done already.
    let _ = first.as_mut().poll(&mut cx);
    drop(first);
    drop(second);

    let last = StoreKey::new("unit", &[b"3"]);
    fixture.put(&last, fixture.write(MINUTE)).await;
    assert!(fixture.store.get(&polled).await.unwrap().is_some());
    assert!(fixture.store.get(&unpolled).await.unwrap().is_none());
}

#[tokio::test]
async fn dropping_the_store_completes_waiting_writes_and_stops_its_thread() {
    let fixture = Fixture::new();
    let all = keys(200);
    let mut cx = Context::from_waker(Waker::noop());
    for key in &all {
        let mut put = fixture.store.put(key, fixture.write(MINUTE), When::Absent);
        let _ = put.as_mut().poll(&mut cx);
    }
    let inner: Weak<FileInner> = Arc::downgrade(&fixture.store.inner);
    let Fixture {
        store,
        clock,
        folder,
    } = fixture;
    drop(store);
    assert_eq!(inner.strong_count(), 0, "its thread still holds it");

    let store = open(&folder, &clock);
    for key in &all {
        assert!(store.get(key).await.unwrap().is_some());
    }
}

/// An executor may drop a task when it is woken, and the last handle with it.
#[tokio::test]
async fn a_store_may_be_dropped_on_its_own_thread() {
    type Running = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
    struct Task(std::sync::Mutex<Option<Running>>);
    impl std::task::Wake for Task {
        fn wake(self: Arc<Self>) {
            drop(self.0.lock().unwrap().take());
        }
    }
    let Fixture {
        store,
        clock,
        folder,
    } = Fixture::new();
    let inner = Arc::downgrade(&store.inner);
    let key = StoreKey::new("unit", &[]);
    let write = Write::new("value", clock.now().after(MINUTE));
    let task = Arc::new(Task(std::sync::Mutex::default()));
    let waker = Waker::from(Arc::clone(&task));
    {
        let key = key.clone();
        let mut running: Running = Box::pin(async move {
            store.put(&key, write, When::Always).await.unwrap();
        });
        let mut place = task.0.lock().unwrap();
        if running
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
        {
            *place = Some(running);
        }
    }
    while inner.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(open(&folder, &clock).get(&key).await.unwrap().is_some());
}

impl Fixture {
    /// Closes the file, as a failure of the disk does.
    fn close_the_file(&self) {
        self.store.inner.database.write().unwrap().take();
    }
}

#[tokio::test]
async fn after_a_failure_the_file_is_reopened_by_the_next_caller() {
    let fixture = Fixture::new();
    let key = StoreKey::new("unit", &[]);
    let group = StoreKey::new("group", &[]);
    let write = fixture.write(MINUTE).in_group(group.clone());
    fixture.put(&key, write).await;

    fixture.close_the_file();
    assert!(fixture.store.get(&key).await.unwrap().is_some());
    fixture.close_the_file();
    assert_eq!(fixture.store.list(&group).await.unwrap().len(), 1);
    fixture.close_the_file();
    assert!(fixture.store.take(&key).await.unwrap().is_some());
    assert!(fixture.store.get(&key).await.unwrap().is_none());
}

/// An error is returned for a second, and never counts as an answer.
#[tokio::test]
async fn a_file_that_does_not_open_again_is_an_error_until_it_does() {
    let fixture = Fixture::new();
    let key = StoreKey::new("unit", &[]);
    fixture.put(&key, fixture.write(MINUTE)).await;
    fixture.close_the_file();
    let content = std::fs::read(fixture.folder.file()).unwrap();
    std::fs::write(fixture.folder.file(), b"garbage").unwrap();
    for _ in 0..2 {
        let read = fixture.store.get(&key).await;
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
        let written = fixture
            .store
            .put(&key, fixture.write(MINUTE), When::Always)
            .await;
        let Err(StoreError::Corrupt(cause)) = written else {
            panic!("{written:?}");
        };
        assert!(cause.to_string().contains("store.redb"), "{cause}");
    }
    std::fs::write(fixture.folder.file(), content).unwrap();
    assert!(fixture.store.get(&key).await.is_err());
    fixture.clock.advance(Duration::from_secs(1));
    assert!(fixture.store.get(&key).await.unwrap().is_some());
    fixture.put(&key, fixture.write(MINUTE)).await;
}

/// A disk that hangs must not exhaust the memory.
#[tokio::test]
async fn waiting_operations_are_bounded() {
    let fixture = Fixture::new();
    let stuck = fixture.store.inner.database.write().unwrap();
    let key = StoreKey::new("unit", &[]);
    let mut cx = Context::from_waker(Waker::noop());
    let mut refused = 0;
    let mut waiting = Vec::new();
    for _ in 0..20_000 {
        let mut put = fixture.store.put(&key, fixture.write(MINUTE), When::Always);
        match put.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(answer) => {
                assert!(matches!(answer, Err(StoreError::Unavailable(_))));
                refused += 1;
            }
            std::task::Poll::Pending => waiting.push(put),
        }
    }
    drop(stuck);
    assert!(waiting.len() >= 8192 && refused > 3000, "{refused} refused");
    for put in waiting {
        assert!(put.await.unwrap());
    }
}

#[tokio::test]
async fn a_file_of_a_later_format_or_of_another_program_is_refused() {
    let later = Folder::new();
    drop(FileStore::open(later.file()).unwrap());
    change(&later, |write| {
        let mut meta = write.open_table(META).unwrap();
        meta.insert(FORMAT_NAME, FORMAT + 1).unwrap();
    });
    let error = FileStore::open(later.file()).unwrap_err().to_string();
    assert!(error.contains("store.redb has format 2"), "{error}");

    let other = Folder::new();
    change(&other, |write| {
        write.open_table(ENTRIES).unwrap();
    });
    let error = FileStore::open(other.file()).unwrap_err().to_string();
    assert!(
        error.contains("store.redb is a database of another program"),
        "{error}"
    );
}

fn change(folder: &Folder, change: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::create(folder.file()).unwrap();
    let write = database.begin_write().unwrap();
    change(&write);
    write.commit().unwrap();
}

/// A temporary file that a crash during creation left behind is replaced.
#[test]
fn an_unfinished_file_is_no_obstacle() {
    for left in [vec![], vec![0; 100], vec![0; 1 << 20], b"garbage".to_vec()] {
        let folder = Folder::new();
        let unfinished = folder.0.join("store.redb.new");
        std::fs::write(&unfinished, &left).unwrap();
        drop(FileStore::open(folder.file()).unwrap());
        assert!(!unfinished.exists(), "{} bytes", left.len());
    }
}

#[cfg(unix)]
#[test]
fn only_its_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let _store = FileStore::open(folder.file()).unwrap();
    let mode = folder.file().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
