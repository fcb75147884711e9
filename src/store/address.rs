//! What is checked of a server's address before anybody is asked for it.

use crate::error::ConfigError;

/// Refuses an address in which a special character of the password may have ended the user's part (RFC 3986 section 3.2.1): what is
/// left of the password would be taken for the host, looked up, and named in errors. Nothing of the address is in the error.
pub(super) fn check(url: &str) -> Result<(), ConfigError> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(end);
    // One `@` divides the user's part from the host. Any other is of a text that was not encoded, and the division is in doubt.
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
                format!("postgres://ada:sword{special}fish@db.acme.dev/app"),
                format!("postgresql://ada:sword{special}fish@db.acme.dev:5432/app?sslmode=require"),
                format!("redis://:sword{special}fish@db.acme.dev:6379"),
                format!("rediss-cluster://ada:{special}swordfish@db.acme.dev,other.acme.dev"),
                format!(
                    "redis-sentinel://ada:swordfish{special}@db.acme.dev/0?sentinelServiceName=a"
                ),
                format!("postgres://ada{special}:swordfish@db.acme.dev/app"),
                format!("postgres://db.acme.dev/app?user=ada&password=sword{special}fish@"),
            ] {
                let error = check(&url).unwrap_err();
                let shown = format!("{error} {error:?}");
                assert!(shown.contains("percent-encoded"), "{url}");
                for part in ["sword", "fish", "ada"] {
                    assert!(!shown.contains(part), "{url}: {shown}");
                }
            }
        }
        for good in [
            "postgres://ada:sword%40fi%2Fsh@db.acme.dev/app?sslmode=require",
            "postgres://db.acme.dev/app?user=a%40b",
            "redis://127.0.0.1:6379",
            "redis://:swordfish@[::1]:6379/3",
            "redis-cluster://a.acme.dev:1,b.acme.dev:2",
            "",
            "nonsense",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
    }
}
