//! What a provider tells of a user beside the ID token.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{client::Core, error::OAuthError, profile::Profile, tokens::ProviderTokens};

impl Core {
    /// Reads the user info, if the provider has it, and adds it to the claims of the ID token.
    pub(super) async fn read_user(
        &self,
        tokens: &ProviderTokens,
        mut claims: Map<String, Value>,
    ) -> Result<Profile, OAuthError> {
        let provider = &*self.provider.inner;
        if let Some(url) = &provider.userinfo {
            let told = self.wire.read(url, &tokens.access_token).await?;
            let Some(Value::Object(told)) = told else {
                return Err(OAuthError::Answer("what it says of the user is no object"));
            };
            add(&mut claims, told)?;
        }
        if let Some(url) = &provider.emails {
            // GitHub says 404 where `user:email` was not granted.
            let told = self.wire.read(url, &tokens.access_token).await?;
            add_primary(&mut claims, &told.unwrap_or_default());
        }
        Profile::read(&provider.issuer, &provider.fields, claims).ok_or(OAuthError::Answer(
            "what it says of the user has no id of the user",
        ))
    }
}

/// What is in the ID token is signed, and stays. Whether an address is verified is taken from where the address is.
fn add(claims: &mut Map<String, Value>, mut told: Map<String, Value>) -> Result<(), OAuthError> {
    // OpenID Connect Core section 5.3.2.
    if let Some(subject) = claims.get("sub")
        && told.get("sub") != Some(subject)
    {
        return Err(OAuthError::IdToken(
            "the user info is of another subject".into(),
        ));
    }
    if claims.contains_key("email") || !told.contains_key("email") {
        told.remove("email_verified");
    } else {
        claims.remove("email_verified");
    }
    // How and when the user gave a proof is what the ID token says, or nobody.
    for name in ["auth_time", "amr", "acr"] {
        told.remove(name);
    }
    for (name, value) in told {
        claims.entry(name).or_insert(value);
    }
    Ok(())
}

/// GitHub's user has the address that it shows to everybody, which may be none, or not verified.
fn add_primary(claims: &mut Map<String, Value>, told: &Value) {
    #[derive(Deserialize)]
    struct Address {
        email: String,
        primary: bool,
        verified: bool,
    }
    claims.remove("email");
    claims.remove("email_verified");
    let addresses = Vec::<Address>::deserialize(told).unwrap_or_default();
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

    fn added(claims: Value, told: Value) -> Option<Value> {
        let mut claims = object(claims);
        add(&mut claims, object(told)).ok()?;
        Some(Value::Object(claims))
    }

    #[test]
    fn the_user_info_changes_nothing_that_is_signed() {
        let id_token = json!({ "sub": "1", "name": "Ada", "aud": "client" });
        let told = json!({ "sub": "1", "name": "Eve", "aud": "other", "picture": "p" });
        let both = json!({ "sub": "1", "name": "Ada", "aud": "client", "picture": "p" });
        assert_eq!(added(id_token.clone(), told), Some(both));
        assert_eq!(added(id_token.clone(), json!({ "sub": "2" })), None);
        assert_eq!(added(id_token, json!({ "name": "Ada" })), None);
    }

    #[test]
    fn an_address_and_its_verification_are_of_one_source() {
        let told = json!({ "sub": "1", "email": "eve@b.c", "email_verified": true });
        let both = added(json!({ "sub": "1", "email": "ada@b.c" }), told.clone()).unwrap();
        assert_eq!(both, json!({ "sub": "1", "email": "ada@b.c" }));
        let both = added(json!({ "sub": "1", "email_verified": false }), told.clone()).unwrap();
        assert_eq!(both, told);
        let told = json!({ "sub": "1", "email_verified": true });
        let both = added(json!({ "sub": "1", "email": "ada@b.c" }), told).unwrap();
        assert_eq!(both, json!({ "sub": "1", "email": "ada@b.c" }));
    }

    #[test]
    fn only_a_primary_address_that_is_verified_is_taken() {
        let address = |email: &str, primary: bool, verified: bool| json!({ "email": email, "primary": primary, "verified": verified, "visibility": null });
        for (told, email) in [
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
            add_primary(&mut claims, &told);
            assert_eq!(claims.get("email").and_then(Value::as_str), email, "{told}");
            assert_eq!(claims.contains_key("email_verified"), email.is_some());
        }
    }
}
