//! Server-side sessions.
//!
//! A session is one record in the [`Store`](crate::store::Store). A token that only its holder has
//! opens it. [`Sessions`] is the engine, [`SessionLayer`](crate::layer::SessionLayer) reads the
//! cookie, and handlers extract a [`Session`].
//!
//! # Rules
//!
//! * **The token** consists of a locator (128 bits), a secret (256 bits) and a keyed tag. A made-up
//!   token, which includes any id that the client chose (session fixation), is rejected without a
//!   read of the store and creates nothing there.
//! * **The store** holds a hash of the secret. The user and the values are sealed with AES-256-GCM
//!   under a key derived from the secret. A stolen table therefore reveals neither, and does not
//!   let anyone log in.
//! * **Every change** is one compare-and-swap. Concurrent changes are all applied. A change that
//!   arrives after a logout has no effect and does not restore the session.
//! * **Cycling the id** issues a new secret, in the same commit as the change that caused it: a
//!   login, a proof, a change of roles, or [`cycle_id`](Session::cycle_id). The old secret is
//!   invalid from then on.
//! * **A one-time code** that an inner [`OtpGuard`](crate::layer::AuthLayer) accepts is recorded as
//!   a proof with its time, and the id is cycled. A session that came in a header keeps its id,
//!   because its holder would not learn a new one.
//! * **Reading writes nothing** and sets no cookie, except that the time of last use is updated
//!   once per twentieth of the idle timeout.
//! * **Two deadlines**: idle (30 minutes) and absolute (12 hours). Nothing extends the absolute
//!   one.
//! * **[`revoke_all`](Sessions::revoke_all)** revokes every session of a user. Logins that began
//!   before it fail.
//! * **Users are re-read** if the engine has [a source of users](SessionsBuilder::users): at the
//!   first request, then after every five minutes, and immediately after
//!   [`refresh_user`](Sessions::refresh_user). A user who was deleted or disabled is logged out.
//!   Changed roles and data apply from then on, and the session keeps its id.
//! * **A session of another issuer** counts as absent, even on the same store with the same secret.
//! * **A cookie without a live session** counts as absent and is not cleared. It must not keep
//!   anyone from the login page, and a slow response must not remove a newer cookie.
//! * **A request that carries an id that was just replaced** cannot create an anonymous session for
//!   one minute, because its guest cookie would replace the new one. Its writes are rejected with
//!   401.
//! * **A failing store** results in 503. The request counts neither as anonymous nor as
//!   authenticated.
//! * **An unreadable record**, damaged or written under another setting, counts as no session. The
//!   request is anonymous, an error is logged and
//!   [`SessionUnreadable`](crate::event::EventKind::SessionUnreadable) is emitted. A login or a
//!   logout removes the record.
//! * **The number of sessions** per user is not limited here. An application can enforce a limit
//!   with [`list`](Sessions::list) and [`revoke`](Sessions::revoke).
//! * **The values** of one session are limited to 64 KiB of JSON in total. A larger write is
//!   rejected as malformed, and nothing is stored.
//!
//! To revoke all sessions of all users, build `Sessions` with its own
//! [`MasterSecret`](crate::MasterSecret) and replace that secret. A secret that other engines share
//! must be rotated in the [order](crate::MasterSecret#rotation) that
//! [`MasterSecret`](crate::MasterSecret) describes, because their records need it for years.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use serde::{Deserialize, Serialize};
//! use tower_jam::{Env, Factor, Grant, MasterSecret, store::MemoryStore, session::Sessions};
//!
//! #[derive(Serialize, Deserialize)]
//! struct User { name: String }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(MemoryStore::new());
//! let env = Env::new("self", store, &MasterSecret::generate());
//! let sessions = Sessions::<User>::builder(&env).build()?;
//!
//! // Read before the password check, so that a concurrent "log out everywhere" is not missed:
//! let epoch = sessions.epoch("42").await?;
//! let grant = Grant::new("42", User { name: "Alice".into() }).factor(Factor::Password);
//! let session = sessions.create(grant).since(epoch).device_name("Firefox").await?;
//!
//! let token = session.token.expose();
//! sessions.update(token, |data| data.values.insert("cart".into(), 3.into())).await?;
//! let (info, data) = sessions.get(token).await?.expect("it was just created");
//! assert_eq!(data.user.unwrap().name, "Alice");
//! assert_eq!(info.device.as_deref(), Some("Firefox"));
//!
//! let renewed = sessions.cycle_id(token).await?.expect("it is alive");
//! assert!(sessions.get(token).await?.is_none());
//! assert_eq!(sessions.revoke_all("42").await?, 1);
//! assert!(sessions.get(renewed.expose()).await?.is_none());
//! # Ok(())
//! # }
//! ```

mod authenticate;
mod builder;
mod cached;
mod epoch;
mod handle;
mod info;
mod inner;
mod limits;
mod log_in;
mod login;
mod lookup;
mod opened;
mod record;
mod remember;
mod reread;
mod sessions;
mod state;
mod token;
mod users;

#[cfg(feature = "config")]
pub(crate) use self::builder::DEFAULT_COOKIE;
pub use self::{
    builder::SessionsBuilder,
    epoch::SessionEpoch,
    handle::Session,
    info::{NewSession, SessionData, SessionInfo},
    login::SessionLogin,
    sessions::Sessions,
};
