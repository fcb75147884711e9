//! Stores the proofs that inner layers ask for.

use std::{future::Future, pin::Pin};

use super::{
    handle::{Session, gone_rejection},
    inner::IdChange,
    record::SessionRecord,
};
use crate::{
    clock::Timestamp, error::StoreError, identity::Factor, proof::RememberProof,
    rejection::Rejection,
};

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
                .shared()
                .sessions
                .change(&opened.token, IdChange::Keep, edit)
                .await?;
            let ((), opened) = changed.ok_or_else(gone_rejection)?;
            self.shared().set_opened(opened);
            Ok(())
        })
    }
}
