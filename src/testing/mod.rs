//! Helpers for testing code that uses this crate (feature `testing`).
//!
//! * [`ManualClock`] moves only when the test moves it, so tests need not sleep.
//! * `TestJam` (with `jwt` and `session`) has engines on an in-memory store, with generated keys.
//!   It issues valid tokens and sessions, expired tokens, tokens of another party, and
//!   authenticated requests.
//! * `Authenticator` (with `otp`) shows the codes of an enrolled subject.
//! * [`FailingStore`] fails on request, before or after the operation was done.
//! * [`contract`] is the test suite that every store must pass.
//!
//! The engines are the real ones: nothing here accepts what a server would reject. Pass them to the
//! code under test.
//!
//! ```
//! # #[cfg(all(feature = "jwt", feature = "session"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use http::{Response, StatusCode};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_jam::{Claims, Grant, JwtLayer, testing::{Foreign, TestJam, bearer}};
//!
//! let jam = TestJam::<Claims>::new();
//! let service = ServiceBuilder::new()
//!     .layer(JwtLayer::new(jam.jwt().clone()))
//!     .service(service_fn(async |_: http::Request<()>| {
//!         Ok::<_, std::convert::Infallible>(Response::new(Vec::<u8>::new()))
//!     }));
//! let alice = || Grant::new("alice", Claims::new());
//!
//! let request = jam.bearer(alice()).await.uri("/me").body(()).unwrap();
//! assert_eq!(service.clone().oneshot(request).await.unwrap().status(), StatusCode::OK);
//!
//! let expired = jam.expired_token(alice()).await;
//! let foreign = jam.foreign_token(alice(), Foreign::Issuer).await;
//! for bad in [expired, foreign] {
//!     let request = bearer(bad.expose()).uri("/me").body(()).unwrap();
//!     let response = service.clone().oneshot(request).await.unwrap();
//!     assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! }
//! # }
//! # #[cfg(not(all(feature = "jwt", feature = "session")))]
//! # fn main() {}
//! ```
//!
//! To authenticate a tonic request, use the headers of such a request:
//! `MetadataMap::from_headers(parts.headers)`.

#[cfg(feature = "otp")]
mod authenticator;
mod clock;
pub mod contract;
#[cfg(all(feature = "jwt", feature = "session"))]
mod jam;
mod request;
mod store;

#[cfg(feature = "otp")]
pub use self::authenticator::Authenticator;
#[cfg(all(feature = "jwt", feature = "session"))]
pub use self::jam::{Foreign, TestJam};
pub use self::{
    clock::ManualClock,
    request::bearer,
    store::{FailingStore, Failure},
};
