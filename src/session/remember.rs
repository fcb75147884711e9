//! What makes a session worth more: a proof that was given within it, and other roles.

use std::{future::Future, pin::Pin};

use super::{
    core::NewId,
    handle::{Session, ended},
    record::Record,
};
use crate::{
    clock::Timestamp, error::StoreError, identity::Factor, proof::RememberProof,
    rejection::Rejection, secret::Secret,
};

impl Session {
    /// Notes that the user has just given one more proof, and gives the session a new id.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update), and an invalid [`Rejection`] when nobody is logged in.
    pub async fn prove(&self, factor: Factor) -> Result<Secret<String>, Rejection> {
        if self.is_anonymous() {
            return Err(Rejection::invalid("nobody is logged in"));
        }
        let now = self.core().clock.now();
        self.renew(|record| {
            if let Some(owner) = &mut record.head.owner {
                owner.add_proofs([(factor.clone(), now)]);
            }
        })
        .await
    }

    /// Changes the user's roles, and gives the session a new id.
    ///
    /// # Errors
    ///
    /// As [`prove`](Self::prove).
    pub async fn set_roles(
        &self,
        roles: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Secret<String>, Rejection> {
        if self.is_anonymous() {
            return Err(Rejection::invalid("nobody is logged in"));
        }
        let roles: Vec<String> = roles.into_iter().map(Into::into).collect();
        self.renew(|record| {
            if let Some(owner) = &mut record.head.owner {
                owner.roles.clone_from(&roles);
            }
        })
        .await
    }
}

impl RememberProof for Session {
    /// Gives the session a new id where the browser will learn it. A caller who sends it in a header would not, and
    /// would be logged out by a proof: such a session keeps its id.
    fn remember_proof<'a>(
        &'a self,
        factor: &'a Factor,
        at: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<(), Rejection>> + Send + 'a>> {
        let add = move |record: &mut Record| {
            if let Some(owner) = &mut record.head.owner {
                owner.add_proofs([(factor.clone(), at)]);
            }
        };
        Box::pin(async move {
            if self.is_in_cookie() {
                return self.renew(add).await.map(drop);
            }
            let opened = self.opened().ok_or_else(ended)?;
            let edit = |record: &mut Record| {
                add(record);
                Ok::<_, StoreError>(())
            };
            let changed = self.core().change(&opened.token, NewId::Keep, edit).await?;
            let ((), opened) = changed.ok_or_else(ended)?;
            self.keep(opened);
            Ok(())
        })
    }
}
