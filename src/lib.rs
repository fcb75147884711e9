//! Authentication for [tower]: layers that turn a cookie or a `Bearer` header into a typed user, in
//! the same way on axum, hyper and tonic.
//!
//! ```no_run
//! # #[cfg(all(feature = "jwt", feature = "axum"))]
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Json, Router, routing::get};
//! use tower_jam::{AuthUser, Claims, Jwt, JwtLayer, Key, KeyRing};
//!
//! let keys = KeyRing::new(Key::hs256(std::env::var("JWT_SECRET")?)?);
//! let jwt = Jwt::<Claims>::builder(keys).issuer("https://auth.acme.dev").audience("api").build()?;
//! let app: Router = Router::new()
//!     .route("/me", get(|user: AuthUser<Claims>| async { Json(user) }))
//!     .route_layer(JwtLayer::new(jwt));
//! # axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A request without a valid token gets 401 with the challenge of RFC 6750, and the handler is
//! never called. Create the secret once, with `openssl rand -hex 32`. The same [`Jwt`] issues the
//! tokens: `jwt.issue(Grant::new("42", claims)).await?`. The [guide] continues from here.
//!
//! # The path of a request
//!
//! ```text
//! request ─► CredentialSource ─► Credential ─► Authenticate ─► Verified ─► extensions ─► handler
//!            Authorization       unverified    Jwt, Paseto    Identity                  AuthUser
//!            cookie, header                    Sessions       + user U                  Identity
//!                                              TokenPairs         │                     Session
//!                                                  │            Guard: role, scope,
//!                                            Store + Clock      fresh factor, closure
//!                                                  │              │
//!                                                  └─ Rejection ──┘
//!                                                         │
//!                                                      Respond ─► HTTP (RFC 6750, 9457, 9470)
//!                                                                 or gRPC status
//! ```
//!
//! One middleware, [`AuthLayer`], implements this path. [`JwtLayer`], [`PasetoLayer`],
//! [`SessionLayer`] and [`OtpGuard`] are names for it with an engine filled in. So a handler takes
//! an [`AuthUser<U>`] and does not depend on how its caller logged in, and
//! `jwt.or(sessions)` accepts either credential on one route.
//!
//! Authentication is required unless a layer is [optional](layer::AuthLayer::optional). A token
//! that is bad is rejected even there. A store that does not answer is 503: it never means
//! "allowed", and never "logged out". Every setting that weakens security is named `dangerous_…`.
//!
//! # The main types
//!
//! In a handler:
//!
//! * [`AuthUser`] is the caller as the application's own type.
//! * [`Identity`] says who the caller is: subject, factors with their times, roles and scopes.
//! * [`Session`] reads and changes the session of the request, logs in and logs out.
//! * [`Rejection`] is the one error that becomes a response.
//!
//! In front of a handler:
//!
//! * [`JwtLayer`], [`PasetoLayer`] and [`SessionLayer`] authenticate a request.
//! * [`OtpGuard`] requires a one-time code, inside one of these.
//! * [`Guard`] is a check on the identity: a role, a scope, a fresh factor, a closure.
//! * [`CredentialSource`] says where in a request the [`Credential`] is.
//!
//! The engines, each usable without HTTP:
//!
//! * [`Jwt`] issues and verifies signed JSON Web Tokens.
//! * [`Paseto`] does the same for PASETO tokens.
//! * [`TokenList`] revokes tokens before they expire.
//! * [`Sessions`] creates, finds and revokes server-side sessions.
//! * [`TokenPairs`] issues access tokens with refresh tokens, and revokes devices.
//! * [`Otp`] enrolls authenticators and verifies one-time codes.
//! * [`Passwords`] hashes and verifies passwords.
//! * [`Throttle`] limits how often a password may be guessed.
//! * [`Accounts`] combines these into logins, password changes and "log out everywhere".
//! * [`OAuth2`] logs users in with GitHub, Google or another provider.
//! * [`Jam`] builds all engines from one configuration file.
//!
//! What they are built from:
//!
//! * [`Env`] is what engines share: issuer, store, master secret, clock and events.
//! * [`MasterSecret`] is the secret from which they derive their keys.
//! * [`Key`] and [`KeyRing`] sign and verify tokens; a ring can be changed while serving.
//! * [`Grant`] is the user who has logged in, with proofs, roles and scopes.
//! * [`Claims`] are the claims of a token, for applications without a user type.
//! * [`CookieSpec`] is the name and the attributes of a cookie.
//! * [`Store`](store::Store) is the storage: in memory, in a file, in Redis or in PostgreSQL.
//!
//! # Features
//!
//! | feature | provides | default |
//! |---|---|---|
//! | `jwt` | [`Jwt`], [`Key`], [`KeyRing`], [`TokenList`], [`JwtLayer`] | yes |
//! | `session` | [`Sessions`], [`Session`], [`SessionLayer`] | yes |
//! | `axum` | extractors, and [`Rejection`] as a response | yes |
//! | `paseto` | [`Paseto`], [`PasetoKey`], [`PasetoLayer`] | |
//! | `jwe` | `token::jwe::Jwe`: tokens that are signed, then encrypted | |
//! | `jwt-simple` | conversion of keys from and to the types of `jwt-simple` | |
//! | `jwks` | access tokens of other issuers: `JwtLayer::from_issuer` | |
//! | `dpop` | `token::Dpop`: tokens bound to a key of the client (RFC 9449) | |
//! | `refresh` | [`TokenPairs`] | |
//! | `otp` | [`Otp`], [`OtpGuard`] | |
//! | `account` | [`Accounts`], [`Passwords`], [`Throttle`], and their [routes] | |
//! | `oauth2` | [`OAuth2`], and with `account` the routes of such logins | |
//! | `config` | [`Jam`], `config::Config` | |
//! | `cli` | the command `jam` | |
//! | `store-file` | `store::FileStore`: one local file | |
//! | `store-redis` | `store::RedisStore`: Redis or Valkey, as one server, Cluster or Sentinel | |
//! | `store-postgres` | `store::PostgresStore` | |
//! | `near-cache` | `store::NearCache`: reads from memory that other nodes invalidate | |
//! | `blocking` | `blocking::Blocking`: the engines for programs without async | |
//! | `metrics` | counters and histograms through the `metrics` facade | |
//! | `testing` | a manual clock, ready-made engines, a failing store, the contract of stores | |
//! | `full` | all of them | |
//!
//! Features only add. None changes what another one does.
//!
//! # Guide
//!
//! The [guide] is a module of its own, and each of its examples runs as a test. Start with *getting
//! started*; then there are pages on sessions, tokens, accounts, devices, second factors,
//! providers, resource servers, stores and outages, configuration, testing and proxies, and pages
//! for those who come from axum-login, from Jam or from fastapi-simple-jwt. The rules of each
//! engine are in the manual of its module.
//!
//! [tower]: https://github.com/tower-rs/tower
//! [`AuthLayer`]: layer::AuthLayer
// Links to items of features that are off lead to the published documentation.
#![cfg_attr(feature = "full", doc = include_str!("guide/links.md"))]
#![cfg_attr(not(feature = "full"), doc = include_str!("guide/links_published.md"))]
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
mod measure;
#[cfg(feature = "metrics")]
pub mod metrics;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

#[cfg(feature = "full")]
pub mod guide;

#[doc(inline)]
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
#[doc(inline)]
pub use crate::env::Env;
#[cfg(any(feature = "jwt", feature = "session"))]
#[doc(inline)]
pub use crate::grant::{Grant, ReadUser};
#[cfg(feature = "config")]
#[doc(inline)]
pub use crate::jam::{Jam, JamBuilder, Payload};
#[cfg(feature = "oauth2")]
#[doc(inline)]
pub use crate::oauth2::OAuth2;
#[cfg(feature = "refresh")]
#[doc(inline)]
pub use crate::refresh::{TokenPair, TokenPairs};
#[cfg(feature = "account")]
#[doc(inline)]
pub use crate::{account::Accounts, password::Passwords, throttle::Throttle};
#[cfg(feature = "jwt")]
#[doc(inline)]
pub use crate::{
    key::Algorithm, key::Key, key::KeyRing, layer::JwtLayer, token::Claims, token::Jwt,
    token::TokenList,
};
#[cfg(feature = "otp")]
#[doc(inline)]
pub use crate::{layer::OtpGuard, otp::Otp};
#[cfg(feature = "paseto")]
#[doc(inline)]
pub use crate::{
    layer::PasetoLayer,
    token::{Paseto, PasetoKey},
};
#[cfg(feature = "session")]
#[doc(inline)]
pub use crate::{
    layer::SessionLayer,
    session::{Session, Sessions},
};
