//! The settings of a store, and what is wrong with them.

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
    RedisStore, Shared,
    doubts::Doubts,
    format::Names,
    plan::{Plan, Use},
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

    /// What every key begins with, `tower-jam` by default: 1 to 128 visible ASCII characters without braces.
    ///
    /// Two applications that share a database need two prefixes. With one, a user id, a session or a token of the
    /// first is one of the second too, and whoever may log in there may log in here.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a connection may take to be made, at the start and again whenever one was lost: one second by
    /// default, two at most.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a verb may take: one second by default, two at most.
    pub fn command_timeout(mut self, timeout: Duration) -> Self {
        self.command_timeout = timeout;
        self
    }

    /// Trusts the certificates in this PEM file, for a `rediss` URL, instead of those that the system trusts.
    pub fn ca_file(mut self, path: impl AsRef<Path>) -> Self {
        self.ca_file = Some(path.as_ref().to_owned());
        self
    }

    /// Starts although the server may drop live entries when its memory is full. Then users are logged out at
    /// random, and what a black list or a counter of attempts should remember may be forgotten.
    pub fn dangerous_allow_eviction(mut self) -> Self {
        self.allows_eviction = true;
        self
    }

    /// Expires entries by `clock`.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Connects and looks at every primary, as [`RedisStore::connect`] does.
    ///
    /// # Errors
    ///
    /// Those of [`RedisStore::connect`], and [`ConfigError`] about the setting at fault.
    pub async fn connect(self) -> Result<RedisStore, ConfigError> {
        let plan = self.plan()?;
        let main = plan.open(Use::Store).await?;
        let replicas = plan.examine(&main, self.allows_eviction).await?;
        // Behind a Sentinel and in a cluster a replica may come at any time.
        let replicas = match plan.is_alone() && replicas == 0 {
            true => None,
            false => Some(Replicas::new(plan.open(Use::Store).await?)),
        };
        Ok(RedisStore {
            shared: Arc::new(Shared {
                names: Names::new(&self.prefix),
                clock: self.clock,
                main,
                replicas,
                doubts: Doubts::default(),
                plan,
            }),
        })
    }

    fn plan(&self) -> Result<Plan, ConfigError> {
        let is_visible = |c: char| c.is_ascii_graphic() && !matches!(c, '{' | '}');
        if !(1..=128).contains(&self.prefix.len()) || !self.prefix.chars().all(is_visible) {
            let reason = "it takes 1 to 128 visible ASCII characters other than braces";
            return Err(ConfigError::new("prefix", reason));
        }
        for (setting, timeout) in [
            ("connect_timeout", self.connect_timeout),
            ("command_timeout", self.command_timeout),
        ] {
            if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
                let reason = "it is more than zero and at most two seconds";
                return Err(ConfigError::new(setting, reason));
            }
        }
        Ok(Plan {
            config: self.config()?,
            connect_timeout: self.connect_timeout,
            command_timeout: self.command_timeout,
        })
    }

    /// fred parses the URL, except for what would panic or take from the process what others may have set.
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
                let reason = "it begins with `redis://`, `rediss://`, or either with `-cluster` or `-sentinel`";
                return Err(ConfigError::new("url", reason));
            }
        };
        let mut config = parsed.map_err(|error| {
            // Its own words may quote what follows the host.
            let reason = match error.kind() {
                ErrorKind::Url => "it is not a URL",
                _ => "its database, its nodes or its Sentinel service name is missing or wrong",
            };
            ConfigError::new("url", reason)
        })?;
        if let ServerConfig::Clustered { policy, .. } = &mut config.server {
            // Or a cluster whose configured host has gone would never be found again.
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

/// Leaves out the URL, which may have a password.
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

/// Loopback and data centres answer in a millisecond; a user waits for this at most.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// A revocation is seen everywhere after two seconds, and a verb is part of that.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(2);
