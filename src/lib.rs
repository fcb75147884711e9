#![cfg_attr(
    all(feature = "jwt", feature = "session", feature = "axum"),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(feature = "jwt", feature = "session", feature = "axum")),
    doc = "Authentication for tower. The manual covers the default features."
)]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// The path from a request to a user, in order.
mod request;
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
mod json;
#[cfg(feature = "jwt")]
pub mod key;
#[cfg(feature = "jwks")]
pub mod remote;
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
pub mod password;
#[cfg(feature = "account")]
pub mod throttle;
#[cfg(feature = "account")]
pub mod account;
#[cfg(feature = "account")]
pub mod routes;

// Blocking variants.
#[cfg(feature = "blocking")]
pub mod blocking;
// All engines from one configuration file.
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "config")]
mod jam;

// What the engines build on.
#[cfg(any(feature = "jwt", feature = "session"))]
mod cache;
pub mod store;
mod clock;
mod secret;
mod error;
#[cfg(any(feature = "jwt", feature = "session", feature = "otp"))]
pub mod env;
#[cfg(any(feature = "jwt", feature = "session", feature = "otp"))]
pub mod event;
#[cfg(feature = "metrics")]
pub mod metrics;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use crate::{
    authenticate::{Authenticate, OnResponse, OrEngine, ReadFrom, Verified},
    clock::{Clock, SystemClock, Timestamp},
    error::{BoxError, ConfigError, IssueError, StoreError},
    guard::Guard,
    identity::{AuthUser, Factor, Identity, Subject},
    proof::RememberProof,
    rejection::{Rejection, RejectionKind},
    request::{
        cookie::{CookieSpec, SameSite},
        credential::{Credential, CredentialSource},
    },
    secret::{MasterSecret, Secret},
};

#[cfg(any(feature = "jwt", feature = "session", feature = "otp"))]
pub use crate::env::Env;
#[cfg(any(feature = "jwt", feature = "session"))]
pub use crate::grant::{Grant, ReadUser};
#[cfg(feature = "config")]
pub use crate::jam::{Jam, JamBuilder, Payload};
#[cfg(feature = "oauth2")]
pub use crate::oauth2::OAuth2;
#[cfg(feature = "refresh")]
pub use crate::refresh::{TokenPair, TokenPairs};
#[cfg(feature = "account")]
pub use crate::{account::Accounts, password::Passwords, throttle::Throttle};
#[cfg(feature = "jwt")]
pub use crate::{
    key::Algorithm, key::Key, key::KeyRing, layer::JwtLayer, token::Claims, token::Jwt,
    token::TokenList,
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
