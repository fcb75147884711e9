#![cfg_attr(
    all(feature = "jwt", feature = "session", feature = "axum"),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(feature = "jwt", feature = "session", feature = "axum")),
    doc = "Authentication for tower; the manual is that of the default features."
)]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// From a request to a user, in the order in which a request meets them.
mod credential;
mod cookie;
mod authenticate;
mod identity;
mod proof;
pub mod guard;
mod rejection;
#[cfg(feature = "axum")]
mod extract;
pub mod layer;

// The engines.
#[cfg(any(feature = "jwt", feature = "session"))]
mod grant;
#[cfg(feature = "jwt")]
pub mod token;
#[cfg(feature = "session")]
pub mod session;
#[cfg(feature = "refresh")]
pub mod refresh;
#[cfg(feature = "otp")]
pub mod otp;
#[cfg(feature = "oauth2")]
pub mod oauth2;
#[cfg(feature = "account")]
pub mod account;

// The same without async.
#[cfg(feature = "blocking")]
pub mod blocking;
// All of them from one file.
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "config")]
mod jam;

// What they stand on.
#[cfg(any(feature = "jwt", feature = "session"))]
mod cache;
pub mod store;
#[cfg(feature = "jwks")]
mod discovery;
#[cfg(feature = "jwks")]
mod fetch;
mod clock;
mod secret;
mod error;
#[cfg(any(feature = "jwt", feature = "session", feature = "otp"))]
pub mod event;
#[cfg(feature = "metrics")]
pub mod metrics;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use crate::{
    authenticate::{Authenticate, OnResponse, Or, ReadFrom, Verified},
    clock::{Clock, SystemClock, Timestamp},
    cookie::{CookieSpec, SameSite},
    credential::{Credential, CredentialSource},
    error::{BoxError, ConfigError, IssueError, StoreError},
    guard::Guard,
    identity::{AuthUser, Factor, Identity, Subject},
    proof::RememberProof,
    rejection::{Rejection, RejectionKind},
    secret::{MasterSecret, Secret},
};

#[cfg(feature = "account")]
pub use crate::account::{Accounts, Passwords, Throttle};
#[cfg(any(feature = "jwt", feature = "session"))]
pub use crate::grant::{Grant, ReadUser};
#[cfg(feature = "config")]
pub use crate::jam::{Jam, Payload};
#[cfg(feature = "oauth2")]
pub use crate::oauth2::OAuth2;
#[cfg(feature = "refresh")]
pub use crate::refresh::{TokenPair, TokenPairs};
#[cfg(feature = "jwt")]
pub use crate::{
    layer::JwtLayer,
    token::{Algorithm, Claims, Jwt, Key, KeyRing, TokenList},
};
#[cfg(feature = "otp")]
pub use crate::{layer::OtpGuard, otp::Otp};
#[cfg(feature = "paseto")]
pub use crate::{
    layer::PasetoLayer,
    token::{Paseto, PasetoKey},
};
#[cfg(feature = "session")]
pub use crate::{
    layer::SessionLayer,
    session::{Session, Sessions},
};
