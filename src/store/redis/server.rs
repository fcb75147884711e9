//! What a server reports about itself, and whether the store accepts it.

use crate::error::ConfigError;

/// The relevant fields of INFO.
#[derive(Debug)]
pub(super) struct ServerInfo<'a> {
    info: &'a str,
}

impl<'a> ServerInfo<'a> {
    pub(super) fn new(info: &'a str) -> Self {
        Self { info }
    }

    /// Rejects a server that is too old, a replica, or free to evict. `server` names it in errors.
    pub(super) fn check(&self, server: &str, allows_eviction: bool) -> Result<(), ConfigError> {
        let version = self.field("redis_version").unwrap_or("of unknown version");
        if !is_recent(version) {
            let reason =
                format!("{server} is Redis {version}; the oldest supported version is 6.2");
            return Err(ConfigError::new("url", reason));
        }
        if self.field("role") == Some("slave") {
            let reason = format!("{server} is a replica and accepts no writes");
            return Err(ConfigError::new("url", reason));
        }
        let policy = self.field("maxmemory_policy").unwrap_or("unknown");
        if policy != "noeviction" && !allows_eviction {
            let reason = format!(
                "{server} may evict live entries: its maxmemory-policy is {policy}; set it to noeviction"
            );
            return Err(ConfigError::new("dangerous_allow_eviction", reason));
        }
        Ok(())
    }

    /// Returns the number of its replicas.
    pub(super) fn replicas(&self) -> u32 {
        let count = self.field("connected_slaves");
        count.and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    fn field(&self, name: &str) -> Option<&'a str> {
        self.info.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            (field == name).then(|| value.trim())
        })
    }
}

/// Returns whether a version is 6.2 or later. Valkey reports here the Redis version that it is
/// compatible with.
fn is_recent(version: &str) -> bool {
    let mut parts = version.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (6, 2),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(version: &str, role: &str, policy: &str) -> String {
        format!(
            "# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n\r\n# Memory\r\n\
             maxmemory:0\r\nmaxmemory_policy:{policy}\r\n# Replication\r\nrole:{role}\r\nconnected_slaves:2\r\n"
        )
    }

    #[test]
    fn six_two_is_the_oldest_supported_version() {
        for recent in [
            "6.2.0", "6.2", "6.10.1", "7.0.15", "7.2.4", "8.0.0", "10.0.0",
        ] {
            assert!(is_recent(recent), "{recent}");
        }
        for old in [
            "6.0.16",
            "5.0.14",
            "2.8.9999",
            "6",
            "",
            "of unknown version",
            "x.y",
        ] {
            assert!(!is_recent(old), "{old}");
            let info = info(old, "master", "noeviction");
            let error = ServerInfo::new(&info)
                .check("localhost:1", true)
                .unwrap_err();
            assert_eq!(error.setting(), "url");
            assert!(error.to_string().contains("localhost:1"), "{error}");
        }
    }

    #[test]
    fn a_replica_is_refused() {
        let info = info("7.0.15", "slave", "noeviction");
        let error = ServerInfo::new(&info)
            .check("localhost:1", true)
            .unwrap_err();
        assert_eq!(error.setting(), "url");
    }

    #[test]
    fn eviction_is_refused_unless_allowed() {
        for policy in ["allkeys-lru", "volatile-ttl", "volatile-lfu", ""] {
            let info = info("7.0.15", "master", policy);
            let info = ServerInfo::new(&info);
            let error = info.check("localhost:1", false).unwrap_err();
            assert_eq!(error.setting(), "dangerous_allow_eviction");
            info.check("localhost:1", true).unwrap();
        }
        let silent = "redis_version:7.0.15\r\nrole:master\r\n";
        assert!(ServerInfo::new(silent).check("localhost:1", false).is_err());
        let info = info("7.0.15", "master", "noeviction");
        ServerInfo::new(&info).check("localhost:1", false).unwrap();
        assert_eq!(ServerInfo::new(&info).replicas(), 2);
    }
}
