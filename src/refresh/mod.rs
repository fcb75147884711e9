//! Access tokens with refresh tokens: short-lived proofs, and the long-lived right to the next one.
//!
//! [`TokenPairs`] issues both at login, exchanges a refresh token for the next pair, and ends devices. The access
//! token is one of a [`Jwt`](crate::Jwt) or a `Paseto`, which any service can verify; the refresh token is a text of 98 characters that only
//! this engine reads. All devices of a user are one record, and each operation is one compare-and-swap on it, so that
//! "log out" against "refresh" is always one before the other, on however many nodes.
//!
//! # Rules
//!
//! * **Rotation.** Each refresh gives a successor and replaces the token (RFC 9700 section 2.2.2). Any number of
//!   concurrent refreshes with one token give one and the same successor: within the *grace window*, ten seconds from
//!   the rotation, the same request gets the same answer, and no request prolongs the window.
//! * **Clocks and outages.** On a node other than the one that rotated the token the window is 30 seconds longer, since
//!   the clocks of two nodes may be that far apart. Time in which the store did not answer does not count, as far as the
//!   node has noticed it, up to [five minutes](TokenPairsBuilder::outage_grace): a client whose refresh ended in 503 tries
//!   again with the same token, and the write of its first attempt may have been made.
//! * **Reuse.** A token that was replaced longer ago than the window was stolen, or its successor was. The device is
//!   ended, and one [`ReuseDetected`](crate::event::EventKind::ReuseDetected) tells of it; the user's other devices live
//!   on. Within the window such a token is refused and nothing else happens: a late tab is no thief.
//! * **A client whose own network was down** for longer than the window is taken for a thief: the server has rotated
//!   its token, the answer was lost, and the client comes back with the token that was replaced. No server can tell the two
//!   apart. The device is revoked and the user logs in again. A longer [`grace`](TokenPairsBuilder::grace) forgives
//!   more, to a thief as well.
//! * **A token newer than the record** says that the store has lost a write, by a failover or a restored backup. The
//!   device is ended, since nobody can tell what else was lost, as [`StateLost`](crate::event::EventKind::StateLost).
//! * **Two deadlines.** A device ends when it was not used for the idle time, and at its absolute end, which no refresh
//!   moves.
//! * **The user is read anew** at each refresh: who was deleted or disabled gets nothing, and roles are those of now. What
//!   was proved at the login, and when, is never made younger.
//! * **Logging out** takes any token of the device, also one that was replaced. With [`Blacklist::Both`], the default,
//!   the device's access tokens are refused at once and everywhere.
//! * **A store that is away** is 503: no token is lost by it, and nobody is let in.
//! * **A record that was damaged, forged or moved** counts as absent: an error is logged,
//!   [`RecordUnreadable`](crate::event::EventKind::RecordUnreadable) is told, and the user logs in again. For a record under
//!   a secret that is not accepted here a refresh is 503, since another node may accept it; a login replaces it.
//! * **Devices that are bound to a key** (feature `dpop`): after a login with [`bound_to`](NewPair), each access token is good only with a
//!   proof of the key, and each refresh is by `refresh_bound`. Whoever has the refresh token alone gets nothing by it, and can do no more than log the
//!   device out.
//! * **Limits.** A user has at most [`max_devices`](TokenPairsBuilder::max_devices) devices, at any instant.
//!
//! The store holds no token: of each device the hash of a random id that only its tokens carry, times, proofs, what it
//! is called, and a keyed hash of its fingerprint.
//!
//! ```
//! # use std::sync::Arc;
//! use tower_jam::{Algorithm, Factor, Grant, Jwt, Key, KeyRing, MasterSecret, TokenPairs, store::MemoryStore};
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct User { name: String }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let jwt = Jwt::builder(KeyRing::new(Key::generate(Algorithm::EdDsa)?))
//!     .issuer("https://auth.acme.dev")
//!     .audience("api")
//!     .build()?;
//! // Reads the user from wherever the application keeps it; `None` if it may not log in any more.
//! let users = async |subject: String| Ok(Some(Grant::new(subject, User { name: "Alice".into() })));
//! # let users = move |subject: String| users(subject);
//! let pairs = TokenPairs::builder(jwt, Arc::new(MemoryStore::new()), &MasterSecret::generate(), users).build()?;
//!
//! let alice = Grant::new("42", User { name: "Alice".into() }).factor(Factor::Password);
//! let first = pairs.issue(alice).device_name("Firefox").await?;
//! let second = pairs.refresh(first.refresh_token.expose(), None).await?;
//! assert!(pairs.verify(second.access_token.expose()).await.is_ok());
//!
//! assert!(pairs.logout(second.refresh_token.expose()).await?);
//! assert!(pairs.refresh(second.refresh_token.expose(), None).await.is_err());
//! assert!(pairs.verify(second.access_token.expose()).await.is_err());
//! # Ok(())
//! # }
//! ```

mod access;
mod account;
mod authenticate;
mod builder;
mod engine;
mod exchange;
mod fingerprint;
mod info;
mod introspect;
mod issue;
mod outages;
mod record;
mod records;
#[cfg(test)]
mod tests;
mod token;

pub use self::{
    access::AccessTokens,
    account::{Bind, OnLimit},
    builder::{Blacklist, TokenPairsBuilder},
    engine::{Epoch, TokenPairs},
    fingerprint::Fingerprint,
    info::DeviceInfo,
    introspect::TokenInfo,
    issue::{NewPair, TokenPair},
};
pub use crate::grant::ReadUser;
use crate::store::Namespace;

/// Where accounts are kept. Every request reads its device, and what is written may end one.
const NAMESPACE: Namespace = Namespace::new("account").cached().revoking();
