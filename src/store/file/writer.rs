//! The store's thread: whatever waits is one transaction, one wait for the disk, and then the answers.

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
    fault::{Failure, Fault, guarded},
    job::{Job, Look, Reader, Reply, Work},
    opening,
    tables::{COMMITS_NAME, META, Tables},
};
use crate::{
    clock::{Clock, Timestamp},
    error::{ConfigError, StoreError},
};

/// Starts the thread that writes to `database`. It ends some time after [`Shared::finish`].
pub(super) fn start(
    path: PathBuf,
    clock: Arc<dyn Clock>,
    database: Database,
) -> Result<(Arc<Shared>, JoinHandle<()>), ConfigError> {
    let shared = Arc::new(Shared {
        path,
        clock,
        database: RwLock::new(Some(database)),
        queue: Mutex::default(),
        filled: Condvar::new(),
    });
    let mut writer = Writer {
        shared: Arc::clone(&shared),
        trouble: None,
    };
    let thread = thread::Builder::new()
        .name("jam-store".to_owned())
        .spawn(move || writer.run())
        .map_err(|error| {
            ConfigError::new("path", "the store's thread did not start").because(error)
        })?;
    Ok((shared, thread))
}

/// What the handle and the thread have in common.
pub(super) struct Shared {
    pub(super) path: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    /// Held for writing only while the file is opened again; empty where that failed.
    pub(super) database: RwLock<Option<Database>>,
    queue: Mutex<Queue>,
    filled: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

impl Shared {
    pub(super) fn write(&self, work: Box<dyn Work>) -> Result<(), StoreError> {
        self.push(Job::Write(work))
    }

    /// Reads by `look`, unless the file has to be opened again first.
    pub(super) fn read_now<T>(
        &self,
        look: impl Fn(&Database) -> Result<T, Fault>,
    ) -> Option<Result<T, StoreError>> {
        let database = match self.database.try_read() {
            Ok(database) => database,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let database = database.as_ref()?;
        match guarded(|| look(database)) {
            Ok(found) => Some(Ok(found)),
            Err(Fault::Verb(error)) => Some(Err(error)),
            Err(Fault::File(error)) => {
                let failure = Failure::new(&self.path, error);
                failure.is_damage().then(|| Err(failure.to_error()))
            }
        }
    }

    /// Reads by `look` on the thread, once the file is open again.
    pub(super) fn read_later<T: Send + 'static>(
        &self,
        look: impl Fn(&Database) -> Result<T, Fault> + Send + 'static,
        reply: Reply<T>,
    ) -> Result<(), StoreError> {
        self.push(Job::Read(Box::new(Reader::new(look, reply))))
    }

    /// Lets the thread end when the queue is empty.
    pub(super) fn finish(&self) {
        self.queue().is_closed = true;
        self.filled.notify_one();
    }

    fn push(&self, job: Job) -> Result<(), StoreError> {
        let mut queue = self.queue();
        if queue.jobs.len() >= MAX_WAITING {
            return Err(StoreError::Unavailable(
                "too many writes wait for the disk".into(),
            ));
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.filled.notify_one();
        Ok(())
    }

    /// Everything that waits, or nothing once the last handle is gone.
    fn wait(&self) -> Option<VecDeque<Job>> {
        let queue = self.queue();
        let mut queue = self
            .filled
            .wait_while(queue, |queue| queue.jobs.is_empty() && !queue.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        let jobs = take(&mut queue.jobs);
        (!jobs.is_empty()).then_some(jobs)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on the open file; `None` where it is not open.
    fn with_database<T>(&self, work: impl FnOnce(&Database) -> T) -> Option<T> {
        let database = self.database.read();
        let database = database.unwrap_or_else(PoisonError::into_inner);
        database.as_ref().map(work)
    }
}

struct Writer {
    shared: Arc<Shared>,
    /// Why the last attempt failed, and until when that is the answer to others.
    trouble: Option<(Failure, Duration)>,
}

impl Writer {
    fn run(&mut self) {
        while let Some(jobs) = self.shared.wait() {
            // The wakers of those who wait are foreign code. Whoever is left unanswered by a panic
            // there is told that the outcome is unknown.
            if catch_unwind(AssertUnwindSafe(|| self.serve(jobs))).is_err() {
                tracing::error!(path = %self.shared.path.display(), "a waiting task panicked when it was woken");
            }
        }
        if let Err(error) = self.close() {
            let failure = Failure::new(&self.shared.path, error);
            tracing::error!(%failure, "the store file was not closed in order");
        }
    }

    fn serve(&mut self, jobs: VecDeque<Job>) {
        let mut batch = Vec::with_capacity(jobs.len());
        for job in jobs {
            match job {
                Job::Write(work) => batch.push(work),
                Job::Read(look) => self.look(look),
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

    /// Writes the batch whole, or nothing of it. On a full disk what takes no room is tried by itself.
    fn commit(&mut self, batch: &mut [Box<dyn Work>]) -> Result<(), Failure> {
        match self.check_trouble() {
            Err(failure) if !failure.is_full() => Err(failure),
            Err(_) => self.attempt(batch, true),
            Ok(()) => match self.attempt(batch, false) {
                Err(failure) if failure.is_full() => self.attempt(batch, true),
                outcome => outcome,
            },
        }
    }

    fn attempt(&mut self, batch: &mut [Box<dyn Work>], is_tight: bool) -> Result<(), Failure> {
        if self.shared.with_database(|_| ()).is_none() {
            self.reopen()?;
        }
        let now = self.shared.clock.now();
        let mut number = None;
        let transact =
            |database: &Database| guarded(|| transact(database, batch, now, is_tight, &mut number));
        let Some(Err(error)) = self.shared.with_database(transact) else {
            if !is_tight {
                self.trouble = None;
            }
            return Ok(());
        };
        let failure = Failure::new(&self.shared.path, error);
        tracing::error!(%failure, "the store file was not written");
        self.set_trouble(failure.clone());
        let is_open = self.reopen().is_ok();
        let is_absent = |number| is_open && self.commits().is_some_and(|commits| commits < number);
        match number {
            // It may be in the file although the disk did not say so.
            Some(number) if !is_absent(number) => Err(failure.with_unknown_outcome()),
            _ => Err(failure),
        }
    }

    fn look(&mut self, mut look: Box<dyn Look>) {
        let mut failure = None;
        for _ in 0..2 {
            if let Err(closed) = self.ensure_open() {
                return look.refuse(&closed);
            }
            let found = self
                .shared
                .with_database(|database| guarded(|| look.attempt(database)));
            let Some(Err(error)) = found else { return };
            failure = Some(Failure::new(&self.shared.path, error));
            let _ = self.reopen();
        }
        if let Some(failure) = failure {
            look.refuse(&failure);
        }
    }

    fn ensure_open(&mut self) -> Result<(), Failure> {
        if self.shared.with_database(|_| ()).is_some() {
            return Ok(());
        }
        self.check_trouble()?;
        self.reopen()
    }

    /// After a failure redb wants the file to be opened again, by which it is checked and repaired.
    fn reopen(&mut self) -> Result<(), Failure> {
        // It failed already, so it will not close in order.
        let _ = self.close();
        match opening::reopen(&self.shared.path) {
            Ok(database) => {
                *self.database() = Some(database);
                Ok(())
            }
            Err(error) => {
                let failure = Failure::new(&self.shared.path, error);
                tracing::error!(%failure, "the store file was not opened again");
                self.set_trouble(failure.clone());
                Err(failure)
            }
        }
    }

    fn close(&self) -> Result<(), redb::Error> {
        let database = self.database().take();
        guarded(|| database.map_or(Ok(()), |database| Ok(database.close()?)))
    }

    fn check_trouble(&self) -> Result<(), Failure> {
        match &self.trouble {
            Some((failure, until)) if self.shared.clock.monotonic() < *until => {
                Err(failure.clone())
            }
            _ => Ok(()),
        }
    }

    fn set_trouble(&mut self, failure: Failure) {
        let until = self.shared.clock.monotonic().saturating_add(PAUSE);
        self.trouble = Some((failure, until));
    }

    fn commits(&self) -> Option<u64> {
        let count = |database: &Database| {
            guarded(|| {
                let meta = database.begin_read()?.open_table(META)?;
                let commits = meta.get(COMMITS_NAME)?;
                Ok::<_, redb::Error>(commits.map_or(0, |number| number.value()))
            })
        };
        self.shared.with_database(count)?.ok()
    }

    fn database(&self) -> RwLockWriteGuard<'_, Option<Database>> {
        let database = self.shared.database.write();
        database.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Applies the batch and brings it to the disk. `number` becomes the transaction's own once it may be there.
fn transact(
    database: &Database,
    batch: &mut [Box<dyn Work>],
    now: Timestamp,
    is_tight: bool,
    number: &mut Option<u64>,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    let purged = 2 * batch.len() + PURGED_AT_LEAST;
    let mut tables = Tables::open(&transaction, is_tight)?;
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

/// Far more than a server has in flight, and a bound on what a stuck disk makes it remember.
const MAX_WAITING: usize = 8192;

/// How long a failure is the answer to whatever comes next. Opening the file again costs time that reads wait
/// for, so it is not done for each write on a full disk.
const PAUSE: Duration = Duration::from_secs(1);

/// What a commit of one write purges in addition to twice what it adds.
const PURGED_AT_LEAST: usize = 8;
