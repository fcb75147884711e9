//! The facade: one object for all engines of a configuration.
//!
//! [`Jam`] is built from a [configuration](crate::config). It provides engines and layers, and the
//! methods that users of the Python library Jam know, each of which is one call to an engine.

mod assemble;
mod engines;
mod python;

use std::{fmt, path::Path, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

pub(crate) use self::engines::{EngineWithSource, Engines};
pub use self::{assemble::JamBuilder, python::Payload};
#[cfg(feature = "oauth2")]
use crate::oauth2::OAuth2;
#[cfg(feature = "refresh")]
use crate::refresh::TokenPairs;
#[cfg(feature = "account")]
use crate::{account::Accounts, password::Passwords, throttle::Throttle};
use crate::{
    config::Config,
    error::{ConfigError, StoreError},
    layer::{JwtLayer, SessionLayer},
    rejection::Rejection,
    session::Sessions,
    store::{Namespace, Store, StoreKey},
    token::{Claims, Jwt},
};

/// A cheap handle to all engines of one instance, with `U` as the type of its users. An engine
/// without a table is an error. Get engines once, at startup, so that it prevents the start.
///
/// [`extension`](Self::extension) is a layer that passes it to handlers: in axum as an argument,
/// `jam: Jam`, in tonic in `request.extensions()`. In tonic, the layers go around the server:
///
/// ```
/// # async fn run(jam: tower_jam::Jam) -> Result<(), tower_jam::ConfigError> {
/// use tower_jam::layer::GrpcResponder;
///
/// let server = tonic::transport::Server::builder()
///     .layer(jam.extension())
///     .layer(jam.jwt_layer()?.respond_with(GrpcResponder::new()));
/// # drop(server);
/// # Ok(())
/// # }
/// ```
///
/// Engines and layers by themselves:
///
/// ```
/// use tower_jam::{Claims, Grant, Jam, config::Config};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = Config::value(&serde_json::json!({ "session": { "idle": "1h" } })).load()?;
/// let jam: Jam = Jam::builder(config).build().await?;
/// let session = jam.session_create(Grant::new("alice", Claims::new())).await?;
/// assert!(jam.session_get(session.token.expose()).await?.is_some());
///
/// let missing = jam.jwt().unwrap_err();
/// assert_eq!(missing.to_string(), "setting `jwt`: is not configured: add the table `jwt`");
/// # Ok(())
/// # }
/// ```
pub struct Jam<U = Claims> {
    engines: Arc<Engines<U>>,
}

impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> Jam<U> {
    /// Loads this file. The builder takes what a file cannot contain.
    ///
    /// # Errors
    ///
    /// Those of [`Loader::load`](crate::config::Loader::load).
    pub fn from_file(path: impl AsRef<Path>) -> Result<JamBuilder<U>, ConfigError> {
        Config::file(path).load().map(JamBuilder::new)
    }

    /// Loads this table of the file, such as `auth.admin`.
    ///
    /// # Errors
    ///
    /// Those of [`Loader::load`](crate::config::Loader::load).
    pub fn from_file_at(
        path: impl AsRef<Path>,
        pointer: &str,
    ) -> Result<JamBuilder<U>, ConfigError> {
        let config = Config::file(path).table(pointer).load()?;
        Ok(JamBuilder::new(config))
    }

    /// Returns a builder for an instance with this configuration.
    pub fn builder(config: Config) -> JamBuilder<U> {
        JamBuilder::new(config)
    }
}

impl<U> Jam<U> {
    pub(crate) fn new(engines: Engines<U>) -> Self {
        Self {
            engines: Arc::new(engines),
        }
    }

    /// Returns the store of all engines.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.engines.env.store
    }

    /// Checks that the store answers, for a health check.
    ///
    /// # Errors
    ///
    /// The error of the store, if it does not answer.
    pub async fn ready(&self) -> Result<(), StoreError> {
        let key = StoreKey::new(Namespace::new("ready"), &[b"ready"]);
        self.engines.env.store.get(&key).await.map(|_| ())
    }

    /// Returns the engine of the table `jwt`.
    ///
    /// # Errors
    ///
    /// If there is no such table.
    pub fn jwt(&self) -> Result<&Jwt<U>, ConfigError> {
        let jwt = self.engines.jwt.as_ref().map(|jwt| &jwt.engine);
        jwt.ok_or_else(|| self.missing("jwt"))
    }

    /// Returns the engine of the table `session`.
    ///
    /// # Errors
    ///
    /// If there is no such table.
    pub fn sessions(&self) -> Result<&Sessions<U>, ConfigError> {
        let sessions = self.engines.sessions.as_ref();
        sessions
            .map(|sessions| &sessions.engine)
            .ok_or_else(|| self.missing("session"))
    }

    /// Returns a layer that inserts this handle into the extensions of every request.
    pub fn extension(&self) -> crate::layer::ExtensionLayer<Self> {
        crate::layer::ExtensionLayer::new(self.clone())
    }

    fn missing(&self, table: &str) -> ConfigError {
        let path = match &*self.engines.table {
            "" => table.to_owned(),
            outer => format!("{outer}.{table}"),
        };
        let reason = format!("is not configured: add the table `{path}`");
        ConfigError::new(path, reason)
    }
}

/// Engines and layers of optional tables.
impl<U> Jam<U> {
    /// Returns the engine of the table `paseto`.
    ///
    /// # Errors
    ///
    /// If there is no such table.
    #[cfg(feature = "paseto")]
    pub fn paseto(&self) -> Result<&crate::token::Paseto<U>, ConfigError> {
        let paseto = self.engines.paseto.as_ref().map(|paseto| &paseto.engine);
        paseto.ok_or_else(|| self.missing("paseto"))
    }

    /// Returns the engine of the table `refresh`.
    ///
    /// # Errors
    ///
    /// If there is no such table.
    #[cfg(feature = "refresh")]
    pub fn pairs(&self) -> Result<&TokenPairs<U>, ConfigError> {
        let pairs = self.engines.pairs.as_ref().map(|pairs| &pairs.engine);
        pairs.ok_or_else(|| self.missing("refresh"))
    }

    /// Returns the engine of the table `otp`.
    ///
    /// # Errors
    ///
    /// If there is no such table.
    #[cfg(feature = "otp")]
    pub fn otp(&self) -> Result<&crate::otp::Otp, ConfigError> {
        let otp = self.engines.otp.as_ref();
        otp.ok_or_else(|| self.missing("otp"))
    }

    /// Returns the engine of the table `passwords`.
    ///
    /// # Errors
    ///
    /// If there is no such table.
    #[cfg(feature = "account")]
    pub fn passwords(&self) -> Result<&Passwords, ConfigError> {
        let passwords = self.engines.passwords.as_ref();
        passwords.ok_or_else(|| self.missing("passwords"))
    }

    /// Returns the engine of the table `throttle`. It has the defaults if there is only a table
    /// `passwords`.
    ///
    /// # Errors
    ///
    /// If there is no table `passwords`.
    #[cfg(feature = "account")]
    pub fn throttle(&self) -> Result<&Throttle, ConfigError> {
        let throttle = self.engines.throttle.as_ref();
        throttle.ok_or_else(|| self.missing("passwords"))
    }

    /// Returns the users in the store, unless the application has [its own
    /// users](JamBuilder::users).
    ///
    /// # Errors
    ///
    /// If there is no table `passwords`, or the application has its own users.
    #[cfg(feature = "account")]
    pub fn store_users(&self) -> Result<&Arc<crate::account::StoreUsers<U>>, ConfigError> {
        let users = self.engines.users.as_ref();
        users.ok_or_else(|| self.missing("passwords"))
    }

    /// Returns the accounts, which log users in, with sessions and one-time codes if configured.
    ///
    /// # Errors
    ///
    /// If there is no table `passwords` or no table `refresh`.
    #[cfg(feature = "account")]
    pub fn accounts(&self) -> Result<&Accounts<U>, ConfigError> {
        let table = match self.engines.passwords {
            Some(_) => "refresh",
            None => "passwords",
        };
        let accounts = self.engines.accounts.as_ref();
        accounts.ok_or_else(|| self.missing(table))
    }

    /// Returns all clients, by name, for [`routes::providers`](crate::routes::providers).
    #[cfg(feature = "oauth2")]
    pub fn oauth2_clients(&self) -> impl Iterator<Item = &OAuth2> {
        self.engines.providers.values()
    }

    /// Returns the client of the table `oauth2.providers.NAME`.
    ///
    /// # Errors
    ///
    /// If there is no such table.
    #[cfg(feature = "oauth2")]
    pub fn oauth2(&self, name: &str) -> Result<&OAuth2, ConfigError> {
        let client = self.engines.providers.get(name);
        client.ok_or_else(|| self.missing(&format!("oauth2.providers.{name}")))
    }
}

impl<U: DeserializeOwned + Send + Sync + 'static> Jam<U> {
    /// Returns a layer for the tokens of the table `jwt`, read from where the table states.
    ///
    /// # Errors
    ///
    /// If there is no such table.
    pub fn jwt_layer(&self) -> Result<JwtLayer<U>, ConfigError> {
        let jwt = self.engines.jwt.as_ref();
        jwt.map(EngineWithSource::layer)
            .ok_or_else(|| self.missing("jwt"))
    }

    /// Returns a layer for the sessions of the table `session`, read from where the table states.
    ///
    /// # Errors
    ///
    /// If there is no such table.
    pub fn session_layer(&self) -> Result<SessionLayer<U>, ConfigError> {
        let sessions = self.engines.sessions.as_ref();
        sessions
            .map(EngineWithSource::layer)
            .ok_or_else(|| self.missing("session"))
    }

    /// Returns a layer for the tokens of the table `paseto`, read from where the table states.
    ///
    /// # Errors
    ///
    /// If there is no such table.
    #[cfg(feature = "paseto")]
    pub fn paseto_layer(&self) -> Result<crate::layer::PasetoLayer<U>, ConfigError> {
        let paseto = self.engines.paseto.as_ref();
        paseto
            .map(EngineWithSource::layer)
            .ok_or_else(|| self.missing("paseto"))
    }

    /// Returns a layer for the access tokens of the table `refresh`, which are revoked with their
    /// device, read from where the table of their format states.
    ///
    /// # Errors
    ///
    /// If there is no such table.
    #[cfg(feature = "refresh")]
    pub fn pairs_layer(&self) -> Result<crate::layer::AuthLayer<TokenPairs<U>>, ConfigError> {
        let pairs = self.engines.pairs.as_ref();
        pairs
            .map(EngineWithSource::layer)
            .ok_or_else(|| self.missing("refresh"))
    }
}

#[cfg(feature = "otp")]
impl<U> Jam<U> {
    /// Returns a layer that requires a code of the table `otp`, inside another layer.
    ///
    /// # Errors
    ///
    /// If there is no such table.
    pub fn otp_guard(&self) -> Result<crate::layer::OtpGuard, ConfigError> {
        self.otp()
            .map(|otp| crate::layer::AuthLayer::new(otp.clone()))
    }
}

impl<U> Clone for Jam<U> {
    fn clone(&self) -> Self {
        Self {
            engines: Arc::clone(&self.engines),
        }
    }
}

impl<U> fmt::Debug for Jam<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jam")
            .field("table", &self.engines.table)
            .field("store", &self.engines.env.store)
            .finish_non_exhaustive()
    }
}

/// A request cannot fix what the configuration lacks.
impl From<ConfigError> for Rejection {
    fn from(error: ConfigError) -> Self {
        Self::misconfigured("an engine is not configured").with_source(error)
    }
}
