//! Authenticates a request with a bound token and a proof.

use std::{future::Future, pin::Pin, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;

use super::{Dpop, proof::Proof};
use crate::{
    authenticate::{Authenticate, OnResponse, Verified},
    identity::Identity,
    rejection::Rejection,
    request::credential::{Credential, CredentialSource},
    token::Jwt,
};

/// An engine whose access tokens may be bound to keys: [`Jwt`] and `TokenPairs`.
pub trait VerifyBound: Clone + Send + Sync + 'static {
    /// The caller as a type of the application.
    type User: Send + Sync + 'static;

    /// Verifies a token whose presenter has proved possession of the key with the thumbprint
    /// `held`. Rejects a token that is bound to another key, or to none.
    fn verify_bound(
        &self,
        token: &str,
        held: &str,
    ) -> impl Future<Output = Result<Verified<Self::User>, Rejection>> + Send;
}

impl<U: DeserializeOwned + Send + Sync + 'static> VerifyBound for Jwt<U> {
    type User = U;

    async fn verify_bound(&self, token: &str, held: &str) -> Result<Verified<U>, Rejection> {
        self.engine.verify_with_key(token, Some(held)).await
    }
}

/// An engine for tokens that are bound to keys. See [`Dpop::protect`].
#[derive(Clone, Debug)]
pub struct Bound<A> {
    engine: A,
    dpop: Dpop,
}

impl<A: VerifyBound> Bound<A> {
    pub(super) const fn new(engine: A, dpop: Dpop) -> Self {
        Self { engine, dpop }
    }

    async fn verify(
        &self,
        presented: &Credential,
    ) -> Result<(Verified<A::User>, Proof), Rejection> {
        let dpop = &self.dpop;
        let name = HEADER;
        let mut proofs = presented.header(&name);
        let (Some(proof), None) = (proofs.next(), proofs.next()) else {
            return Err(dpop.reject("the request must have exactly one proof"));
        };
        let proof = proof
            .to_str()
            .map_err(|_| dpop.reject("the proof is not text"))?;
        let (method, path) = (presented.method(), presented.uri().path());
        let token = presented.expose();
        let proof = dpop.check_proof(proof, method, path, Some(token))?;
        let verified = self
            .engine
            .verify_bound(token, proof.key.thumbprint())
            .await;
        let verified = verified.map_err(|rejection| dpop.challenge(rejection, None))?;
        // Last, so that a caller without a valid token cannot fill the store.
        dpop.use_up(&proof).await?;
        Ok((verified, proof))
    }
}

impl<A: VerifyBound> Authenticate for Bound<A> {
    type User = A::User;

    fn source(&self) -> CredentialSource {
        CredentialSource::dpop()
    }

    fn name(&self, _: Option<&Credential>) -> &'static str {
        "dpop"
    }

    async fn authenticate(&self, presented: Credential) -> Result<Verified<A::User>, Rejection> {
        let (verified, proof) = self.verify(&presented).await?;
        let nonces = &self.dpop.inner.nonces;
        let is_old = |nonce: &String| !nonces.is_current(nonce, self.dpop.now());
        if proof.nonce.as_ref().is_some_and(is_old) {
            return Ok(verified.on_response(Arc::new(NextNonce(self.dpop.nonce()))));
        }
        Ok(verified)
    }

    fn absent(&self, _: Option<&Identity>) -> Result<Verified<A::User>, Rejection> {
        Err(self.dpop.challenge(Rejection::missing(), None))
    }
}

/// Sends a client the next nonce before its current one expires (RFC 9449 section 8.2).
struct NextNonce(String);

impl OnResponse for NextNonce {
    fn on_response(
        self: Arc<Self>,
        _: &CredentialSource,
        headers: &mut HeaderMap,
    ) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        if let Ok(nonce) = HeaderValue::try_from(&self.0) {
            headers.insert(NONCE, nonce);
        }
        None
    }
}

const HEADER: HeaderName = HeaderName::from_static("dpop");
const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
