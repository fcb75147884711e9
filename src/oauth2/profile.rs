//! Who somebody is, as a provider tells.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// A user of a provider.
///
/// **Keep users by [`key`](Self::key)**, never by e-mail: addresses change hands, and a provider may not have verified one.
#[derive(Clone)]
#[non_exhaustive]
pub struct Profile {
    /// Which provider's user it is.
    pub issuer: String,
    /// The user's id there, which never changes and is never given to another.
    pub subject: String,
    /// What the user calls itself there. Users change it.
    pub username: Option<String>,
    /// A name to show.
    pub name: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
    /// Whether the provider says that the address is the user's.
    pub email_verified: bool,
    /// The address of a picture.
    pub picture: Option<String>,
    claims: Map<String, Value>,
}

impl Profile {
    /// What names the user: no two users of any providers have the same.
    #[must_use]
    pub fn key(&self) -> (&str, &str) {
        (&self.issuer, &self.subject)
    }

    /// All that the provider said: the claims of the ID token, and what it has not of the user info.
    #[must_use]
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// What the provider said as a type of yours, or one of this module's: [`GitHubUser`](super::GitHubUser) and so on. `None` if
    /// it is not one.
    #[must_use]
    pub fn details<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(&Value::Object(self.claims.clone())).ok()
    }

    /// When the user proved to the provider who it is, if the ID token says so (`auth_time`).
    #[must_use]
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        self.claims
            .get("auth_time")?
            .as_u64()
            .map(Timestamp::from_secs)
    }

    /// By which methods (`amr`, RFC 8176).
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        let methods = self.claims.get("amr").and_then(Value::as_array);
        methods.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Reads the claims by the names that a provider has for them. `None` without a subject.
    pub(super) fn read(issuer: &str, fields: &Fields, claims: Map<String, Value>) -> Option<Self> {
        let text = |name: &str| match claims.get(name)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            // GitHub's ids are numbers.
            Value::Number(number) if name == fields.subject && number.is_u64() => {
                Some(number.to_string())
            }
            _ => None,
        };
        let email_verified = match claims.get("email_verified") {
            Some(Value::Bool(is_verified)) => *is_verified,
            // Apple's is a text.
            Some(Value::String(is_verified)) => is_verified == "true",
            _ => false,
        };
        let email = text(fields.email);
        Some(Self {
            issuer: issuer.to_owned(),
            subject: text(fields.subject)?,
            username: fields.username.iter().find_map(|name| text(name)),
            name: fields.name.iter().find_map(|name| text(name)),
            email_verified: email_verified && email.is_some(),
            email,
            picture: text(fields.picture),
            claims,
        })
    }

    /// Apple tells a user's name beside the ID token, once.
    pub(super) fn name_by_form(&mut self, user: &str) {
        if self.name.is_some() || user.len() > MAX_FORM_BYTES {
            return;
        }
        let user: Value = serde_json::from_str(user).unwrap_or_default();
        let part = |part: &str| user["name"][part].as_str().unwrap_or_default();
        let name = format!("{} {}", part("firstName"), part("lastName"));
        self.name = Some(name.trim().to_owned()).filter(|name| !name.is_empty());
    }
}

/// What a provider calls the members of a profile.
#[derive(Clone)]
pub(super) struct Fields {
    pub(super) subject: &'static str,
    pub(super) username: &'static [&'static str],
    pub(super) name: &'static [&'static str],
    pub(super) email: &'static str,
    pub(super) picture: &'static str,
}

impl Fields {
    /// OpenID Connect Core section 5.1.
    pub(super) const OPENID: Self = Self {
        subject: "sub",
        username: &["preferred_username", "nickname"],
        name: &["name"],
        email: "email",
        picture: "picture",
    };

    pub(super) const GITHUB: Self = Self {
        subject: "id",
        username: &["login"],
        name: &["name"],
        email: "email",
        picture: "avatar_url",
    };

    pub(super) const YANDEX: Self = Self {
        subject: "id",
        username: &["login"],
        name: &["real_name", "display_name"],
        email: "default_email",
        // It has an id of a picture, and no address.
        picture: "picture",
    };
}

/// Shows whose user it is, and nothing of the user.
impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("issuer", &self.issuer)
            .field("claims", &self.claims.len())
            .finish_non_exhaustive()
    }
}

/// Longer than any name.
const MAX_FORM_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(fields: &Fields, claims: Value) -> Option<Profile> {
        let Value::Object(claims) = claims else {
            panic!("{claims}")
        };
        Profile::read("https://id.acme.dev", fields, claims)
    }

    #[test]
    fn a_profile_without_a_subject_is_none() {
        for claims in [
            json!({}),
            json!({ "sub": "" }),
            json!({ "sub": null }),
            json!({ "sub": ["a"] }),
        ] {
            assert!(read(&Fields::OPENID, claims).is_none());
        }
        assert!(read(&Fields::GITHUB, json!({ "id": 1.5 })).is_none());
        let github = read(&Fields::GITHUB, json!({ "id": 583231, "login": "octocat" })).unwrap();
        assert_eq!(github.key(), ("https://id.acme.dev", "583231"));
    }

    #[test]
    fn an_address_is_verified_only_if_the_provider_says_so() {
        for (claims, verified) in [
            (json!({ "sub": "1", "email": "a@b.c" }), false),
            (
                json!({ "sub": "1", "email": "a@b.c", "email_verified": true }),
                true,
            ),
            (
                json!({ "sub": "1", "email": "a@b.c", "email_verified": "true" }),
                true,
            ),
            (
                json!({ "sub": "1", "email": "a@b.c", "email_verified": "false" }),
                false,
            ),
            (
                json!({ "sub": "1", "email": "a@b.c", "email_verified": 1 }),
                false,
            ),
            (json!({ "sub": "1", "email_verified": true }), false),
        ] {
            let profile = read(&Fields::OPENID, claims.clone()).unwrap();
            assert_eq!(profile.email_verified, verified, "{claims}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_the_user() {
        let profile = read(
            &Fields::OPENID,
            json!({ "sub": "swordfish", "name": "Sword" }),
        )
        .unwrap();
        assert!(!format!("{profile:?}").to_lowercase().contains("sword"));
    }

    #[test]
    fn a_name_by_form_replaces_none() {
        let form = r#"{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"x@y.z"}"#;
        let mut profile = read(&Fields::OPENID, json!({ "sub": "1" })).unwrap();
        profile.name_by_form("[]");
        assert_eq!(profile.name, None);
        profile.name_by_form(form);
        assert_eq!(profile.name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(profile.email, None);
        profile.name_by_form(r#"{"name":{"firstName":"Eve"}}"#);
        assert_eq!(profile.name.as_deref(), Some("Ada Lovelace"));
    }
}
