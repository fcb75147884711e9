//! The engine for server-side sessions.

use std::{fmt, sync::Arc};

use http::HeaderValue;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::to_raw_value;

use super::{
    authenticate::Known,
    builder::SessionsBuilder,
    core::{Core, NewId},
    epoch::Epoch,
    info::{SessionData, SessionInfo},
    limits,
    login::Login,
    lookup::Lookup,
    record::{Body, Record, unreadable},
    reread::Fresh,
    token::public_id,
};
use crate::{
    cache::Cache,
    error::{IssueError, StoreError},
    event::EventKind,
    grant::Grant,
    secret::{MasterSecret, Secret},
    store::Store,
};

/// Creates, finds, changes and ends sessions whose user is a `U`.
///
/// It is a handle: cloning it is cheap. See the [module](super) for the rules, and
/// [`SessionLayer`](crate::layer::SessionLayer) and [`Session`](super::Session) for its use in a service.
pub struct Sessions<U> {
    pub(super) core: Arc<Core>,
    pub(super) seen: Arc<Cache<Known<U>>>,
}

impl<U: Send + Sync + 'static> Sessions<U> {
    /// An engine that keeps its records in `store` and derives its keys from `secret`.
    pub fn builder(store: Arc<dyn Store>, secret: &MasterSecret) -> SessionsBuilder<U> {
        SessionsBuilder::new(store, secret)
    }

    /// Ends the session that `token` is for, be it a token that was replaced since; `false` if there was
    /// none.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn delete(&self, token: &str) -> Result<bool, StoreError> {
        match self.core.tags.decode(token) {
            Some(token) => self.core.end(&token).await,
            None => Ok(false),
        }
    }

    /// Gives the session a new id, and returns its token; `None` if there is no such session. The old
    /// token is dead in the same commit.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn rework(&self, token: &str) -> Result<Option<Secret<String>>, StoreError> {
        let Some(token) = self.core.tags.decode(token) else {
            return Ok(None);
        };
        let keep_all = |_: &mut Record| Ok::<_, StoreError>(());
        let changed = self.core.change(&token, NewId::Renew, keep_all).await?;
        Ok(changed.map(|((), opened)| {
            self.core.told(EventKind::SessionRenewed, &opened);
            self.core.text(&opened.token)
        }))
    }

    /// The live sessions of `subject`, the most recently used first.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn list(&self, subject: &str) -> Result<Vec<SessionInfo>, StoreError> {
        let now = self.core.clock.now();
        let records = self.core.list(subject).await?;
        let mut sessions: Vec<_> = records
            .iter()
            .map(|(key, head)| SessionInfo::new(public_id(key), head, now))
            .collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.last_seen_at));
        Ok(sessions)
    }

    /// Ends the session of `subject` with this public id; `false` if the subject has none such.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn revoke(&self, subject: &str, id: &str) -> Result<bool, StoreError> {
        for (key, head) in self.core.list(subject).await? {
            if public_id(&key) == id {
                return self.core.revoke(&key, &head).await;
            }
        }
        Ok(false)
    }

    /// Ends every session of `subject`, logins under way included, and returns how many there were.
    ///
    /// # Errors
    ///
    /// When the store does not answer; sessions may then be left, so ask again.
    pub async fn clear(&self, subject: &str) -> Result<u64, StoreError> {
        self.core.clear(subject).await
    }

    /// Ends every session of `subject` but the one with the public id `keep`.
    ///
    /// # Errors
    ///
    /// When the store does not answer; sessions may then be left, so ask again.
    pub async fn clear_others(&self, subject: &str, keep: &str) -> Result<u64, StoreError> {
        let mut ended = 0;
        for (key, head) in self.core.list(subject).await? {
            if public_id(&key) != keep {
                ended += u64::from(self.core.revoke(&key, &head).await?);
            }
        }
        Ok(ended)
    }

    /// Reads the user of every session of `subject` anew at its next request, on every node. Call it when the
    /// user has changed, where the [users](SessionsBuilder::users) of the engine find it.
    ///
    /// # Errors
    ///
    /// When the store does not answer; sessions may then be left, so ask again.
    pub async fn refresh_user(&self, subject: &str) -> Result<(), StoreError> {
        self.core.reread_all(subject).await
    }

    /// Notes which "log out everywhere" `subject` has seen. Take it before the password is looked at and hand it
    /// to the login: one that began before a [`clear`](Self::clear) then comes to nothing.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn epoch(&self, subject: &str) -> Result<Epoch, StoreError> {
        self.core.epoch(subject).await
    }

    /// The `Set-Cookie` value that makes a browser forget its session.
    #[must_use]
    pub fn clear_cookie(&self) -> HeaderValue {
        self.core.cookie.clear()
    }
}

impl<U: Serialize + Send + Sync + 'static> Sessions<U> {
    /// Creates a session for `grant`.
    pub fn create(&self, grant: Grant<U>) -> Login<'_, U> {
        Login::new(&self.core, None, grant)
    }
}

impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> Sessions<U> {
    /// What the session that `token` opens holds; `None` if there is no such session.
    ///
    /// # Errors
    ///
    /// When the store does not answer or holds a user of another form.
    pub async fn get(
        &self,
        token: &str,
    ) -> Result<Option<(SessionInfo, SessionData<U>)>, StoreError> {
        let Lookup::Live(mut opened) = self.core.open(token).await? else {
            return Ok(None);
        };
        if self.core.is_reread_due(&opened.record.head) {
            match self.core.reread(&opened).await? {
                Fresh::AsFound => {}
                Fresh::Changed(changed) => opened = changed,
                Fresh::Gone => return Ok(None),
            }
        }
        let info = SessionInfo::new(opened.id(), &opened.record.head, self.core.clock.now());
        Ok(Some((info, data(&opened.record.body)?)))
    }

    /// Changes what the session holds, and returns what `change` returned; `None` if there is no such
    /// session. `change` is called again when another change came between, so that none is lost.
    ///
    /// # Errors
    ///
    /// When the store does not answer, the user does not serialise, or others kept changing the session
    /// for five seconds.
    pub async fn update<T>(
        &self,
        token: &str,
        mut change: impl FnMut(&mut SessionData<U>) -> T,
    ) -> Result<Option<T>, IssueError> {
        let Some(token) = self.core.tags.decode(token) else {
            return Ok(None);
        };
        let edit = |record: &mut Record| -> Result<T, IssueError> {
            let mut data = data::<U>(&record.body)?;
            let answer = change(&mut data);
            limits::check(&data.values)?;
            let user = data.user.as_ref().map(to_raw_value).transpose();
            record.body = Body {
                user: user.map_err(|error| IssueError::User(error.into()))?,
                values: data.values,
            };
            Ok(answer)
        };
        let changed = self.core.change(&token, NewId::Keep, edit).await?;
        Ok(changed.map(|(answer, _)| answer))
    }
}

fn data<U: DeserializeOwned>(body: &Body) -> Result<SessionData<U>, StoreError> {
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
    /// Whether users are read anew.
    #[cfg(feature = "account")]
    pub(crate) fn reads_users(&self) -> bool {
        self.core.reread.is_some()
    }

    /// The issuer of the sessions.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.core.issuer
    }

    pub(super) fn new(core: Core) -> Self {
        Self {
            core: Arc::new(core),
            seen: Arc::new(Cache::new(str::len)),
        }
    }
}

impl<U> Clone for Sessions<U> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            seen: Arc::clone(&self.seen),
        }
    }
}

impl<U> fmt::Debug for Sessions<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("cookie", &self.core.cookie)
            .field("lifetime", &self.core.lifetime)
            .field("store", &self.core.store)
            .finish_non_exhaustive()
    }
}
