//! Self-contained tokens, and the keys that sign them.
//!
//! [`Jwt`] issues and verifies signed JSON Web Tokens; [`JwtLayer`](crate::layer::JwtLayer) puts it
//! in front of a service. With the feature `paseto`, `Paseto` does the same for encrypted and
//! signed PASETO tokens; its own module documents its rules.
//!
//! # Keys
//!
//! * [`Key`] is a key bound to one [`Algorithm`]. The `alg` of a token is compared with it and
//!   never selects anything (RFC 8725 section 3.1).
//! * [`KeyRing`] holds the signing key and the keys that are still accepted. It can be changed
//!   while the server runs.
//!
//! A key comes from a shared secret ([`Key::hs256`]), PEM or DER as `openssl` writes it
//! ([`Key::from_pem`], [`Key::from_der`]), a JSON Web Key ([`Key::from_jwk`]), another party's key
//! set ([`KeyRing::from_jwks`]), the types of another crate (feature `jwt-simple`), or is generated
//! ([`Key::generate`]). Keys are exported as PEM ([`Key::to_pkcs8_pem`]) and JWK
//! ([`Key::to_private_jwk`], [`Key::public_jwk`]).
//!
//! [`Algorithm`]: crate::Algorithm
//! [`Key`]: crate::Key
//! [`Key::from_der`]: crate::Key::from_der
//! [`Key::from_jwk`]: crate::Key::from_jwk
//! [`Key::from_pem`]: crate::Key::from_pem
//! [`Key::generate`]: crate::Key::generate
//! [`Key::hs256`]: crate::Key::hs256
//! [`Key::public_jwk`]: crate::Key::public_jwk
//! [`Key::to_pkcs8_pem`]: crate::Key::to_pkcs8_pem
//! [`Key::to_private_jwk`]: crate::Key::to_private_jwk
//! [`KeyRing`]: crate::KeyRing
//! [`KeyRing::from_jwks`]: crate::KeyRing::from_jwks
//!
//! # Rules for JWTs
//!
//! * **Format.** At most 8 KiB, of which an ML-DSA signature takes 3.2 to 6.0. Three parts of
//!   base64url without padding and with zero trailing bits. Header and payload are JSON objects in
//!   UTF-8 without duplicate names at any depth, with at most 64 names and 32 levels.
//! * **Header.** `alg` must be that of the key. `kid` is looked up exactly; it may be absent only
//!   if the ring has one key. `typ` must be one of the engine's types, by default `at+jwt`. `crit`,
//!   `zip`, `enc`, `b64: false` and `cty: JWT` are rejected. `jwk`, `jku`, `x5u` and `x5c` are
//!   ignored: they select no key and fetch nothing.
//! * **Claims.** `iss`, `aud`, `exp` and `sub` are required; `nbf` and `iat` must not be in the
//!   future. Dates are numbers from 1970 to 9999. The leeway is 30 seconds, at most 60; a token is
//!   expired from `exp` plus leeway on. A token with `cnf` is bound to a key (RFC 7800) and
//!   rejected where nothing checks the binding; with the feature `dpop`, `Dpop` does.
//! * **Identity.** `roles` and `amr` (RFC 8176) are a string or a list of strings. `scope` is a
//!   string of space-separated words (RFC 8693 section 4.2) or a list of them. `auth_time` is the
//!   time of the first factor; our claim `proofs` has the time of each factor. A value of any other
//!   form, alone or in a list, grants nothing.
//! * **User.** The remaining claims are the application's `U`, a struct whose fields are claims. A
//!   field named like a registered claim is filled when a token is read. When a token is issued,
//!   only the engine writes `iss`, `sub`, `aud`, `exp`, `nbf`, `iat`, `jti` and `cnf`; any other
//!   claim that both grant and user state is an error.
//! * **Other issuers.** With the feature `jwks`, `Jwt::from_issuer` accepts the access tokens of an
//!   identity provider, using the keys that it publishes. [`Issuers`] accepts those of several
//!   providers; [`ClaimMap`] says in which claims they write roles.
//! * **Revocation.** Without a [list](revocation) a token is valid until it expires.
//!
//! # Example
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tower_jam::{Algorithm, Factor, Grant, Jwt, Key, KeyRing};
//!
//! #[derive(Serialize, Deserialize)]
//! struct User { name: String }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ring = KeyRing::new(Key::generate(Algorithm::Es256)?);
//! let jwt = Jwt::<User>::builder(ring.clone())
//!     .issuer("https://auth.acme.dev")
//!     .audience("api")
//!     .build()?;
//!
//! let alice = User { name: "Alice".into() };
//! let grant = Grant::new("42", alice).factor(Factor::Password).roles(["editor"]);
//! let token = jwt.issue(grant).await?;
//!
//! // Rotation while serving: the new key signs; old tokens stay valid until their key is retired.
//! let old = ring.active().kid().to_owned();
//! ring.rotate(Key::generate(Algorithm::EdDsa)?)?;
//! let verified = jwt.verify(token.expose()).await?;
//! assert_eq!(verified.user().unwrap().name, "Alice");
//! assert!(verified.identity().unwrap().has_role("editor"));
//!
//! assert!(ring.retire(&old));
//! let rejection = jwt.verify(token.expose()).await.unwrap_err();
//! assert_eq!(rejection.reason(), "no key of the ring has this kid");
//!
//! // The public keys for other parties, for /.well-known/jwks.json.
//! assert_eq!(ring.public_jwks()["keys"][0]["alg"], "EdDSA");
//! # Ok(())
//! # }
//! ```

pub mod claim_map;
mod claims;
mod date;
#[cfg(feature = "dpop")]
pub mod dpop;
mod engine;
mod envelope;
mod handle;
mod inner;
#[cfg(feature = "refresh")]
mod inspect;
mod issue;
pub mod issuers;
#[cfg(feature = "jwe")]
pub mod jwe;
pub(crate) mod jwt;
mod key_source;
pub mod revocation;
#[cfg(feature = "paseto")]
pub mod paseto;
mod payload;
mod settings;
mod withheld;
mod write;

#[cfg(feature = "refresh")]
pub(crate) use self::engine::Engine;

#[cfg(test)]
mod tests;

#[cfg(feature = "dpop")]
pub use self::dpop::Dpop;
#[cfg(feature = "jwks")]
pub use self::jwt::issuer_builder::FromIssuer;
#[cfg(feature = "paseto")]
pub use self::paseto::{Paseto, PasetoKey};
pub use self::{
    claim_map::ClaimMap,
    claims::Claims,
    issue::Issue,
    issuers::Issuers,
    jwt::{Jwt, builder::JwtBuilder},
    key_source::KeySource,
    revocation::{TokenId, TokenList, TokenListBuilder},
};

/// The longest header line that servers accept by default.
const MAX_BYTES: usize = 8 * 1024;
