//! PASETO tokens, encrypted or signed, with algorithms that nobody can choose: versions 2, 3 and 4.
//!
//! [`Paseto`] issues and verifies them; [`PasetoLayer`](crate::layer::PasetoLayer) puts it in front
//! of a service. It is the same engine as [`Jwt`](crate::Jwt), with the same claims, lists, users
//! and key rings, and a different token format.
//!
//! # Choosing a version and purpose
//!
//! * [`v4_local`](Paseto::v4_local) if the servers that read a token may also issue it. Nobody else
//!   can read it.
//! * [`v4_public`](Paseto::v4_public) if other parties verify with the public key. Anybody can read
//!   it.
//! * [`v3_local`](Paseto::v3_local) and [`v3_public`](Paseto::v3_public) if the algorithms must be
//!   those of NIST.
//! * [`dangerous_legacy_v2_local`](Paseto::dangerous_legacy_v2_local) and
//!   [`dangerous_legacy_v2_public`](Paseto::dangerous_legacy_v2_public) for systems that have not
//!   migrated.
//!
//! Version 1 is not offered. A [`PasetoKey`] of one version and purpose has its own type, so that
//! using it for another does not compile.
//!
//! # Rules
//!
//! * **Format.** At most 8 KiB before anything is decoded; the version and purpose of the engine, a
//!   body, and optionally a footer. An empty fourth part, a fifth part, padding, white space and
//!   nonzero trailing bits are rejected.
//! * **Footer.** At most 768 bytes. It is authenticated but not encrypted. If it begins with `{`,
//!   it must be a strict JSON object, and its `kid` is read before anything is verified, only for
//!   an exact lookup in the ring. `wpk`, a key inside the token, is rejected. Any other footer, or
//!   none, has no `kid`, which may be absent only if the ring has one key.
//! * **Implicit assertion.** Versions 3 and 4 bind a token to bytes that it does not contain; the
//!   verifier must use the same bytes.
//! * **Claims.** As for a JWT: a strict JSON object in which `iss`, `aud`, `exp` and `sub` are
//!   required, with the same [leeway](PasetoBuilder::leeway). `exp`, `nbf` and `iat` are RFC 3339
//!   date-times with any offset, `T` and `Z` in upper case, from 1970 to 9999; numbers are
//!   rejected. `auth_time` and `proofs`, which PASETO does not define, are numbers as in a JWT.
//! * **Type.** PASETO has no `typ`: every token of a key is an access token. Use a separate ring,
//!   audience or implicit assertion for each other use.
//! * **Revocation.** Without a [list](super::revocation) a token is valid until it expires.
//!
//! # Keys
//!
//! Keys are [generated](PasetoKey::generate), or read from bytes or from PASERK text, the form in
//! which they are stored: `k4.local.…`, `k4.secret.…` and `k4.public.…`. The id of a key is its
//! PASERK id, which reveals nothing of the key.
//!
//! # Example
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tower_jam::{Grant, KeyRing, Paseto, PasetoKey, token::paseto::{Local, V4}};
//!
//! #[derive(Serialize, Deserialize)]
//! struct User { name: String }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = PasetoKey::<V4, Local>::generate();
//! let ring = KeyRing::new(key.clone());
//! let engine = |tenant: &str| {
//!     Paseto::<User>::v4_local(ring.clone())
//!         .issuer("https://auth.acme.dev")
//!         .audience("api")
//!         .implicit_assertion(tenant)
//!         .build()
//! };
//! let paseto = engine("tenant-1")?;
//!
//! let grant = Grant::new("42", User { name: "Alice".into() }).roles(["editor"]);
//! let token = paseto.issue(grant).await?;
//! assert!(token.expose().starts_with("v4.local."));
//! let verified = paseto.verify(token.expose()).await?;
//! assert_eq!(verified.user().unwrap().name, "Alice");
//! assert!(verified.identity().unwrap().has_role("editor"));
//! assert_eq!(paseto.footer(token.expose())?.member("kid").unwrap(), key.kid());
//!
//! // For another tenant it is invalid.
//! assert!(engine("tenant-2")?.verify(token.expose()).await.is_err());
//!
//! // Rotation while serving, as for a JWT.
//! ring.rotate(PasetoKey::<V4, Local>::generate())?;
//! assert!(paseto.verify(token.expose()).await.is_ok());
//! assert!(ring.retire(key.kid()));
//! assert!(paseto.verify(token.expose()).await.is_err());
//! # Ok(())
//! # }
//! ```

mod builder;
mod cipher;
mod envelope;
mod footer;
mod key;
mod paserk;
mod v3_local;
mod version;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    claims::Claims,
    engine::Engine,
    handle::handle,
    issue::Issue,
    revocation::{TokenId, TokenList},
};
use crate::{
    authenticate::{Authenticate, Verified},
    grant::Grant,
    key::ring::KeyRing,
    rejection::Rejection,
    request::credential::{Credential, CredentialSource},
};

pub use self::{
    builder::PasetoBuilder,
    footer::Footer,
    key::PasetoKey,
    version::{ImplicitAssertions, Local, Public, Purpose, V2, V3, V4},
};

/// Issues and verifies PASETO tokens of one version and purpose, with custom claims of type `U`.
///
/// It is a handle: cloning it is cheap, and all clones share the key ring. See the [module](self)
/// for the rules, and [`PasetoLayer`](crate::layer::PasetoLayer) for its use in a service.
///
/// ```
/// use tower_jam::{Claims, Grant, KeyRing, Paseto, PasetoKey, token::paseto::{Local, V4}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ring = KeyRing::new(PasetoKey::<V4, Local>::generate());
/// let paseto = Paseto::<Claims>::v4_local(ring)
///     .issuer("https://auth.acme.dev")
///     .audience("api")
///     .build()?;
///
/// let token = paseto.issue(Grant::new("42", Claims::new())).await?;
/// assert!(paseto.verify(token.expose()).await.is_ok());
/// # Ok(())
/// # }
/// ```
#[doc(alias("bearer", "access token"))]
pub struct Paseto<U = Claims> {
    pub(crate) engine: Engine<U>,
}

impl<U> Paseto<U> {
    /// Tokens of version 4, encrypted with a shared key, for servers that both issue and read them.
    ///
    /// Keys of another version or purpose have another type:
    ///
    /// ```compile_fail,E0308
    /// use tower_jam::{Claims, KeyRing, Paseto, PasetoKey, token::paseto::{Public, V4}};
    ///
    /// let signing = PasetoKey::<V4, Public>::generate().unwrap();
    /// let paseto = Paseto::<Claims>::v4_local(KeyRing::new(signing));
    /// ```
    ///
    /// ```compile_fail,E0308
    /// use tower_jam::{Claims, KeyRing, Paseto, PasetoKey, token::paseto::{Local, V3}};
    ///
    /// let older = PasetoKey::<V3, Local>::generate();
    /// let paseto = Paseto::<Claims>::v4_local(KeyRing::new(older));
    /// ```
    pub fn v4_local(ring: KeyRing<PasetoKey<V4, Local>>) -> PasetoBuilder<U, V4, Local> {
        PasetoBuilder::new(ring)
    }

    /// Tokens of version 4, signed with Ed25519, which others verify with the public key.
    ///
    /// ```compile_fail,E0308
    /// use tower_jam::{Claims, KeyRing, Paseto, PasetoKey, token::paseto::{Public, V2}};
    ///
    /// let legacy = PasetoKey::<V2, Public>::generate().unwrap();
    /// let paseto = Paseto::<Claims>::v4_public(KeyRing::new(legacy));
    /// ```
    ///
    /// ```compile_fail,E0308
    /// use tower_jam::{Algorithm, Claims, Key, KeyRing, Paseto};
    ///
    /// let jwk = Key::generate(Algorithm::EdDsa).unwrap();
    /// let paseto = Paseto::<Claims>::v4_public(KeyRing::new(jwk));
    /// ```
    pub fn v4_public(ring: KeyRing<PasetoKey<V4, Public>>) -> PasetoBuilder<U, V4, Public> {
        PasetoBuilder::new(ring)
    }

    /// Tokens of version 3, encrypted with AES-256 and HMAC-SHA-384, if the algorithms must be
    /// those of NIST.
    ///
    /// ```compile_fail,E0308
    /// use tower_jam::{Claims, KeyRing, Paseto, PasetoKey, token::paseto::{Local, V4}};
    ///
    /// let newer = PasetoKey::<V4, Local>::generate();
    /// let paseto = Paseto::<Claims>::v3_local(KeyRing::new(newer));
    /// ```
    pub fn v3_local(ring: KeyRing<PasetoKey<V3, Local>>) -> PasetoBuilder<U, V3, Local> {
        PasetoBuilder::new(ring)
    }

    /// Tokens of version 3, signed with ECDSA on P-384, if the algorithms must be those of NIST.
    ///
    /// ```compile_fail,E0308
    /// use tower_jam::{Claims, KeyRing, Paseto, PasetoKey, token::paseto::{Local, V3}};
    ///
    /// let shared = PasetoKey::<V3, Local>::generate();
    /// let paseto = Paseto::<Claims>::v3_public(KeyRing::new(shared));
    /// ```
    pub fn v3_public(ring: KeyRing<PasetoKey<V3, Public>>) -> PasetoBuilder<U, V3, Public> {
        PasetoBuilder::new(ring)
    }

    /// Tokens of version 2, encrypted with a shared key, for systems that have not migrated to
    /// version 4. They have no implicit assertions:
    ///
    /// ```compile_fail,E0599
    /// use tower_jam::{Claims, KeyRing, Paseto, PasetoKey, token::paseto::{Local, V2}};
    ///
    /// let ring = KeyRing::new(PasetoKey::<V2, Local>::generate());
    /// let paseto = Paseto::<Claims>::dangerous_legacy_v2_local(ring).implicit_assertion("tenant");
    /// ```
    pub fn dangerous_legacy_v2_local(
        ring: KeyRing<PasetoKey<V2, Local>>,
    ) -> PasetoBuilder<U, V2, Local> {
        PasetoBuilder::new(ring)
    }

    /// Tokens of version 2, signed with Ed25519, for systems that have not migrated to version 4.
    pub fn dangerous_legacy_v2_public(
        ring: KeyRing<PasetoKey<V2, Public>>,
    ) -> PasetoBuilder<U, V2, Public> {
        PasetoBuilder::new(ring)
    }
}

impl<U: Serialize> Paseto<U> {
    /// Issues a token for `grant`, with the ring's active key. It has an `iat`, an `exp` and a
    /// random `jti` of 128 bits, and the id of the key in its footer.
    pub fn issue(&self, grant: Grant<U>) -> Issue<'_, U> {
        self.engine.issue(grant)
    }
}

impl<U: DeserializeOwned + Send + Sync + 'static> Paseto<U> {
    /// Returns the footer of a token. The token is verified first, except that its list is not
    /// consulted.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Invalid`](crate::RejectionKind::Invalid) for a token that is not valid,
    /// apart from lists, and for a footer that is not UTF-8.
    pub fn footer(&self, token: &str) -> Result<Footer, Rejection> {
        self.engine.check(token, self.engine.inner.clock.now())?;
        envelope::read_footer(token)
    }
}

handle!(Paseto, "paseto");

impl<U> Clone for Paseto<U> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
        }
    }
}

impl<U> fmt::Debug for Paseto<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paseto")
            .field("engine", &self.engine)
            .finish()
    }
}
