//! Logins with identity providers: OAuth 2.0 according to the best current practice of RFC 9700,
//! and OpenID Connect.
//!
//! An [`OAuth2`] is the client of one [`Provider`]. [`OAuth2::authorize`] starts a login, and
//! [`OAuth2::finish`] completes it and identifies the user. With the feature `account`,
//! `routes::providers` does both, for axum.
//!
//! # Rules for logins
//!
//! * **Only the authorization code flow with PKCE S256**, whatever the provider advertises.
//!   `state`, the verifier and, with `openid`, `nonce` have 256 random bits each.
//! * **Bound to the browser, used once.** A login in progress is stored only in the browser, in its
//!   own cookie whose name starts with `__Host-oauth-`. The cookie is sealed under a key of the
//!   master secret, bound to provider, issuer and `state`, and valid for ten minutes. Starting a
//!   login therefore writes nothing, and the `state` of another login neither opens nor uses up
//!   this one. Before anything else happens, the store records that the login was used, so it
//!   completes at most once, on any node.
//! * **Concurrent logins in several tabs** are independent. A browser stores at most eight of them,
//!   in about six kilobytes; the oldest are evicted.
//! * **Providers that post a form** ([`post_form`](ProviderBuilder::post_form), Apple) require
//!   cookies that browsers send from another site: `__Host-oauth-post-`, `SameSite=None`.
//! * **Mix-up attacks are prevented.** Each provider has its own redirect URL and its own seal. An
//!   `iss` parameter (RFC 9207), if present, must be the provider's.
//!   [`require_issuer`](ProviderBuilder::require_issuer) makes it mandatory, and discovery sets
//!   that if the provider advertises it.
//! * **The redirect URL is the configured one.** No part of a request affects it.
//! * **Return-to is a path on this origin**: visible ASCII without a backslash, at most 2048 bytes.
//!   After all percent-decoding and without dot segments, it starts with one slash and contains
//!   neither a backslash nor a control character. Any other value is replaced by the default page.
//! * **No request to the provider** is made for an invalid `state`, a callback with `error`, or a
//!   code that is empty or longer than 4 KB.
//!
//! # Rules for users
//!
//! * **ID tokens** are verified by [`Jwt`](crate::Jwt) with the provider's published keys:
//!   signature, issuer, audience and times, then `azp`, `nonce`, `at_hash` and `max_age` according
//!   to OpenID Connect Core section 3.1.3.7. With `openid` an ID token is required. Keys are
//!   fetched at the first login, so an unavailable provider does not prevent startup.
//! * **The user info** must have the same subject. It adds claims and changes none.
//! * **Users are identified by issuer and subject** ([`Profile::key`]), never by e-mail. For
//!   GitHub, the e-mail address is the primary one, if verified.
//!
//! # Rules for requests
//!
//! * **TLS**, except to loopback addresses if explicitly allowed. Redirects are not followed. The
//!   timeout is five seconds by default, and a response has at most one megabyte.
//! * **The client's secret** is sent in the `Authorization` header, or in the body if configured
//!   ([`secret_in_body`](ProviderBuilder::secret_in_body)). A signed token may replace it
//!   ([`private_key`](ProviderBuilder::private_key)). No secret appears in a URL, an error, a log
//!   or `Debug`.
//! * **Concurrent callers share one request.** [`refresh`](OAuth2::refresh) with one token makes
//!   one request, and its result is reused for ten more seconds. A token for the application itself
//!   ([`client_credentials`](OAuth2::client_credentials)) is reused until one minute before it
//!   expires. Both apply within one process.
//!
//! # Caveats
//!
//! Completing a login writes a record of about a hundred bytes for eleven minutes, even if the
//! provider rejects the code. Put a rate limit by address in front of public routes.
//!
//! ```
//! use std::sync::Arc;
//! use tower_jam::{Env, MasterSecret, OAuth2, oauth2::Provider, store::MemoryStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let github = Provider::github("client-id", "client-secret").build()?;
//! let env = Env::new("self", Arc::new(MemoryStore::new()), &MasterSecret::generate());
//! let oauth = OAuth2::builder(&env, github)
//!     .redirect_url("https://acme.dev/oauth/github/callback")
//!     .build()?;
//!
//! // Redirect the browser to `url` with 303 and `set_cookie`. Pass its callback and its cookie to
//! // `finish`.
//! let started = oauth.authorize().return_to("/cart").await?;
//! assert!(started.url.starts_with(concat!(
//!     "https://github.com/login/oauth/authorize",
//!     "?response_type=code&client_id=client-id&state="
//! )));
//! assert!(started.set_cookie.to_str()?.starts_with("__Host-oauth-"));
//! # Ok(())
//! # }
//! ```

mod authorize;
mod builder;
mod callback;
mod client;
mod details;
mod device;
mod error;
mod finish;
mod flight;
mod flow;
mod http;
mod id_token;
mod inner;
mod presets;
mod profile;
mod provider;
mod return_to;
mod secret;
mod tokens;
mod user_info;
mod wire;

#[cfg(feature = "account")]
pub(crate) use self::return_to::is_own_path;
pub use self::{
    authorize::{Authorize, Started},
    builder::ProviderBuilder,
    callback::{Callback, ProviderLogin},
    client::{OAuth2, OAuth2Builder},
    details::{AppleUser, GitHubUser, GitLabUser, GoogleUser, MicrosoftUser, YandexUser},
    device::DeviceCode,
    error::OAuthError,
    profile::Profile,
    provider::{Discover, Provider},
    tokens::ProviderTokens,
};
