//! Authenticates a request by an access token whose device is logged in.

use serde::de::DeserializeOwned;

use super::pairs::TokenPairs;
#[cfg(feature = "dpop")]
use crate::token::dpop::VerifyBound;
use crate::{
    authenticate::{Authenticate, Verified},
    rejection::Rejection,
    request::credential::{Credential, CredentialSource},
};

#[cfg(feature = "dpop")]
impl<U: DeserializeOwned + Send + Sync + 'static> VerifyBound for TokenPairs<U> {
    type User = U;

    async fn verify_bound(&self, token: &str, proved_key: &str) -> Result<Verified<U>, Rejection> {
        super::verify::verify(&self.inner, token, Some(proved_key)).await
    }
}

impl<U: DeserializeOwned + Send + Sync + 'static> Authenticate for TokenPairs<U> {
    type User = U;

    fn source(&self) -> CredentialSource {
        CredentialSource::bearer()
    }

    fn name(&self, _: Option<&Credential>) -> &'static str {
        "pairs"
    }

    async fn authenticate(&self, presented: Credential) -> Result<Verified<U>, Rejection> {
        self.verify(presented.expose()).await
    }
}
