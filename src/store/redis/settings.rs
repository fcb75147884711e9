//! The settings of a store, and their validation.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use fred::{
    error::ErrorKind,
    types::config::{ClusterDiscoveryPolicy, Config, ServerConfig},
};

use super::{
    RedisInner, RedisStore,
    doubts::UnsettledWrites,
    format::KeyNames,
    plan::{ConnectionPlan, LinkPurpose},
    replicas::Replicas,
    tls,
};
use crate::{
    clock::{Clock, SystemClock},
    error::ConfigError,
    store::address,
};

/// The settings of a [`RedisStore`].
#[must_use]
pub struct RedisStoreBuilder {
    url: String,
    prefix: String,
    connect_timeout: Duration,
    command_timeout: Duration,
    ca_file: Option<PathBuf>,
    allows_eviction: bool,
    clock: Arc<dyn Clock>,
}

impl RedisStoreBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            prefix: DEFAULT_PREFIX.to_owned(),
            connect_timeout: DEFAULT_TIMEOUT,
            command_timeout: DEFAULT_TIMEOUT,
            ca_file: None,
            allows_eviction: false,
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets the prefix of every key: 1 to 128 visible ASCII characters without braces. Default:
    /// `tower-jam`.
    ///
    /// Two applications that share a database need two prefixes. With a common prefix, a user id, a
    /// session or a token of one application is valid in the other too, and everyone who may log in
    /// there may log in here.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the time limit for each connection attempt, at the start and after a connection was
    /// lost: one second by default, two at most.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the time limit for an operation: one second by default, two at most.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    /// Trusts the certificates in this PEM file instead of the system's. For a `rediss` URL.
    pub fn ca_file(mut self, path: impl AsRef<Path>) -> Self {
        self.ca_file = Some(path.as_ref().to_owned());
        self
    }

    /// Starts even if the server may evict live entries when its memory is full. Users are then
    /// logged out at random, and entries of a deny list or a counter of attempts may be lost.
    pub fn dangerous_allow_eviction(mut self) -> Self {
        self.allows_eviction = true;
        self
    }

    /// Uses `clock` to decide which entries have expired.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Connects and checks every primary, like [`RedisStore::connect`].
    ///
    /// # Errors
    ///
    /// Those of [`RedisStore::connect`], and [`ConfigError`] about an invalid setting.
    pub async fn connect(self) -> Result<RedisStore, ConfigError> {
        let built = self.connect_to_server().await;
        built.map_err(|error| error.in_engine("RedisStore"))
    }

    async fn connect_to_server(self) -> Result<RedisStore, ConfigError> {
        let plan = self.plan()?;
        let main = plan.open(LinkPurpose::Store).await?;
        let replicas = plan.check_primaries(&main, self.allows_eviction).await?;
        // With Sentinel or in a cluster a replica may be added at any time.
        let replicas = if plan.is_single_server() && replicas == 0 {
            None
        } else {
            Some(Replicas::new(plan.open(LinkPurpose::Store).await?))
        };
        Ok(RedisStore {
            inner: Arc::new(RedisInner {
                names: KeyNames::new(&self.prefix),
                clock: self.clock,
                main,
                replicas,
                unsettled: UnsettledWrites::default(),
                plan,
            }),
        })
    }

    fn plan(&self) -> Result<ConnectionPlan, ConfigError> {
        let is_visible = |c: char| c.is_ascii_graphic() && !matches!(c, '{' | '}');
        if !(1..=128).contains(&self.prefix.len()) || !self.prefix.chars().all(is_visible) {
            let reason = "must be 1 to 128 visible ASCII characters other than braces";
            return Err(ConfigError::new("prefix", reason));
        }
        for (setting, timeout) in [
            ("connect_timeout", self.connect_timeout),
            ("command_timeout", self.command_timeout),
        ] {
            if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
                let reason = "must be more than zero and at most two seconds";
                return Err(ConfigError::new(setting, reason));
            }
        }
        Ok(ConnectionPlan {
            config: self.config()?,
            connect_timeout: self.connect_timeout,
            command_timeout: self.command_timeout,
        })
    }

    /// fred parses the URL, except for parts on which it would panic or change process-wide state.
    fn config(&self) -> Result<Config, ConfigError> {
        let (scheme, rest) = self.url.split_once("://").unwrap_or_default();
        address::check(&self.url)?;
        let is_secure = scheme.starts_with("rediss");
        let kind = scheme
            .strip_prefix("rediss")
            .or(scheme.strip_prefix("redis"));
        // The certificates are read below.
        let plain = format!("redis{}://{rest}", kind.unwrap_or_default());
        let parsed = match kind {
            Some("") => Config::from_url_centralized(&plain),
            Some("-cluster") => Config::from_url_clustered(&plain),
            Some("-sentinel") => Config::from_url_sentinel(&plain),
            _ => {
                let reason = "must begin with `redis://`, `rediss://`, or either with `-cluster` or `-sentinel`";
                return Err(ConfigError::new("url", reason));
            }
        };
        let mut config = parsed.map_err(|error| {
            // The message of fred may quote what follows the host.
            let reason = match error.kind() {
                ErrorKind::Url => "is not a URL",
                _ => "its database, its nodes or its Sentinel service name is missing or wrong",
            };
            ConfigError::new("url", reason)
        })?;
        if let ServerConfig::Clustered { policy, .. } = &mut config.server {
            // Otherwise a cluster whose configured host is gone would never be found again.
            *policy = ClusterDiscoveryPolicy::UseCache;
        }
        match (&self.ca_file, is_secure) {
            (ca_file, true) => config.tls = Some(tls::connector(ca_file.as_deref())?.into()),
            (Some(_), false) => {
                return Err(ConfigError::new("ca_file", "the URL does not ask for TLS"));
            }
            (None, false) => {}
        }
        Ok(config)
    }
}

/// Omits the URL, which may contain a password.
impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("prefix", &self.prefix)
            .field("connect_timeout", &self.connect_timeout)
            .field("command_timeout", &self.command_timeout)
            .field("ca_file", &self.ca_file)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

const DEFAULT_PREFIX: &str = "tower-jam";

/// Loopback and data centres answer in a millisecond; a user waits no longer than this.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// A revocation takes effect everywhere within two seconds, and an operation is part of that time.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(2);
