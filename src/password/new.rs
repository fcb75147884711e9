//! A new password that may be hashed.

use std::{error::Error, fmt, future::Future, pin::Pin, sync::Arc};

use crate::{error::BoxError, secret::Secret};

/// A new password that may be hashed: [`Passwords::check_new`](super::Passwords::check_new) has
/// accepted it.
#[derive(Clone)]
pub struct NewPassword(pub(super) Secret<String>);

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(..)")
    }
}

/// The reason why a new password is refused. Its text may be shown to the user.
#[derive(Debug)]
#[non_exhaustive]
pub enum NewPasswordError {
    /// It has fewer characters than this.
    TooShort(usize),
    /// It has more bytes than this.
    TooLong(usize),
    /// It is one of the most common ones.
    Common,
    /// It is made of the name of the service or of the user.
    Context,
    /// It is known from a breach.
    Breached,
    /// The breach check failed. This is a fault of the service, to be answered with 503.
    Unchecked(BoxError),
}

impl fmt::Display for NewPasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(least) => write!(f, "the password has fewer than {least} characters"),
            Self::TooLong(most) => write!(f, "the password has more than {most} bytes"),
            Self::Common => f.write_str("the password is one of the most common ones"),
            Self::Context => {
                f.write_str("the password is made of the name of this service or of its user")
            }
            Self::Breached => f.write_str("the password is known from a breach"),
            Self::Unchecked(_) => f.write_str("the password could not be checked"),
        }
    }
}

impl Error for NewPasswordError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unchecked(source) => Some(source.as_ref()),
            Self::TooShort(_)
            | Self::TooLong(_)
            | Self::Common
            | Self::Context
            | Self::Breached => None,
        }
    }
}

/// Checks whether a password is known from a breach.
pub(super) type BreachCheck = Arc<dyn Fn(Secret<String>) -> BreachFuture + Send + Sync>;

type BreachFuture = Pin<Box<dyn Future<Output = Result<bool, BoxError>> + Send>>;
