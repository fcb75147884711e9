//! The store in one file.
//!
//! [`FileStore`] is for a service that runs as one process and remembers over a restart. Underneath is
//! [redb](https://github.com/cberner/redb), an embedded database, so there is nothing to install or to run. It keeps the
//! conditions of the [`Store`] trait, and these of its own:
//!
//! * **Acknowledged is on disk.** A verb that wrote answers after the operating system was told to
//!   bring the write to the disk and said that it had. A crash or a power cut at any moment leaves
//!   every acknowledged write in the file, and of a write that was not acknowledged all or nothing.
//! * **One thread writes.** It belongs to the store, takes everything that waits, decides and writes it
//!   in one transaction, brings that to the disk once, and answers. So many writers share one wait for
//!   the disk, and conditions are decided one after the other. Up to 8192 verbs wait; what comes on top is
//!   [`StoreError::Unavailable`] at once.
//! * **Reads do not wait** for writes, nor for the disk's acknowledgement. They run where they are
//!   polled, on the last committed state: a look into a cache of 64 MiB takes microseconds, less than
//!   handing the work to another thread and back.
//! * **Written at the first poll.** A future that was never polled has done nothing. Once polled, the
//!   write happens whole whatever becomes of its future, and dropping it loses the answer only.
//! * **One owner.** The file is locked while it is open; a second process, or a second store in this one,
//!   is refused. Dropping the store finishes what waits, closes the file and ends the thread, so it blocks for
//!   as long as that takes.
//! * **A full disk refuses, and nothing else.** Writes are [`StoreError::Full`], and nothing of them
//!   happens; reads go on. What takes no room, removals and entries that become no longer, is still written where the file
//!   has free pages, so that sessions and devices can be ended; where it has none, free some space on the disk and ask again. After a second the next write tries again, so that no restart is needed once there
//!   is room. Other failures of the disk are [`StoreError::Unavailable`], or [`StoreError::Unknown`]
//!   where the write may be in the file; the file is opened again before the next attempt.
//! * **A file of something else is left alone**, and so is one of another format: what a file is is read before it is
//!   opened for writing.
//! * **Damage is an error when the file is opened.** Every page carries a checksum. All are compared then, at about
//!   a gigabyte a second, and a file that was changed from outside does not open. A commit is two steps to the
//!   disk, so that damage is never taken for an unfinished commit, which would bring back an older
//!   state, with sessions that have been ended. (One bit of the file is beyond that: the one that names the last
//!   state, if it flips in a file that a crash left behind; then the very last commit is missing.)
//! * **Damage under an open file is not always noticed.** The checksums are not compared again when a page is read. What a
//!   disk changes while the file is open is [`StoreError::Corrupt`] where the page makes no sense any more, and otherwise
//!   other bytes under a key, or an entry that is not found. Sealed records do not open then. But what access is
//!   *refused* by, such as the mark of a token on a black list, may be missed. On a disk that is not trusted to return
//!   what was written, use a file system with checksums, or open the file again now and then. redb may panic on such a
//!   file; the panic is caught, so this needs a program built with `panic = "unwind"`, the default.
//! * **Expired entries leave the file.** Every commit removes a few, more than it adds, and opening removes
//!   some thousands.
//!
//! On Unix the file is made readable by its owner alone. Keep it on a local disk: locks and acknowledgements of
//! network file systems do not always hold. Back it up by copying it while the store is closed.
//!
//! ```
//! use tower_jam::{Clock, SystemClock, store::{FileStore, Key, Store, When, Write}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("tower-jam-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! let key = Key::new("example", &[b"alice"]);
//! let expires_at = SystemClock.now().after(std::time::Duration::from_secs(60));
//!
//! let store = FileStore::open(folder.join("store.redb"))?;
//! store.put(&key, Write::new("kept", expires_at), When::Absent).await?;
//! assert!(FileStore::open(folder.join("store.redb")).is_err(), "it has an owner");
//! drop(store);
//!
//! let store = FileStore::open(folder.join("store.redb"))?;
//! assert_eq!(store.get(&key).await?.expect("it survived").value, "kept");
//! # drop(store);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```

mod fault;
mod job;
mod opening;
mod overlay;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};

use redb::{Database, ReadableDatabase};
use tokio::sync::oneshot;

use self::{
    fault::Fault,
    job::Task,
    tables::{Reading, Tables},
    writer::Shared,
};
use super::{Entry, Key, Store, StoreFuture, When, Write};
use crate::{
    clock::{Clock, SystemClock, Timestamp},
    error::{ConfigError, StoreError},
};

/// Keeps entries in one file. Share it as an `Arc`.
#[must_use = "the file is closed again when the store is dropped"]
pub struct FileStore {
    shared: Arc<Shared>,
    /// Taken by `Drop` alone.
    thread: Option<JoinHandle<()>>,
}

impl FileStore {
    /// Opens the file at `path`, or makes it, with the system's clock. Its folder must exist.
    ///
    /// This reads the whole file and waits for the disk, so it belongs to the start of a program.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] about `path`, naming it, when the file is in use, damaged, not a store, written by a
    /// later version of this crate, or cannot be read and written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::builder(path).open()
    }

    /// A store in the file at `path`, to be opened once its settings are made.
    pub fn builder(path: impl AsRef<Path>) -> FileStoreBuilder {
        FileStoreBuilder {
            path: path.as_ref().to_owned(),
            clock: Arc::new(SystemClock),
        }
    }

    /// Hands a change to the thread at the first poll, and waits for it to be on the disk.
    fn write<'a, T: Send + 'static>(
        &'a self,
        change: impl Fn(&mut Tables<'_>, Timestamp) -> Result<T, Fault> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            let (task, answer) = Task::with_answer(change);
            self.shared.write(task)?;
            answer.await.unwrap_or_else(|_| Err(unanswered()))
        })
    }

    /// Reads at once. Only while the file is being opened again, after the disk had failed, the read
    /// goes to the thread that does so.
    fn read<'a, T: Send + 'static>(
        &'a self,
        look: impl Fn(&Reading) -> Result<T, Fault> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        let clock = Arc::clone(&self.shared.clock);
        let look =
            move |database: &Database| look(&Reading::new(database.begin_read()?, clock.now()));
        Box::pin(async move {
            if let Some(answer) = self.shared.read_now(&look) {
                return answer;
            }
            let (reply, answer) = oneshot::channel();
            self.shared.read_later(look, reply)?;
            answer.await.unwrap_or_else(|_| Err(unanswered()))
        })
    }
}

impl Store for FileStore {
    fn get<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
        let key = key.clone();
        self.read(move |tables| tables.get(&key))
    }

    fn put<'a>(&'a self, key: &'a Key, write: Write, when: When) -> StoreFuture<'a, bool> {
        let key = key.clone();
        self.write(move |tables, now| tables.put(&key, &write, when, now))
    }

    fn take<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Entry>> {
        let key = key.clone();
        self.write(move |tables, now| tables.take(&key, now))
    }

    fn list<'a>(&'a self, group: &'a Key) -> StoreFuture<'a, Vec<(Key, Entry)>> {
        let group = group.clone();
        self.read(move |tables| tables.list(&group))
    }

    fn add<'a>(&'a self, key: &'a Key, delta: i64, expires_at: Timestamp) -> StoreFuture<'a, i64> {
        let key = key.clone();
        let fresh = Write::new("", expires_at);
        self.write(move |tables, now| tables.add(&key, delta, fresh.clone(), now))
    }

    fn remove_group<'a>(&'a self, group: &'a Key) -> StoreFuture<'a, u64> {
        let group = group.clone();
        self.write(move |tables, now| tables.remove_group(&group, now))
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        self.shared.finish();
        // An answer may wake a task whose end drops the store, on the store's own thread.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!(path = %self.shared.path.display(), "the store's thread panicked");
        }
    }
}

/// Names the file, not what is in it.
impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}

/// The settings of a [`FileStore`].
#[derive(Debug)]
#[must_use]
pub struct FileStoreBuilder {
    path: PathBuf,
    clock: Arc<dyn Clock>,
}

impl FileStoreBuilder {
    /// Expires entries by `clock`.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Opens the file or makes it, as [`FileStore::open`] does.
    ///
    /// # Errors
    ///
    /// Those of [`FileStore::open`].
    pub fn open(self) -> Result<FileStore, ConfigError> {
        let database = opening::open_or_create(&self.path, self.clock.now())?;
        let (shared, thread) = writer::start(self.path, self.clock, database)?;
        Ok(FileStore {
            shared,
            thread: Some(thread),
        })
    }
}

/// Never seen while the thread lives, and it outlives every future of its store.
fn unanswered() -> StoreError {
    StoreError::Unknown("the store's thread gave no answer".into())
}
