//! Accounts: users, passwords, throttling, second factors, and the HTTP routes for all of them.
//!
//! [`Accounts`] combines the engines: [`Users`] finds the user, [`Throttle`](crate::Throttle)
//! counts the attempts, [`Passwords`](crate::Passwords) verifies the password, and
//! [`TokenPairs`](crate::TokenPairs) or [`Sessions`](crate::Sessions) hold the login that results.
//! Its methods work with any server; [`routes`](crate::routes) mounts them in axum.
//!
//! # Rules
//!
//! * **Every login path ends in [`finish_login`](Accounts::finish_login) or
//!   [`finish_session`](Accounts::finish_session).** Only these two decide whether a second factor
//!   is required.
//! * **Responses do not reveal who has an account.** An unknown name, a disabled user and a wrong
//!   password get the same response after the same time: a hash is computed in every case.
//! * **Attempts are counted before the password is compared**, and refunded if it was right. They
//!   count by account and network, by account, and by address; on a device that has logged in
//!   before, by device alone. A hundred concurrent guesses get no more than the budget. Nobody can
//!   lock a user out of a device on which the user has logged in, or has changed the password,
//!   since the last password change.
//! * **"Log out everywhere" also stops logins under way.** A login reads the revocation epoch of
//!   each engine before the password is compared, and fails if a revocation has happened since.
//! * **A new password revokes everything** of its user: token pairs, sessions, remembered devices,
//!   logins under way. The change requires the current password and a login at most five minutes
//!   old.
//! * **[`disable`](Accounts::disable) and [`remove`](Accounts::remove) revoke everything** of the
//!   user, on every node. Sessions read their user again after five minutes, or as soon as
//!   [`refresh_user`](Accounts::refresh_user) is called, so no session retains a role that was
//!   removed from the table.
//! * **Users with a second factor log in in two steps.** A [field of the
//!   user](User::has_second_factor) says who has one. The right password then yields a
//!   [`Challenge`], valid for five minutes and one login, that only
//!   [`prove_second`](Accounts::prove_second) accepts. There, a one-time code or a recovery code
//!   completes the login. If the enrolment is lost, the login is refused; if its record cannot be
//!   read, the response is 403.
//! * **A device can be remembered**, so that it skips the code for a while, if
//!   [`remember_devices`](AccountsBuilder::remember_devices) allows it and the user asks for it. A
//!   new password or authenticator, [`revoke_all`](Accounts::revoke_all) and
//!   [`revoke_remembered_device`](SecondFactor::revoke_remembered_device) revoke that.
//! * **Changes to a second factor require a fresh proof**: for the first authenticator a login at
//!   most five minutes old, for every later change a code.
//! * **Old hashes are replaced** at the next login if their scheme, cost or pepper is not the
//!   current one.
//!
//! # Example
//!
//! ```
//! # use std::sync::Arc;
//! use tower_jam::account::{self, Accounts, StoreUsers, Users};
//! use tower_jam::{Algorithm, Claims, Env, Jwt, Key, KeyRing, MasterSecret, Passwords};
//! use tower_jam::{Throttle, TokenPairs, routes, store::MemoryStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (store, secret) = (Arc::new(MemoryStore::new()), MasterSecret::generate());
//! let env = Env::new("https://auth.acme.dev", store, &secret);
//! let passwords = Passwords::builder().build()?;
//! let users = StoreUsers::new(&env);
//! let hash = passwords.hash(&passwords.check_new("correct horse").await?).await?;
//! users.add("alice", hash.expose(), ["editor"], Claims::new()).await?;
//!
//! let users: Arc<dyn Users<Claims>> = Arc::new(users);
//! let jwt = Jwt::builder(KeyRing::new(Key::generate(Algorithm::EdDsa)?))
//!     .issuer("https://auth.acme.dev")
//!     .audience("api")
//!     .build()?;
//! let reader = account::user_reader(users.clone());
//! let pairs = TokenPairs::builder(&env, jwt, reader).build()?;
//! let throttle = Throttle::builder(&env).build();
//! let accounts = Accounts::builder(&env, users, passwords, throttle, pairs).build()?;
//!
//! let app: axum::Router = axum::Router::new().nest("/auth", routes::accounts(accounts));
//! # Ok(())
//! # }
//! ```

mod accounts;
mod admission;
mod attempt;
mod builder;
mod challenge;
mod external;
mod failures;
mod finish;
mod fresh;
mod inner;
#[cfg(feature = "oauth2")]
mod link_user;
mod login;
mod password_change;
mod password_check;
mod pending;
mod proved;
mod remembered;
mod revocation;
mod second_factor;
mod second_step;
mod throttle_key;
mod user_status;
mod users;

#[cfg(feature = "oauth2")]
pub(crate) use self::challenge::CHALLENGE_LIFE;
#[cfg(feature = "oauth2")]
pub use self::link_user::LinkUser;
#[cfg(feature = "store-postgres")]
pub use self::users::{PostgresUsers, PostgresUsersBuilder};
pub use self::{
    accounts::Accounts,
    attempt::{Credentials, LoginError, NewDevice, Origin},
    builder::AccountsBuilder,
    challenge::Challenge,
    proved::Proved,
    remembered::RememberedDevice,
    second_factor::SecondFactor,
    users::{StoreUsers, User, Users, user_reader},
};
pub(crate) use self::{attempt::truncate, fresh::FRESH};
