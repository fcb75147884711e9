//! Logins with identity providers: OAuth 2.0 by the best practice of RFC 9700, and OpenID Connect.
//!
//! An [`OAuth2`] is the client of one [`Provider`]. [`OAuth2::authorize`] begins a login, [`OAuth2::finish`] ends it and says who
//! it is. With the feature `account`, `routes::providers` does both, for axum.
//!
//! # Rules for logins
//!
//! * **The authorization code flow with PKCE S256, and no other**, whatever the provider says of itself. `state`, verifier
//!   and, with `openid`, `nonce` have 256 random bits each.
//! * **Bound to the browser, used once.** A login under way lies in the browser alone, in a cookie of its own whose name begins
//!   with `__Host-oauth-`: sealed under a key of the master secret, bound to provider, issuer and `state`, and good for ten
//!   minutes. So beginning one writes nothing, and somebody else's `state` opens nothing and uses nothing up. The store notes
//!   that a login was used, before anything else happens, so it ends once, on whichever node.
//! * **Several tabs** do not disturb each other. A browser keeps at most eight logins, and about six kilobytes of them; the
//!   oldest go first.
//! * **Providers that post a form** ([`post_form`](ProviderBuilder::post_form), Apple) need cookies that browsers send from
//!   another site: `__Host-oauth-post-`, `SameSite=None`.
//! * **Several providers cannot be mixed up.** Each has its own redirect URL and its own seal. An `iss` (RFC 9207) that is
//!   there must be the provider's; [`require_issuer`](ProviderBuilder::require_issuer) demands it, and discovery sets that where a
//!   provider publishes it.
//! * **The redirect URL is the configured one**; nothing of a request goes into it.
//! * **Return-to is a path on this origin**: visible ASCII without a backslash, at most 2048 bytes, and after all decoding, and
//!   without dot segments, it begins with one slash and has neither backslash nor control character. Anything else becomes the
//!   default page.
//! * **A provider is asked nothing** for a `state` that is not good, an answer with `error`, or a code that is empty or longer
//!   than 4 KB.
//!
//! # Rules for users
//!
//! * **ID tokens** are verified by [`Jwt`](crate::Jwt) through the provider's published keys: signature, issuer, audience, times; then `azp`,
//!   `nonce`, `at_hash` and `max_age` as OpenID Connect Core section 3.1.3.7 says. With `openid` one is required. Keys are read at
//!   the first login, so a provider that is away stops no start.
//! * **The user info** must be of the same subject. It adds claims and changes none.
//! * **Users are known by issuer and subject** ([`Profile::key`]), never by e-mail. GitHub's address is the primary one, if verified.
//!
//! # Rules for requests
//!
//! * **TLS**, except to this machine where that is allowed by name; no redirect is followed; five seconds and a megabyte at most.
//! * **The client's secret** is in the `Authorization` header, or the body where asked ([`secret_in_body`](ProviderBuilder::secret_in_body)); or
//!   a signed token takes its place ([`private_key`](ProviderBuilder::private_key)). Nothing secret is in a URL, an error, a log or `Debug`.
//! * **One request for all who ask.** [`refresh`](OAuth2::refresh) with one token is one request, whose answer stands for ten seconds
//!   more; a token for the application itself ([`client_credentials`](OAuth2::client_credentials)) is kept until a minute
//!   before it expires. Each within one process.
//!
//! # Caveats
//!
//! The end of a login writes a note of some hundred bytes for eleven minutes, also when the provider refuses the code. Put a
//! limit of requests by address in front of public routes.
//!
//! ```
//! use std::sync::Arc;
//! use tower_jam::{MasterSecret, OAuth2, oauth2::Provider, store::MemoryStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let github = Provider::github("client-id", "client-secret").build()?;
//! let oauth = OAuth2::builder(github, Arc::new(MemoryStore::new()), &MasterSecret::generate())
//!     .redirect_url("https://acme.dev/oauth/github/callback")
//!     .build()?;
//!
//! // Send the browser to `url`, with 303 and `set_cookie`. Its answer and its cookie go to `finish`.
//! let started = oauth.authorize().return_to("/cart").await?;
//! assert!(started.url.starts_with("https://github.com/login/oauth/authorize?response_type=code&client_id=client-id&state="));
//! assert!(started.set_cookie.to_str()?.starts_with("__Host-oauth-"));
//! # Ok(())
//! # }
//! ```

mod authorize;
mod builder;
mod client;
mod details;
mod device;
mod discovery;
mod error;
mod finish;
mod flight;
mod flow;
mod http;
mod id_token;
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
    client::{OAuth2, OAuth2Builder},
    details::{AppleUser, GitHubUser, GitLabUser, GoogleUser, MicrosoftUser, YandexUser},
    device::DeviceCode,
    discovery::Discover,
    error::OAuthError,
    finish::{Callback, Login},
    profile::Profile,
    provider::Provider,
    tokens::ProviderTokens,
};
