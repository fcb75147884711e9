//! A store in a single file.
//!
//! [`FileStore`] is for a service that runs as one process and keeps its state across restarts. It
//! is based on [redb](https://github.com/cberner/redb), an embedded database, so there is nothing
//! to install or to operate. It guarantees the conditions of the [`Store`] trait, and these:
//!
//! * **Acknowledged means on disk.** An operation that wrote returns after the operating system has
//!   confirmed that the write is on the disk. A crash or a power failure at any moment preserves
//!   every acknowledged write, and of an unacknowledged write either all or nothing.
//! * **One thread writes.** It belongs to the store. It decides and applies all waiting operations
//!   in one transaction, flushes that to the disk once, and answers. So many writers share one wait
//!   for the disk, and conditions are decided one after the other. Up to 8192 operations wait; any
//!   more are [`StoreError::Unavailable`] immediately.
//! * **Reads do not wait** for writes or for the disk. They run where they are polled, on the last
//!   committed state. A lookup in the cache of 64 MiB takes microseconds, less than a round trip to
//!   another thread.
//! * **Operations start at the first poll.** A future that was never polled has done nothing. Once
//!   it was polled, the write happens completely even if the future is dropped; only the answer is
//!   lost.
//! * **One owner.** The file is locked while it is open; a second process, or a second store in
//!   this process, is refused. Dropping the store completes the waiting operations, closes the file
//!   and stops the thread, so it blocks for as long as that takes.
//! * **A full disk only prevents growth.** Writes are [`StoreError::Full`] and have no effect;
//!   reads continue. Removals and replacements by shorter or equally long entries need no space,
//!   and still succeed if the file has free pages, so sessions and devices can be revoked; if it
//!   has none, free some space on the disk and try again. After a second the next write is
//!   attempted again, so no restart is needed once there is space. Other failures of the disk are
//!   [`StoreError::Unavailable`], or [`StoreError::Unknown`] if the write may be in the file; the
//!   file is reopened before the next attempt.
//! * **Foreign files stay untouched**, and so do files of another format: the store identifies a
//!   file before it opens it for writing.
//! * **Damage is an error when the file is opened.** Every page has a checksum. All of them are
//!   verified then, at about a gigabyte per second, and a file that was changed from outside does
//!   not open. A commit flushes to the disk in two phases, so damage is never mistaken for an
//!   unfinished commit. That would restore an older state, with sessions that were revoked. (One
//!   bit is exempt: the one that selects the last state. If it flips in a file that a crash left
//!   behind, the very last commit is missing.)
//! * **Damage to an open file is not always noticed.** The checksums are not verified again when a
//!   page is read. If a disk changes a page while the file is open, the result is
//!   [`StoreError::Corrupt`] if the page has become invalid, and otherwise different bytes under a
//!   key, or an entry that is not found. Sealed records then fail to open. But an entry whose
//!   presence *refuses* access, such as a token id on a deny list, may be missed. If you do not
//!   trust a disk to return what was written, use a file system with checksums, or reopen the file
//!   from time to time. redb may panic on such a file. The store catches the panic, which requires
//!   `panic = "unwind"`, the default.
//! * **Expired entries are removed.** Every commit removes a few, more than it adds, and opening
//!   removes some thousands.
//!
//! On Unix only the owner can read the file. Use a local disk: locks and acknowledgements of
//! network file systems are not always reliable. To back the file up, copy it while the store is
//! closed.
//!
//! ```
//! use tower_jam::{Clock, SystemClock, store::{FileStore, StoreKey, Store, When, Write}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("tower-jam-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! let key = StoreKey::new("example", &[b"alice"]);
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
    fault::FileFault,
    job::PendingWrite,
    tables::{ReadView, Tables},
    writer::FileInner,
};
use super::{Entry, Store, StoreFuture, StoreKey, When, Write};
use crate::{
    clock::{Clock, SystemClock, Timestamp},
    error::{ConfigError, StoreError},
};

/// Stores entries in one file. Share it as an `Arc`.
#[must_use = "the file is closed again when the store is dropped"]
pub struct FileStore {
    inner: Arc<FileInner>,
    /// Removed only by `Drop`.
    thread: Option<JoinHandle<()>>,
}

impl FileStore {
    /// Opens or creates the file at `path` with the system's clock. Its directory must exist.
    ///
    /// This reads the whole file and waits for the disk, so call it when the program starts.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] about `path`, with its value, if the file is in use, damaged, not a store,
    /// written by a later version of this crate, or cannot be read and written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        Self::builder(path).open()
    }

    /// Returns a builder for a store in the file at `path`.
    pub fn builder(path: impl AsRef<Path>) -> FileStoreBuilder {
        FileStoreBuilder {
            path: path.as_ref().to_owned(),
            clock: Arc::new(SystemClock),
        }
    }

    /// Sends a change to the thread at the first poll, and waits until it is on the disk.
    fn write<'a, T: Send + 'static>(
        &'a self,
        change: impl Fn(&mut Tables<'_>, Timestamp) -> Result<T, FileFault> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            let (task, answer) = PendingWrite::with_reply(change);
            self.inner.write(task)?;
            answer.await.unwrap_or_else(|_| Err(unanswered()))
        })
    }

    /// Reads immediately. Only while the file is being reopened after a failure of the disk, the
    /// read goes to the thread that reopens it.
    fn read<'a, T: Send + 'static>(
        &'a self,
        read: impl Fn(&ReadView) -> Result<T, FileFault> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        let clock = Arc::clone(&self.inner.clock);
        let read =
            move |database: &Database| read(&ReadView::new(database.begin_read()?, clock.now()));
        Box::pin(async move {
            if let Some(answer) = self.inner.read_now(&read) {
                return answer;
            }
            let (reply, answer) = oneshot::channel();
            self.inner.read_later(read, reply)?;
            answer.await.unwrap_or_else(|_| Err(unanswered()))
        })
    }
}

impl Store for FileStore {
    fn get<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        let key = key.clone();
        self.read(move |tables| tables.get(&key))
    }

    fn put<'a>(&'a self, key: &'a StoreKey, write: Write, when: When) -> StoreFuture<'a, bool> {
        let key = key.clone();
        self.write(move |tables, now| tables.put(&key, &write, when, now))
    }

    fn take<'a>(&'a self, key: &'a StoreKey) -> StoreFuture<'a, Option<Entry>> {
        let key = key.clone();
        self.write(move |tables, now| tables.take(&key, now))
    }

    fn list<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, Vec<(StoreKey, Entry)>> {
        let group = group.clone();
        self.read(move |tables| tables.list(&group))
    }

    fn add<'a>(
        &'a self,
        key: &'a StoreKey,
        delta: i64,
        expires_at: Timestamp,
    ) -> StoreFuture<'a, i64> {
        let key = key.clone();
        let fresh = Write::new("", expires_at);
        self.write(move |tables, now| tables.add(&key, delta, fresh.clone(), now))
    }

    fn remove_group<'a>(&'a self, group: &'a StoreKey) -> StoreFuture<'a, u64> {
        let group = group.clone();
        self.write(move |tables, now| tables.remove_group(&group, now))
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        self.inner.finish();
        // An answer may wake a task that drops the store, on the store's own thread.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!(path = %self.inner.path.display(), "the store's thread panicked");
        }
    }
}

/// Shows the path of the file, but not its contents.
impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore")
            .field("path", &self.inner.path)
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
    /// Uses `clock` to decide which entries have expired.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Opens or creates the file, like [`FileStore::open`].
    ///
    /// # Errors
    ///
    /// Those of [`FileStore::open`].
    pub fn open(self) -> Result<FileStore, ConfigError> {
        let built = self.open_database();
        built.map_err(|error| error.in_engine("FileStore"))
    }

    fn open_database(self) -> Result<FileStore, ConfigError> {
        let database = opening::open_or_create(&self.path, self.clock.now())?;
        let (inner, thread) = writer::start(self.path, self.clock, database)?;
        Ok(FileStore {
            inner,
            thread: Some(thread),
        })
    }
}

/// Does not occur while the thread runs, and it outlives every future of its store.
fn unanswered() -> StoreError {
    StoreError::Unknown("the store's thread gave no answer".into())
}
