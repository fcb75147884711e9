//! Why a blocking call failed.

use std::{convert::Infallible, error::Error, fmt, io};

/// Why a blocking call failed; `X` is the error of the engine.
#[derive(Debug)]
#[non_exhaustive]
pub enum BlockingError<X = Infallible> {
    /// The caller is inside a tokio runtime, so the call was not made.
    InsideRuntime,
    /// The future panicked. What it did before the panic stays done.
    Panicked,
    /// The operating system could not provide a thread or a runtime.
    Start(io::Error),
    /// The error of the engine.
    Engine(X),
}

impl<X: fmt::Display> fmt::Display for BlockingError<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InsideRuntime => f.write_str(
                "a blocking call was made inside a tokio runtime; await the engine itself there",
            ),
            Self::Panicked => f.write_str("the call panicked"),
            Self::Start(_) => f.write_str("the thread for blocking calls did not start"),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl<X: Error> Error for BlockingError<X> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Start(error) => Some(error),
            // `Display` shows the error of the engine, so the source is the next one.
            Self::Engine(error) => error.source(),
            Self::InsideRuntime | Self::Panicked => None,
        }
    }
}
