//! Logging in: how a session becomes a user's.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    core::{Core, NewId},
    epoch::Epoch,
    lookup::Opened,
    record::{Body, Head, Owner, Record},
};
use crate::{error::IssueError, event::EventKind, grant::Grant, identity::Factor};

/// A grant in the form of a record.
pub(super) struct Entrant {
    owner: Owner,
    user: Box<RawValue>,
    proofs: Vec<(Factor, crate::clock::Timestamp)>,
}

impl Core {
    pub(super) fn entrant<U: Serialize>(
        &self,
        grant: &Grant<U>,
        device: Option<&str>,
    ) -> Result<Entrant, IssueError> {
        grant.check()?;
        if device.is_some_and(|name| name.len() > MAX_DEVICE_BYTES) {
            return Err(IssueError::Grant(
                "the device's name has more than 256 bytes",
            ));
        }
        let proofs = grant.proofs(self.clock.now());
        let mut owner = Owner {
            issuer: self.issuer.clone(),
            id: grant.subject.clone(),
            proofs: Vec::new(),
            roles: grant.roles.clone(),
            scopes: grant.scopes.clone(),
            device: device.map(str::to_owned),
        };
        owner.add_proofs(proofs.iter().cloned());
        let user = to_raw_value(&grant.user).map_err(|error| IssueError::User(error.into()))?;
        Ok(Entrant {
            owner,
            user,
            proofs,
        })
    }

    /// Logs `entrant` in over `current`, the session that the browser presented.
    ///
    /// * The same subject keeps its session, which gets a new id and the new proofs.
    /// * An anonymous session becomes a new record; its values are kept.
    /// * Nobody's, or another subject's, gives way to an empty one.
    ///
    /// Nothing is handed out if everything of the subject was ended since `since`.
    pub(super) async fn enter(
        &self,
        current: Option<Opened>,
        entrant: Entrant,
        since: Option<Epoch>,
    ) -> Result<Opened, IssueError> {
        let subject = entrant.owner.id.clone();
        let seen = self.epoch(&subject).await?;
        if since.is_some_and(|since| since != seen) {
            return Err(IssueError::Withdrawn);
        }
        // A renewal needs no second look: ending everything takes this record away, before or after. And
        // nothing may fail once the old id is dead, or the user would be logged out.
        if let Some(opened) = &current
            && opened.belongs_to(&entrant.owner)
            && let Some(renewed) = self.renew(opened, &entrant).await?
        {
            return Ok(renewed);
        }
        let entered = self
            .insert(self.record_of(entrant, current.as_ref()))
            .await?;
        if self.epoch(&subject).await? != seen {
            self.store.take(&entered.key).await?;
            return Err(IssueError::Withdrawn);
        }
        match current {
            Some(left) => self.leave(left, entered).await,
            None => Ok(entered),
        }
    }

    async fn renew(
        &self,
        opened: &Opened,
        entrant: &Entrant,
    ) -> Result<Option<Opened>, IssueError> {
        let renew = |record: &mut Record| -> Result<(), IssueError> {
            if let Some(owner) = &mut record.head.owner {
                owner.add_proofs(entrant.proofs.iter().cloned());
                owner.roles.clone_from(&entrant.owner.roles);
                owner.scopes.clone_from(&entrant.owner.scopes);
                if entrant.owner.device.is_some() {
                    owner.device.clone_from(&entrant.owner.device);
                }
            }
            record.body.user = Some(entrant.user.clone());
            // The user may have changed since the login read it.
            record.head.is_reread_due = true;
            Ok(())
        };
        let changed = self.change(&opened.token, NewId::Renew, renew).await?;
        Ok(changed.map(|((), opened)| opened))
    }

    fn record_of(&self, entrant: Entrant, current: Option<&Opened>) -> Record {
        let mut head = Head::new(&self.lifetime, self.clock.now());
        head.owner = Some(entrant.owner);
        // The user may have changed since the login read it.
        head.is_reread_due = true;
        let values = match current {
            Some(opened) if opened.owner().is_none() => opened.record.body.values.clone(),
            _ => serde_json::Map::new(),
        };
        let body = Body {
            user: Some(entrant.user),
            values,
        };
        Record { head, body }
    }

    /// Ends the session that was `left`. What an anonymous one was given since it was read goes along.
    async fn leave(&self, left: Opened, entered: Opened) -> Result<Opened, IssueError> {
        let is_anonymous = left.owner().is_none();
        let Some(last) = self.retire(&left).await? else {
            return Ok(entered);
        };
        self.told(EventKind::SessionLoggedOut, &left);
        if !is_anonymous || last.body.values == left.record.body.values {
            return Ok(entered);
        }
        let take_along = |record: &mut Record| -> Result<(), IssueError> {
            record.body.values.extend(last.body.values.clone());
            Ok(())
        };
        let changed = self.change(&entered.token, NewId::Keep, take_along).await?;
        // Gone already: another node logged the user out between the two writes.
        changed
            .map(|((), opened)| opened)
            .ok_or(IssueError::Withdrawn)
    }

    /// A record that belongs to nobody, for values that are kept before a login.
    pub(super) fn anonymous(&self) -> Record {
        Record {
            head: Head::new(&self.lifetime, self.clock.now()),
            body: Body::default(),
        }
    }

    pub(super) fn max_age(&self, opened: &Opened) -> Duration {
        opened.remaining(self.clock.now())
    }
}

impl Opened {
    fn belongs_to(&self, owner: &Owner) -> bool {
        self.owner()
            .is_some_and(|own| own.issuer == owner.issuer && own.id == owner.id)
    }
}

/// Enough for what a user agent says of itself after trimming, and for any name a user gives.
const MAX_DEVICE_BYTES: usize = 256;
