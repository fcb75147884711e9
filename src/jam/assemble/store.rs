//! Builds the store of the table `store`.

use std::sync::Arc;

use crate::{
    clock::Clock,
    config::{
        place::Location,
        settings::{StoreKind, StoreSettings},
    },
    error::ConfigError,
    store::{MemoryStore, Store},
};

/// Opens the store or connects to it.
pub(crate) async fn store(
    settings: &StoreSettings,
    location: &Location,
    clock: &Arc<dyn Clock>,
    host: Option<&str>,
) -> Result<Arc<dyn Store>, ConfigError> {
    check(settings, location)?;
    let opened = match settings.r#type {
        StoreKind::Memory => Some(Ok(memory(settings, clock))),
        StoreKind::File => file(settings, location, clock),
        StoreKind::Redis => redis(settings, location, clock, host).await,
        StoreKind::Postgres => postgres(settings, location, clock).await,
    };
    opened.unwrap_or_else(|| Err(location.error("store.type", "is not compiled in")))
}

fn memory(settings: &StoreSettings, clock: &Arc<dyn Clock>) -> Arc<dyn Store> {
    let store = MemoryStore::new().with_clock(Arc::clone(clock));
    Arc::new(match settings.capacity {
        Some(capacity) => store.with_capacity(capacity),
        None => store,
    })
}

/// Rejects settings of another store than the chosen one, and missing required settings.
pub(crate) fn check(settings: &StoreSettings, location: &Location) -> Result<(), ConfigError> {
    use StoreKind::{File, Memory, Postgres, Redis};
    let stated: [(&str, bool, &[StoreKind]); 11] = [
        ("capacity", settings.capacity.is_some(), &[Memory]),
        ("path", settings.path.is_some(), &[File]),
        ("url", settings.url.is_some(), &[Redis, Postgres]),
        ("prefix", settings.prefix.is_some(), &[Redis, Postgres]),
        ("schema", settings.schema.is_some(), &[Postgres]),
        ("connections", settings.connections.is_some(), &[Postgres]),
        (
            "connect_timeout",
            settings.connect_timeout.is_some(),
            &[Redis],
        ),
        (
            "command_timeout",
            settings.command_timeout.is_some(),
            &[Redis, Postgres],
        ),
        ("ca_file", settings.ca_file.is_some(), &[Redis]),
        (
            "dangerous_allow_eviction",
            settings.dangerous_allow_eviction,
            &[Redis],
        ),
        (
            "near_cache",
            settings.near_cache.is_some(),
            &[File, Redis, Postgres],
        ),
    ];
    for (name, is_stated, kinds) in stated {
        if is_stated && !kinds.contains(&settings.r#type) {
            let reason = format!("conflicts with `type`, which is {:?}", settings.r#type);
            return Err(location.error(&format!("store.{name}"), reason.to_ascii_lowercase()));
        }
    }
    let needed = [
        ("path", settings.path.is_some(), &[File][..]),
        ("url", settings.url.is_some(), &[Redis, Postgres]),
    ];
    for (name, is_stated, kinds) in needed {
        if !is_stated && kinds.contains(&settings.r#type) {
            return Err(location.error(&format!("store.{name}"), "is not set"));
        }
    }
    // The Redis and PostgreSQL features include this feature.
    let is_file = settings.r#type == File;
    if is_file && settings.near_cache.is_some() && cfg!(not(feature = "near-cache")) {
        let reason = "needs the feature `near-cache` of tower-jam";
        return Err(location.error("store.near_cache", reason));
    }
    Ok(())
}

/// Returns the table of the instance unless it is the default one, to separate its data from other
/// instances.
#[cfg(any(feature = "store-redis", feature = "store-postgres"))]
fn instance(location: &Location) -> Option<&str> {
    Some(&*location.table).filter(|table| !matches!(*table, "" | "jam"))
}

#[cfg(feature = "store-redis")]
fn prefix(settings: &StoreSettings, location: &Location, host: Option<&str>) -> Option<String> {
    let own = match (host, instance(location)) {
        (host, None) => host.map(str::to_owned),
        (None, Some(table)) => Some(format!("tower-jam/{table}")),
        (Some(host), Some(table)) => Some(format!("{host}/{table}")),
    };
    settings.prefix.clone().or(own)
}

#[cfg(any(feature = "store-redis", feature = "store-postgres"))]
fn url(settings: &StoreSettings) -> &str {
    settings.url.as_ref().map_or("", |url| url.expose())
}

/// A store, or `None` if its feature is not compiled in.
type Opened = Option<Result<Arc<dyn Store>, ConfigError>>;

#[cfg(feature = "store-file")]
fn file(settings: &StoreSettings, location: &Location, clock: &Arc<dyn Clock>) -> Opened {
    Some(open_file(settings, location, clock))
}

#[cfg(not(feature = "store-file"))]
fn file(_: &StoreSettings, _: &Location, _: &Arc<dyn Clock>) -> Opened {
    None
}

#[cfg(feature = "store-redis")]
async fn redis(
    settings: &StoreSettings,
    location: &Location,
    clock: &Arc<dyn Clock>,
    host: Option<&str>,
) -> Opened {
    Some(connect_redis(settings, location, clock, host).await)
}

#[cfg(not(feature = "store-redis"))]
#[allow(clippy::unused_async, reason = "as with the feature")]
async fn redis(_: &StoreSettings, _: &Location, _: &Arc<dyn Clock>, _: Option<&str>) -> Opened {
    None
}

#[cfg(feature = "store-postgres")]
async fn postgres(settings: &StoreSettings, location: &Location, clock: &Arc<dyn Clock>) -> Opened {
    Some(connect_postgres(settings, location, clock).await)
}

#[cfg(not(feature = "store-postgres"))]
#[allow(clippy::unused_async, reason = "as with the feature")]
async fn postgres(_: &StoreSettings, _: &Location, _: &Arc<dyn Clock>) -> Opened {
    None
}

/// Wraps the store so that its calls are measured, with the feature `metrics`.
#[cfg(feature = "metrics")]
pub(super) fn metered(store: Arc<dyn Store>) -> Arc<dyn Store> {
    Arc::new(crate::store::Metered::new(store))
}

#[cfg(not(feature = "metrics"))]
pub(super) fn metered(store: Arc<dyn Store>) -> Arc<dyn Store> {
    store
}

#[cfg(feature = "store-file")]
fn open_file(
    settings: &StoreSettings,
    location: &Location,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, ConfigError> {
    let path = settings.path.as_deref().unwrap_or_default();
    let store = crate::store::FileStore::builder(location.path(path)).clock(Arc::clone(clock));
    let store: Arc<dyn Store> = Arc::new(
        store
            .open()
            .map_err(|error| location.engine_error("store", error))?,
    );
    cached_alone(store, settings, location, clock)
}

/// Puts a near-cache in front of a store that only this process writes to, if one is configured.
#[cfg(all(feature = "store-file", feature = "near-cache"))]
fn cached_alone(
    store: Arc<dyn Store>,
    settings: &StoreSettings,
    location: &Location,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, ConfigError> {
    let Some(near) = &settings.near_cache else {
        return Ok(store);
    };
    let builder = crate::store::NearCache::for_sole_writer(store);
    cached(builder, near, location, clock)
}

#[cfg(all(feature = "store-file", not(feature = "near-cache")))]
#[allow(clippy::unnecessary_wraps, reason = "as with the feature")]
fn cached_alone(
    store: Arc<dyn Store>,
    _: &StoreSettings,
    _: &Location,
    _: &Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, ConfigError> {
    Ok(store)
}

#[cfg(feature = "store-redis")]
async fn connect_redis(
    settings: &StoreSettings,
    location: &Location,
    clock: &Arc<dyn Clock>,
    host: Option<&str>,
) -> Result<Arc<dyn Store>, ConfigError> {
    let mut builder = crate::store::RedisStore::builder(url(settings));
    builder = builder.clock(Arc::clone(clock));
    if let Some(prefix) = prefix(settings, location, host) {
        builder = builder.prefix(prefix);
    }
    if let Some(timeout) = settings.connect_timeout {
        builder = builder.connect_timeout(timeout.0);
    }
    if let Some(timeout) = settings.command_timeout {
        builder = builder.command_timeout(timeout.0);
    }
    if let Some(file) = &settings.ca_file {
        builder = builder.ca_file(location.path(file));
    }
    if settings.dangerous_allow_eviction {
        builder = builder.dangerous_allow_eviction();
    }
    let store = builder.connect().await;
    let store = Arc::new(store.map_err(|error| location.engine_error("store", error))?);
    match &settings.near_cache {
        Some(near) => cached(
            crate::store::NearCache::builder(store),
            near,
            location,
            clock,
        ),
        None => Ok(store),
    }
}

#[cfg(feature = "store-postgres")]
async fn connect_postgres(
    settings: &StoreSettings,
    location: &Location,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, ConfigError> {
    let mut builder = crate::store::PostgresStore::builder(url(settings));
    builder = builder.clock(Arc::clone(clock));
    // The mapping is injective, so that `a.b` and `a_b` have different prefixes.
    let own = instance(location).map(|table| table.replace('_', "__").replace('.', "_0") + "_");
    if let Some(prefix) = settings.prefix.clone().or(own) {
        builder = builder.table_prefix(prefix);
    }
    if let Some(schema) = &settings.schema {
        builder = builder.schema(schema);
    }
    if let Some(connections) = settings.connections {
        builder = builder.max_connections(connections);
    }
    if let Some(limit) = settings.command_timeout {
        builder = builder.command_timeout(limit.0);
    }
    let store = builder.connect().await;
    let store = Arc::new(store.map_err(|error| location.engine_error("store", error))?);
    match &settings.near_cache {
        Some(near) => cached(
            crate::store::NearCache::builder(store),
            near,
            location,
            clock,
        ),
        None => Ok(store),
    }
}

#[cfg(all(
    feature = "near-cache",
    any(
        feature = "store-file",
        feature = "store-redis",
        feature = "store-postgres"
    )
))]
fn cached(
    mut builder: crate::store::NearCacheBuilder,
    settings: &crate::config::settings::NearCacheSettings,
    location: &Location,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn Store>, ConfigError> {
    builder = builder.clock(Arc::clone(clock));
    if let Some(capacity) = settings.capacity {
        builder = builder.capacity(capacity);
    }
    if let Some(age) = settings.max_age {
        builder = builder.max_age(age.0);
    }
    let cache = builder.build();
    Ok(Arc::new(cache.map_err(|error| {
        location.engine_error("store.near_cache", error)
    })?))
}
