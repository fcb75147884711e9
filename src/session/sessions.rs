//! The engine for server-side sessions.

use std::{fmt, sync::Arc};

use http::HeaderValue;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::to_raw_value;

use super::{
    builder::SessionsBuilder,
    cached::SessionCache,
    epoch::SessionEpoch,
    info::{SessionData, SessionInfo},
    inner::{IdChange, SessionsInner},
    limits,
    login::SessionLogin,
    lookup,
    opened::Lookup,
    record::{SessionBody, SessionRecord, unreadable},
    reread,
    reread::RereadOutcome,
    token::public_id,
};
use crate::{
    env::Env,
    error::{IssueError, StoreError},
    event::EventKind,
    grant::Grant,
    secret::Secret,
};

/// Creates, finds, changes and revokes sessions whose users have the type `U`.
///
/// This type is a handle; cloning it is cheap. See the [module](super) for the rules, and
/// [`SessionLayer`](crate::layer::SessionLayer) and [`Session`](super::Session) for its use in a
/// service.
///
/// ```
/// use std::sync::Arc;
/// use tower_jam::{Env, Grant, MasterSecret, Sessions, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Arc::new(MemoryStore::new());
/// let env = Env::new("https://acme.dev", store, &MasterSecret::generate());
/// let sessions = Sessions::<String>::builder(&env).build()?;
///
/// let session = sessions.create(Grant::new("42", "Alice".to_owned())).await?;
/// let (_info, data) = sessions.get(session.token.expose()).await?.expect("it is live");
/// assert_eq!(data.user.as_deref(), Some("Alice"));
/// assert!(sessions.revoke_token(session.token.expose()).await?);
/// # Ok(())
/// # }
/// ```
#[doc(alias("cookie", "login", "logout", "remember me"))]
pub struct Sessions<U> {
    pub(super) inner: Arc<SessionsInner>,
    pub(super) cache: Arc<SessionCache<U>>,
}

impl<U: Send + Sync + 'static> Sessions<U> {
    /// Returns a builder of an engine that stores its records in the store of `env` and
    /// derives its keys from the master secret.
    pub fn builder(env: &Env) -> SessionsBuilder<U> {
        SessionsBuilder::new(env)
    }

    /// Revokes the session of `token`, which may have been replaced since. Returns `false` if there
    /// was no such session.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn revoke_token(&self, token: &str) -> Result<bool, StoreError> {
        match self.inner.tags.decode(token) {
            Some(token) => self.inner.revoke_token(&token).await,
            None => Ok(false),
        }
    }

    /// Cycles the id of the session and returns the new token, or `None` if there is no such
    /// session. The old token becomes invalid in the same commit.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn cycle_id(&self, token: &str) -> Result<Option<Secret<String>>, StoreError> {
        let Some(token) = self.inner.tags.decode(token) else {
            return Ok(None);
        };
        let keep_all = |_: &mut SessionRecord| Ok::<_, StoreError>(());
        let changed = self.inner.change(&token, IdChange::Cycle, keep_all).await?;
        Ok(changed.map(|((), opened)| {
            self.inner.emit(EventKind::SessionIdCycled, &opened);
            self.inner.text(&opened.token)
        }))
    }

    /// Returns the live sessions of `subject`, the most recently used first.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn list(&self, subject: &str) -> Result<Vec<SessionInfo>, StoreError> {
        let now = self.inner.clock.now();
        let records = self.inner.list(subject).await?;
        let mut sessions: Vec<_> = records
            .iter()
            .map(|(key, head)| SessionInfo::new(public_id(key), head, now))
            .collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.last_seen_at));
        Ok(sessions)
    }

    /// Revokes the session of `subject` with this public id. Returns `false` if there is no such
    /// session.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn revoke(&self, subject: &str, id: &str) -> Result<bool, StoreError> {
        for (key, head) in self.inner.list(subject).await? {
            if public_id(&key) == id {
                return self.inner.revoke_listed(&key, &head).await;
            }
        }
        Ok(false)
    }

    /// Revokes every session of `subject` and returns their number. Logins in progress fail.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer. Sessions may then remain, so call it again.
    #[doc(alias("logout", "log out everywhere"))]
    pub async fn revoke_all(&self, subject: &str) -> Result<usize, StoreError> {
        self.inner.clear(subject).await
    }

    /// Revokes every session of `subject` except the one with the public id `keep`, and returns
    /// their number.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer. Sessions may then remain, so call it again.
    pub async fn revoke_others(&self, subject: &str, keep: &str) -> Result<usize, StoreError> {
        let mut revoked = 0;
        for (key, head) in self.inner.list(subject).await? {
            if public_id(&key) != keep {
                revoked += usize::from(self.inner.revoke_listed(&key, &head).await?);
            }
        }
        Ok(revoked)
    }

    /// Re-reads the user of every session of `subject` at its next request, on every node. Call it
    /// after the user has changed in the [users](SessionsBuilder::users) of the engine.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer. Sessions may then remain, so call it again.
    pub async fn refresh_user(&self, subject: &str) -> Result<(), StoreError> {
        reread::reread_all(&self.inner, subject).await
    }

    /// Returns the current epoch of `subject`, which a "log out everywhere" changes. Read it before
    /// the password check and pass it to the login, so that a login that began before a
    /// [`revoke_all`](Self::revoke_all) fails.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer.
    pub async fn epoch(&self, subject: &str) -> Result<SessionEpoch, StoreError> {
        self.inner.epoch(subject).await
    }

    /// Returns the `Set-Cookie` value that removes the session cookie from a browser.
    #[must_use]
    pub fn clear_cookie(&self) -> HeaderValue {
        self.inner.cookie.clear()
    }
}

impl<U: Serialize + Send + Sync + 'static> Sessions<U> {
    /// Creates a session for `grant`.
    pub fn create(&self, grant: Grant<U>) -> SessionLogin<'_, U> {
        SessionLogin::new(&self.inner, None, grant)
    }
}

impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> Sessions<U> {
    /// Returns the session that `token` opens with its data, or `None` if there is no such session.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer or holds a user of another form.
    pub async fn get(
        &self,
        token: &str,
    ) -> Result<Option<(SessionInfo, SessionData<U>)>, StoreError> {
        let Lookup::Live(mut opened) = lookup::open(&self.inner, token).await? else {
            return Ok(None);
        };
        if reread::is_required(&self.inner, &opened) {
            match reread::reread(&self.inner, &opened).await? {
                RereadOutcome::AsFound => {}
                RereadOutcome::Changed(changed) => opened = changed,
                RereadOutcome::Gone => return Ok(None),
            }
        }
        let info = SessionInfo::new(opened.id(), &opened.record.head, self.inner.clock.now());
        Ok(Some((info, data(&opened.record.body)?)))
    }

    /// Changes the data of the session and returns the result of `change`, or `None` if there is no
    /// such session. After a conflict with a concurrent change, `change` is called again, so that
    /// no change is lost.
    ///
    /// # Errors
    ///
    /// Returns an error if the store does not answer, the user does not serialise, the values
    /// exceed 64 KiB, or the session was changed concurrently for five seconds.
    pub async fn update<T>(
        &self,
        token: &str,
        mut change: impl FnMut(&mut SessionData<U>) -> T,
    ) -> Result<Option<T>, IssueError> {
        let Some(token) = self.inner.tags.decode(token) else {
            return Ok(None);
        };
        let edit = |record: &mut SessionRecord| -> Result<T, IssueError> {
            let mut data = data::<U>(&record.body)?;
            let answer = change(&mut data);
            limits::check(&data.values)?;
            let user = data.user.as_ref().map(to_raw_value).transpose();
            record.body = SessionBody {
                user: user.map_err(|error| IssueError::User(error.into()))?,
                values: data.values,
            };
            Ok(answer)
        };
        let changed = self.inner.change(&token, IdChange::Keep, edit).await?;
        Ok(changed.map(|(answer, _)| answer))
    }
}

fn data<U: DeserializeOwned>(body: &SessionBody) -> Result<SessionData<U>, StoreError> {
    let user = body
        .user
        .as_ref()
        .map(|user| serde_json::from_str(user.get()))
        .transpose();
    Ok(SessionData {
        user: user.map_err(|error| unreadable(&error))?,
        values: body.values.clone(),
    })
}

impl<U> Sessions<U> {
    /// Whether users are re-read while their sessions live.
    #[cfg(feature = "account")]
    pub(crate) fn reads_users(&self) -> bool {
        self.inner.reread.is_some()
    }

    /// Returns the issuer of the sessions.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.inner.issuer
    }

    pub(super) fn new(inner: SessionsInner) -> Self {
        Self {
            inner: Arc::new(inner),
            cache: Arc::new(SessionCache::new()),
        }
    }
}

impl<U> Clone for Sessions<U> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            cache: Arc::clone(&self.cache),
        }
    }
}

impl<U> fmt::Debug for Sessions<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("cookie", &self.inner.cookie)
            .field("lifetime", &self.inner.lifetime)
            .field("store", &self.inner.store)
            .finish_non_exhaustive()
    }
}
