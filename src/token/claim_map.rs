//! Where an issuer's tokens state what their subject may do.
//!
//! The standards define `scope` (RFC 9068 section 2.2.3) and `roles` (RFC 9068 section 2.2.3.1),
//! but few providers use both as defined. A [`ClaimMap`] says with JSON pointers (RFC 6901) where
//! their roles and scopes are.
//!
//! * **Pointers replace the default** of their kind: with a pointer for roles, the claim `roles`
//!   counts only if a pointer names it.
//! * A pointer must lead to a string or a list of strings; scopes are split at spaces. A value of
//!   any other form grants nothing.
//! * Several pointers add up.
//!
//! ```
//! use tower_jam::token::ClaimMap;
//!
//! let keycloak = ClaimMap::keycloak("orders");
//! let own = ClaimMap::new().roles_at("/https:~1~1acme.dev~1roles")?.scopes_at("/permissions")?;
//! # drop((keycloak, own));
//! # Ok::<(), tower_jam::ConfigError>(())
//! ```

use std::borrow::Cow;

use serde_json::Value;

use super::claims::Registered;
use crate::{error::ConfigError, json::StringList, rejection::Rejection};

/// Maps claims to roles and scopes.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ClaimMap {
    roles: Vec<String>,
    scopes: Vec<String>,
    /// The top-level claims of the pointers.
    names: Vec<String>,
    /// Where a token without `aud` states its audience.
    audience: Option<&'static str>,
}

impl ClaimMap {
    /// The standard claims: `roles` and `scope`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keycloak: the roles of the realm and those of `client`, in one list. A role of the realm
    /// cannot be distinguished from a role of the client with the same name.
    pub fn keycloak(client: &str) -> Self {
        Self::new()
            .roles("/realm_access/roles".to_owned())
            .roles(format!("/resource_access/{}/roles", escape(client)))
    }

    /// Auth0: scopes from `scope` and, if the API uses role-based access control, from
    /// `permissions`; roles from the namespaced claim that an action writes, such as
    /// `https://acme.dev/roles`.
    pub fn auth0(roles_claim: &str) -> Self {
        Self::new()
            .roles(format!("/{}", escape(roles_claim)))
            .scopes("/scope")
            .scopes("/permissions")
    }

    /// Microsoft Entra: roles of the application from `roles`, scopes from `scp`.
    pub fn entra() -> Self {
        Self::new().roles("/roles".to_owned()).scopes("/scp")
    }

    /// Amazon Cognito: groups as roles. Its access tokens may lack `aud`; their audience is then
    /// `client_id`.
    pub fn cognito() -> Self {
        Self {
            audience: Some("/client_id"),
            ..Self::new().roles("/cognito:groups".to_owned())
        }
    }

    /// Also reads roles from the value at `pointer`.
    ///
    /// # Errors
    ///
    /// When it is not a JSON pointer (RFC 6901 section 3).
    pub fn roles_at(self, pointer: &str) -> Result<Self, ConfigError> {
        Ok(self.roles(checked(pointer)?.to_owned()))
    }

    /// Also reads scopes from the value at `pointer`.
    ///
    /// # Errors
    ///
    /// When it is not a JSON pointer (RFC 6901 section 3).
    pub fn scopes_at(self, pointer: &str) -> Result<Self, ConfigError> {
        Ok(self.scopes(checked(pointer)?))
    }

    fn roles(mut self, pointer: String) -> Self {
        self.names.extend(first_name(&pointer));
        self.roles.push(pointer);
        self
    }

    fn scopes(mut self, pointer: &str) -> Self {
        self.names.extend(first_name(pointer));
        self.scopes.push(pointer.to_owned());
        self
    }

    /// The claims that may contain roles and scopes.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    fn apply(&self, payload: &Value, claims: &mut Registered<'_>) {
        if !self.roles.is_empty() {
            claims.roles = words(payload, &self.roles);
        }
        if !self.scopes.is_empty() {
            claims.scope = words(payload, &self.scopes);
        }
        if let (None, Some(pointer)) = (&claims.audience, self.audience) {
            claims.audience = Some(words(payload, &[pointer]));
        }
    }
}

/// Returns the top-level member of the payload that a pointer names.
fn first_name(pointer: &str) -> Option<String> {
    let first = pointer.strip_prefix('/')?.split('/').next()?;
    Some(first.replace("~1", "/").replace("~0", "~"))
}

/// Additional rules for another party's tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct ForeignRules {
    pub(super) map: Option<ClaimMap>,
    /// Rejects the party's other tokens, which it signs with the same keys.
    pub(super) access_only: bool,
}

impl ForeignRules {
    pub(super) const fn is_empty(&self) -> bool {
        self.map.is_none() && !self.access_only
    }

    /// Checks a payload whose signature was verified, and maps its claims.
    pub(super) fn apply(
        &self,
        payload: &[u8],
        claims: &mut Registered<'_>,
    ) -> Result<(), Rejection> {
        let payload: Value = serde_json::from_slice(payload)
            .map_err(|_| Rejection::invalid("the claims are not an acceptable JSON object"))?;
        if self.access_only && !is_access(&payload) {
            return Err(Rejection::invalid("the token is not an access token"));
        }
        if let Some(map) = &self.map {
            map.apply(&payload, claims);
        }
        Ok(())
    }
}

/// Returns whether no claim marks the token as an ID token, a refresh token or a logout token.
fn is_access(payload: &Value) -> bool {
    let states = |name: &str, known: &[&str]| {
        payload.get(name).is_none_or(|value| {
            let text = value.as_str().unwrap_or_default();
            known.iter().any(|known| known.eq_ignore_ascii_case(text))
        })
    };
    NON_ACCESS_CLAIMS
        .iter()
        .all(|name| payload.get(name).is_none())
        && states("token_use", &["access"])
        && states("typ", &["Bearer", "DPoP", "JWT", "at+jwt"])
}

fn words(payload: &Value, pointers: &[impl AsRef<str>]) -> StringList {
    let mut words = StringList {
        list: Vec::new(),
        is_well_formed: true,
    };
    for found in pointers
        .iter()
        .filter_map(|it| payload.pointer(it.as_ref()))
    {
        match found {
            Value::String(text) => words.list.push(text.clone()),
            Value::Array(items) => {
                let texts = items.iter().filter_map(Value::as_str);
                words.list.extend(texts.map(str::to_owned));
                words.is_well_formed &= items.iter().all(Value::is_string);
            }
            _ => words.is_well_formed = false,
        }
    }
    words
}

fn checked(pointer: &str) -> Result<&str, ConfigError> {
    let escapes = pointer.split('~').skip(1);
    let is_escaped = |after: &str| after.starts_with(['0', '1']);
    if pointer.starts_with('/') && escapes.into_iter().all(is_escaped) {
        return Ok(pointer);
    }
    Err(ConfigError::new("claim_map", "is not a JSON pointer"))
}

/// Escapes a member name for a pointer (RFC 6901 section 3).
fn escape(name: &str) -> Cow<'_, str> {
    if !name.contains(['~', '/']) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.replace('~', "~0").replace('/', "~1"))
}

/// Claims of ID tokens (OpenID Connect Core sections 2 and 3.3.2.11), and of security event tokens
/// such as logout tokens (RFC 8417 section 2.2).
const NON_ACCESS_CLAIMS: [&str; 5] = ["nonce", "at_hash", "c_hash", "s_hash", "events"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapped(map: &ClaimMap, payload: &Value) -> (Vec<String>, Vec<String>) {
        let mut claims = Registered::default();
        map.apply(payload, &mut claims);
        let scopes = claims.scopes().map(str::to_owned).collect();
        (claims.roles.list, scopes)
    }

    #[test]
    fn each_preset_reads_what_its_provider_writes() {
        let keycloak = json!({
            "realm_access": { "roles": ["user"] },
            "resource_access": { "a/b": { "roles": ["editor"] }, "account": { "roles": ["other"] } },
        });
        let (roles, _) = mapped(&ClaimMap::keycloak("a/b"), &keycloak);
        assert_eq!(roles, ["user", "editor"]);

        let auth0 = json!({
            "scope": "openid read:orders", "permissions": ["write:orders"],
            "https://acme.dev/roles": ["admin"], "roles": ["not mapped"],
        });
        let (roles, scopes) = mapped(&ClaimMap::auth0("https://acme.dev/roles"), &auth0);
        assert_eq!(roles, ["admin"]);
        assert_eq!(scopes, ["openid", "read:orders", "write:orders"]);

        let entra = json!({ "roles": ["Orders.Admin"], "scp": "Orders.Read Orders.Write" });
        let (roles, scopes) = mapped(&ClaimMap::entra(), &entra);
        assert_eq!((roles, scopes.len()), (vec!["Orders.Admin".to_owned()], 2));

        let cognito = json!({ "cognito:groups": ["staff"], "scope": "x", "client_id": "app" });
        let mut claims = Registered::default();
        ClaimMap::cognito().apply(&cognito, &mut claims);
        assert_eq!(claims.roles.list, ["staff"]);
        assert_eq!(claims.audience.map(|it| it.list), Some(vec!["app".into()]));
    }

    #[test]
    fn what_is_not_text_grants_nothing() {
        let map = ClaimMap::new().roles_at("/a/b").unwrap();
        for payload in [
            json!({}),
            json!({ "a": null }),
            json!({ "a": { "b": 1 } }),
            json!({ "a": { "b": { "admin": true } } }),
            json!({ "a": { "b": [["admin"], { "x": "admin" }, 1] } }),
            json!({ "a": ["b"] }),
        ] {
            assert!(mapped(&map, &payload).0.is_empty(), "{payload}");
        }
    }

    #[test]
    fn a_pointer_begins_with_a_slash_and_escapes_two_characters() {
        for bad in ["", "roles", "/a~", "/a~2b", "#/roles"] {
            assert!(ClaimMap::new().roles_at(bad).is_err(), "{bad}");
            assert!(ClaimMap::new().scopes_at(bad).is_err(), "{bad}");
        }
        assert!(ClaimMap::new().roles_at("/a~1b~0c/0").is_ok());
    }

    #[test]
    fn only_access_tokens_pass_for_access_tokens() {
        for good in [
            json!({}),
            json!({ "token_use": "access" }),
            json!({ "typ": "Bearer" }),
            json!({ "azp": "app", "auth_time": 1 }),
        ] {
            assert!(is_access(&good), "{good}");
        }
        for bad in [
            json!({ "nonce": "n" }),
            json!({ "nonce": null }),
            json!({ "at_hash": "h" }),
            json!({ "c_hash": "h" }),
            json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": {} } }),
            json!({ "token_use": "id" }),
            json!({ "token_use": ["access"] }),
            json!({ "typ": "ID" }),
            json!({ "typ": "Refresh" }),
            json!({ "typ": "Offline" }),
            json!({ "typ": "Logout" }),
        ] {
            assert!(!is_access(&bad), "{bad}");
        }
    }
}
