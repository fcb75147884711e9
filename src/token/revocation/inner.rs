//! What a list consists of, and where in its store that is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{TokenList, mark::Birth};
use crate::{
    clock::Clock,
    error::StoreError,
    event::Events,
    store::{
        Key, Namespace, Store,
        swap::{Step, swap},
    },
};

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) events: Events,
    pub(crate) mode: Mode,
    pub(crate) issuer: String,
    pub(crate) longest: Duration,
    /// The latest `iat` that was minted or let in here. A birth is never before it: a token that was minted ahead
    /// of the clock, and revoked, does not outlive a list that is lost within the second.
    pub(crate) newest: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Black,
    White,
}

impl TokenList {
    /// The second of the birth, as the store says now; makes a list that is not there.
    pub(crate) async fn born(&self) -> Result<u64, StoreError> {
        let inner = &*self.inner;
        let (birth, is_new) = swap(&*inner.store, &*inner.clock, &self.birth_key(), |entry| {
            if let Some(entry) = entry {
                return Ok::<_, StoreError>(Step::Keep((Birth::read(entry)?, false)));
            }
            let newest = inner.newest.load(Ordering::Acquire);
            let birth = inner.clock.now().as_secs().max(newest);
            Ok(Step::Swap(Birth::write(birth), (birth, true)))
        })
        .await?;
        if is_new {
            tracing::warn!("a new black list: every token that was issued until now is refused");
        }
        Ok(birth)
    }

    /// Takes note of an `iat`, so that no later birth is before it.
    pub(crate) fn note(&self, issued_at: u64) {
        let newest = &self.inner.newest;
        // Most requests bring an older one, and need not write to memory that all cores share.
        if newest.load(Ordering::Acquire) < issued_at {
            newest.fetch_max(issued_at, Ordering::AcqRel);
        }
    }

    pub(crate) fn lets_pass(&self, is_listed: bool) -> bool {
        is_listed == (self.inner.mode == Mode::White)
    }

    pub(crate) fn id_key(&self, id: &str) -> Key {
        self.key("id", id)
    }

    pub(crate) fn mark_key(&self, subject: &str) -> Key {
        self.key("subject", subject)
    }

    pub(crate) fn birth_key(&self) -> Key {
        self.key("birth", "")
    }

    fn key(&self, kind: &str, name: &str) -> Key {
        let mode = match self.inner.mode {
            Mode::Black => "black",
            Mode::White => "white",
        };
        let parts = [mode, kind, &self.inner.issuer, name];
        Key::new(NAMESPACE, &parts.map(str::as_bytes))
    }
}

const NAMESPACE: Namespace = Namespace::new("token-list").cached().revoking();
