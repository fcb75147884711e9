//! A proof that was given within a session, kept for the next requests.

use std::{future::Future, pin::Pin};

use super::{
    core::NewId,
    handle::{Session, ended},
    record::Record,
};
use crate::{
    clock::Timestamp, error::StoreError, identity::Factor, proof::RememberProof,
    rejection::Rejection,
};

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
