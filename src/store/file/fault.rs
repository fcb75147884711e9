//! What can go wrong with the file, and what the caller is told of it.

use std::{
    error::Error,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use crate::error::StoreError;

/// Why a piece of work on the tables came to nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file failed, and with it everything in the same transaction.
    File(redb::Error),
    /// This verb cannot be answered; its transaction goes on without it.
    Verb(StoreError),
}

impl From<redb::Error> for Fault {
    fn from(error: redb::Error) -> Self {
        Self::File(error)
    }
}

impl From<redb::StorageError> for Fault {
    fn from(error: redb::StorageError) -> Self {
        Self::File(error.into())
    }
}

impl From<redb::TableError> for Fault {
    fn from(error: redb::TableError) -> Self {
        Self::File(error.into())
    }
}

impl From<redb::TransactionError> for Fault {
    fn from(error: redb::TransactionError) -> Self {
        Self::File(error.into())
    }
}

/// A failure of the file, told to each verb that it hit.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    class: Class,
    cause: FileError,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Full,
    Unavailable,
    Unknown,
    Corrupt,
}

impl Failure {
    pub(super) fn new(path: &Path, error: impl Into<redb::Error>) -> Self {
        let error = error.into();
        let class = match &error {
            redb::Error::Io(error) if is_full(error) => Class::Full,
            error if is_damage(error) => Class::Corrupt,
            _ => Class::Unavailable,
        };
        let cause = FileError::new(path, error);
        Self { class, cause }
    }

    pub(super) fn is_full(&self) -> bool {
        self.class == Class::Full
    }

    pub(super) fn is_damage(&self) -> bool {
        self.class == Class::Corrupt
    }

    /// The same failure where the write may have happened.
    pub(super) fn with_unknown_outcome(mut self) -> Self {
        self.class = Class::Unknown;
        self
    }

    pub(super) fn to_error(&self) -> StoreError {
        let cause = Box::new(self.cause.clone());
        match self.class {
            Class::Full => StoreError::Full,
            Class::Unavailable => StoreError::Unavailable(cause),
            Class::Unknown => StoreError::Unknown(cause),
            Class::Corrupt => StoreError::Corrupt(cause),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause, self.cause.cause)
    }
}

/// An error of redb with the file it is about.
#[derive(Clone, Debug)]
struct FileError {
    path: Arc<Path>,
    cause: Arc<redb::Error>,
}

impl FileError {
    fn new(path: &Path, cause: redb::Error) -> Self {
        Self {
            path: path.into(),
            cause: Arc::new(cause),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.path.display())
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

/// Whether the disk, the quota or the limit on a file's size is used up.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Whether the file does not hold what redb or this module wrote.
pub(super) fn is_damage(error: &redb::Error) -> bool {
    use redb::Error as E;
    match error {
        E::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
        ),
        E::Corrupted(_)
        | E::RepairAborted
        | E::TableTypeMismatch { .. }
        | E::TableIsMultimap(_)
        | E::TableIsNotMultimap(_)
        | E::TypeDefinitionChanged { .. }
        | E::TableDoesNotExist(_) => true,
        _ => false,
    }
}

/// Runs what touches the file. redb may panic on a file that was damaged while it was open; that is
/// damage like any other. Nothing half done is seen afterwards: a transaction is gone with the panic, and the
/// writer opens the file again before it goes on.
pub(super) fn guarded<T, E: From<redb::Error>>(
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let reason = "redb panicked while it read the file".to_owned();
        Err(redb::Error::Corrupted(reason).into())
    })
}
