//! Sender-constrained access tokens: a token is bound to a key that each request proves to possess
//! (DPoP, RFC 9449). A stolen token is useless without the key.
//!
//! The client generates a key pair and sends a proof signed with it in the header `DPoP` of every
//! request. A login with a proof issues a token that contains the thumbprint of the key
//! (`cnf.jkt`). From then on the token is valid only with a new proof.
//!
//! # Rules
//!
//! * **Proof.** A proof has the type `dpop+jwt`, an asymmetric algorithm, and the public key in its
//!   header, without any private member. It is signed with that key (RFC 9449 section 4.3).
//! * **Request.** `htm` is the method of the request. `htu` is its URL without query and fragment,
//!   compared after the normalization of RFC 3986 sections 6.2.2 and 6.2.3. Scheme and host are
//!   configured; they never come from the `Host` header, which the caller controls.
//! * **Token.** `ath` is the hash of the access token, whose `cnf.jkt` is the thumbprint of the
//!   proof's key (RFC 7638).
//! * **Time.** `iat` is at most one minute from now.
//! * **Once.** A proof is valid for one request across all nodes, whose clocks may differ by 30
//!   seconds: the store holds its `jti` until the proof has expired on every node. If the store is
//!   unavailable, the response is 503. If the store can lose a write in a failover, a proof of the
//!   last minute may be accepted once more.
//! * **Nonce.** [`require_nonce`](DpopBuilder::require_nonce) requires a nonce of the server, so
//!   that no proof can be made in advance: a rejection with `use_dpop_nonce` has a nonce in the
//!   header `DPoP-Nonce`. Nonces are derived from the master secret, change every five minutes and
//!   are valid for two such periods; all nodes can check them without a store. A nonce in a proof
//!   is always checked.
//! * **No other scheme.** [`Dpop::protect`] reads only `Authorization: DPoP`, and rejects a token
//!   that is not bound to a key. A bound token is rejected under `Bearer`, and by every engine that
//!   is not protected, whether or not the token is cached.
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
//! // In a login handler, after the password was checked: the key that signed the proof of the request.
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
    store::{Namespace, Store, StoreKey, When, Write},
};

/// Verifies DPoP proofs. It is a handle: cloning it is cheap.
#[derive(Clone)]
pub struct Dpop {
    inner: Arc<DpopInner>,
}

struct DpopInner {
    store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    url: PublicUrl,
    nonces: Nonces,
    window: Duration,
    requires_nonce: bool,
}

impl Dpop {
    /// Starts to build a verifier for the service that clients reach at `public_url`, such as
    /// `https://api.acme.dev`, including any path that a proxy or an outer router strips. Used
    /// proofs are recorded in `store`; nonces are derived from `secret`.
    pub fn builder(store: Arc<dyn Store>, secret: &MasterSecret, public_url: &str) -> DpopBuilder {
        DpopBuilder::new(store, secret, public_url)
    }

    /// Accepts the access tokens of `engine` that are bound to a key, with a proof of that key.
    pub fn protect<A: VerifyBound>(&self, engine: A) -> Bound<A> {
        Bound::new(engine, self.clone())
    }

    /// Verifies the proof of a request that presents no access token, such as a login or a refresh,
    /// and uses it up. `path` is that of the request.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Invalid`](crate::RejectionKind::Invalid) with `invalid_dpop_proof` for a
    /// proof that is not valid for this request and time, or was used before. The same kind with
    /// `use_dpop_nonce` and a nonce for a proof without a current nonce, where one is required.
    /// [`RejectionKind::Unavailable`](crate::RejectionKind::Unavailable) when the store does not
    /// answer.
    pub async fn verify(
        &self,
        proof: &str,
        method: &Method,
        path: &str,
    ) -> Result<ProofKey, Rejection> {
        self.check(proof, method, path)?.use_up().await
    }

    /// Checks the proof of a request that presents no access token, without using it up.
    pub(crate) fn check(
        &self,
        proof: &str,
        method: &Method,
        path: &str,
    ) -> Result<UnusedProof, Rejection> {
        let proof = self.check_proof(proof, method, path, None)?;
        Ok(UnusedProof {
            dpop: self.clone(),
            proof,
        })
    }

    /// Returns a nonce for a later proof, for the header `DPoP-Nonce` of any response (RFC 9449
    /// section 8.2).
    #[must_use]
    pub fn nonce(&self) -> String {
        self.inner.nonces.current(self.inner.clock.now())
    }

    /// Checks a proof, except whether it was used before.
    fn check_proof(
        &self,
        proof: &str,
        method: &Method,
        path: &str,
        token: Option<&str>,
    ) -> Result<Proof, Rejection> {
        let inner = &*self.inner;
        let now = inner.clock.now();
        let reject = |reason| Err(self.reject(reason));
        let proof = Proof::read(proof).map_err(|rejection| self.invalid_proof(rejection))?;
        if proof.method != method.as_str() {
            return reject("the proof is for another method");
        }
        if !inner.url.is_at(path, &proof.url) {
            return reject("the proof is for another URL");
        }
        if proof.issued_at < now.before(inner.window) || proof.issued_at > now.after(inner.window) {
            return reject("the `iat` of the proof is too far from now");
        }
        if let Some(token) = token
            && proof.token_hash != Some(hash([token.as_bytes()]))
        {
            return reject("the proof is for another token");
        }
        let is_valid = |nonce: &String| inner.nonces.is_valid(nonce, now);
        match &proof.nonce {
            None if !inner.requires_nonce => Ok(proof),
            Some(nonce) if is_valid(nonce) => Ok(proof),
            _ => Err(self.challenge(
                Rejection::invalid("the proof has no current nonce"),
                Some("use_dpop_nonce"),
            )),
        }
    }

    /// Records that a proof was used. A second use is rejected on every node.
    async fn use_up(&self, proof: &Proof) -> Result<(), Rejection> {
        let inner = &*self.inner;
        let parts = [proof.key.thumbprint().as_bytes(), proof.id.as_bytes()];
        let key = StoreKey::new(NAMESPACE, &parts);
        // A node whose clock is behind must still find the record, which expires by this node's
        // clock.
        let from = proof.issued_at.max(inner.clock.now());
        let expires_at = from.after(inner.window).after(SKEW);
        let write = Write::new(PRESENT, expires_at);
        match inner.store.put(&key, write, When::Absent).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.reject("the proof was used before")),
            Err(error) => Err(self.challenge(error.into(), None)),
        }
    }

    fn reject(&self, reason: &'static str) -> Rejection {
        self.invalid_proof(Rejection::invalid(reason))
    }

    fn invalid_proof(&self, rejection: Rejection) -> Rejection {
        self.challenge(rejection, Some("invalid_dpop_proof"))
    }

    /// Adds a challenge in this scheme, with a nonce where one is required.
    fn challenge(&self, rejection: Rejection, error: Option<&'static str>) -> Rejection {
        let needs_nonce = self.inner.requires_nonce || error == Some("use_dpop_nonce");
        rejection.for_dpop(rejection::DpopChallenge {
            algs: proof::algorithms().into(),
            error,
            nonce: needs_nonce.then(|| self.nonce()),
        })
    }

    fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }
}

/// A valid proof whose use is not recorded yet.
pub(crate) struct UnusedProof {
    dpop: Dpop,
    proof: Proof,
}

impl UnusedProof {
    #[cfg(feature = "account")]
    pub(crate) const fn key(&self) -> &ProofKey {
        &self.proof.key
    }

    /// Records its use, and returns its key.
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
