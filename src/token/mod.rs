//! Self-contained tokens, and the keys they are signed with.
//!
//! [`Jwt`] issues and verifies signed JSON Web Tokens; [`JwtLayer`](crate::layer::JwtLayer) puts it in front of a service. With
//! the feature `paseto`, `Paseto` does the same for encrypted and signed PASETO tokens; its rules stand in its own module.
//!
//! # Keys
//!
//! * [`Key`] is a key bound to one [`Algorithm`]. A token's `alg` is compared with it and never
//!   chooses anything (RFC 8725 section 3.1).
//! * [`KeyRing`] holds the key that signs and those that are still accepted, and is changed while
//!   the server runs.
//!
//! Where keys come from: a shared secret ([`Key::hs256`]), PEM or DER as `openssl` writes it
//! ([`Key::from_pem`], [`Key::from_der`]), a JSON Web Key ([`Key::from_jwk`]), another party's key
//! set ([`KeyRing::from_jwks`]), the types of another crate (feature `jwt-simple`), or nowhere yet ([`Key::generate`]). They go back into PEM
//! ([`Key::to_pkcs8_pem`]) and JWK ([`Key::to_private_jwk`], [`Key::public_jwk`]).
//!
//! # Rules for JWTs
//!
//! * **Form.** At most 8 KiB, of which a signature by ML-DSA takes 3.2 to 6.0; three parts of base64url without padding and with unused bits zero; header and payload are
//!   JSON objects in UTF-8 with no name twice at any depth, at most 64 names, at most 32 levels.
//! * **Header.** `alg` must be the key's. `kid` is looked up exactly; it may be absent only if the ring has one
//!   key. `typ` must be one of the engine's, `at+jwt` unless told otherwise. `crit`, `zip`, `enc`, `b64: false` and
//!   `cty: JWT` are refused. `jwk`, `jku`, `x5u` and `x5c` choose no key and fetch nothing.
//! * **Claims.** `iss`, `aud`, `exp` and `sub` are required; `nbf` and `iat` must not lie in the future. Dates are
//!   numbers from 1970 to 9999. The leeway is 30 seconds, at most 60; a token is expired from `exp` plus leeway on. One with
//!   `cnf` is bound to a key (RFC 7800), and refused where nothing checks that: with the feature `dpop`, `Dpop` does.
//! * **Identity.** `roles` and `amr` (RFC 8176) are a string or a list of strings, `scope` is a string of words (RFC 8693
//!   section 4.2) or a list of them, `auth_time` is the time of the first factor and our claim `proofs` the time of each. What has
//!   another form, alone or in a list, grants nothing.
//! * **User.** The rest is the application's `U`, a struct whose fields are claims. A field with the name of a registered claim
//!   is filled on reading; on minting `iss`, `sub`, `aud`, `exp`, `nbf`, `iat`, `jti` and `cnf` are the engine's alone, and
//!   any other claim stated by both grant and user is an error.
//! * **Other issuers.** With the feature `jwks`, `Jwt::from_issuer` accepts the access tokens of an identity provider, by the keys that it
//!   publishes; [`Issuers`] accepts those of several, [`ClaimMap`] says where they write roles.
//! * **Calling back.** Without a [list] a token is good until it expires.
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
//! let jwt = Jwt::<User>::builder(ring.clone()).issuer("https://auth.acme.dev").audience("api").build()?;
//!
//! let grant = Grant::new("42", User { name: "Alice".into() }).factor(Factor::Password).roles(["editor"]);
//! let token = jwt.issue(grant).await?;
//!
//! // Rotation while serving: the new key signs, tokens of the old one stay good until it is retired.
//! let old = ring.active().kid().to_owned();
//! ring.rotate(Key::generate(Algorithm::EdDsa)?)?;
//! let verified = jwt.verify(token.expose()).await?;
//! assert_eq!(verified.user().unwrap().name, "Alice");
//! assert!(verified.identity().unwrap().has_role("editor"));
//!
//! assert!(ring.retire(&old));
//! assert_eq!(jwt.verify(token.expose()).await.unwrap_err().reason(), "no key of the ring has this kid");
//!
//! // What other parties verify with, for /.well-known/jwks.json.
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
mod handle;
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
mod revoke;
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
pub use self::jwt::from_issuer::FromIssuer;
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

/// The most that servers take in one header line by default.
const MAX_BYTES: usize = 8 * 1024;
