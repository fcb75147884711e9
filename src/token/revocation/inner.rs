//! The parts of a list, and the keys of its entries in the store.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::mark::Birth;
use crate::{
    clock::Clock,
    error::StoreError,
    event::{Event, EventKind, Events},
    store::{
        Namespace, Store, StoreKey,
        swap::{Step, swap},
    },
};

pub(super) struct TokenListInner {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Events,
    pub(super) mode: ListMode,
    pub(super) issuer: String,
    pub(super) longest: Duration,
    /// The latest `iat` that this process has issued or accepted. A birth is never before it, so
    /// that a postdated token that was revoked does not become valid again if the list is lost
    /// within that second.
    pub(super) latest_issued_at: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ListMode {
    Deny,
    Allow,
}

impl TokenListInner {
    /// Returns the birth that is in the store now, in seconds. Creates a list that is missing.
    pub(super) async fn load_or_create_birth(&self) -> Result<u64, StoreError> {
        let (birth, is_new) = swap(&*self.store, &*self.clock, &self.birth_key(), |entry| {
            if let Some(entry) = entry {
                return Ok::<_, StoreError>(Step::Keep((Birth::read(entry)?, false)));
            }
            let latest_issued_at = self.latest_issued_at.load(Ordering::Acquire);
            let birth = self.clock.now().as_secs().max(latest_issued_at);
            Ok(Step::Swap(Birth::write(birth), (birth, true)))
        })
        .await?;
        if is_new {
            tracing::warn!(
                "a new deny list was created: every token that was issued until now is rejected"
            );
        }
        Ok(birth)
    }

    /// Records an `iat`, so that no later birth is before it.
    pub(super) fn record_issued_at(&self, issued_at: u64) {
        let latest_issued_at = &self.latest_issued_at;
        // Most requests have an older one, and need not write to memory that all cores share.
        if latest_issued_at.load(Ordering::Acquire) < issued_at {
            latest_issued_at.fetch_max(issued_at, Ordering::AcqRel);
        }
    }

    pub(super) fn accepts(&self, is_listed: bool) -> bool {
        is_listed == (self.mode == ListMode::Allow)
    }

    pub(super) fn id_key(&self, id: &str) -> StoreKey {
        self.key("id", id)
    }

    pub(super) fn mark_key(&self, subject: &str) -> StoreKey {
        self.key("subject", subject)
    }

    pub(super) fn birth_key(&self) -> StoreKey {
        self.key("birth", "")
    }

    pub(super) fn emit(&self, kind: EventKind, subject: Option<&str>) {
        let mut event = Event::new(kind, self.clock.now());
        event.subject = subject.map(str::to_owned);
        self.events.tell(&event);
    }

    fn key(&self, kind: &str, name: &str) -> StoreKey {
        let mode = match self.mode {
            ListMode::Deny => "black",
            ListMode::Allow => "white",
        };
        let parts = [mode, kind, &self.issuer, name];
        StoreKey::new(NAMESPACE, &parts.map(str::as_bytes))
    }
}

const NAMESPACE: Namespace = Namespace::new("token-list").cached().revoking();

/// The value of an entry: only its presence matters.
pub(super) const PRESENT: &[u8] = b"1";
