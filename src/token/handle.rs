//! The methods that all token engines share.

/// Implements the methods of an [`Engine`](super::engine::Engine) for a type that has one in its
/// field `engine`.
macro_rules! handle {
    ($Handle:ident, $name:literal) => {
        impl<U> $Handle<U> {
            /// Returns the list that can revoke tokens, if there is one.
            #[must_use]
            pub fn list(&self) -> Option<&TokenList> {
                self.engine.list()
            }
        }

        impl<U: DeserializeOwned + Send + Sync + 'static> $Handle<U> {
            /// Verifies a token, as the layer does.
            ///
            /// # Errors
            ///
            /// [`RejectionKind::Invalid`](crate::RejectionKind::Invalid) for a token that this
            /// issuer did not issue for this audience, or that is not valid now. With a
            /// [list](super::revocation), also for a token that the list rejects, and
            /// [`RejectionKind::Unavailable`](crate::RejectionKind::Unavailable) when its store
            /// does not answer.
            pub async fn verify(&self, token: &str) -> Result<Verified<U>, Rejection> {
                self.engine.verify(token).await
            }

            /// Revokes a token, for example at logout: adds it to the deny list, or removes it from
            /// the allow list. Revoking a token twice is the same as revoking it once.
            ///
            /// # Errors
            ///
            /// [`RejectionKind::Invalid`](crate::RejectionKind::Invalid) for a token that is not
            /// valid, apart from lists.
            /// [`RejectionKind::Unavailable`](crate::RejectionKind::Unavailable) when the store
            /// fails; trying again is safe.
            /// [`RejectionKind::Misconfigured`](crate::RejectionKind::Misconfigured) when the
            /// engine has no [list](super::revocation).
            pub async fn revoke_token(&self, token: &str) -> Result<(), Rejection> {
                self.engine.revoke_token(token).await
            }

            /// Revokes several tokens; revokes none of them if one is invalid.
            ///
            /// # Errors
            ///
            /// Those of [`revoke_token`](Self::revoke_token). When the store fails, some tokens are revoked and
            /// others are not.
            pub async fn revoke_tokens(
                &self,
                tokens: impl IntoIterator<Item = impl AsRef<str>>,
            ) -> Result<(), Rejection> {
                self.engine.revoke_tokens(tokens).await
            }

            /// Returns the id of a token, for a [`TokenList`]. The token is verified first, except
            /// that its list is not consulted.
            ///
            /// # Errors
            ///
            /// [`RejectionKind::Invalid`](crate::RejectionKind::Invalid) for a token that is not
            /// valid, apart from lists, and for one without `jti`.
            pub fn token_id(&self, token: &str) -> Result<TokenId, Rejection> {
                self.engine.token_id(token)
            }
        }

        impl<U: DeserializeOwned + Send + Sync + 'static> Authenticate for $Handle<U> {
            type User = U;

            fn source(&self) -> CredentialSource {
                CredentialSource::bearer()
            }

            fn name(&self, _: Option<&Credential>) -> &'static str {
                $name
            }

            async fn authenticate(&self, presented: Credential) -> Result<Verified<U>, Rejection> {
                self.verify(presented.expose()).await
            }
        }
    };
}

pub(super) use handle;
