//! The tower layers.
//!
//! [`AuthLayer`] is the only path from a request to a user. `JwtLayer`, `PasetoLayer` and
//! `SessionLayer` are aliases of it with an engine filled in. So is `OtpGuard`, which goes inside
//! one of them and requires a one-time code. A [`GuardLayer`] inside it applies one more check to
//! the identity.
//!
//! # What a layer does
//!
//! 1. It looks for the credential in its [`CredentialSource`](crate::CredentialSource).
//! 2. It rejects a credential that browsers send by themselves (a cookie) if another site may have
//!    sent it.
//! 3. The engine verifies the credential. Its [`Identity`](crate::Identity) and
//!    [`AuthUser`](crate::AuthUser) go into the request's extensions; or the request is rejected,
//!    and the inner service is never called.
//! 4. The engine may add headers to the response, as sessions do with their cookie.
//!
//! The body is not touched. Errors of the inner service are passed on unchanged. Only the service
//! that was polled ready is called.
//!
//! # Defaults
//!
//! * **Required.** A request without a valid credential is rejected.
//!   [`optional`](AuthLayer::optional) permits only the absence of a credential: a bad token is
//!   rejected on optional routes too. A session cookie that leads to no live session counts as
//!   absent; otherwise a stale cookie would lock users out of the login page.
//! * **Same-site cookies.** A cookie on an unsafe method or with `Upgrade` requires
//!   `Sec-Fetch-Site: same-origin` or `none`. Without that header, `Origin` must equal the host or
//!   be absent, since every current browser sends one of the two. See
//!   [`dangerous_allow_cross_site`](AuthLayer::dangerous_allow_cross_site).
//! * **[`HttpResponder`].** Rejections are `application/problem+json` (RFC 9457) with the challenge
//!   of RFC 6750. [`GrpcResponder`] answers gRPC clients. A closure can build any other response.
//!
//! # Order
//!
//! In a `Router` or `ServiceBuilder`, authentication goes outside guards. A guard without
//! authentication outside it answers 500 and logs which layer to add.
//!
//! Of two layers, the inner one takes precedence: its identity and its user replace those of the
//! outer one. An optional inner layer that finds no credential leaves them in place; a required one
//! rejects the request.
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_jam::{
//!     Authenticate, Credential, CredentialSource, Identity, Rejection, Subject, Timestamp,
//!     Verified,
//! };
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
//!     .service(service_fn(|_request: Request<Body>| async {
//!         Ok::<_, Infallible>(Response::new(Body::default()))
//!     }));
//!
//! let ask = |authorization: &str| {
//!     Request::builder().header("authorization", authorization).body(Body::default())
//! };
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
pub(crate) mod presence;
mod respond;

#[cfg(feature = "axum")]
pub(crate) use self::check::log;
pub use self::{
    auth::{AuthLayer, AuthService},
    extension::{ExtensionLayer, ExtensionService},
    guard::{GuardFuture, GuardLayer, GuardService},
    respond::{FromBytes, GrpcResponder, HttpResponder, RequestContext, Respond, WithBody},
};

/// Authenticates by a JSON Web Token, by default in the `Authorization` header.
///
/// ```
/// use tower_jam::{Algorithm, Claims, CredentialSource, Jwt, JwtLayer, Key, KeyRing};
///
/// let keys = KeyRing::new(Key::generate(Algorithm::EdDsa)?);
/// let jwt = Jwt::<Claims>::builder(keys)
///     .issuer("https://auth.acme.dev")
///     .audience("api")
///     .build()?;
///
/// let layer = JwtLayer::new(jwt).read_from(CredentialSource::cookie("jwt")?);
/// # drop(layer);
/// # Ok::<(), tower_jam::ConfigError>(())
/// ```
#[doc(alias("bearer", "authorization", "middleware"))]
#[cfg(feature = "jwt")]
pub type JwtLayer<U = crate::token::Claims, R = HttpResponder> = AuthLayer<crate::token::Jwt<U>, R>;

#[cfg(feature = "jwks")]
impl<U> AuthLayer<crate::token::Jwt<U>> {
    /// Creates a layer for the access tokens of another party's issuer, such as
    /// `https://id.acme.dev`: see [`FromIssuer`](crate::token::FromIssuer). The audience must be
    /// set.
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

/// Authenticates by a PASETO, by default in the `Authorization` header.
#[cfg(feature = "paseto")]
pub type PasetoLayer<U = crate::token::Claims, R = HttpResponder> =
    AuthLayer<crate::token::Paseto<U>, R>;

/// Authenticates by a server-side session, by default in the engine's cookie.
///
/// ```
/// use std::sync::Arc;
/// use tower_jam::{Env, MasterSecret, SessionLayer, Sessions, store::MemoryStore};
///
/// let store = Arc::new(MemoryStore::new());
/// let env = Env::new("https://acme.dev", store, &MasterSecret::generate());
/// let required = SessionLayer::new(Sessions::<String>::builder(&env).build()?);
/// // For the login page, which has no user yet.
/// let optional = required.clone().optional();
/// # drop((required, optional));
/// # Ok::<(), tower_jam::ConfigError>(())
/// ```
#[doc(alias("cookie", "middleware"))]
#[cfg(feature = "session")]
pub type SessionLayer<U, R = HttpResponder> = AuthLayer<crate::session::Sessions<U>, R>;

/// Requires a one-time code, inside a layer that authenticates: see [`within`](AuthLayer::within).
///
/// | in the request | |
/// |---|---|
/// | a correct code in `X-OTP` | accepted, with a new [`Factor::Otp`](crate::Factor::Otp) |
/// | a wrong, used or malformed code | 401 with the challenge of RFC 9470 |
/// | a code while the user is locked | 429 |
/// | no code, but a recent proof by one | accepted |
/// | no code otherwise | 401 with the challenge of RFC 9470 |
/// | no identity, or one of another issuer | 500: the layers are misconfigured |
///
/// The factor of an accepted code has the current time. An outer session stores it under a new id.
/// [`read_from`](AuthLayer::read_from) reads the code from another header.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use tower_jam::{Env, MasterSecret, Otp, OtpGuard, store::MemoryStore};
///
/// let store = Arc::new(MemoryStore::new());
/// let env = Env::new("https://acme.dev", store, &MasterSecret::generate());
/// let otp = Otp::builder(&env, "Acme").build()?;
/// let guard = OtpGuard::new(otp).within(Duration::from_secs(5 * 60));
/// # drop(guard);
/// # Ok::<(), tower_jam::ConfigError>(())
/// ```
#[doc(alias("step-up", "mfa", "2fa", "reauthentication"))]
#[cfg(feature = "otp")]
pub type OtpGuard<R = HttpResponder> = AuthLayer<crate::otp::Otp, R>;

#[cfg(feature = "otp")]
impl<R> AuthLayer<crate::otp::Otp, R> {
    /// Requires no code if one was given less than `within` ago, by
    /// [`Identity::is_fresh`](crate::Identity::is_fresh). Default: the engine's
    /// [`fresh`](crate::otp::OtpBuilder::fresh).
    pub fn within(self, within: std::time::Duration) -> Self {
        self.map_engine(|otp| otp.taking_proofs_within(within))
    }
}
