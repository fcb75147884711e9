//! The tables `store` and `store.near_cache`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{Hidden, Span};

/// Which store.
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
    /// Where it is: `file` and `redis` and `postgres` need the feature of that store. Default: `memory`.
    pub(crate) r#type: StoreKind,
    /// How many entries of one kind `memory` holds. Default: 262144.
    pub(crate) capacity: Option<usize>,
    /// The file of `file`, relative to this one. Default: none, and `file` needs one.
    pub(crate) path: Option<String>,
    /// The address of `redis` (`redis://`, `rediss://`, `redis-cluster://`, `redis-sentinel://`) or `postgres`. Default:
    /// none, and they need one.
    pub(crate) url: Option<Hidden>,
    /// What every key of `redis` begins with, or every table of `postgres`; no two applications may share one. Default:
    /// for `redis` the host of the issuer, or `tower-jam` without one, and nothing for `postgres`; behind it the name of the
    /// instance's table, unless that is `jam`, so that two instances of one file are apart.
    pub(crate) prefix: Option<String>,
    /// The schema of `postgres`. Default: `tower_jam`.
    pub(crate) schema: Option<String>,
    /// How many connections `postgres` opens at most. Default: 10.
    pub(crate) connections: Option<u32>,
    /// How long a connection to `redis` may take to be made, at most `2s`. Default: `1s`.
    pub(crate) connect_timeout: Option<Span>,
    /// How long one operation on `redis` or `postgres` may take, at most `2s`. Default: `1s`.
    pub(crate) command_timeout: Option<Span>,
    /// The certificates that `redis` over TLS may have, a PEM file. Default: those that the system trusts.
    pub(crate) ca_file: Option<String>,
    /// Starts although `redis` may drop live entries. Default: `false`.
    pub(crate) dangerous_allow_eviction: bool,
    /// Reads what every request needs from memory. Default: none.
    pub(crate) near_cache: Option<NearCacheSettings>,
}

/// The table `store.near_cache`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NearCacheSettings {
    /// How many entries are remembered. Default: 65536.
    pub(crate) capacity: Option<usize>,
    /// How long an entry is remembered at most, `60s` at the longest. Default: `10s`.
    pub(crate) max_age: Option<Span>,
}
