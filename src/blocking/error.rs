//! Why a call that waits came to nothing.

use std::{convert::Infallible, error::Error, fmt, io};

/// Says why a call that waits came to nothing; `X` is what the engine fails with.
#[derive(Debug)]
#[non_exhaustive]
pub enum BlockingError<X = Infallible> {
    /// The caller is inside a tokio runtime, so nothing was done.
    InsideRuntime,
    /// The future panicked. What it had done by then is done.
    Panicked,
    /// The operating system gave no thread, or none that can have a runtime.
    Start(io::Error),
    /// What the engine says.
    Engine(X),
}

impl<X: fmt::Display> fmt::Display for BlockingError<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InsideRuntime => f.write_str(
                "a call that waits was made inside a tokio runtime, where the engine itself is to be awaited",
            ),
            Self::Panicked => f.write_str("the call panicked"),
            Self::Start(_) => f.write_str("the thread for calls that wait did not start"),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl<X: Error> Error for BlockingError<X> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Start(error) => Some(error),
            // It is shown as that error, so its cause is the next one.
            Self::Engine(error) => error.source(),
            Self::InsideRuntime | Self::Panicked => None,
        }
    }
}
