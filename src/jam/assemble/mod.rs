//! The composition root: builds the engines from the settings.

#[cfg(feature = "account")]
mod accounts;
mod features;
mod keys;
#[cfg(feature = "otp")]
mod otp;
mod optional;
#[cfg(feature = "refresh")]
mod pairs;
#[cfg(feature = "paseto")]
mod pasetos;
#[cfg(feature = "account")]
mod passwords;
mod parts;
#[cfg(feature = "oauth2")]
mod providers;
mod sessions;
mod store;
mod tokens;

use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use self::{
    optional::SharedUsers,
    parts::{EngineParts, host},
};
use crate::{
    clock::{Clock, SystemClock},
    config::{
        Config,
        place::Location,
        settings::{InstanceSettings, StoreKind},
    },
    env::Env,
    error::ConfigError,
    event::Events,
    grant::ReadUser,
    jam::{EngineWithSource, Engines, Jam},
    secret::MasterSecret,
    session::DEFAULT_COOKIE,
    store::{MemoryStore, Store},
};

/// Builds a [`Jam`] from a [`Config`] and from what a file cannot contain.
#[must_use]
pub struct JamBuilder<U> {
    config: Config,
    store: Option<Arc<dyn Store>>,
    clock: Arc<dyn Clock>,
    events: Events,
    reader: Option<Arc<dyn ReadUser<U>>>,
    users: Option<SharedUsers<U>>,
    /// Whether stores and providers must not be contacted.
    is_offline: bool,
    user: std::marker::PhantomData<fn() -> U>,
}

impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> JamBuilder<U> {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            store: None,
            clock: Arc::new(SystemClock),
            events: Events::default(),
            reader: None,
            users: None,
            is_offline: false,
            user: std::marker::PhantomData,
        }
    }

    /// Builds without opening anything: the store is in memory in place of the table `store`, and
    /// no identity provider is asked for its addresses. It is for tools that check a configuration.
    pub fn offline(mut self) -> Self {
        self.is_offline = true;
        self
    }

    /// Sets a store of the application's own, in place of the table `store`.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Sets the clock of all engines. Default: the operating system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets where the events of all engines go. Default: only to `tracing`.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Sets how users are read again, for refreshes and for the users of sessions. Not needed if
    /// `users` are set.
    pub fn read_user(mut self, users: impl ReadUser<U>) -> Self {
        self.reader = Some(Arc::new(users));
        self
    }

    /// Sets the application's users. Default: [`StoreUsers`](crate::account::StoreUsers) in the
    /// store, which [`Jam::store_users`] returns.
    #[cfg(feature = "account")]
    pub fn users(mut self, users: Arc<dyn crate::account::Users<U>>) -> Self {
        self.users = Some(users);
        self
    }

    /// Opens the store and builds the engines.
    ///
    /// # Errors
    ///
    /// If a setting is not valid for an engine, conflicts with another, needs a feature that is not
    /// compiled in, or names a file that cannot be read; or if the store does not start.
    pub async fn build(self) -> Result<Jam<U>, ConfigError> {
        let Config {
            settings, location, ..
        } = &self.config;
        features::check(settings, location)?;
        cookies(settings, location)?;
        let host = settings.issuer.as_deref().and_then(host);
        let store = match (&self.store, &settings.store) {
            (Some(_), Some(_)) => {
                let reason = "conflicts with the store that the program provides";
                return Err(location.error("store", reason));
            }
            (Some(store), None) => Arc::clone(store),
            (None, stated) if self.is_offline => {
                store::check(&stated.clone().unwrap_or_default(), location)?;
                Arc::new(MemoryStore::new())
            }
            (None, stated) => {
                let stated = stated.clone().unwrap_or_default();
                store::metered(store::store(&stated, location, &self.clock, host).await?)
            }
        };
        let issuer = settings.issuer.as_deref().unwrap_or(DEFAULT_ISSUER);
        let env = Env::new(issuer, store, &self.secret()?)
            .with_clock(Arc::clone(&self.clock))
            .with_events(self.events.clone());
        let parts = EngineParts {
            settings,
            location,
            env: &env,
            is_offline: self.is_offline,
        };
        let mut engines = Engines::new(&env, &location.table);
        let users = optional::account_users(&parts, self.users.as_ref(), &mut engines);
        let reader = optional::user_reader(
            &parts,
            self.reader.as_ref(),
            self.users.as_ref(),
            users.as_ref(),
        );
        if let Some(jwt) = &settings.jwt {
            let (cookie, header) = (jwt.cookie.as_deref(), jwt.header.as_deref());
            let source = tokens::source(&parts, "jwt", cookie, header)?;
            engines.jwt = Some(EngineWithSource::new(tokens::jwt(&parts, jwt)?, source));
        }
        optional::add_paseto(&parts, &mut engines)?;
        if let Some(session) = &settings.session {
            let (cookie, header) = (session.cookie.as_deref(), session.header.as_deref());
            // By default the engine reads its cookie; a header replaces it in the layer.
            if cookie.is_some() && header.is_some() {
                return Err(location.error("session.header", "conflicts with `cookie`"));
            }
            let source = tokens::source(&parts, "session", None, header)?;
            let sessions = sessions::sessions(&parts, session, reader.clone())?;
            engines.sessions = Some(EngineWithSource::new(sessions, source));
        }
        optional::add_otp(&parts, &mut engines)?;
        optional::add_providers(&parts, &mut engines).await?;
        optional::add_pairs(&parts, &mut engines, reader)?;
        optional::add_accounts(&parts, &mut engines, users.as_ref())?;
        Ok(Jam::new(engines))
    }

    fn secret(&self) -> Result<MasterSecret, ConfigError> {
        let Config {
            settings, location, ..
        } = &self.config;
        let (inline, files) = (settings.secret.as_ref(), settings.secret_file.as_ref());
        if let Some(secret) = keys::master_secret(inline, files, location)? {
            return Ok(secret);
        }
        let kind = settings.store.as_ref().map(|store| store.r#type);
        let is_lasting = self.store.is_some() || kind.is_some_and(|kind| kind != StoreKind::Memory);
        if is_lasting {
            return Err(location.error(
                "secret",
                "is not set, but the data of the store outlives the process",
            ));
        }
        Ok(MasterSecret::generate())
    }
}

/// Rejects a cookie that two engines share: the cookie of one would be a bad credential for the
/// other.
fn cookies(settings: &InstanceSettings, location: &Location) -> Result<(), ConfigError> {
    let (jwt, paseto) = (settings.jwt.as_ref(), settings.paseto.as_ref());
    let session = settings.session.as_ref();
    let stated = [
        ("jwt", jwt.and_then(|table| table.cookie.as_deref())),
        ("paseto", paseto.and_then(|table| table.cookie.as_deref())),
        (
            "session",
            session.and_then(|table| match (&table.cookie, &table.header) {
                (Some(name), _) => Some(name.as_str()),
                (None, None) => Some(DEFAULT_COOKIE),
                (None, Some(_)) => None,
            }),
        ),
    ];
    for (at, (table, name)) in stated.iter().enumerate() {
        let same = stated[..at].iter().find(|(_, other)| other == name);
        if let (Some(_), Some((other, _))) = (name, same) {
            let reason = format!("is also the name of `{other}.cookie`");
            return Err(location.error(&format!("{table}.cookie"), reason));
        }
    }
    Ok(())
}

impl<U> fmt::Debug for JamBuilder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JamBuilder")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// The issuer of engines whose configuration names none.
const DEFAULT_ISSUER: &str = "self";
