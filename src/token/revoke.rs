//! Revocation of tokens that the caller presents.

use serde::de::DeserializeOwned;

use super::{
    engine::Engine,
    revocation::{TokenId, TokenList},
};
use crate::{clock::Timestamp, rejection::Rejection};

impl<U: DeserializeOwned + Send + Sync + 'static> Engine<U> {
    pub(super) async fn revoke_token(&self, token: &str) -> Result<(), Rejection> {
        let list = self.required_list()?;
        Ok(list.revoke_id(&self.token_id(token)?).await?)
    }

    /// Revokes several tokens; revokes none of them if one is invalid.
    pub(super) async fn revoke_tokens(
        &self,
        tokens: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<(), Rejection> {
        let list = self.required_list()?;
        let ids = tokens
            .into_iter()
            .map(|token| self.token_id(token.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(list.revoke_ids(&ids).await?)
    }

    pub(super) fn token_id(&self, token: &str) -> Result<TokenId, Rejection> {
        let checked = self.check(token, self.inner.clock.now())?;
        let id = checked.identity.token_id().filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| Rejection::invalid("no list can hold a token without `jti`"))?;
        let expires_at = checked.validity.expires_at.unwrap_or(Timestamp::NEVER);
        Ok(TokenId::new(id, expires_at))
    }

    fn required_list(&self) -> Result<&TokenList, Rejection> {
        let missing = || Rejection::misconfigured("the engine has no list to revoke tokens with");
        self.list().ok_or_else(missing)
    }
}
