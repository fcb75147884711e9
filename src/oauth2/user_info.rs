//! Reads the user info of a provider.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    error::OAuthError, profile::Profile, provider::ProviderInner, tokens::ProviderTokens,
    wire::Wire,
};

/// Reads the user info, if the provider offers it, and adds it to the claims of the ID token.
pub(super) async fn read(
    provider: &ProviderInner,
    wire: &Wire,
    tokens: &ProviderTokens,
    mut claims: Map<String, Value>,
) -> Result<Profile, OAuthError> {
    if let Some(url) = &provider.userinfo {
        let user_info = wire.read(url, &tokens.access_token).await?;
        let Some(Value::Object(user_info)) = user_info else {
            return Err(OAuthError::Answer("the user info is not an object"));
        };
        add_user_info(&mut claims, user_info)?;
    }
    if let Some(url) = &provider.emails {
        // GitHub responds with 404 if `user:email` was not granted.
        let emails = wire.read(url, &tokens.access_token).await?;
        add_primary_email(&mut claims, &emails.unwrap_or_default());
    }
    Profile::read(&provider.issuer, &provider.fields, claims)
        .ok_or(OAuthError::Answer("the user info has no valid subject"))
}

/// Adds the user info to the claims of the ID token, which are signed and take precedence.
/// `email_verified` is taken from the same source as the e-mail address.
fn add_user_info(
    claims: &mut Map<String, Value>,
    mut user_info: Map<String, Value>,
) -> Result<(), OAuthError> {
    // OpenID Connect Core section 5.3.2.
    if let Some(subject) = claims.get("sub")
        && user_info.get("sub") != Some(subject)
    {
        return Err(OAuthError::IdToken(
            "the user info has another subject".into(),
        ));
    }
    if claims.contains_key("email") || !user_info.contains_key("email") {
        user_info.remove("email_verified");
    } else {
        claims.remove("email_verified");
    }
    // Only the ID token may state how and when the user authenticated.
    for name in ["auth_time", "amr", "acr"] {
        user_info.remove(name);
    }
    for (name, value) in user_info {
        claims.entry(name).or_insert(value);
    }
    Ok(())
}

/// Adds the primary address. GitHub's user info has only the public one, which may be missing or
/// not verified.
fn add_primary_email(claims: &mut Map<String, Value>, emails: &Value) {
    #[derive(Deserialize)]
    struct Address {
        email: String,
        primary: bool,
        verified: bool,
    }
    claims.remove("email");
    claims.remove("email_verified");
    let addresses = Vec::<Address>::deserialize(emails).unwrap_or_default();
    let mut primary = addresses.into_iter().filter(|it| it.primary && it.verified);
    if let Some(address) = primary.next() {
        claims.insert("email".to_owned(), address.email.into());
        claims.insert("email_verified".to_owned(), true.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            _ => Map::new(),
        }
    }

    fn added(claims: Value, user_info: Value) -> Option<Value> {
        let mut claims = object(claims);
        add_user_info(&mut claims, object(user_info)).ok()?;
        Some(Value::Object(claims))
    }

    #[test]
    fn the_user_info_changes_nothing_that_is_signed() {
        let id_token = json!({ "sub": "1", "name": "Ada", "aud": "client" });
        let user_info = json!({ "sub": "1", "name": "Eve", "aud": "other", "picture": "p" });
        let both = json!({ "sub": "1", "name": "Ada", "aud": "client", "picture": "p" });
        assert_eq!(added(id_token.clone(), user_info), Some(both));
        assert_eq!(added(id_token.clone(), json!({ "sub": "2" })), None);
        assert_eq!(added(id_token, json!({ "name": "Ada" })), None);
    }

    #[test]
    fn an_address_and_its_verification_are_of_one_source() {
        let user_info = json!({ "sub": "1", "email": "eve@b.c", "email_verified": true });
        let both = added(json!({ "sub": "1", "email": "ada@b.c" }), user_info.clone()).unwrap();
        assert_eq!(both, json!({ "sub": "1", "email": "ada@b.c" }));
        let both = added(
            json!({ "sub": "1", "email_verified": false }),
            user_info.clone(),
        )
        .unwrap();
        assert_eq!(both, user_info);
        let user_info = json!({ "sub": "1", "email_verified": true });
        let both = added(json!({ "sub": "1", "email": "ada@b.c" }), user_info).unwrap();
        assert_eq!(both, json!({ "sub": "1", "email": "ada@b.c" }));
    }

    #[test]
    fn only_a_verified_primary_address_is_used() {
        let address = |email: &str, primary: bool, verified: bool| json!({ "email": email, "primary": primary, "verified": verified, "visibility": null });
        for (emails, email) in [
            (
                json!([address("a", false, true), address("b", true, true)]),
                Some("b"),
            ),
            (
                json!([address("a", true, false), address("b", false, true)]),
                None,
            ),
            (json!([]), None),
            (json!({ "message": "Not Found" }), None),
        ] {
            let mut claims = object(json!({ "id": 1, "email": "shown" }));
            add_primary_email(&mut claims, &emails);
            assert_eq!(
                claims.get("email").and_then(Value::as_str),
                email,
                "{emails}"
            );
            assert_eq!(claims.contains_key("email_verified"), email.is_some());
        }
    }
}
