//! Pairs of short-lived access tokens and long-lived refresh tokens.
//!
//! [`TokenPairs`] issues both at login, exchanges a refresh token for the next pair, and revokes
//! devices. A *device* is one login: a family of refresh tokens and its access tokens. The access
//! token is one of a [`Jwt`](crate::Jwt) or a `Paseto`, which any service can verify. The refresh
//! token is a text of 98 characters that only this engine reads. All devices of a user are one
//! record, and each operation is one compare-and-swap on it, so that concurrent logouts and
//! refreshes are serialised, on any number of nodes.
//!
//! # Rules
//!
//! * **Rotation.** Each refresh issues a successor and replaces the token (RFC 9700 section 2.2.2).
//!   Any number of concurrent refreshes with one token receive the same successor: within the
//!   *grace window*, ten seconds from the rotation, the same request gets the same response. No
//!   request extends the window.
//! * **Clocks and outages.** On a node other than the one that rotated the token, the window is 30
//!   seconds longer, since the clocks of two nodes may differ by that much. Time in which the store
//!   did not answer, as far as the node has noticed, does not count, up to [five
//!   minutes](TokenPairsBuilder::outage_grace). A client whose refresh ended in 503 retries with
//!   the same token, and the write of its first attempt may have been made.
//! * **Reuse.** If a token is used that was replaced longer ago than the window, it or its
//!   successor was stolen. The device is revoked and one
//!   [`ReuseDetected`](crate::event::EventKind::ReuseDetected) is emitted. The user's other devices
//!   stay logged in. Within the window such a token is rejected without further consequences, since
//!   a late browser tab is not theft.
//! * **A client that was offline** for longer than the window is treated as a thief if the server
//!   has rotated its token and the response was lost, since it returns with the replaced token. No
//!   server can distinguish the two. The device is revoked and the user logs in again. A longer
//!   [`grace`](TokenPairsBuilder::grace) is more tolerant, of a thief as well.
//! * **A token newer than the record** shows that the store lost a write, after a failover or from
//!   a restored backup. Other losses cannot be ruled out, so the device is revoked and
//!   [`StateLost`](crate::event::EventKind::StateLost) is emitted.
//! * **Two deadlines.** A device expires when it was not used for the idle timeout, and at its
//!   absolute deadline, which no refresh moves.
//! * **The user is re-read** at each refresh. A deleted or disabled user gets no token, and roles
//!   are current. The factors of the login keep their times.
//! * **Logging out** accepts any token of the device, including a replaced one. With
//!   [`RevocationCheck::Both`], the default, the device's access tokens are rejected immediately
//!   and on every node.
//! * **A store that does not answer** results in 503. No token is lost, and no request is
//!   authenticated.
//! * **A record that was damaged, forged or moved** counts as absent: an error is logged,
//!   [`RecordUnreadable`](crate::event::EventKind::RecordUnreadable) is emitted, and the user logs
//!   in again. For a record under a secret that is not accepted here, a refresh is 503, since
//!   another node may accept it; a login replaces the record.
//! * **Bound devices** (feature `dpop`): after a login with [`bound_to`](IssuePair), each access
//!   token requires a proof of the key, and each refresh requires `refresh_bound`. A refresh token
//!   alone is useless to a thief, except to log the device out.
//! * **Limits.** A user never has more than [`max_devices`](TokenPairsBuilder::max_devices)
//!   devices.
//!
//! The store holds no tokens. Of each device it holds the hash of a random id that only the
//! device's tokens carry, times, proofs, names, and a keyed hash of its fingerprint.
//!
//! ```
//! # use std::sync::Arc;
//! use tower_jam::{
//!     Algorithm, Env, Factor, Grant, Jwt, Key, KeyRing, MasterSecret, TokenPairs,
//!     store::MemoryStore,
//! };
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
//! // Reads the user from the application's storage; `None` if the user may no longer log in.
//! let users = async |subject: String| {
//!     Ok(Some(Grant::new(subject, User { name: "Alice".into() })))
//! };
//! # let users = move |subject: String| users(subject);
//! let store = Arc::new(MemoryStore::new());
//! let env = Env::new("https://auth.acme.dev", store, &MasterSecret::generate());
//! let pairs = TokenPairs::builder(&env, jwt, users).build()?;
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
mod authenticate;
mod builder;
mod device;
mod devices;
mod encoding;
mod exchange;
mod fingerprint;
mod info;
mod inner;
mod introspect;
mod issue;
mod outages;
mod pair;
mod pairs;
mod policy;
mod records;
#[cfg(test)]
mod tests;
mod token;
mod verify;

pub use self::{
    access::AccessTokens,
    builder::TokenPairsBuilder,
    fingerprint::Fingerprint,
    info::{DeviceEpoch, DeviceInfo},
    introspect::TokenInfo,
    issue::IssuePair,
    pair::TokenPair,
    pairs::TokenPairs,
    policy::{DeviceLimitPolicy, FingerprintPolicy, RevocationCheck},
};
pub use crate::grant::ReadUser;
