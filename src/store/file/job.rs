//! Jobs for the store's thread: an operation and the channel for its answer.

use redb::Database;
use tokio::sync::oneshot;

use super::{
    fault::{FileFailure, FileFault},
    tables::Tables,
};
use crate::{clock::Timestamp, error::StoreError};

pub(super) enum FileJob {
    Write(Box<dyn WriteJob>),
    Read(Box<dyn ReadJob>),
}

/// A write that waits for its transaction.
pub(super) trait WriteJob: Send {
    /// Decides and writes; runs again if an earlier transaction failed. An error is a failure of
    /// the file and aborts the transaction.
    fn apply(&mut self, tables: &mut Tables<'_>, now: Timestamp) -> Result<(), redb::Error>;

    /// Answers with the decision, or with the failure of its transaction.
    fn answer(self: Box<Self>, failure: Option<&FileFailure>);
}

pub(super) struct PendingWrite<T, F> {
    change: F,
    decided: Option<Result<T, StoreError>>,
    reply: Reply<T>,
}

impl<T, F> PendingWrite<T, F>
where
    T: Send + 'static,
    F: Fn(&mut Tables<'_>, Timestamp) -> Result<T, FileFault> + Send + 'static,
{
    /// Returns the job, and the receiver of its answer.
    pub(super) fn with_reply(
        change: F,
    ) -> (Box<dyn WriteJob>, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        let task = Self {
            change,
            decided: None,
            reply,
        };
        (Box::new(task), answer)
    }
}

impl<T, F> WriteJob for PendingWrite<T, F>
where
    T: Send,
    F: Fn(&mut Tables<'_>, Timestamp) -> Result<T, FileFault> + Send,
{
    fn apply(&mut self, tables: &mut Tables<'_>, now: Timestamp) -> Result<(), redb::Error> {
        self.decided = Some(match (self.change)(tables, now) {
            Ok(answer) => Ok(answer),
            Err(FileFault::Operation(error)) => Err(error),
            Err(FileFault::File(error)) => return Err(error),
        });
        Ok(())
    }

    /// The caller may be gone; its answer is then discarded.
    fn answer(self: Box<Self>, failure: Option<&FileFailure>) {
        let answer = match failure {
            Some(failure) => Err(failure.to_error()),
            None => match self.decided {
                Some(decided) => decided,
                None => return,
            },
        };
        let _ = self.reply.send(answer);
    }
}

/// A read that waits until the file is open.
pub(super) trait ReadJob: Send {
    /// Reads and answers. An error is a failure of the file, and means that there was no answer.
    fn attempt(&mut self, database: &Database) -> Result<(), redb::Error>;

    /// Answers with the failure.
    fn refuse(&mut self, failure: &FileFailure);
}

pub(super) struct PendingRead<T, F> {
    read: F,
    /// Removed by the answer.
    reply: Option<Reply<T>>,
}

impl<T, F> PendingRead<T, F> {
    pub(super) fn new(read: F, reply: Reply<T>) -> Self {
        Self {
            read,
            reply: Some(reply),
        }
    }
}

impl<T, F> ReadJob for PendingRead<T, F>
where
    T: Send,
    F: Fn(&Database) -> Result<T, FileFault> + Send,
{
    fn attempt(&mut self, database: &Database) -> Result<(), redb::Error> {
        let found = match (self.read)(database) {
            Ok(found) => Ok(found),
            Err(FileFault::Operation(error)) => Err(error),
            Err(FileFault::File(error)) => return Err(error),
        };
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(found);
        }
        Ok(())
    }

    fn refuse(&mut self, failure: &FileFailure) {
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(Err(failure.to_error()));
        }
    }
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;
