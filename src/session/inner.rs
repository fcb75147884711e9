//! Session operations on records, without the application's types.
//!
//! Every change is one compare-and-swap on one record and requires its current secret. The holder
//! of an old secret therefore changes nothing, and a deleted session stays deleted.

use std::{any::TypeId, error::Error, sync::Arc};

use http::HeaderValue;

use super::{
    epoch,
    epoch::SessionEpoch,
    opened::{Lookup, OpenSession, REPLACED_WINDOW, UnreadableSession},
    record::{
        DecodedRecord, Lifetime, SessionBody, SessionHead, SessionOwner, SessionRecord, moved,
    },
    token::{SessionToken, TagKeys, public_id},
    users::RereadPolicy,
};
use crate::{
    clock::Clock,
    error::StoreError,
    event::{Event, EventKind, Events},
    request::cookie::CookieSpec,
    secret::Secret,
    store::{
        Entry, Namespace, Store, StoreKey, When, Write,
        swap::{Step, create, swap, swap_once},
    },
};

pub(super) struct SessionsInner {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Events,
    pub(super) tags: TagKeys,
    pub(super) cookie: CookieSpec,
    pub(super) lifetime: Lifetime,
    pub(super) issuer: String,
    pub(super) is_plain: bool,
    /// Settings for re-reading users, if enabled.
    pub(super) reread: Option<RereadPolicy>,
    /// The engine's `U`, so that a handle that is given another type can report it.
    pub(super) user_type: TypeId,
}

/// Whether a change keeps the secret of the session or cycles the id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IdChange {
    Keep,
    Cycle,
}

impl SessionsInner {
    pub(super) fn text(&self, token: &SessionToken) -> Secret<String> {
        self.tags.encode(token)
    }

    /// Stores a new record under a new token.
    pub(super) async fn insert(&self, record: SessionRecord) -> Result<OpenSession, StoreError> {
        let token = self.tags.generate();
        let key = token.key();
        let version = create(&*self.store, &*self.clock, &key, |entry| {
            if entry.is_some() {
                let reason = "the random locator of a new session is already in use";
                return Err(StoreError::Corrupt(reason.into()));
            }
            let write = self.write(&record, &token, &key)?;
            let version = write.version;
            Ok(Step::Swap(write, version))
        })
        .await?;
        let record = Arc::new(record);
        Ok(OpenSession {
            token,
            key,
            record,
            version,
        })
    }

    /// Changes the record that `token` opens, and retries on conflicts until it succeeds or the
    /// time limit passes. Returns `Ok(None)` if there is no such session, or no longer.
    pub(super) async fn change<T, E: From<StoreError>>(
        &self,
        token: &SessionToken,
        id_change: IdChange,
        mut edit: impl FnMut(&mut SessionRecord) -> Result<T, E>,
    ) -> Result<Option<(T, OpenSession)>, E> {
        let key = token.key();
        let next = match id_change {
            IdChange::Keep => token.clone(),
            IdChange::Cycle => self.tags.with_new_secret(token),
        };
        swap_once(&*self.store, &*self.clock, &key, |entry| {
            let Lookup::Live(opened) = self.unseal(token, &key, entry) else {
                return Ok(Step::Keep(None));
            };
            let mut record = SessionRecord::clone(&opened.record);
            let answer = edit(&mut record)?;
            let now = self.clock.now();
            record.head.mark_used(self.lifetime.idle, now);
            if id_change == IdChange::Cycle {
                record.head.renewed_at = now;
            }
            let write = self.write(&record, &next, &key)?;
            let changed = OpenSession {
                token: next.clone(),
                key: key.clone(),
                record: Arc::new(record),
                version: write.version,
            };
            Ok(Step::Swap(write, Some((answer, changed))))
        })
        .await
    }

    /// Updates the time of last use. Callers do so at most once per twentieth of the idle timeout.
    /// Losing against a concurrent change is harmless, since that change updates the time too.
    pub(super) async fn touch(&self, opened: &OpenSession) {
        let mut record = SessionRecord::clone(&opened.record);
        record.head.mark_used(self.lifetime.idle, self.clock.now());
        let put = async {
            let write = self
                .write(&record, &opened.token, &opened.key)?
                .without_invalidation();
            let when = When::Unchanged(opened.version);
            self.store.put(&opened.key, write, when).await
        };
        if let Err(error) = put.await {
            tracing::debug!(error = %error, "the last use of a session was not recorded");
        }
    }

    pub(super) fn needs_touch(&self, opened: &OpenSession) -> bool {
        let unused_for = self.clock.now().since(opened.record.head.seen_at);
        unused_for > self.lifetime.idle / TOUCHES_PER_IDLE
    }

    /// Revokes the session of `token`. A token that has since been replaced suffices: a recent
    /// holder may end the session.
    pub(super) async fn revoke_token(&self, token: &SessionToken) -> Result<bool, StoreError> {
        let key = token.key();
        let Some(entry) = self.store.take(&key).await? else {
            return Ok(false);
        };
        // An unreadable record is removed as well, but it names no user for an event.
        if let Ok(Some(SessionHead { owner, .. })) = SessionHead::decode(&entry.value) {
            self.emit_for(EventKind::SessionLoggedOut, owner.as_ref(), &key);
        }
        Ok(true)
    }

    /// Revokes the `previous` session, which another replaces, and returns its last state. Leaves a
    /// marker for requests that are still in flight.
    pub(super) async fn retire(
        &self,
        previous: &OpenSession,
    ) -> Result<Option<Arc<SessionRecord>>, StoreError> {
        let key = &previous.key;
        swap(&*self.store, &*self.clock, key, |entry| {
            let Lookup::Live(opened) = self.unseal(&previous.token, key, entry) else {
                return Ok(Step::Keep(None));
            };
            let now = self.clock.now();
            let marker = Write::new(moved(now), now.after(REPLACED_WINDOW));
            let marker = self.in_group(&opened.record.head, marker);
            Ok(Step::Swap(marker, Some(opened.record)))
        })
        .await
    }

    /// Revokes every session of `subject`, including those of logins in progress.
    pub(super) async fn clear(&self, subject: &str) -> Result<usize, StoreError> {
        // A login compares epochs after it has written its session, so the order matters. A session
        // that this listing misses was written after the epoch, and its login removes it again.
        let is_epoch_replaced = match self.replace_epoch(subject).await {
            Ok(()) => true,
            Err(StoreError::Full) => false,
            Err(error) => return Err(error),
        };
        let mut revoked = self.store.remove_group(&self.group(subject)).await?;
        if !is_epoch_replaced {
            // The removal has made room.
            self.replace_epoch(subject).await?;
            revoked += self.store.remove_group(&self.group(subject)).await?;
        }
        let cleared = Event::new(EventKind::SessionsCleared, self.clock.now());
        self.events.tell(&cleared.of(subject));
        Ok(usize::try_from(revoked).unwrap_or(usize::MAX))
    }

    pub(super) async fn epoch(&self, subject: &str) -> Result<SessionEpoch, StoreError> {
        epoch::read(&*self.store, &self.issuer, subject).await
    }

    async fn replace_epoch(&self, subject: &str) -> Result<(), StoreError> {
        let (now, life) = (self.clock.now(), self.lifetime.absolute);
        epoch::replace(&*self.store, &self.issuer, subject, now, life).await
    }

    /// Revokes the session under `key`, an entry of [`list`](Self::list).
    pub(super) async fn revoke_listed(
        &self,
        key: &StoreKey,
        head: &SessionHead,
    ) -> Result<bool, StoreError> {
        let is_revoked = self.store.take(key).await?.is_some();
        if is_revoked {
            self.emit_for(EventKind::SessionRevoked, head.owner.as_ref(), key);
        }
        Ok(is_revoked)
    }

    pub(super) fn emit(&self, kind: EventKind, opened: &OpenSession) {
        self.emit_for(kind, opened.owner(), &opened.key);
    }

    /// Emits an event about a user's session. Anonymous sessions cause no events.
    pub(super) fn emit_for(&self, kind: EventKind, owner: Option<&SessionOwner>, key: &StoreKey) {
        let Some(owner) = owner else {
            return;
        };
        let event = Event::new(kind, self.clock.now()).of(owner.id.as_str());
        self.events.tell(&event.in_session(public_id(key)));
    }

    /// Returns the keys and heads of the live sessions of `subject`. Unreadable records are
    /// reported and skipped.
    pub(super) async fn list(
        &self,
        subject: &str,
    ) -> Result<Vec<(StoreKey, SessionHead)>, StoreError> {
        let now = self.clock.now();
        let entries = self.store.list(&self.group(subject)).await?;
        let mut live = Vec::with_capacity(entries.len());
        for (key, entry) in entries {
            match SessionHead::decode(&entry.value) {
                Ok(Some(head)) if head.is_live(now) => live.push((key, head)),
                Ok(_) => {}
                Err(cause) => self.report_unreadable(&key, &cause),
            }
        }
        Ok(live)
    }

    pub(super) fn write(
        &self,
        record: &SessionRecord,
        token: &SessionToken,
        key: &StoreKey,
    ) -> Result<Write, StoreError> {
        let head = &record.head;
        let value = record.encode(token, key, self.is_plain)?;
        Ok(self.in_group(head, Write::new(value, head.idle_at.min(head.absolute_at))))
    }

    pub(super) fn in_group(&self, head: &SessionHead, write: Write) -> Write {
        match &head.owner {
            Some(SessionOwner { issuer, id, .. }) => write.in_group(group(issuer, id)),
            None => write,
        }
    }

    pub(super) fn unseal(
        &self,
        token: &SessionToken,
        key: &StoreKey,
        entry: Option<&Entry>,
    ) -> Lookup<OpenSession> {
        let Some(entry) = entry else {
            return Lookup::Gone;
        };
        let now = self.clock.now();
        match SessionRecord::decode(&entry.value, token, key, self.is_plain) {
            Ok(DecodedRecord::Open(record))
                if record.head.is_live(now) && self.is_of_issuer(&record.head) =>
            {
                Lookup::Live(OpenSession {
                    token: token.clone(),
                    key: key.clone(),
                    record,
                    version: entry.version,
                })
            }
            Ok(DecodedRecord::Replaced(at)) if now < at.after(REPLACED_WINDOW) => Lookup::Replaced,
            Ok(DecodedRecord::Open(_) | DecodedRecord::Replaced(_)) => Lookup::Gone,
            Err(cause) => Lookup::Unreadable(UnreadableSession {
                token: token.clone(),
                cause,
            }),
        }
    }

    /// Whether the session belongs to this issuer. The tag of its token already proves that.
    fn is_of_issuer(&self, head: &SessionHead) -> bool {
        let owner = head.owner.as_ref();
        owner.is_none_or(|owner| owner.issuer == self.issuer)
    }

    pub(super) fn report_unreadable(&self, key: &StoreKey, cause: &StoreError) {
        let session = public_id(key);
        tracing::error!(session, error = %cause, reason = cause.source(), "a session record is unreadable and counts as absent");
        let event = Event::new(EventKind::SessionUnreadable, self.clock.now());
        self.events.tell(&event.in_session(session));
    }

    /// Returns an anonymous record, for values that are stored before a login.
    pub(super) fn anonymous(&self) -> SessionRecord {
        SessionRecord {
            head: SessionHead::new(&self.lifetime, self.clock.now()),
            body: SessionBody::default(),
        }
    }

    /// The cookie lives until the absolute deadline. The idle timeout is enforced by the server, so
    /// that reading a session sets no cookie.
    pub(super) fn set_cookie(&self, opened: &OpenSession, token: &Secret<String>) -> HeaderValue {
        self.cookie
            .set(token.expose(), opened.remaining(self.clock.now()))
            .expect("the builder checked that a cookie of this length is valid")
    }

    fn group(&self, subject: &str) -> StoreKey {
        group(&self.issuer, subject)
    }
}

fn group(issuer: &str, subject: &str) -> StoreKey {
    StoreKey::new(OF_USER, &[issuer.as_bytes(), subject.as_bytes()])
}

/// The sessions of one user.
const OF_USER: Namespace = Namespace::new("session-user").cached();

/// One write per twentieth of the idle timeout keeps the deadline accurate to 5 %.
const TOUCHES_PER_IDLE: u32 = 20;
