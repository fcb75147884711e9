//! The parameters of a connection, and the check of the servers behind it.

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

use super::{link::Link, server::ServerInfo};
use crate::error::ConfigError;

/// Where to connect, and the time-outs.
pub(super) struct ConnectionPlan {
    pub(super) config: Config,
    pub(super) connect_timeout: Duration,
    pub(super) command_timeout: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkPurpose {
    /// For commands. Reconnects indefinitely.
    Store,
    /// For invalidations. Never reconnects, since that would interrupt them unnoticed.
    Watch,
}

impl ConnectionPlan {
    pub(super) async fn open(&self, purpose: LinkPurpose) -> Result<Link, ConfigError> {
        self.link(purpose, Vec::new()).await.map_err(|error| {
            let reason = match error.kind() {
                ErrorKind::Auth => "refuses the name or the password",
                _ => "cannot be reached",
            };
            ConfigError::new("url", format!("{} {reason}", self.hosts())).with_source(error)
        })
    }

    /// `known` are nodes of the cluster that were discovered since; those of the URL may be gone.
    pub(super) async fn link(
        &self,
        purpose: LinkPurpose,
        known_nodes: Vec<Server>,
    ) -> Result<Link, Error> {
        let mut config = self.config.clone();
        if let ServerConfig::Clustered { hosts, .. } = &mut config.server {
            hosts.extend(known_nodes);
        }
        let mut performance = PerformanceConfig {
            default_command_timeout: self.command_timeout,
            ..PerformanceConfig::default()
        };
        let policy = match purpose {
            LinkPurpose::Store => {
                let mut policy = ReconnectPolicy::new_exponential(0, 50, 500, 2);
                policy.set_jitter(50);
                Some(policy)
            }
            LinkPurpose::Watch => {
                config.version = RespVersion::RESP3;
                performance.broadcast_channel_capacity = 1 << 14;
                None
            }
        };
        let connection = ConnectionConfig {
            connection_timeout: self.connect_timeout,
            internal_command_timeout: self.command_timeout,
            // A command that was written is never sent again, and only this store repeats a
            // redirected one.
            max_command_attempts: 1,
            max_redirections: 0,
            // A suspended server does not close its connections.
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

    /// Checks every primary, and returns the number of replicas.
    pub(super) async fn check_primaries(
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
                let reason =
                    format!("{name} does not answer INFO, which the user must be allowed to run");
                ConfigError::new("url", reason).with_source(error)
            })?;
            let info = ServerInfo::new(&info);
            info.check(&name, allows_eviction)?;
            replicas += info.replicas();
        }
        Ok(replicas)
    }

    pub(super) fn is_single_server(&self) -> bool {
        self.config.server.is_centralized()
    }

    pub(super) fn is_clustered(&self) -> bool {
        self.config.server.is_clustered()
    }

    /// Returns the hosts of the URL without its other parts, such as the password.
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

/// Returns every primary of a cluster; otherwise a single one that needs no name.
pub(super) fn primaries(client: &Client, is_clustered: bool) -> Vec<Option<Server>> {
    match client.cached_cluster_state() {
        Some(state) if is_clustered => state.unique_primary_nodes().into_iter().map(Some).collect(),
        _ => vec![None],
    }
}
