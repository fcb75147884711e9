//! Users in the configured store.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{User, Users};
use crate::{
    clock::{Clock, Timestamp},
    env::Env,
    error::{BoxError, StoreError},
    grant::Grant,
    secret,
    store::{
        Entry, Namespace, Store, StoreFuture, StoreKey, When, Write,
        sealed::RecordKeys,
        swap::{Step, swap},
    },
};

/// Keeps users in a [`Store`]: one record under a random id, and a name entry that points to it.
///
/// Both are sealed with keys of the master secret and the issuer. A party that can write to the
/// store can therefore not create a user, change a role or password, or point a name to another
/// user. Users belong to one issuer; another issuer on the same store has its own. If a record is
/// sealed with a secret that is no longer accepted, its user cannot log in (503). Records are
/// resealed with the active secret as their users log in.
///
/// Names are compared byte by byte. Normalise them first (to lower case, for example) if yours
/// differ in form.
pub struct StoreUsers<U> {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    issuer: String,
    records: RecordKeys,
    user: PhantomData<fn() -> U>,
}

/// The value stored under a user's id.
#[derive(Serialize, Deserialize)]
struct UserRecord<U> {
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
    /// Creates a handle for the users of the issuer in the store of `env`, sealed with keys from
    /// its master secret.
    #[must_use]
    pub fn new(env: &Env) -> Self {
        Self {
            store: Arc::clone(&env.store),
            clock: Arc::clone(&env.clock),
            issuer: env.issuer.clone(),
            records: RecordKeys::new(&env.secret, "tower-jam users", &env.issuer),
            user: PhantomData,
        }
    }

    /// Adds a user who logs in with `name`, and returns the new id. Returns `None` if the name is
    /// taken.
    ///
    /// # Errors
    ///
    /// When the store does not answer. The name may then be taken by this user.
    pub async fn add(
        &self,
        name: &str,
        password_hash: &str,
        roles: impl IntoIterator<Item = impl Into<String>>,
        user: U,
    ) -> Result<Option<String>, StoreError> {
        let id = URL_SAFE_NO_PAD.encode_to_string(secret::random::<16>());
        let record = UserRecord {
            name: name.to_owned(),
            password_hash: password_hash.to_owned(),
            roles: roles.into_iter().map(Into::into).collect(),
            scopes: Vec::new(),
            is_disabled: false,
            has_second_factor: false,
            user,
        };
        // The record first: nobody could register a name that points to a missing record.
        let key = self.user_key(&id);
        let write = self.seal_user(&key, &record)?;
        self.store.put(&key, write, When::Absent).await?;
        let name = self.name_key(name);
        let when = match self.store.get(&name).await? {
            Some(entry) if entry.value.is_empty() => When::Unchanged(entry.version),
            _ => When::Absent,
        };
        let name_entry = self.seal_name(&name, &id)?;
        if self.store.put(&name, name_entry, when).await? {
            return Ok(Some(id));
        }
        self.store.take(&key).await?;
        Ok(None)
    }

    /// Sets the user's roles, as of the next login or refresh. Returns `false` if there is no such
    /// user.
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

    async fn change(
        &self,
        id: &str,
        mut edit: impl FnMut(&mut UserRecord<U>) -> bool,
    ) -> Result<bool, StoreError> {
        let key = self.user_key(id);
        swap(&*self.store, &*self.clock, &key, |entry| {
            let Some(entry) = entry else {
                return Ok(Step::Keep(false));
            };
            let (mut record, _) = self.open_user(&key, &entry.value)?;
            Ok::<_, StoreError>(if edit(&mut record) {
                Step::Swap(self.seal_user(&key, &record)?, true)
            } else {
                Step::Keep(false)
            })
        })
        .await
    }

    async fn read_record(&self, id: &str) -> Result<Option<(UserRecord<U>, bool)>, StoreError> {
        let key = self.user_key(id);
        let entry = self.store.get(&key).await?;
        entry
            .map(|entry| self.open_user(&key, &entry.value))
            .transpose()
    }

    /// Returns the id that a name points to, and whether the active secret sealed it.
    fn open_name(
        &self,
        name: &StoreKey,
        entry: &Entry,
    ) -> Result<Option<(String, bool)>, StoreError> {
        if entry.value.is_empty() {
            return Ok(None);
        }
        let opened = self.records.open(name, &[], &entry.value)?;
        let id = std::str::from_utf8(&opened.plain).map_err(corrupt)?;
        Ok(Some((id.to_owned(), opened.is_current)))
    }

    fn seal_user(&self, key: &StoreKey, record: &UserRecord<U>) -> Result<Write, StoreError> {
        let value = serde_json::to_vec(record).map_err(corrupt)?;
        let value = self.records.seal(key, Vec::new(), value)?;
        Ok(Write::new(value, Timestamp::NEVER))
    }

    fn seal_name(&self, name: &StoreKey, id: &str) -> Result<Write, StoreError> {
        let value = self
            .records
            .seal(name, Vec::new(), id.as_bytes().to_vec())?;
        Ok(Write::new(value, Timestamp::NEVER))
    }

    /// Returns the record, and whether the active secret sealed it. Some messages of serde_json
    /// quote the input, so only the column is kept.
    fn open_user(&self, key: &StoreKey, value: &[u8]) -> Result<(UserRecord<U>, bool), StoreError> {
        let opened = self.records.open(key, &[], value)?;
        let record = serde_json::from_slice(&opened.plain)
            .map_err(|error| corrupt(format!("not a user, at column {}", error.column())))?;
        Ok((record, opened.is_current))
    }

    /// Reseals a user with the active secret. The current secret is still accepted, so a failure is
    /// retried at the next login.
    async fn reseal(&self, name: &StoreKey, id: &str) {
        let resealed = async {
            self.change(id, |_| true).await?;
            swap(&*self.store, &*self.clock, name, |entry| {
                let name_entry = entry.map(|entry| self.open_name(name, entry)).transpose()?;
                Ok::<_, StoreError>(match name_entry.flatten() {
                    Some((current, _)) if current == id => {
                        Step::Swap(self.seal_name(name, id)?, ())
                    }
                    _ => Step::Keep(()),
                })
            })
            .await
        };
        if let Err(error) = resealed.await {
            tracing::warn!(%error, "a user could not be resealed with the active secret");
        }
    }

    fn user_key(&self, id: &str) -> StoreKey {
        StoreKey::new(USER, &[self.issuer.as_bytes(), id.as_bytes()])
    }

    fn name_key(&self, name: &str) -> StoreKey {
        StoreKey::new(NAME, &[self.issuer.as_bytes(), name.as_bytes()])
    }
}

impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> Users<U> for StoreUsers<U> {
    fn find<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<User<U>>> {
        Box::pin(async move {
            let key = self.name_key(name);
            let entry = self.store.get(&key).await?;
            let points_to = entry
                .map(|entry| self.open_name(&key, &entry))
                .transpose()?;
            let points_to = points_to.flatten();
            // An unknown name costs the same reads as a known one.
            let id = points_to.as_ref().map_or(name, |(id, _)| id);
            let found = self.read_record(id).await?;
            let (Some((id, is_name_current)), Some((record, is_current))) = (points_to, found)
            else {
                return Ok(None);
            };
            if !is_name_current || !is_current {
                self.reseal(&key, &id).await;
            }
            Ok(user_from_record(&id, record))
        })
    }

    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<User<U>>> {
        Box::pin(async move {
            let found = self.read_record(id).await?;
            Ok(found.and_then(|(record, _)| user_from_record(id, record)))
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

    fn set_disabled<'a>(&'a self, id: &'a str, is_disabled: bool) -> StoreFuture<'a, bool> {
        Box::pin(self.change(id, move |record| {
            record.is_disabled = is_disabled;
            true
        }))
    }

    /// Removes the user and frees the name. After a failure the user may still exist without its
    /// name, so call it again.
    fn remove<'a>(&'a self, id: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let Some((record, _)) = self.read_record(id).await? else {
                return Ok(false);
            };
            let name = self.name_key(&record.name);
            // When called again after a failure, the name may belong to another user by now.
            if let Some(entry) = self.store.get(&name).await?
                && self
                    .open_name(&name, &entry)?
                    .is_some_and(|(it, _)| it == id)
            {
                let released = Write::new(Vec::new(), self.clock.now().after(RELEASED_NAME_TTL));
                let unchanged = When::Unchanged(entry.version);
                self.store.put(&name, released, unchanged).await?;
            }
            Ok(self.store.take(&self.user_key(id)).await?.is_some())
        })
    }
}

/// Returns the user of a record, unless the user is disabled.
fn user_from_record<U>(id: &str, record: UserRecord<U>) -> Option<User<U>> {
    if record.is_disabled {
        return None;
    }
    let grant = Grant::new(id, record.user)
        .roles(record.roles)
        .scopes(record.scopes);
    let user = User::new(grant, record.password_hash);
    Some(user.with_second_factor(record.has_second_factor))
}

impl<U> fmt::Debug for StoreUsers<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreUsers")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

fn corrupt(error: impl Into<BoxError>) -> StoreError {
    StoreError::Corrupt(error.into())
}

/// How long a released name stays empty before it expires, unless it is taken. The store has no
/// conditional removal.
const RELEASED_NAME_TTL: Duration = Duration::from_secs(60);

/// A write may disable a user or remove a role.
const USER: Namespace = Namespace::new("user").revoking();
const NAME: Namespace = Namespace::new("user-name");
