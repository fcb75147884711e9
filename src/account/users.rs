//! Whoever may log in, as the application keeps them.
//!
//! Implement [`Users`] on the table of users that the application has, or take one of the two that are ready:
//! [`StoreUsers`] keeps users in the configured store, so that a service with the file store needs nothing else, and
//! `PostgresUsers` (feature `store-postgres`) reads a table of yours, with its own names for table and columns.
//!
//! ```
//! use std::{collections::HashMap, sync::Mutex};
//! use tower_jam::{Claims, Grant, StoreError, account::{User, Users}, store::StoreFuture};
//!
//! /// Password hashes by name; the name is the id.
//! #[derive(Default)]
//! struct Names(Mutex<HashMap<String, String>>);
//!
//! impl Users<Claims> for Names {
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
//!     fn replace_hash<'a>(&'a self, id: &'a str, old: &'a str, new: &'a str) -> StoreFuture<'a, bool> {
//!         let mut names = self.0.lock().unwrap();
//!         let replaced = names.get_mut(id).filter(|hash| *hash == old).map(|hash| *hash = new.to_owned());
//!         Box::pin(async move { Ok(replaced.is_some()) })
//!     }
//! }
//! ```

#[cfg(feature = "store-postgres")]
mod postgres;
mod stored;

use std::{borrow::Cow, fmt};

#[cfg(feature = "store-postgres")]
pub use self::postgres::{PostgresUsers, PostgresUsersBuilder};
pub use self::stored::StoreUsers;
use crate::{
    error::StoreError, grant::Grant, refresh::ReadUser, secret::Secret, store::StoreFuture,
};

/// Finds users, and stores new password hashes.
pub trait Users<U>: Send + Sync + 'static {
    /// The user who logs in with `name`, compared as the application compares names. `None` if nobody does, or
    /// the user may not log in (any more).
    fn find<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<User<U>>>;

    /// The spelling of `name` under which [`find`](Self::find) compares it, so that the attempts at a name that is nobody's
    /// count together however it is spelt. Default: the name as it is, for names that are compared byte by byte.
    fn canonical<'a>(&self, name: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(name)
    }

    /// The user with this id, the subject of its grant. `None` as for [`find`](Self::find).
    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<User<U>>>;

    /// Stores `new` as the hash of the user's password if it is still `old`; `false` if it was not. So two changes at
    /// once do not both succeed, and a rehash at login overwrites no change.
    fn replace_hash<'a>(&'a self, id: &'a str, old: &'a str, new: &'a str)
    -> StoreFuture<'a, bool>;

    /// Notes whether the user's logins ask for a one-time code; `false` if there is no such user. Needed where
    /// [accounts have one-time codes](super::AccountsBuilder::otp); by default it fails, so that nobody believes to
    /// be protected who is not.
    fn set_second_factor<'a>(&'a self, id: &'a str, is_set: bool) -> StoreFuture<'a, bool> {
        let _ = (id, is_set);
        let reason = "these users keep no second factor: implement `Users::set_second_factor`";
        Box::pin(async move { Err(StoreError::Unavailable(reason.into())) })
    }

    /// Notes whether the user may log in; `false` if there is no such user. From then on [`find`](Self::find) and
    /// [`read`](Self::read) find no user who may not. Needed by [`Accounts::disable`](super::Accounts::disable); by
    /// default it fails.
    fn set_disabled<'a>(&'a self, id: &'a str, is_disabled: bool) -> StoreFuture<'a, bool> {
        let _ = (id, is_disabled);
        let reason = "these users cannot be disabled: implement `Users::set_disabled`";
        Box::pin(async move { Err(StoreError::Unavailable(reason.into())) })
    }

    /// Removes the user; `false` if there was none. Needed by [`Accounts::remove`](super::Accounts::remove); by
    /// default it fails.
    fn remove<'a>(&'a self, id: &'a str) -> StoreFuture<'a, bool> {
        let _ = id;
        let reason = "these users cannot be removed: implement `Users::remove`";
        Box::pin(async move { Err(StoreError::Unavailable(reason.into())) })
    }
}

/// A user as it was found.
#[derive(Clone)]
#[non_exhaustive]
pub struct User<U> {
    /// Who it is and what it may do, without proofs.
    pub grant: Grant<U>,
    /// The hash of its password.
    pub password_hash: Secret<String>,
    /// Whether a login asks for a one-time code besides. It is a field of the user and not the presence of an
    /// enrolment, so that one that was lost opens nothing.
    pub has_second_factor: bool,
}

impl<U> User<U> {
    /// A user with this password hash.
    #[must_use]
    pub fn new(grant: Grant<U>, password_hash: impl Into<String>) -> Self {
        Self {
            grant,
            password_hash: Secret::new(password_hash.into()),
            has_second_factor: false,
        }
    }

    /// Says whether logins ask for a one-time code besides. Default: they do not.
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

/// What a refresh reads anew.
pub(super) struct UserReader<T>(pub(super) T);

impl<U: Send + 'static> ReadUser<U> for UserReader<std::sync::Arc<dyn Users<U>>> {
    fn read_user<'a>(&'a self, subject: &'a str) -> StoreFuture<'a, Option<Grant<U>>> {
        Box::pin(async move { Ok(self.0.read(subject).await?.map(|user| user.grant)) })
    }
}
