//! Tokens that are worth nothing to whoever steals them: bound to a key that each request proves to
//! hold (RFC 9449).
//!
//! A client makes a key pair and sends, with every request, a proof signed by it in the header
//! `DPoP`. A login with a proof mints a token with the key's thumbprint in it (`cnf.jkt`); from
//! then on the token opens nothing without a fresh proof.
//!
//! # Rules
//!
//! * **A proof** has the type `dpop+jwt`, an algorithm with key pairs, and the public key in its
//!   header, without any private member; its signature is by that key (RFC 9449 section 4.3).
//! * **For this request.** `htm` is its method. `htu` is its address without query and fragment,
//!   compared after the normalisation of RFC 3986 sections 6.2.2 and 6.2.3. Scheme and host are
//!   those that are configured, never those of a `Host` header, which the caller writes.
//! * **For this token.** `ath` is the hash of the access token, whose `cnf.jkt` is the thumbprint
//!   of the proof's key (RFC 7638).
//! * **Now.** `iat` is at most a minute away.
//! * **Once.** A proof is good for one request on all nodes together, whose clocks may differ by 30
//!   seconds: its `jti` is kept in the store until its time is over on each. A store that is away
//!   is 503. On a store that can lose a write in a failover, a proof of the last minute may be good
//!   once more.
//! * **Nonces** of the server are asked for with [`require_nonce`](DpopBuilder::require_nonce), so
//!   that no proof is made in advance: a refusal with `use_dpop_nonce` brings one in the header
//!   `DPoP-Nonce`. They follow from the application's secret, change every five minutes and are
//!   good for two such spans; all nodes know them without a store. A nonce that a proof states is
//!   checked in any case.
//! * **No other way in.** [`Dpop::protect`] reads `Authorization: DPoP` alone, and takes no token
//!   that is bound to no key. A bound token under `Bearer` is refused, and so it is by every engine
//!   that is not protected, whether or not it was seen before.
//!
//! ```
//! # use std::sync::Arc;
//! use tower_jam::{
//!     Algorithm, Claims, Grant, Jwt, Key, KeyRing, MasterSecret, layer::AuthLayer, store::MemoryStore, token::Dpop,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let jwt = Jwt::<Claims>::builder(KeyRing::new(Key::generate(Algorithm::Es256)?))
//!     .issuer("https://auth.acme.dev")
//!     .audience("api")
//!     .build()?;
//! let store = Arc::new(MemoryStore::new());
//! let dpop = Dpop::builder(store, &MasterSecret::generate(), "https://api.acme.dev").build()?;
//!
//! // In a login handler, after the password was checked: the key is the one that the request's proof is by.
//! let login = async |proof: &str| -> Result<_, Box<dyn std::error::Error>> {
//!     let key = dpop.verify(proof, &http::Method::POST, "/login").await?;
//!     Ok(jwt.issue(Grant::new("42", Claims::new())).bound_to(&key).await?)
//! };
//! assert!(login("no proof").await.is_err());
//!
//! let layer = AuthLayer::new(dpop.protect(jwt.clone()));
//! # drop(layer);
//! # Ok(())
//! # }
//! ```

mod bound;
mod builder;
mod nonce;
mod proof;
#[cfg(test)]
mod tests;
mod uri;

use std::{fmt, sync::Arc, time::Duration};

use http::Method;

pub use self::{
    bound::{Bound, VerifyBound},
    builder::DpopBuilder,
    proof::ProofKey,
};

use self::{nonce::Nonces, proof::Proof, uri::PublicUrl};
use crate::{
    clock::{Clock, SKEW, Timestamp},
    rejection::{self, Rejection},
    secret::{MasterSecret, hash},
    store::{Key, Namespace, Store, When, Write},
};

/// Verifies proofs of keys. It is a handle: cloning it is cheap.
#[derive(Clone)]
pub struct Dpop {
    inner: Arc<DpopInner>,
}

struct DpopInner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    url: PublicUrl,
    nonces: Nonces,
    window: Duration,
    requires_nonce: bool,
}

impl Dpop {
    /// A verifier for the service that its clients reach at `public_url`, such as
    /// `https://api.acme.dev`, with the path that a proxy, or a router that nests this one, takes
    /// away. Proofs that were used are noted in `store`; nonces follow from `secret`.
    pub fn builder(store: Arc<dyn Store>, secret: &MasterSecret, public_url: &str) -> DpopBuilder {
        DpopBuilder::new(store, secret, public_url)
    }

    /// Takes the access tokens of `engine` that are bound to a key, with a proof of that key.
    pub fn protect<A: VerifyBound>(&self, engine: A) -> Bound<A> {
        Bound::new(engine, self.clone())
    }

    /// Verifies the proof of a request that presents no access token, such as a login or a refresh,
    /// and uses it up. `path` is that of the request.
    ///
    /// # Errors
    ///
    /// An invalid [`Rejection`] with `invalid_dpop_proof` for a proof that is not good for this
    /// request and now, or was used before; with `use_dpop_nonce` and a nonce for one that states
    /// no current one, where that is required. An unavailable one when the store does not answer.
    pub async fn verify(
        &self,
        proof: &str,
        method: &Method,
        path: &str,
    ) -> Result<ProofKey, Rejection> {
        self.check(proof, method, path)?.use_up().await
    }

    /// The proof of a request that presents no access token, good but not yet noted as used.
    pub(crate) fn check(
        &self,
        proof: &str,
        method: &Method,
        path: &str,
    ) -> Result<UnusedProof, Rejection> {
        let proof = self.read(proof, method, path, None)?;
        Ok(UnusedProof {
            dpop: self.clone(),
            proof,
        })
    }

    /// A nonce for a proof to come, for a header `DPoP-Nonce` on any answer (RFC 9449 section 8.2).
    #[must_use]
    pub fn nonce(&self) -> String {
        self.inner.nonces.current(self.inner.clock.now())
    }

    /// A proof that is good, as long as it was not used.
    fn read(
        &self,
        proof: &str,
        method: &Method,
        path: &str,
        token: Option<&str>,
    ) -> Result<Proof, Rejection> {
        let inner = &*self.inner;
        let now = inner.clock.now();
        let refuse = |reason| Err(self.refuse(reason));
        let proof = Proof::read(proof).map_err(|rejection| self.of_proof(rejection))?;
        if proof.method != method.as_str() {
            return refuse("the proof is for another method");
        }
        if !inner.url.is_at(path, &proof.url) {
            return refuse("the proof is for another address");
        }
        if proof.issued_at < now.before(inner.window) || proof.issued_at > now.after(inner.window) {
            return refuse("the proof is not of now");
        }
        if let Some(token) = token
            && proof.token_hash != Some(hash([token.as_bytes()]))
        {
            return refuse("the proof is for another token");
        }
        let is_known = |nonce: &String| inner.nonces.is_good(nonce, now);
        match &proof.nonce {
            None if !inner.requires_nonce => Ok(proof),
            Some(nonce) if is_known(nonce) => Ok(proof),
            _ => Err(self.challenge(
                Rejection::invalid("the proof has no nonce of now"),
                Some("use_dpop_nonce"),
            )),
        }
    }

    /// Notes that a proof was used. Whoever comes second is refused, on whatever node.
    async fn use_up(&self, proof: &Proof) -> Result<(), Rejection> {
        let inner = &*self.inner;
        let parts = [proof.key.thumbprint().as_bytes(), proof.id.as_bytes()];
        let key = Key::new(NAMESPACE, &parts);
        // As long as a node may find it fresh whose clock is behind: it is forgotten by this node's
        // time.
        let from = proof.issued_at.max(inner.clock.now());
        let expires_at = from.after(inner.window).after(SKEW);
        let write = Write::new(PRESENT, expires_at);
        match inner.store.put(&key, write, When::Absent).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.refuse("the proof was used before")),
            Err(error) => Err(self.challenge(error.into(), None)),
        }
    }

    fn refuse(&self, reason: &'static str) -> Rejection {
        self.of_proof(Rejection::invalid(reason))
    }

    fn of_proof(&self, rejection: Rejection) -> Rejection {
        self.challenge(rejection, Some("invalid_dpop_proof"))
    }

    /// Challenges in this scheme, with a nonce where one is required.
    fn challenge(&self, rejection: Rejection, error: Option<&'static str>) -> Rejection {
        let needs_nonce = self.inner.requires_nonce || error == Some("use_dpop_nonce");
        rejection.for_dpop(rejection::Dpop {
            algs: proof::algorithms().into(),
            error,
            nonce: needs_nonce.then(|| self.nonce()),
        })
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }
}

/// A good proof that nobody has used so far as is known.
pub(crate) struct UnusedProof {
    dpop: Dpop,
    proof: Proof,
}

impl UnusedProof {
    #[cfg(feature = "account")]
    pub(crate) const fn key(&self) -> &ProofKey {
        &self.proof.key
    }

    /// Notes that it is used now.
    pub(crate) async fn use_up(self) -> Result<ProofKey, Rejection> {
        self.dpop.use_up(&self.proof).await?;
        Ok(self.proof.key)
    }
}

impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpop")
            .field("window", &self.inner.window)
            .field("requires_nonce", &self.inner.requires_nonce)
            .field("store", &self.inner.store)
            .finish_non_exhaustive()
    }
}

const NAMESPACE: Namespace = Namespace::new("dpop");
const PRESENT: &[u8] = b"1";
