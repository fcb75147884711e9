//! Public views of a session.

use std::fmt;

use http::HeaderValue;
use serde_json::{Map, Value};

use super::record::SessionHead;
use crate::{
    clock::Timestamp,
    identity::{Factor, Identity},
    secret::Secret,
};

/// The application's data in a session.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct SessionData<U> {
    /// The user, unless the session is anonymous.
    pub user: Option<U>,
    /// Named values, such as a shopping cart.
    pub values: Map<String, Value>,
}

/// A description of a session, for its user or an administrator. It contains no credential.
#[derive(Clone)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The public id, for [`Sessions::revoke`](super::Sessions::revoke).
    pub id: String,
    /// The user and its factors; `None` for an anonymous session.
    pub identity: Option<Identity>,
    /// The name that the login gave to the device.
    pub device: Option<String>,
    /// When the session was created.
    pub created_at: Timestamp,
    /// When it was last used, accurate to a twentieth of the idle timeout.
    pub last_seen_at: Timestamp,
    /// When it expires if it is not used.
    pub idle_at: Timestamp,
    /// When it expires in any case.
    pub absolute_at: Timestamp,
}

/// A newly created session.
#[derive(Debug)]
#[non_exhaustive]
pub struct NewSession {
    /// The text for the cookie or header. It grants the session to its holder.
    pub token: Secret<String>,
    /// The public id.
    pub id: String,
    /// The complete `Set-Cookie` value, for handlers without the layer.
    pub set_cookie: HeaderValue,
}

impl SessionInfo {
    pub(super) fn new(id: String, head: &SessionHead, now: Timestamp) -> Self {
        Self {
            identity: head.owner.as_ref().map(|owner| owner.identity(&id, now)),
            device: head.owner.as_ref().and_then(|owner| owner.device.clone()),
            created_at: head.created_at,
            last_seen_at: head.seen_at,
            idle_at: head.idle_at,
            absolute_at: head.absolute_at,
            id,
        }
    }

    /// Returns the factors of the user, and when each was given.
    #[must_use]
    pub fn factors(&self) -> &[(Factor, Timestamp)] {
        self.identity.as_ref().map_or(&[], Identity::factors)
    }
}

impl<U> fmt::Debug for SessionData<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionData")
            .field("values", &self.values.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionInfo")
            .field("created_at", &self.created_at)
            .field("last_seen_at", &self.last_seen_at)
            .finish_non_exhaustive()
    }
}
