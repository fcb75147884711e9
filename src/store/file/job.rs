//! What is handed to the store's thread: a piece of work, and where its answer goes.

use redb::Database;
use tokio::sync::oneshot;

use super::{
    fault::{Failure, Fault},
    tables::Tables,
};
use crate::{clock::Timestamp, error::StoreError};

pub(super) enum Job {
    Write(Box<dyn Work>),
    Read(Box<dyn Look>),
}

/// A change that waits for its transaction.
pub(super) trait Work: Send {
    /// Decides and writes, again if an earlier transaction came to nothing. An error is the file's, and ends the transaction.
    fn apply(&mut self, tables: &mut Tables<'_>, now: Timestamp) -> Result<(), redb::Error>;

    /// Answers, with what was decided or with what came between.
    fn answer(self: Box<Self>, failure: Option<&Failure>);
}

pub(super) struct Task<T, F> {
    change: F,
    decided: Option<Result<T, StoreError>>,
    reply: Reply<T>,
}

impl<T, F> Task<T, F>
where
    T: Send + 'static,
    F: Fn(&mut Tables<'_>, Timestamp) -> Result<T, Fault> + Send + 'static,
{
    /// The work to hand over, and where its answer will be.
    pub(super) fn with_answer(
        change: F,
    ) -> (Box<dyn Work>, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        let task = Self {
            change,
            decided: None,
            reply,
        };
        (Box::new(task), answer)
    }
}

impl<T, F> Work for Task<T, F>
where
    T: Send,
    F: Fn(&mut Tables<'_>, Timestamp) -> Result<T, Fault> + Send,
{
    fn apply(&mut self, tables: &mut Tables<'_>, now: Timestamp) -> Result<(), redb::Error> {
        self.decided = Some(match (self.change)(tables, now) {
            Ok(answer) => Ok(answer),
            Err(Fault::Verb(error)) => Err(error),
            Err(Fault::File(error)) => return Err(error),
        });
        Ok(())
    }

    /// Whoever asked may be gone; then nobody is told.
    fn answer(self: Box<Self>, failure: Option<&Failure>) {
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

/// A read that waits for the file to be open.
pub(super) trait Look: Send {
    /// Reads and answers. An error is the file's, and nobody was answered.
    fn attempt(&mut self, database: &Database) -> Result<(), redb::Error>;

    /// Answers that it cannot be read.
    fn refuse(&mut self, failure: &Failure);
}

pub(super) struct Reader<T, F> {
    look: F,
    /// Taken by the answer.
    reply: Option<Reply<T>>,
}

impl<T, F> Reader<T, F> {
    pub(super) fn new(look: F, reply: Reply<T>) -> Self {
        Self {
            look,
            reply: Some(reply),
        }
    }
}

impl<T, F> Look for Reader<T, F>
where
    T: Send,
    F: Fn(&Database) -> Result<T, Fault> + Send,
{
    fn attempt(&mut self, database: &Database) -> Result<(), redb::Error> {
        let found = match (self.look)(database) {
            Ok(found) => Ok(found),
            Err(Fault::Verb(error)) => Err(error),
            Err(Fault::File(error)) => return Err(error),
        };
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(found);
        }
        Ok(())
    }

    fn refuse(&mut self, failure: &Failure) {
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(Err(failure.to_error()));
        }
    }
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;
