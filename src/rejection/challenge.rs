//! The challenge of a rejection: RFC 6750 section 3, RFC 9470 section 3, RFC 9449 section 7.1.

use std::fmt;

use super::{Rejection, RejectionKind};

impl Rejection {
    /// Returns the value of `WWW-Authenticate`, for the kinds that have one.
    #[must_use]
    pub fn challenge(&self, realm: &str) -> Option<String> {
        if !self.kind.wire_form().is_challenged {
            return None;
        }
        let scheme = if self.dpop.is_some() {
            "DPoP"
        } else {
            "Bearer"
        };
        let mut challenge = format!("{scheme} realm={}", Quoted(realm));
        let mut add = |name: &str, value: &dyn fmt::Display| {
            challenge.push_str(&format!(", {name}={value}"));
        };
        if let Some(code) = self.error_code() {
            add("error", &Quoted(code));
        }
        match &self.kind {
            RejectionKind::Insufficient { scope: Some(scope) } => add("scope", &Quoted(scope)),
            RejectionKind::StepUp {
                max_age,
                acr_values,
            } => {
                if let Some(age) = max_age {
                    add("max_age", &age.as_secs());
                }
                if let Some(values) = acr_values {
                    add("acr_values", &Quoted(values));
                }
            }
            _ => {}
        }
        if let Some(dpop) = &self.dpop {
            add("algs", &Quoted(&dpop.algs));
        }
        Some(challenge)
    }
}

/// A quoted-string of RFC 9110 section 5.6.4. Characters that cannot occur in one are omitted.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars().filter(|c| c.is_ascii_graphic() || *c == ' ') {
            if matches!(c, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{c}")?;
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::StoreError;

    #[test]
    fn challenges_follow_rfc_6750_and_rfc_9470() {
        let challenge = |rejection: Rejection| rejection.challenge("api").unwrap_or_default();
        assert_eq!(challenge(Rejection::missing()), r#"Bearer realm="api""#);
        assert_eq!(
            challenge(Rejection::malformed("x")),
            r#"Bearer realm="api", error="invalid_request""#
        );
        assert_eq!(
            challenge(Rejection::invalid("x")),
            r#"Bearer realm="api", error="invalid_token""#
        );
        assert_eq!(
            challenge(Rejection::insufficient_scope("orders:read orders:write")),
            r#"Bearer realm="api", error="insufficient_scope", scope="orders:read orders:write""#
        );
        assert_eq!(
            challenge(Rejection::step_up(
                Some(Duration::from_secs(300)),
                Some("otp".into()),
                "x"
            )),
            r#"Bearer realm="api", error="insufficient_user_authentication", max_age=300, acr_values="otp""#
        );
        assert_eq!(challenge(Rejection::cross_site("x")), "");
        assert_eq!(challenge(StoreError::Full.into()), "");
    }

    #[test]
    fn a_realm_cannot_break_out_of_its_quotes() {
        let challenge = Rejection::missing()
            .challenge("a\"b\\c\r\nd")
            .expect("has a challenge");
        assert_eq!(challenge, r#"Bearer realm="a\"b\\cd""#);
    }
}
