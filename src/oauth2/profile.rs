//! The profile of a user, as a provider describes it.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// A user of a provider.
///
/// **Identify users by [`key`](Self::key)**, never by e-mail: addresses are reassigned, and a
/// provider may not have verified one.
///
/// A subject has at most 255 bytes (OpenID Connect Core section 2). Names are truncated to 256
/// bytes. An e-mail address of more than 254 bytes and a picture URL of more than 2048 bytes count
/// as absent. All other claims, up to a megabyte, are in [`claims`](Self::claims).
#[derive(Clone)]
#[non_exhaustive]
pub struct Profile {
    /// The issuer of the provider.
    pub issuer: String,
    /// The user's id at the provider, which never changes and is never reassigned.
    pub subject: String,
    /// The user name at the provider. Users can change it.
    pub username: Option<String>,
    /// The display name.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whether the provider states that the address is verified.
    pub email_verified: bool,
    /// The URL of a picture.
    pub picture: Option<String>,
    claims: Map<String, Value>,
}

impl Profile {
    /// Returns the issuer and the subject, which together are unique across all providers.
    #[must_use]
    pub fn key(&self) -> (&str, &str) {
        (&self.issuer, &self.subject)
    }

    /// Returns all claims: those of the ID token, and those of the user info that the ID token
    /// lacks.
    #[must_use]
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Returns the claims as a type of yours, or one of this module's such as
    /// [`GitHubUser`](super::GitHubUser). Returns `None` if they do not deserialise as that type.
    #[must_use]
    pub fn details<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(&Value::Object(self.claims.clone())).ok()
    }

    /// Returns when the user last authenticated at the provider, if the ID token states it
    /// (`auth_time`).
    #[must_use]
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        self.claims
            .get("auth_time")?
            .as_u64()
            .map(Timestamp::from_secs)
    }

    /// Returns the authentication methods (`amr`, RFC 8176).
    pub fn methods(&self) -> impl Iterator<Item = &str> {
        let methods = self.claims.get("amr").and_then(Value::as_array);
        methods.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Reads the claims by the provider's names for them. Returns `None` if the subject is missing
    /// or too long.
    pub(super) fn read(
        issuer: &str,
        fields: &ProfileFields,
        claims: Map<String, Value>,
    ) -> Option<Self> {
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
            // Apple sends a string.
            Some(Value::String(is_verified)) => is_verified == "true",
            _ => false,
        };
        let up_to = |bytes: usize, name: &str| text(name).filter(|text| text.len() <= bytes);
        let name = |names: &[&str]| {
            let name = names.iter().find_map(|name| text(name));
            name.map(truncate_name)
        };
        let email = up_to(MAX_EMAIL_BYTES, fields.email);
        Some(Self {
            issuer: issuer.to_owned(),
            subject: up_to(MAX_SUBJECT_BYTES, fields.subject)?,
            username: name(fields.username),
            name: name(fields.name),
            email_verified: email_verified && email.is_some(),
            email,
            picture: up_to(MAX_PICTURE_BYTES, fields.picture),
            claims,
        })
    }

    /// Sets the name from the form of the callback, in which Apple sends it once.
    pub(super) fn set_name_from_form(&mut self, user: &str) {
        if self.name.is_some() || user.len() > MAX_FORM_BYTES {
            return;
        }
        let user: Value = serde_json::from_str(user).unwrap_or_default();
        let part = |part: &str| user["name"][part].as_str().unwrap_or_default();
        let name = format!("{} {}", part("firstName"), part("lastName"));
        self.name = Some(truncate_name(name.trim().to_owned())).filter(|name| !name.is_empty());
    }
}

fn truncate_name(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(MAX_NAME_BYTES));
    name
}

/// A provider's names for the members of a profile.
#[derive(Clone)]
pub(super) struct ProfileFields {
    pub(super) subject: &'static str,
    pub(super) username: &'static [&'static str],
    pub(super) name: &'static [&'static str],
    pub(super) email: &'static str,
    pub(super) picture: &'static str,
}

impl ProfileFields {
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
        // Yandex has an id of a picture, but no URL.
        picture: "picture",
    };
}

/// Shows the issuer, and nothing of the user.
impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("issuer", &self.issuer)
            .field("claims", &self.claims.len())
            .finish_non_exhaustive()
    }
}

/// Longer than any form with a name.
const MAX_FORM_BYTES: usize = 4096;
const MAX_NAME_BYTES: usize = 256;
const MAX_SUBJECT_BYTES: usize = 255;
/// RFC 5321 section 4.5.3.1.3, without the angle brackets.
const MAX_EMAIL_BYTES: usize = 254;
const MAX_PICTURE_BYTES: usize = 2048;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(fields: &ProfileFields, claims: Value) -> Option<Profile> {
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
            assert!(read(&ProfileFields::OPENID, claims).is_none());
        }
        assert!(read(&ProfileFields::GITHUB, json!({ "id": 1.5 })).is_none());
        let github = read(
            &ProfileFields::GITHUB,
            json!({ "id": 583231, "login": "octocat" }),
        )
        .unwrap();
        assert_eq!(github.key(), ("https://id.acme.dev", "583231"));
    }

    /// A provider's response may have up to a megabyte, and an application stores what is in a
    /// profile.
    #[test]
    fn texts_of_a_profile_are_short() {
        let long = "ä".repeat(200_000);
        assert!(read(&ProfileFields::OPENID, json!({ "sub": long })).is_none());
        assert!(read(&ProfileFields::OPENID, json!({ "sub": "a".repeat(256) })).is_none());
        let claims = json!({ "sub": "a".repeat(255), "name": format!("a{long}"), "nickname": long, "email": long,
            "email_verified": true, "picture": long });
        let profile = read(&ProfileFields::OPENID, claims).unwrap();
        let bytes = |text: Option<String>| text.map(|text| text.len());
        assert_eq!(bytes(profile.name), Some(255), "no character is split");
        assert_eq!(bytes(profile.username), Some(256));
        assert_eq!((profile.email, profile.email_verified), (None, false));
        assert_eq!(profile.picture, None);
        let mut apple = read(&ProfileFields::OPENID, json!({ "sub": "1" })).unwrap();
        let name = json!({ "name": { "firstName": "a".repeat(2_000), "lastName": "b" } });
        apple.set_name_from_form(&name.to_string());
        assert_eq!(bytes(apple.name), Some(256));
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
            let profile = read(&ProfileFields::OPENID, claims.clone()).unwrap();
            assert_eq!(profile.email_verified, verified, "{claims}");
        }
    }

    #[test]
    fn debug_hides_the_user() {
        let profile = read(
            &ProfileFields::OPENID,
            json!({ "sub": "swordfish", "name": "Sword" }),
        )
        .unwrap();
        assert!(!format!("{profile:?}").to_lowercase().contains("sword"));
    }

    #[test]
    fn a_name_from_the_form_replaces_no_name() {
        let form = r#"{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"x@y.z"}"#;
        let mut profile = read(&ProfileFields::OPENID, json!({ "sub": "1" })).unwrap();
        profile.set_name_from_form("[]");
        assert_eq!(profile.name, None);
        profile.set_name_from_form(form);
        assert_eq!(profile.name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(profile.email, None);
        profile.set_name_from_form(r#"{"name":{"firstName":"Eve"}}"#);
        assert_eq!(profile.name.as_deref(), Some("Ada Lovelace"));
    }
}
