//! Authentication for tower (the README becomes this page).
#![forbid(unsafe_code)]

// In the order in which a request meets them.
mod authenticate;
mod cookie;
mod credential;
#[cfg(feature = "axum")]
mod extract;
pub mod guard;
mod identity;
pub mod layer;
mod rejection;

mod grant;
#[cfg(feature = "session")]
pub mod session;
#[cfg(feature = "jwt")]
pub mod token;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

mod clock;
mod error;
mod secret;
pub mod store;

pub use crate::{
    authenticate::{Authenticate, OnResponse, Or, ReadFrom, Verified},
    clock::{Clock, SystemClock, Timestamp},
    cookie::{CookieSpec, SameSite},
    credential::{Credential, CredentialSource},
    error::{BoxError, ConfigError, IssueError, StoreError},
    grant::Grant,
    guard::Guard,
    identity::{AuthUser, Factor, Identity, Subject},
    rejection::{Rejection, RejectionKind},
    secret::{MasterSecret, Secret},
};

#[cfg(feature = "jwt")]
pub use crate::{
    layer::JwtLayer,
    token::{Algorithm, Claims, Jwt, Key, KeyRing},
};
#[cfg(feature = "session")]
pub use crate::{
    layer::SessionLayer,
    session::{Session, Sessions},
};
