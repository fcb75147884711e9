//! Changes that raise the authority of a session: a further proof and other roles.

use std::{future::Future, pin::Pin};

use super::{
    core::IdChange,
    handle::{Session, gone_rejection},
    record::SessionRecord,
};
use crate::{
    clock::Timestamp, error::StoreError, identity::Factor, proof::RememberProof,
    rejection::Rejection, secret::Secret,
};

impl Session {
    /// Records that the user has just given one more proof, and cycles the id.
    ///
    /// # Errors
    ///
    /// As for [`update`](Self::update), and [`RejectionKind::Invalid`](crate::RejectionKind) if no
    /// user is logged in.
    pub async fn prove(&self, factor: Factor) -> Result<Secret<String>, Rejection> {
        if self.is_anonymous() {
            return Err(Rejection::invalid("no user is logged in"));
        }
        let now = self.sessions().clock.now();
        self.cycle_id_with(|record| {
            if let Some(owner) = &mut record.head.owner {
                owner.add_proofs([(factor.clone(), now)]);
            }
        })
        .await
    }

    /// Changes the user's roles and cycles the id.
    ///
    /// # Errors
    ///
    /// As for [`prove`](Self::prove).
    pub async fn set_roles(
        &self,
        roles: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Secret<String>, Rejection> {
        if self.is_anonymous() {
            return Err(Rejection::invalid("no user is logged in"));
        }
        let roles: Vec<String> = roles.into_iter().map(Into::into).collect();
        self.cycle_id_with(|record| {
            if let Some(owner) = &mut record.head.owner {
                owner.roles.clone_from(&roles);
            }
        })
        .await
    }
}

impl RememberProof for Session {
    /// Cycles the id of a session in a cookie. A caller that sends the session in a header would
    /// not learn the new id, and a proof would log it out, so such a session keeps its id.
    fn remember_proof<'a>(
        &'a self,
        factor: &'a Factor,
        at: Timestamp,
    ) -> Pin<Box<dyn Future<Output = Result<(), Rejection>> + Send + 'a>> {
        let add = move |record: &mut SessionRecord| {
            if let Some(owner) = &mut record.head.owner {
                owner.add_proofs([(factor.clone(), at)]);
            }
        };
        Box::pin(async move {
            if self.is_in_cookie() {
                return self.cycle_id_with(add).await.map(drop);
            }
            let opened = self.opened().ok_or_else(gone_rejection)?;
            let edit = |record: &mut SessionRecord| {
                add(record);
                Ok::<_, StoreError>(())
            };
            let changed = self
                .sessions()
                .change(&opened.token, IdChange::Keep, edit)
                .await?;
            let ((), opened) = changed.ok_or_else(gone_rejection)?;
            self.set_opened(opened);
            Ok(())
        })
    }
}
