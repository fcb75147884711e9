//! Authenticates a request by an access token whose device is logged in.

use serde::de::DeserializeOwned;

use super::{builder::RevocationCheck, engine::TokenPairs, record};
#[cfg(feature = "dpop")]
use crate::token::dpop::VerifyBound;
use crate::{
    authenticate::{Authenticate, Verified},
    identity::Identity,
    rejection::Rejection,
    request::credential::{Credential, CredentialSource},
    store::{Entry, StoreKey, confirmed::confirmed},
};

impl<U: DeserializeOwned + Send + Sync + 'static> TokenPairs<U> {
    /// Verifies an access token, as the layer does.
    ///
    /// # Errors
    ///
    /// Those of [`Jwt::verify`](crate::Jwt::verify). With [`RevocationCheck::Both`] also
    /// [`RejectionKind::Invalid`](crate::RejectionKind) if the token's device was revoked, and
    /// `Unavailable` if the store does not answer.
    pub async fn verify(&self, access_token: &str) -> Result<Verified<U>, Rejection> {
        self.verify_held(access_token, None).await
    }

    async fn verify_held(
        &self,
        access_token: &str,
        proved_key: Option<&str>,
    ) -> Result<Verified<U>, Rejection> {
        let verified = self
            .inner
            .access
            .verify_with_key(access_token, proved_key)
            .await?;
        if self.inner.blacklist == RevocationCheck::Both {
            let identity = verified.identity();
            let identity = identity.ok_or_else(|| Rejection::invalid("a token without a user"))?;
            self.check_device(identity).await?;
        }
        Ok(verified)
    }

    /// Checks that the record lists the device. If the record was lost, the user is logged out,
    /// never authenticated.
    pub(super) async fn check_device(&self, identity: &Identity) -> Result<(), Rejection> {
        let revoked = || Rejection::invalid("the device has expired or was revoked");
        let id = identity.session_id().ok_or_else(revoked)?;
        let key = self.key(identity.subject().id());
        let has_device = |entry: Option<&Entry>| {
            let found = entry.map(|entry| self.has_device(&key, entry, id));
            Ok::<_, Rejection>(found.unwrap_or_default())
        };
        let store = &*self.inner.cached;
        let found = confirmed(store, &key, has_device, |is_there| *is_there).await?;
        if !found.answer {
            return Err(revoked());
        }
        Ok(())
    }

    fn has_device(&self, key: &StoreKey, entry: &Entry, id: &str) -> bool {
        let found = record::has_device(&self.inner.records, key, &entry.value, id);
        found.unwrap_or_else(|unreadable| {
            self.report_unreadable(unreadable);
            false
        })
    }
}

#[cfg(feature = "dpop")]
impl<U: DeserializeOwned + Send + Sync + 'static> VerifyBound for TokenPairs<U> {
    type User = U;

    async fn verify_bound(&self, token: &str, proved_key: &str) -> Result<Verified<U>, Rejection> {
        self.verify_held(token, Some(proved_key)).await
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
