//! The store's thread: it applies all waiting operations in one transaction, waits for the disk
//! once, and then answers.

use std::{
    collections::VecDeque,
    mem::take,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard, TryLockError},
    thread::{self, JoinHandle},
    time::Duration,
};

use redb::{Database, ReadableDatabase, ReadableTable};

use super::{
    fault::{FileFailure, FileFault, guarded},
    job::{FileJob, PendingRead, ReadJob, Reply, WriteJob},
    opening,
    tables::{COMMITS_NAME, META, Tables},
};
use crate::{
    clock::{Clock, Timestamp},
    error::{ConfigError, StoreError},
};

/// Starts the thread that writes to `database`. It stops some time after [`FileInner::finish`].
pub(super) fn start(
    path: PathBuf,
    clock: Arc<dyn Clock>,
    database: Database,
) -> Result<(Arc<FileInner>, JoinHandle<()>), ConfigError> {
    let inner = Arc::new(FileInner {
        path,
        clock,
        database: RwLock::new(Some(database)),
        queue: Mutex::default(),
        has_jobs: Condvar::new(),
    });
    let mut writer = Writer {
        inner: Arc::clone(&inner),
        last_failure: None,
    };
    let thread = thread::Builder::new()
        .name("jam-store".to_owned())
        .spawn(move || writer.run())
        .map_err(|error| {
            ConfigError::new("path", "the store's thread did not start").with_source(error)
        })?;
    Ok((inner, thread))
}

/// The state that the handle and the thread share.
pub(super) struct FileInner {
    pub(super) path: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    /// Locked for writing only while the file is reopened; `None` if that failed.
    pub(super) database: RwLock<Option<Database>>,
    queue: Mutex<Queue>,
    has_jobs: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<FileJob>,
    is_closed: bool,
}

impl FileInner {
    pub(super) fn write(&self, work: Box<dyn WriteJob>) -> Result<(), StoreError> {
        self.push(FileJob::Write(work))
    }

    /// Reads with `read`, and returns `None` if the file must be reopened first.
    pub(super) fn read_now<T>(
        &self,
        read: impl Fn(&Database) -> Result<T, FileFault>,
    ) -> Option<Result<T, StoreError>> {
        let database = match self.database.try_read() {
            Ok(database) => database,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let database = database.as_ref()?;
        match guarded(|| read(database)) {
            Ok(found) => Some(Ok(found)),
            Err(FileFault::Operation(error)) => Some(Err(error)),
            Err(FileFault::File(error)) => {
                let failure = FileFailure::new(&self.path, error);
                failure.is_damage().then(|| Err(failure.to_error()))
            }
        }
    }

    /// Reads with `read` on the thread, once the file is open again.
    pub(super) fn read_later<T: Send + 'static>(
        &self,
        read: impl Fn(&Database) -> Result<T, FileFault> + Send + 'static,
        reply: Reply<T>,
    ) -> Result<(), StoreError> {
        self.push(FileJob::Read(Box::new(PendingRead::new(read, reply))))
    }

    /// Stops the thread once the queue is empty.
    pub(super) fn finish(&self) {
        self.queue().is_closed = true;
        self.has_jobs.notify_one();
    }

    fn push(&self, job: FileJob) -> Result<(), StoreError> {
        let mut queue = self.queue();
        if queue.jobs.len() >= MAX_WAITING {
            return Err(StoreError::Unavailable(
                "too many writes are waiting for the disk".into(),
            ));
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.has_jobs.notify_one();
        Ok(())
    }

    /// Waits for jobs and returns all of them, or `None` once the last handle is gone.
    fn wait(&self) -> Option<VecDeque<FileJob>> {
        let queue = self.queue();
        let mut queue = self
            .has_jobs
            .wait_while(queue, |queue| queue.jobs.is_empty() && !queue.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        let jobs = take(&mut queue.jobs);
        (!jobs.is_empty()).then_some(jobs)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on the open file; returns `None` if it is not open.
    fn with_database<T>(&self, work: impl FnOnce(&Database) -> T) -> Option<T> {
        let database = self.database.read();
        let database = database.unwrap_or_else(PoisonError::into_inner);
        database.as_ref().map(work)
    }
}

struct Writer {
    inner: Arc<FileInner>,
    /// Why the last attempt failed, and until when other operations get the same error.
    last_failure: Option<(FileFailure, Duration)>,
}

impl Writer {
    fn run(&mut self) {
        while let Some(jobs) = self.inner.wait() {
            // Wakers are foreign code. If one panics, a caller may get no answer; it
            // then gets an error that the outcome is unknown.
            if catch_unwind(AssertUnwindSafe(|| self.serve(jobs))).is_err() {
                tracing::error!(path = %self.inner.path.display(), "a waiting task panicked when it was woken");
            }
        }
        if let Err(error) = self.close() {
            let failure = FileFailure::new(&self.inner.path, error);
            tracing::error!(%failure, "the store file was not closed cleanly");
        }
    }

    fn serve(&mut self, jobs: VecDeque<FileJob>) {
        let mut batch = Vec::with_capacity(jobs.len());
        for job in jobs {
            match job {
                FileJob::Write(work) => batch.push(work),
                FileJob::Read(read) => self.read(read),
            }
        }
        if batch.is_empty() {
            return;
        }
        let outcome = self.commit(&mut batch);
        for work in batch {
            work.answer(outcome.as_ref().err());
        }
    }

    /// Writes the batch completely or not at all. On a full disk only changes that need no space
    /// are written.
    fn commit(&mut self, batch: &mut [Box<dyn WriteJob>]) -> Result<(), FileFailure> {
        match self.check_last_failure() {
            Err(failure) if !failure.is_full() => Err(failure),
            Err(_) => self.attempt(batch, true),
            Ok(()) => match self.attempt(batch, false) {
                Err(failure) if failure.is_full() => self.attempt(batch, true),
                outcome => outcome,
            },
        }
    }

    fn attempt(
        &mut self,
        batch: &mut [Box<dyn WriteJob>],
        is_disk_full: bool,
    ) -> Result<(), FileFailure> {
        if self.inner.with_database(|_| ()).is_none() {
            self.reopen()?;
        }
        let now = self.inner.clock.now();
        let mut number = None;
        let transact = |database: &Database| {
            guarded(|| transact(database, batch, now, is_disk_full, &mut number))
        };
        let Some(Err(error)) = self.inner.with_database(transact) else {
            if !is_disk_full {
                self.last_failure = None;
            }
            return Ok(());
        };
        let failure = FileFailure::new(&self.inner.path, error);
        tracing::error!(%failure, "the store file could not be written");
        self.set_last_failure(failure.clone());
        let is_open = self.reopen().is_ok();
        let is_absent = |number| is_open && self.commits().is_some_and(|commits| commits < number);
        match number {
            // The write may be in the file although the disk did not confirm it.
            Some(number) if !is_absent(number) => Err(failure.with_unknown_outcome()),
            _ => Err(failure),
        }
    }

    fn read(&mut self, mut read: Box<dyn ReadJob>) {
        let mut failure = None;
        for _ in 0..2 {
            if let Err(closed) = self.ensure_open() {
                return read.refuse(&closed);
            }
            let found = self
                .inner
                .with_database(|database| guarded(|| read.attempt(database)));
            let Some(Err(error)) = found else { return };
            failure = Some(FileFailure::new(&self.inner.path, error));
            let _ = self.reopen();
        }
        if let Some(failure) = failure {
            read.refuse(&failure);
        }
    }

    fn ensure_open(&mut self) -> Result<(), FileFailure> {
        if self.inner.with_database(|_| ()).is_some() {
            return Ok(());
        }
        self.check_last_failure()?;
        self.reopen()
    }

    /// Reopens the file, as redb requires after a failure. Opening checks and repairs it.
    fn reopen(&mut self) -> Result<(), FileFailure> {
        // It has already failed, so it will not close cleanly.
        let _ = self.close();
        match opening::reopen(&self.inner.path) {
            Ok(database) => {
                *self.database() = Some(database);
                Ok(())
            }
            Err(error) => {
                let failure = FileFailure::new(&self.inner.path, error);
                tracing::error!(%failure, "the store file could not be reopened");
                self.set_last_failure(failure.clone());
                Err(failure)
            }
        }
    }

    fn close(&self) -> Result<(), redb::Error> {
        let database = self.database().take();
        guarded(|| database.map_or(Ok(()), |database| Ok(database.close()?)))
    }

    fn check_last_failure(&self) -> Result<(), FileFailure> {
        match &self.last_failure {
            Some((failure, until)) if self.inner.clock.monotonic() < *until => Err(failure.clone()),
            _ => Ok(()),
        }
    }

    fn set_last_failure(&mut self, failure: FileFailure) {
        let until = self.inner.clock.monotonic().saturating_add(RETRY_AFTER);
        self.last_failure = Some((failure, until));
    }

    fn commits(&self) -> Option<u64> {
        let count = |database: &Database| {
            guarded(|| {
                let meta = database.begin_read()?.open_table(META)?;
                let commits = meta.get(COMMITS_NAME)?;
                Ok::<_, redb::Error>(commits.map_or(0, |number| number.value()))
            })
        };
        self.inner.with_database(count)?.ok()
    }

    fn database(&self) -> RwLockWriteGuard<'_, Option<Database>> {
        let database = self.inner.database.write();
        database.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Applies the batch and commits it. Sets `number` to that of the transaction once it may be on the
/// disk.
fn transact(
    database: &Database,
    batch: &mut [Box<dyn WriteJob>],
    now: Timestamp,
    is_disk_full: bool,
    number: &mut Option<u64>,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    let purged = 2 * batch.len() + PURGED_AT_LEAST;
    let mut tables = Tables::open(&transaction, is_disk_full)?;
    for work in batch {
        work.apply(&mut tables, now)?;
    }
    if !tables.has_changed() {
        drop(tables);
        return Ok(transaction.abort()?);
    }
    tables.purge(now, purged)?;
    drop(tables);
    let next = {
        let mut meta = transaction.open_table(META)?;
        let next = meta.get(COMMITS_NAME)?.map_or(0, |number| number.value()) + 1;
        meta.insert(COMMITS_NAME, next)?;
        next
    };
    *number = Some(next);
    Ok(transaction.commit()?)
}

/// Far more than a server has in flight, and a bound on the memory that a stuck disk can occupy.
const MAX_WAITING: usize = 8192;

/// How long later operations get the error of a failure. Reads wait while the file is reopened,
/// so that is not done for each write on a full disk.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The number of entries that every commit purges in addition to twice the number of its writes.
const PURGED_AT_LEAST: usize = 8;
