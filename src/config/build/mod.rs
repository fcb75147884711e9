//! The composition root: from settings to engines.

#[cfg(feature = "refresh")]
mod accounts;
mod features;
mod keys;
mod logins;
#[cfg(feature = "paseto")]
mod pasetos;
#[cfg(feature = "oauth2")]
mod providers;
mod store;
mod tokens;

use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use super::{Config, place::Place, settings::Settings};
#[cfg(feature = "account")]
use crate::account::Users;
use crate::{
    clock::{Clock, SystemClock},
    config::settings::StoreKind,
    error::ConfigError,
    event::Events,
    grant::ReadUser,
    jam::{Engines, Jam, Read},
    secret::MasterSecret,
    session::DEFAULT_COOKIE,
    store::{MemoryStore, Store},
};

/// Builds a [`Jam`] from a [`Config`] and from what no file can say.
#[must_use]
pub struct JamBuilder<U> {
    config: Config,
    store: Option<Arc<dyn Store>>,
    clock: Arc<dyn Clock>,
    events: Events,
    reader: Option<Arc<dyn ReadUser<U>>>,
    #[cfg(feature = "account")]
    users: Option<Arc<dyn Users<U>>>,
    /// Whether stores and providers are left alone.
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
            #[cfg(feature = "account")]
            users: None,
            is_offline: false,
            user: std::marker::PhantomData,
        }
    }

    /// Builds without opening anything: the store is in memory in place of the table `store`, and no
    /// identity provider is asked for its addresses. It is for tools that check a configuration.
    pub fn offline(mut self) -> Self {
        self.is_offline = true;
        self
    }

    /// A store of the application's own, in place of the table `store`.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// The source of time of all engines. Default: the operating system.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where the events of all engines go. Default: to `tracing` alone.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Reads users anew for refreshes and while their sessions live. Not needed where there are
    /// `users`.
    pub fn read_user(mut self, users: impl ReadUser<U>) -> Self {
        self.reader = Some(Arc::new(users));
        self
    }

    /// The application's users. Default: [`StoreUsers`](crate::account::StoreUsers) in the store, which
    /// [`Jam::store_users`] hands out.
    #[cfg(feature = "account")]
    pub fn users(mut self, users: Arc<dyn Users<U>>) -> Self {
        self.users = Some(users);
        self
    }

    /// Opens the store and builds the engines.
    ///
    /// # Errors
    ///
    /// When a setting does not fit an engine, contradicts another, needs a feature that is not compiled in, names a file that
    /// cannot be read, or the store does not start.
    pub async fn build(self) -> Result<Jam<U>, ConfigError> {
        let Config {
            settings, place, ..
        } = &self.config;
        features::check(settings, place)?;
        cookies(settings, place)?;
        let host = settings.issuer.as_deref().and_then(host);
        let store = match (&self.store, &settings.store) {
            (Some(_), Some(_)) => {
                let reason = "contradicts the store that the program gives";
                return Err(place.error("store", reason));
            }
            (Some(store), None) => Arc::clone(store),
            (None, stated) if self.is_offline => {
                store::check(&stated.clone().unwrap_or_default(), place)?;
                Arc::new(MemoryStore::new())
            }
            (None, stated) => {
                let stated = stated.clone().unwrap_or_default();
                let store = store::store(&stated, place, &self.clock, host).await?;
                #[cfg(feature = "metrics")]
                let store: Arc<dyn Store> = Arc::new(crate::store::Metered::new(store));
                store
            }
        };
        let secret = self.secret()?;
        let parts = Parts {
            settings,
            place,
            store: &store,
            clock: &self.clock,
            events: &self.events,
            #[cfg(feature = "oauth2")]
            is_offline: self.is_offline,
        };
        let mut engines = Engines::new(Arc::clone(&store), Arc::clone(&self.clock), &place.table);
        #[cfg(feature = "account")]
        let users = self.known_users(&parts, &secret, &mut engines);
        #[cfg(feature = "account")]
        let reader = self.reader(&users);
        #[cfg(not(feature = "account"))]
        let reader = self.reader.clone();
        if let Some(jwt) = &settings.jwt {
            let source = parts.source("jwt", jwt.cookie.as_deref(), jwt.header.as_deref())?;
            engines.jwt = Some(Read::new(parts.jwt(jwt)?, source));
        }
        #[cfg(feature = "paseto")]
        if let Some(paseto) = &settings.paseto {
            let (cookie, header) = (paseto.cookie.as_deref(), paseto.header.as_deref());
            let source = parts.source("paseto", cookie, header)?;
            engines.paseto = Some(Read::new(parts.paseto(paseto)?, source));
        }
        if let Some(session) = &settings.session {
            let (cookie, header) = (session.cookie.as_deref(), session.header.as_deref());
            // The cookie is the engine's own place; a header takes its place in the layer.
            if cookie.is_some() && header.is_some() {
                return Err(place.error("session.header", "contradicts `cookie`"));
            }
            let source = parts.source("session", None, header)?;
            let sessions = parts.sessions(session, &secret, reader.clone())?;
            engines.sessions = Some(Read::new(sessions, source));
        }
        #[cfg(feature = "otp")]
        if let Some(otp) = &settings.otp {
            engines.otp = Some(parts.otp(otp, &secret)?);
        }
        #[cfg(feature = "oauth2")]
        for (name, provider) in settings.oauth2.iter().flat_map(|table| &table.providers) {
            if let Some(client) = parts.provider(name, provider, &secret).await? {
                engines.providers.insert(name.clone(), client);
            }
        }
        #[cfg(feature = "refresh")]
        self.add_pairs(&parts, &secret, &mut engines, reader)?;
        #[cfg(feature = "account")]
        self.add_accounts(&parts, &secret, &mut engines, &users)?;
        Ok(Jam::new(engines))
    }

    fn secret(&self) -> Result<MasterSecret, ConfigError> {
        let Config {
            settings, place, ..
        } = &self.config;
        let (inline, files) = (settings.secret.as_ref(), settings.secret_file.as_ref());
        if let Some(secret) = keys::master_secret(inline, files, place)? {
            return Ok(secret);
        }
        let kind = settings.store.as_ref().map(|store| store.r#type);
        let is_lasting = self.store.is_some() || kind.is_some_and(|kind| kind != StoreKind::Memory);
        match is_lasting {
            true => Err(place.error(
                "secret",
                "is not set, and what the store keeps outlives the process",
            )),
            false => Ok(MasterSecret::generate()),
        }
    }
}

/// Two engines cannot share a cookie: what one has written is a bad credential to the other.
fn cookies(settings: &Settings, place: &Place) -> Result<(), ConfigError> {
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
            let reason = format!("is the name of `{other}.cookie`, too");
            return Err(place.error(&format!("{table}.cookie"), reason));
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

/// What the engines are made of.
pub(super) struct Parts<'a> {
    settings: &'a Settings,
    place: &'a Place,
    store: &'a Arc<dyn Store>,
    clock: &'a Arc<dyn Clock>,
    events: &'a Events,
    #[cfg(feature = "oauth2")]
    is_offline: bool,
}

impl Parts<'_> {
    #[cfg(feature = "otp")]
    fn host(&self) -> Option<&str> {
        self.settings.issuer.as_deref().and_then(host)
    }
}

/// The host of a URL, without a user before it and a port behind it.
fn host(issuer: &str) -> Option<&str> {
    let (_, rest) = issuer.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let end = match host.starts_with('[') {
        true => host.find(']')? + 1,
        false => host.find(':').unwrap_or(host.len()),
    };
    Some(&host[..end]).filter(|host| !host.is_empty())
}
