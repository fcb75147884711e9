//! How to connect, and whether to what is there.

use std::time::Duration;

use fred::{
    clients::Client,
    error::{Error, ErrorKind},
    interfaces::{ClientLike, ClusterInterface},
    types::{
        RespVersion,
        config::{
            Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, Server, ServerConfig,
            TcpConfig, UnresponsiveConfig,
        },
    },
};

use super::{link::Link, server::Facts};
use crate::error::ConfigError;

/// Where to connect to, and how long that may take.
pub(super) struct Plan {
    pub(super) config: Config,
    pub(super) connect_timeout: Duration,
    pub(super) command_timeout: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Commands, with reconnects for ever.
    Store,
    /// Announcements, which a reconnect would interrupt unseen: so there is none.
    Watch,
}

impl Plan {
    pub(super) async fn open(&self, purpose: Use) -> Result<Link, ConfigError> {
        self.link(purpose, Vec::new()).await.map_err(|error| {
            let reason = match error.kind() {
                ErrorKind::Auth => "refuses the name or the password",
                _ => "cannot be reached",
            };
            ConfigError::new("url", format!("{} {reason}", self.hosts())).because(error)
        })
    }

    /// `known` are nodes of the cluster that were heard of since: those of the URL may be gone.
    pub(super) async fn link(&self, purpose: Use, known: Vec<Server>) -> Result<Link, Error> {
        let mut config = self.config.clone();
        if let ServerConfig::Clustered { hosts, .. } = &mut config.server {
            hosts.extend(known);
        }
        let mut performance = PerformanceConfig {
            default_command_timeout: self.command_timeout,
            ..PerformanceConfig::default()
        };
        let policy = match purpose {
            Use::Store => {
                let mut policy = ReconnectPolicy::new_exponential(0, 50, 500, 2);
                policy.set_jitter(50);
                Some(policy)
            }
            Use::Watch => {
                config.version = RespVersion::RESP3;
                performance.broadcast_channel_capacity = 1 << 14;
                None
            }
        };
        let connection = ConnectionConfig {
            connection_timeout: self.connect_timeout,
            internal_command_timeout: self.command_timeout,
            // A command that was written is never sent again, and one that was redirected only by us.
            max_command_attempts: 1,
            max_redirections: 0,
            // A server that stands still does not close its connections.
            unresponsive: UnresponsiveConfig {
                max_timeout: Some(self.command_timeout),
                interval: self.command_timeout / 4,
            },
            tcp: TcpConfig {
                nodelay: Some(true),
                ..TcpConfig::default()
            },
            ..ConnectionConfig::default()
        };
        Link::open(config, performance, connection, policy).await
    }

    /// Looks at every primary, and says how many replicas there are.
    pub(super) async fn examine(
        &self,
        link: &Link,
        allows_eviction: bool,
    ) -> Result<u32, ConfigError> {
        let mut replicas = 0;
        for server in primaries(&link.client, self.is_clustered()) {
            let info = match &server {
                Some(server) => link.client.with_cluster_node(server).info(None).await,
                None => link.client.info(None).await,
            };
            let name = server.map_or_else(|| self.hosts(), |server| server.to_string());
            let info: String = info.map_err(|error| {
                let reason = format!("{name} does not answer INFO, which the user must be allowed");
                ConfigError::new("url", reason).because(error)
            })?;
            let facts = Facts::new(&info);
            facts.check(&name, allows_eviction)?;
            replicas += facts.replicas();
        }
        Ok(replicas)
    }

    pub(super) fn is_alone(&self) -> bool {
        self.config.server.is_centralized()
    }

    pub(super) fn is_clustered(&self) -> bool {
        self.config.server.is_clustered()
    }

    /// Where the URL points to, without what it may know besides.
    pub(super) fn hosts(&self) -> String {
        let hosts: Vec<_> = self
            .config
            .server
            .hosts()
            .iter()
            .map(Server::to_string)
            .collect();
        hosts.join(", ")
    }
}

/// Every primary of a cluster; otherwise one that need not be named.
pub(super) fn primaries(client: &Client, is_clustered: bool) -> Vec<Option<Server>> {
    match client.cached_cluster_state() {
        Some(state) if is_clustered => state.unique_primary_nodes().into_iter().map(Some).collect(),
        _ => vec![None],
    }
}
