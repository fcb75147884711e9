//! What tests of code built on this crate need (feature `testing`).
//!
//! * [`ManualClock`] stands still until the test moves it, so nothing sleeps.
//! * `TestJam` (with `jwt` and `session`) has engines on a store in memory, with keys of its own: tokens and sessions that hold,
//!   tokens that are expired or another party's, and requests that are logged in.
//! * `Authenticator` (with `otp`) shows the codes of a subject that is enrolled.
//! * [`FailingStore`] fails when it is told to, with or without having done what it was asked.
//! * [`contract`](crate::testing::contract) is what every store must pass.
//!
//! The engines are the real ones: nothing here accepts what a server would refuse. Hand them to the code under test.
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
//!     .service(service_fn(async |_: http::Request<()>| Ok::<_, std::convert::Infallible>(Response::new(Vec::<u8>::new()))));
//! let alice = || Grant::new("alice", Claims::new());
//!
//! let request = jam.bearer(alice()).await.uri("/me").body(()).unwrap();
//! assert_eq!(service.clone().oneshot(request).await.unwrap().status(), StatusCode::OK);
//!
//! for bad in [jam.expired_token(alice()).await, jam.foreign_token(alice(), Foreign::Issuer).await] {
//!     let request = bearer(bad.expose()).uri("/me").body(()).unwrap();
//!     assert_eq!(service.clone().oneshot(request).await.unwrap().status(), StatusCode::UNAUTHORIZED);
//! }
//! # }
//! # #[cfg(not(all(feature = "jwt", feature = "session")))]
//! # fn main() {}
//! ```
//!
//! A tonic request takes the headers of such a request: `MetadataMap::from_headers(parts.headers)`.

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
