//! From an access token to a user, as long as its device is there.

use serde::de::DeserializeOwned;

use super::{builder::Blacklist, engine::TokenPairs, record};
#[cfg(feature = "dpop")]
use crate::token::dpop::VerifyBound;
use crate::{
    authenticate::{Authenticate, Verified},
    credential::{Credential, CredentialSource},
    identity::Identity,
    rejection::Rejection,
    store::{Entry, Key, confirmed::confirmed},
};

impl<U: DeserializeOwned + Send + Sync + 'static> TokenPairs<U> {
    /// Verifies an access token, as the layer does.
    ///
    /// # Errors
    ///
    /// Those of [`Jwt::verify`](crate::Jwt::verify); with [`Blacklist::Both`] also an invalid [`Rejection`] when the
    /// token's device has ended, and an unavailable one when the store does not answer.
    pub async fn verify(&self, access_token: &str) -> Result<Verified<U>, Rejection> {
        self.verify_held(access_token, None).await
    }

    async fn verify_held(
        &self,
        access_token: &str,
        held: Option<&str>,
    ) -> Result<Verified<U>, Rejection> {
        let verified = self
            .inner
            .access
            .verify_with_key(access_token, held)
            .await?;
        if self.inner.blacklist == Blacklist::Both {
            let identity = verified.identity();
            let identity = identity.ok_or_else(|| Rejection::invalid("a token without a user"))?;
            self.check_device(identity).await?;
        }
        Ok(verified)
    }

    /// The device must be in the record: a record that was lost logs out, and lets nobody in.
    pub(super) async fn check_device(&self, identity: &Identity) -> Result<(), Rejection> {
        let ended = || Rejection::invalid("the device has ended");
        let id = identity.session_id().ok_or_else(ended)?;
        let key = self.key(identity.subject().id());
        let has_device = |entry: Option<&Entry>| {
            let found = entry.map(|entry| self.has_device(&key, entry, id));
            Ok::<_, Rejection>(found.unwrap_or_default())
        };
        let store = &*self.inner.cached;
        let found = confirmed(store, &key, has_device, |is_there| *is_there).await?;
        match found.answer {
            true => Ok(()),
            false => Err(ended()),
        }
    }

    fn has_device(&self, key: &Key, entry: &Entry, id: &str) -> bool {
        let found = record::has_device(&self.inner.records, key, &entry.value, id);
        found.unwrap_or_else(|unreadable| {
            self.tell_unreadable(unreadable);
            false
        })
    }
}

#[cfg(feature = "dpop")]
impl<U: DeserializeOwned + Send + Sync + 'static> VerifyBound for TokenPairs<U> {
    type User = U;

    async fn verify_bound(&self, token: &str, held: &str) -> Result<Verified<U>, Rejection> {
        self.verify_held(token, Some(held)).await
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
