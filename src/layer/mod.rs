//! The tower layers.
//!
//! There is one path from a request to a user, [`AuthLayer`]; `JwtLayer`, `PasetoLayer` and `SessionLayer` are
//! names for it with an engine filled in, and so is `OtpGuard`, which goes inside one of them and asks for a one-time code.
//! A [`GuardLayer`] inside it asks one more question of the identity.
//!
//! # What a layer does
//!
//! 1. It looks for the credential in its [`CredentialSource`](crate::CredentialSource).
//! 2. A credential that browsers send on their own (a cookie) must not have been sent by another site.
//! 3. The engine verifies it, and [`Identity`](crate::Identity) and [`AuthUser`](crate::AuthUser) go into
//!    the request's extensions; or it is refused and the service inside is never called.
//! 4. The engine may add headers to the response, as sessions do with their cookie.
//!
//! The body is not touched, the inner service's errors are passed on as they are, and only the service
//! that was polled ready is called.
//!
//! # Defaults
//!
//! * **Required.** A request without a valid credential is refused. [`optional`](AuthLayer::optional) forgives
//!   absence only: a token that is there and bad is refused on optional routes too. A session cookie
//!   that leads to no live session counts as absent, or a stale cookie would lock people out of the page
//!   where they sign in.
//! * **Same-site cookies.** A cookie on an unsafe method or with `Upgrade` passes only with `Sec-Fetch-Site: same-origin` or
//!   `none`; without that header, with an `Origin` that equals the host, or with none at all, since every
//!   current browser sends one of them. See [`dangerous_allow_cross_site`](AuthLayer::dangerous_allow_cross_site).
//! * **[`HttpResponder`].** Refusals are `application/problem+json` (RFC 9457) with the challenge of RFC 6750.
//!   [`GrpcResponder`] answers gRPC clients; a closure answers as you like.
//!
//! # Order
//!
//! In a `Router` or `ServiceBuilder`, authentication goes outside guards. A guard with no authentication
//! outside it answers 500 and logs what to add.
//!
//! Of two layers the inner one knows better: its identity and its user take the place of the outer one's. An
//! optional one that finds nobody leaves them as they are; one that requires is not satisfied with them.
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_jam::{Authenticate, Credential, CredentialSource, Identity, Rejection, Subject, Timestamp, Verified};
//! use tower_jam::{guard::role, layer::{AuthLayer, GuardLayer}};
//! # use std::{convert::Infallible, sync::Arc};
//! # type Body = http_body_util::Full<bytes::Bytes>;
//!
//! #[derive(Clone)]
//! struct Demo; // accepts `Bearer letmein`
//!
//! impl Authenticate for Demo {
//!     type User = ();
//!
//!     fn source(&self) -> CredentialSource {
//!         CredentialSource::bearer()
//!     }
//!
//!     async fn authenticate(&self, presented: Credential) -> Result<Verified<()>, Rejection> {
//!         if presented.expose() != "letmein" {
//!             return Err(Rejection::invalid("wrong word"));
//!         }
//!         let identity = Identity::new(Subject::new("demo", "guest"), Timestamp::from_secs(1));
//!         Ok(Verified::new(identity.with_roles(["visitor"]), Arc::new(())))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let service = ServiceBuilder::new()
//!     .layer(AuthLayer::new(Demo))
//!     .layer(GuardLayer::new(role("visitor")))
//!     .service(service_fn(|_request: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::default())) }));
//!
//! let ask = |authorization: &str| Request::builder().header("authorization", authorization).body(Body::default());
//! let granted = service.clone().oneshot(ask("Bearer letmein").unwrap()).await.unwrap();
//! assert_eq!(granted.status(), StatusCode::OK);
//! let refused = service.oneshot(ask("Bearer guess").unwrap()).await.unwrap();
//! assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
//! # }
//! ```

mod auth;
mod check;
mod extension;
mod guard;
mod respond;

#[cfg(feature = "axum")]
pub(crate) use self::check::log;
pub use self::{
    auth::{AuthLayer, AuthService},
    extension::{ExtensionLayer, ExtensionService},
    guard::{GuardFuture, GuardLayer, GuardService},
    respond::{Asked, FromBytes, GrpcResponder, HttpResponder, Respond, WithBody},
};

/// Authenticates by a JSON Web Token, from the `Authorization` header unless told otherwise.
#[cfg(feature = "jwt")]
pub type JwtLayer<U = crate::token::Claims, R = HttpResponder> = AuthLayer<crate::token::Jwt<U>, R>;

#[cfg(feature = "jwks")]
impl<U> AuthLayer<crate::token::Jwt<U>> {
    /// A layer for the access tokens of another party's issuer, such as `https://id.acme.dev`: see
    /// [`from_issuer`](crate::token::jwt::from_issuer). The audience must be set.
    pub fn from_issuer(issuer: &str) -> crate::token::FromIssuer<U, Self> {
        crate::token::FromIssuer::new(issuer)
    }
}

#[cfg(feature = "jwt")]
impl<U> From<crate::token::Jwt<U>> for JwtLayer<U>
where
    crate::token::Jwt<U>: crate::Authenticate,
{
    fn from(jwt: crate::token::Jwt<U>) -> Self {
        Self::new(jwt)
    }
}

/// Authenticates by a PASETO, from the `Authorization` header unless told otherwise.
#[cfg(feature = "paseto")]
pub type PasetoLayer<U = crate::token::Claims, R = HttpResponder> =
    AuthLayer<crate::token::Paseto<U>, R>;

/// Authenticates by a server-side session, from the engine's cookie unless told otherwise.
#[cfg(feature = "session")]
pub type SessionLayer<U, R = HttpResponder> = AuthLayer<crate::session::Sessions<U>, R>;

/// Asks for a one-time code, inside a layer that authenticates: see [`within`](AuthLayer::within).
///
/// | in the request | |
/// |---|---|
/// | a right code in `X-OTP` | passes; the identity has a [`Factor::Otp`](crate::Factor::Otp) of now, which an outer session remembers under a new id |
/// | a wrong, used or malformed code | 401 with the challenge of RFC 9470 |
/// | a code while the user is locked | 429 |
/// | no code, and one was given lately | passes |
/// | no code otherwise | 401 with the challenge of RFC 9470 |
/// | no identity, or one of another issuer | 500: the layers are put together wrongly |
///
/// [`read_from`](AuthLayer::read_from) looks for the code in another header.
#[cfg(feature = "otp")]
pub type OtpGuard<R = HttpResponder> = AuthLayer<crate::otp::Otp, R>;

#[cfg(feature = "otp")]
impl<R> AuthLayer<crate::otp::Otp, R> {
    /// Asks for no code where one was given less than `within` ago, by [`Identity::is_fresh`](crate::Identity::is_fresh).
    /// Default: the engine's [`fresh`](crate::otp::OtpBuilder::fresh).
    pub fn within(self, within: std::time::Duration) -> Self {
        self.map_engine(|otp| otp.taking_proofs_within(within))
    }
}
