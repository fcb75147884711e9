//! A check of a server's address that runs before any lookup.

use crate::error::ConfigError;

/// Rejects an address in which an unencoded special character of the password may end the userinfo
/// (RFC 3986 section 3.2.1). The rest of the password would be taken for the host, looked up, and
/// named in errors. The error contains nothing of the address.
pub(super) fn check(url: &str) -> Result<(), ConfigError> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    // One `@` separates the userinfo from the host. A second one means that the text was not
    // encoded, and the separation is ambiguous.
    if authority.matches('@').count() > 1 || behind.contains('@') {
        return Err(ConfigError::new("url", REASON));
    }
    Ok(())
}

const REASON: &str = "special characters in the user, the password or a parameter must be percent-encoded, as `@` is by `%40` and `/` by `%2F`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_not_encoded_is_refused_and_nothing_of_it_is_said() {
        for special in [
            "@", "/", "?", "#", "@@", "/@", "@/", "?@", "@?", "#@", "@#", "a@b/c",
        ] {
            for url in [
                format!("postgres://ada:hunt{special}trout@db.acme.dev/app"),
                format!("postgresql://ada:hunt{special}trout@db.acme.dev:5432/app?sslmode=require"),
                format!("redis://:hunt{special}trout@db.acme.dev:6379"),
                format!("rediss-cluster://ada:{special}hunttrout@db.acme.dev,other.acme.dev"),
                format!(
                    "redis-sentinel://ada:hunttrout{special}@db.acme.dev/0?sentinelServiceName=a"
                ),
                format!("postgres://ada{special}:hunttrout@db.acme.dev/app"),
                format!("postgres://db.acme.dev/app?user=ada&password=hunt{special}trout@"),
            ] {
                let error = check(&url).unwrap_err();
                let shown = format!("{error} {error:?}");
                assert!(shown.contains("percent-encoded"), "{url}");
                for part in ["hunt", "trout", "ada"] {
                    assert!(!shown.contains(part), "{url}: {shown}");
                }
            }
        }
        for good in [
            "postgres://ada:hunt%40tro%2Fut@db.acme.dev/app?sslmode=require",
            "postgres://db.acme.dev/app?user=a%40b",
            "redis://127.0.0.1:6379",
            "redis://:hunttrout@[::1]:6379/3",
            "redis-cluster://a.acme.dev:1,b.acme.dev:2",
            "",
            "nonsense",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
    }
}
