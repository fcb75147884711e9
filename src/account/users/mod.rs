//! The users of the application, who may log in.
//!
//! Implement [`Users`] on the application's table of users, or use one of the two implementations:
//! [`StoreUsers`] keeps users in the configured store, so that a service with the file store needs
//! nothing else. `PostgresUsers` (feature `store-postgres`) reads an existing table, whatever its
//! table and columns are called.
//!
//! ```
//! use std::{collections::HashMap, sync::Mutex};
//! use tower_jam::{Claims, Grant, StoreError, account::{User, Users}, store::StoreFuture};
//!
//! /// Password hashes by name; the name is the id.
//! #[derive(Default)]
//! struct MemoryUsers(Mutex<HashMap<String, String>>);
//!
//! impl Users<Claims> for MemoryUsers {
//!     fn find<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<User<Claims>>> {
//!         let hash = self.0.lock().unwrap().get(name).cloned();
//!         let user = hash.map(|hash| User::new(Grant::new(name, Claims::new()), hash));
//!         Box::pin(async { Ok(user) })
//!     }
//!
//!     fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<User<Claims>>> {
//!         self.find(id)
//!     }
//!
//!     fn replace_hash<'a>(
//!         &'a self,
//!         id: &'a str,
//!         old: &'a str,
//!         new: &'a str,
//!     ) -> StoreFuture<'a, bool> {
//!         let mut names = self.0.lock().unwrap();
//!         let hash = names.get_mut(id).filter(|hash| *hash == old);
//!         let is_replaced = hash.map(|hash| *hash = new.to_owned()).is_some();
//!         Box::pin(async move { Ok(is_replaced) })
//!     }
//! }
//! ```

#[cfg(feature = "store-postgres")]
mod postgres;
mod stored;

use std::{borrow::Cow, fmt, sync::Arc};

#[cfg(feature = "store-postgres")]
pub use self::postgres::{PostgresUsers, PostgresUsersBuilder};
pub use self::stored::StoreUsers;
use crate::{
    error::StoreError, grant::Grant, refresh::ReadUser, secret::Secret, store::StoreFuture,
};

/// Finds users, and stores new password hashes.
pub trait Users<U>: Send + Sync + 'static {
    /// Returns the user who logs in with `name`, compared as the application compares names.
    /// Returns `None` if there is no such user, or the user may not log in.
    fn find<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<User<U>>>;

    /// Returns the spelling of `name` that [`find`](Self::find) compares, so that attempts at an
    /// unknown name count together however it is spelt. Default: the name as it is, for names that
    /// are compared byte by byte.
    fn canonical<'a>(&self, name: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(name)
    }

    /// Returns the user with this id, the subject of its grant. Returns `None` as
    /// [`find`](Self::find) does.
    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<User<U>>>;

    /// Stores `new` as the user's password hash if the hash is still `old`; returns `false` if it
    /// is not. So two concurrent changes cannot both succeed, and a rehash at login overwrites no
    /// change.
    fn replace_hash<'a>(&'a self, id: &'a str, old: &'a str, new: &'a str)
    -> StoreFuture<'a, bool>;

    /// Stores whether the user's logins require a one-time code. Returns `false` if there is no
    /// such user. Required if [accounts have one-time codes](super::AccountsBuilder::otp). The
    /// default implementation fails, so that no user seems protected without being so.
    fn set_second_factor<'a>(&'a self, id: &'a str, is_set: bool) -> StoreFuture<'a, bool> {
        let _ = (id, is_set);
        let reason = "these users store no second factor: implement `Users::set_second_factor`";
        Box::pin(async move { Err(StoreError::Unavailable(reason.into())) })
    }

    /// Stores whether the user is disabled. Returns `false` if there is no such user. From then on
    /// [`find`](Self::find) and [`read`](Self::read) do not return a disabled user. Required by
    /// [`Accounts::disable`](super::Accounts::disable); the default implementation fails.
    fn set_disabled<'a>(&'a self, id: &'a str, is_disabled: bool) -> StoreFuture<'a, bool> {
        let _ = (id, is_disabled);
        let reason = "these users cannot be disabled: implement `Users::set_disabled`";
        Box::pin(async move { Err(StoreError::Unavailable(reason.into())) })
    }

    /// Removes the user. Returns `false` if there was none. Required by
    /// [`Accounts::remove`](super::Accounts::remove); the default implementation fails.
    fn remove<'a>(&'a self, id: &'a str) -> StoreFuture<'a, bool> {
        let _ = id;
        let reason = "these users cannot be removed: implement `Users::remove`";
        Box::pin(async move { Err(StoreError::Unavailable(reason.into())) })
    }
}

/// A user as [`Users`] returns it.
#[derive(Clone)]
#[non_exhaustive]
pub struct User<U> {
    /// The user's identity and permissions, without proofs.
    pub grant: Grant<U>,
    /// The user's password hash.
    pub password_hash: Secret<String>,
    /// Whether a login also requires a one-time code. This is a field of the user and does not
    /// depend on whether an enrolment exists, so that a lost enrolment admits nobody.
    pub has_second_factor: bool,
}

impl<U> User<U> {
    /// Creates a user with this password hash.
    #[must_use]
    pub fn new(grant: Grant<U>, password_hash: impl Into<String>) -> Self {
        Self {
            grant,
            password_hash: Secret::new(password_hash.into()),
            has_second_factor: false,
        }
    }

    /// Sets whether logins also require a one-time code. Default: they do not.
    #[must_use]
    pub const fn with_second_factor(mut self, has_second_factor: bool) -> Self {
        self.has_second_factor = has_second_factor;
        self
    }
}

impl<U> fmt::Debug for User<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").finish_non_exhaustive()
    }
}

/// Returns a reader of users for [`TokenPairs::builder`](crate::TokenPairs::builder).
pub fn user_reader<U: Send + 'static>(users: Arc<dyn Users<U>>) -> impl ReadUser<U> {
    UserReader(users)
}

/// Reads users for refreshes.
struct UserReader<T>(T);

impl<U: Send + 'static> ReadUser<U> for UserReader<Arc<dyn Users<U>>> {
    fn read_user<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Option<Grant<U>>> {
        Box::pin(async move { Ok(self.0.read(subject).await?.map(|user| user.grant)) })
    }
}
