//! Which of the application's users a provider has identified.

use std::{future::Future, sync::Arc};

use crate::{error::StoreError, oauth2::ProviderLogin, store::StoreFuture};

/// Maps a user identified by a provider to a user of this application.
///
/// Implemented for closures from a [`ProviderLogin`] to a future.
pub trait LinkUser: Send + Sync + 'static {
    /// Returns the id of the user with this [profile](crate::oauth2::Profile), as
    /// [`Users::read`](super::Users::read) knows it. Returns `None` if there is no such user and
    /// none is created.
    ///
    /// Look the user up by [`Profile::key`](crate::oauth2::Profile::key). A lookup by e-mail
    /// address hands the account to anybody who obtains that address at any of the providers.
    fn link(&self, login: ProviderLogin) -> StoreFuture<'_, Option<String>>;
}

impl<F, A> LinkUser for F
where
    F: Fn(ProviderLogin) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Option<String>, StoreError>> + Send,
{
    fn link(&self, login: ProviderLogin) -> StoreFuture<'_, Option<String>> {
        Box::pin(async move { self(login).await })
    }
}

impl LinkUser for Arc<dyn LinkUser> {
    fn link(&self, login: ProviderLogin) -> StoreFuture<'_, Option<String>> {
        (**self).link(login)
    }
}
