//! Users in the configured store.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{User, Users};
use crate::{
    clock::{Clock, SystemClock, Timestamp},
    error::{BoxError, StoreError},
    grant::Grant,
    secret,
    store::{
        Key, Namespace, Store, StoreFuture, When, Write,
        swap::{Step, swap},
    },
};

/// Keeps users in a [`Store`]: a record under a random id, and the name that leads to it.
///
/// Names are compared byte by byte; bring them into one form first (such as lower case) if yours are not.
pub struct StoreUsers<U> {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    user: PhantomData<fn() -> U>,
}

/// What is stored under a user's id.
#[derive(Serialize, Deserialize)]
struct Record<U> {
    name: String,
    password_hash: String,
    roles: Vec<String>,
    scopes: Vec<String>,
    is_disabled: bool,
    #[serde(default)]
    has_second_factor: bool,
    user: U,
}

impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> StoreUsers<U> {
    /// Users in `store`, by the system's clock.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            clock: Arc::new(SystemClock),
            user: PhantomData,
        }
    }

    /// Gives up after five seconds of `clock` when others keep changing the same user.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a user who logs in with `name`, and returns the new id; `None` if the name is taken.
    ///
    /// # Errors
    ///
    /// When the store does not answer; the name may then be taken, and by this user.
    pub async fn add(
        &self,
        name: &str,
        password_hash: &str,
        roles: impl IntoIterator<Item = impl Into<String>>,
        user: U,
    ) -> Result<Option<String>, StoreError> {
        let id = URL_SAFE_NO_PAD.encode_to_string(secret::random::<16>());
        let record = Record {
            name: name.to_owned(),
            password_hash: password_hash.to_owned(),
            roles: roles.into_iter().map(Into::into).collect(),
            scopes: Vec::new(),
            is_disabled: false,
            has_second_factor: false,
            user,
        };
        // The record first: a name that leads nowhere could not be registered by anybody.
        let write = write(&record)?;
        self.store.put(&by_id(&id), write, When::Absent).await?;
        let name = by_name(name);
        let when = match self.store.get(&name).await? {
            Some(entry) if entry.value.is_empty() => When::Unchanged(entry.version),
            _ => When::Absent,
        };
        let leads = Write::new(id.clone(), Timestamp::NEVER);
        if self.store.put(&name, leads, when).await? {
            return Ok(Some(id));
        }
        self.store.take(&by_id(&id)).await?;
        Ok(None)
    }

    /// Says what the user with this id may do from its next login or refresh on; `false` if there is none.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn set_roles(
        &self,
        id: &str,
        roles: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<bool, StoreError> {
        let roles: Vec<String> = roles.into_iter().map(Into::into).collect();
        self.change(id, |record| {
            record.roles.clone_from(&roles);
            true
        })
        .await
    }

    /// Says whether the user with this id may log in and refresh; `false` if there is none. What it has now ends with
    /// its access token, or at once with [`TokenPairs::logout_all`](crate::TokenPairs::logout_all).
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn set_disabled(&self, id: &str, is_disabled: bool) -> Result<bool, StoreError> {
        self.change(id, |record| {
            record.is_disabled = is_disabled;
            true
        })
        .await
    }

    /// Removes the user with this id; `false` if there was none. Its name is free again.
    ///
    /// # Errors
    ///
    /// When the store does not answer; the name may then lead nowhere, so ask again.
    pub async fn remove(&self, id: &str) -> Result<bool, StoreError> {
        let Some(entry) = self.store.get(&by_id(id)).await? else {
            return Ok(false);
        };
        let record: Record<U> = record(&entry.value)?;
        let name = by_name(&record.name);
        // Asked again after a failure, the name may be somebody else's by now.
        if let Some(leads) = self.store.get(&name).await?
            && leads.value == id.as_bytes()
        {
            let nowhere = Write::new(Vec::new(), self.clock.now().after(A_MINUTE));
            let unchanged = When::Unchanged(leads.version);
            self.store.put(&name, nowhere, unchanged).await?;
        }
        Ok(self.store.take(&by_id(id)).await?.is_some())
    }

    async fn change(
        &self,
        id: &str,
        mut edit: impl FnMut(&mut Record<U>) -> bool,
    ) -> Result<bool, StoreError> {
        swap(&*self.store, &*self.clock, &by_id(id), |entry| {
            let Some(entry) = entry else {
                return Ok(Step::Keep(false));
            };
            let mut record: Record<U> = record(&entry.value)?;
            Ok::<_, StoreError>(match edit(&mut record) {
                true => Step::Swap(write(&record)?, true),
                false => Step::Keep(false),
            })
        })
        .await
    }
}

impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> Users<U> for StoreUsers<U> {
    fn find<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<User<U>>> {
        Box::pin(async move {
            let leads = self.store.get(&by_name(name)).await?;
            let id = leads
                .as_ref()
                .filter(|entry| !entry.value.is_empty())
                .map(|entry| std::str::from_utf8(&entry.value).map_err(corrupt))
                .transpose()?;
            // A name that leads nowhere costs what one does that leads to a user.
            let user = self.read(id.unwrap_or(name)).await?;
            Ok(id.and(user))
        })
    }

    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<User<U>>> {
        Box::pin(async move {
            let Some(entry) = self.store.get(&by_id(id)).await? else {
                return Ok(None);
            };
            let record: Record<U> = record(&entry.value)?;
            if record.is_disabled {
                return Ok(None);
            }
            let grant = Grant::new(id, record.user)
                .roles(record.roles)
                .scopes(record.scopes);
            let user = User::new(grant, record.password_hash);
            Ok(Some(user.with_second_factor(record.has_second_factor)))
        })
    }

    fn replace_hash<'a>(
        &'a self,
        id: &'a str,
        old: &'a str,
        new: &'a str,
    ) -> StoreFuture<'a, bool> {
        Box::pin(self.change(id, move |record| {
            let is_old = record.password_hash == old;
            if is_old {
                new.clone_into(&mut record.password_hash);
            }
            is_old
        }))
    }

    fn set_second_factor<'a>(&'a self, id: &'a str, is_set: bool) -> StoreFuture<'a, bool> {
        Box::pin(self.change(id, move |record| {
            record.has_second_factor = is_set;
            true
        }))
    }
}

impl<U> fmt::Debug for StoreUsers<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreUsers")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

fn by_id(id: &str) -> Key {
    Key::new(USER, &[id.as_bytes()])
}

fn by_name(name: &str) -> Key {
    Key::new(NAME, &[name.as_bytes()])
}

fn write<U: Serialize>(record: &Record<U>) -> Result<Write, StoreError> {
    let value = serde_json::to_vec(record).map_err(corrupt)?;
    Ok(Write::new(value, Timestamp::NEVER))
}

/// serde_json quotes the input in some messages, so only the place is kept.
fn record<U: DeserializeOwned>(value: &[u8]) -> Result<Record<U>, StoreError> {
    serde_json::from_slice(value)
        .map_err(|error| corrupt(format!("not a user, at column {}", error.column())))
}

fn corrupt(error: impl Into<BoxError>) -> StoreError {
    StoreError::Corrupt(error.into())
}

/// How long a name that was given up leads nowhere, unless somebody takes it: a store removes nothing on a condition.
const A_MINUTE: Duration = Duration::from_secs(60);

const USER: Namespace = Namespace::new("user");
const NAME: Namespace = Namespace::new("user-name");
