//! The tables `store` and `store.near_cache`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{Hidden, Span};

/// The kind of store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StoreKind {
    #[default]
    Memory,
    File,
    Redis,
    Postgres,
}

/// The table `store`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StoreSettings {
    /// The kind of store; `file`, `redis` and `postgres` need their feature. Default: `memory`.
    pub(crate) r#type: StoreKind,
    /// The maximum number of entries of one kind in `memory`. Default: 262144.
    pub(crate) capacity: Option<usize>,
    /// The path of the `file` store, relative to the configuration file. Default: none, required
    /// for `file`.
    pub(crate) path: Option<String>,
    /// The URL of `redis` (`redis://`, `rediss://`, `redis-cluster://`, `redis-sentinel://`) or
    /// `postgres`. Default: none, required for both.
    pub(crate) url: Option<Hidden>,
    /// The prefix of every key in `redis` or of every table in `postgres`; two applications must
    /// never share one. Default: for `redis` the host of the issuer, or `tower-jam` without an
    /// issuer, and none for `postgres`; followed by the name of the instance's table unless that is
    /// `jam`, so that two instances of one file are separate.
    pub(crate) prefix: Option<String>,
    /// The database schema of `postgres`. Default: `tower_jam`.
    pub(crate) schema: Option<String>,
    /// The maximum number of connections to `postgres`. Default: 10.
    pub(crate) connections: Option<u32>,
    /// The timeout for connecting to `redis`, at most `2s`. Default: `1s`.
    pub(crate) connect_timeout: Option<Span>,
    /// The timeout of one operation on `redis` or `postgres`, at most `2s`. Default: `1s`.
    pub(crate) command_timeout: Option<Span>,
    /// A PEM file with the trusted CA certificates for `redis` over TLS. Default: the certificates
    /// that the system trusts.
    pub(crate) ca_file: Option<String>,
    /// Starts even if `redis` is configured to evict live entries. Default: `false`.
    pub(crate) dangerous_allow_eviction: bool,
    /// A cache in memory for the data that every request reads. Default: none.
    pub(crate) near_cache: Option<NearCacheSettings>,
}

/// The table `store.near_cache`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NearCacheSettings {
    /// The maximum number of cached entries. Default: 65536.
    pub(crate) capacity: Option<usize>,
    /// The maximum age of a cached entry, at most `60s`. Default: `10s`.
    pub(crate) max_age: Option<Span>,
}
