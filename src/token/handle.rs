//! The methods that every kind of token has alike.

/// Gives a type whose field `engine` is an [`Engine`](super::engine::Engine) the methods of that engine.
macro_rules! handle {
    ($Handle:ident, $name:literal) => {
        impl<U> $Handle<U> {
            /// The list by which tokens are called back, if there is one.
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
            /// An invalid [`Rejection`] for every token that is not one of ours, for this audience, and alive. With a
            /// [list](super::revocation) also for one that it refuses, and an unavailable one when its store does not answer.
            pub async fn verify(&self, token: &str) -> Result<Verified<U>, Rejection> {
                self.engine.verify(token).await
            }

            /// Calls a token back, a logout for instance: puts it on the black list, or takes it off the white one. One
            /// that was called back before is called back again, which changes nothing.
            ///
            /// # Errors
            ///
            /// An invalid [`Rejection`] for what is no good token, lists aside; an unavailable one when the store fails, after
            /// which asking again is safe; a misconfigured one when the engine has no [list](super::revocation).
            pub async fn revoke(&self, token: &str) -> Result<(), Rejection> {
                self.engine.revoke(token).await
            }

            /// Calls many tokens back, none of them if one is not good.
            ///
            /// # Errors
            ///
            /// Those of [`revoke`](Self::revoke). When the store fails, some tokens are called back and others are not.
            pub async fn revoke_all(
                &self,
                tokens: impl IntoIterator<Item = impl AsRef<str>>,
            ) -> Result<(), Rejection> {
                self.engine.revoke_all(tokens).await
            }

            /// The name of a token for a [`TokenList`]. The token is verified first; what its list says does not matter.
            ///
            /// # Errors
            ///
            /// An invalid [`Rejection`] for what is no good token, lists aside, and for one without `jti`.
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
