//! Failures of the file, and the errors that callers get.

use std::{
    error::Error,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use crate::error::StoreError;

/// Why an operation on the tables failed.
#[derive(Debug)]
pub(super) enum FileFault {
    /// The file failed, and with it every operation in the same transaction.
    File(redb::Error),
    /// Only this operation failed; its transaction continues without it.
    Operation(StoreError),
}

impl From<redb::Error> for FileFault {
    fn from(error: redb::Error) -> Self {
        Self::File(error)
    }
}

impl From<redb::StorageError> for FileFault {
    fn from(error: redb::StorageError) -> Self {
        Self::File(error.into())
    }
}

impl From<redb::TableError> for FileFault {
    fn from(error: redb::TableError) -> Self {
        Self::File(error.into())
    }
}

impl From<redb::TransactionError> for FileFault {
    fn from(error: redb::TransactionError) -> Self {
        Self::File(error.into())
    }
}

/// A failure of the file, which every affected operation returns.
#[derive(Clone, Debug)]
pub(super) struct FileFailure {
    class: FailureClass,
    cause: FileError,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum FailureClass {
    Full,
    Unavailable,
    Unknown,
    Corrupt,
}

impl FileFailure {
    pub(super) fn new(path: &Path, error: impl Into<redb::Error>) -> Self {
        let error = error.into();
        let class = match &error {
            redb::Error::Io(error) if is_full(error) => FailureClass::Full,
            error if is_damage(error) => FailureClass::Corrupt,
            _ => FailureClass::Unavailable,
        };
        let cause = FileError::new(path, error);
        Self { class, cause }
    }

    pub(super) fn is_full(&self) -> bool {
        self.class == FailureClass::Full
    }

    pub(super) fn is_damage(&self) -> bool {
        self.class == FailureClass::Corrupt
    }

    /// The same failure for a write that may have happened.
    pub(super) fn with_unknown_outcome(mut self) -> Self {
        self.class = FailureClass::Unknown;
        self
    }

    pub(super) fn to_error(&self) -> StoreError {
        let cause = Box::new(self.cause.clone());
        match self.class {
            FailureClass::Full => StoreError::Full,
            FailureClass::Unavailable => StoreError::Unavailable(cause),
            FailureClass::Unknown => StoreError::Unknown(cause),
            FailureClass::Corrupt => StoreError::Corrupt(cause),
        }
    }
}

impl fmt::Display for FileFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause, self.cause.cause)
    }
}

/// An error of redb with the path of its file.
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

/// Returns whether the disk, the quota or the limit on a file's size is exhausted.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Returns whether the file differs from what redb or this module wrote.
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

/// Runs code that touches the file. redb may panic on a file that was damaged while it was open;
/// this counts as damage too. No incomplete state is visible afterwards: the panic discards the
/// transaction, and the writer reopens the file before it continues.
pub(super) fn guarded<T, E: From<redb::Error>>(
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        let reason = "redb panicked while it read the file".to_owned();
        Err(redb::Error::Corrupted(reason).into())
    })
}
