//! Server-side sessions.
//!
//! A session is one record in the [`Store`](crate::store::Store), opened by a token that only its holder has.
//! [`Sessions`] is the engine; [`SessionLayer`](crate::layer::SessionLayer) reads the cookie; [`Session`] is what handlers take.
//!
//! # Rules
//!
//! * **The token** is a locator (128 bits), a secret (256 bits) and a keyed tag. A made-up token, an id that the
//!   client chose among them, is refused without a look into the store, and makes nothing there.
//! * **The store** holds a hash of the secret. User and values are sealed with AES-256-GCM under a key that
//!   follows from the secret, so a stolen table shows neither, and nobody can log in with it.
//! * **Every change** is one compare-and-swap. Parallel changes are all kept; a change that comes after a
//!   logout changes nothing and brings nothing back.
//! * **A new id** is a new secret, written in the same commit as what asked for it: a login, a proof, other
//!   roles, [`rework`](Session::rework). The old one is dead from then on.
//! * **A one-time code** that an [`OtpGuard`](crate::layer::AuthLayer) inside has accepted is remembered as a proof with its time, under a
//!   new id. A session that came in a header keeps its id, which its holder would not learn anew.
//! * **Reading writes nothing**, but for a note of use once per twentieth of the idle time, and sets no cookie.
//! * **Two deadlines**: idle (30 minutes) and absolute (12 hours); nothing extends the second.
//! * **[`clear`](Sessions::clear)** ends every session of a user, and makes logins come to nothing that began before it.
//! * **Users are read anew** where the engine knows [how](SessionsBuilder::users): at the first request, then whenever five
//!   minutes have passed, and at once after [`refresh_user`](Sessions::refresh_user). A user who is gone or disabled is logged
//!   out; other roles and data hold from then on. The session keeps its id.
//! * **A session of another issuer** is absent, also on one store with one secret.
//! * **A cookie that leads to no live session** counts as absent, and is left alone: it must not lock anybody
//!   out of the page to sign in, and a slow answer must not remove a fresh cookie.
//! * **A request that a new id overtakes** makes no session of its own for a minute, since a guest's cookie would replace
//!   the member's: what it wants to write is refused (401).
//! * **A store that fails** is 503: neither a guest nor a member.
//! * **A record that does not read**, because it was damaged or written under another setting, is no session: its holder is a
//!   guest, an error is logged and [`SessionUnreadable`](crate::event::EventKind::SessionUnreadable) is told. A login or a logout
//!   removes it.
//! * **The number of sessions** a user may have is not limited here; [`list`](Sessions::list) and
//!   [`revoke`](Sessions::revoke) let an application do it.
//! * **The values** of one session have at most 64 KiB together, as JSON: more is malformed, and nothing is written.
//!
//! To end all sessions of all users, build `Sessions` with a [`MasterSecret`](crate::MasterSecret) of their own, and put another in its
//! place. One that other engines have too is replaced in the [order](crate::MasterSecret#rotation) that
//! [`MasterSecret`](crate::MasterSecret) has: their records need it for years.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use serde::{Deserialize, Serialize};
//! use tower_jam::{Factor, Grant, MasterSecret, store::MemoryStore, session::Sessions};
//!
//! #[derive(Serialize, Deserialize)]
//! struct User { name: String }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(MemoryStore::new());
//! let sessions = Sessions::<User>::builder(store, &MasterSecret::generate()).build()?;
//!
//! // Before the password is looked at, so that a logout everywhere in between is not lost:
//! let epoch = sessions.epoch("42").await?;
//! let grant = Grant::new("42", User { name: "Alice".into() }).factor(Factor::Password);
//! let session = sessions.create(grant).since(epoch).device("Firefox").await?;
//!
//! let token = session.token.expose();
//! sessions.update(token, |data| data.values.insert("cart".into(), 3.into())).await?;
//! let (info, data) = sessions.get(token).await?.expect("it was just created");
//! assert_eq!(data.user.unwrap().name, "Alice");
//! assert_eq!(info.device.as_deref(), Some("Firefox"));
//!
//! let renewed = sessions.rework(token).await?.expect("it is alive");
//! assert!(sessions.get(token).await?.is_none());
//! assert_eq!(sessions.clear("42").await?, 1);
//! assert!(sessions.get(renewed.expose()).await?.is_none());
//! # Ok(())
//! # }
//! ```

mod authenticate;
mod builder;
mod core;
mod engine;
mod enter;
mod epoch;
mod handle;
mod info;
mod limits;
mod login;
mod lookup;
mod record;
mod remember;
mod reread;
mod state;
mod token;

#[cfg(feature = "config")]
pub(crate) use self::builder::DEFAULT_COOKIE;
pub use self::{
    builder::SessionsBuilder,
    engine::Sessions,
    epoch::Epoch,
    handle::Session,
    info::{NewSession, SessionData, SessionInfo},
    login::Login,
};
