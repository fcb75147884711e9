//! Reads the metadata that an issuer publishes: OpenID Connect Discovery 1.0, or RFC 8414 if there
//! is none.
//!
//! The document is accepted only if it names the requested issuer, character for character (RFC
//! 8414 section 3.3). Otherwise, an attacker could publish metadata in the name of another issuer,
//! and tokens signed with the attacker's keys would be accepted as that issuer's.

use http::HeaderMap;
use serde::Deserialize;
use url::Url;

use crate::{
    error::ConfigError,
    remote::fetch::{Fetch, FetchError, UrlScheme},
};

/// The metadata of an issuer. Every URL has been validated.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "oauth2"),
    allow(
        dead_code,
        reason = "a resource server needs only the keys; logins need the rest"
    )
)]
pub(crate) struct Metadata {
    pub(crate) authorization_endpoint: Option<Url>,
    pub(crate) token_endpoint: Option<Url>,
    pub(crate) jwks_uri: Option<Url>,
    pub(crate) userinfo_endpoint: Option<Url>,
    pub(crate) device_authorization_endpoint: Option<Url>,
    pub(crate) revocation_endpoint: Option<Url>,
    /// Whether authorization responses contain the issuer (RFC 9207 section 3).
    pub(crate) authorization_response_iss_parameter_supported: bool,
    /// The client authentication methods of the token endpoint.
    pub(crate) token_endpoint_auth_methods_supported: Vec<String>,
}

/// Fetches the metadata of `issuer`.
///
/// # Errors
///
/// If `issuer` is not a URL that `scheme` allows, no usable metadata is found, the metadata names
/// another issuer, or a URL in it is not one that `scheme` allows.
pub(crate) async fn discover(
    fetch: &Fetch,
    scheme: UrlScheme,
    issuer: &str,
) -> Result<Metadata, ConfigError> {
    let url = scheme.url("issuer", issuer)?;
    if url.query().is_some() {
        return Err(ConfigError::new("issuer", "has a query"));
    }
    let unavailable = |error: FetchError| {
        ConfigError::new("issuer", "its metadata could not be fetched").with_source(error)
    };
    let response = match fetch.get(&openid(&url), HeaderMap::new()).await {
        Err(error) if error.is_absent() => fetch.get(&oauth(&url), HeaderMap::new()).await,
        response => response,
    };
    let response = response.map_err(unavailable)?;
    // serde_json quotes the input in some messages, so only the position is kept.
    let document: Document = serde_json::from_slice(response.body()).map_err(|error| {
        let cause = format!("at line {}, column {}", error.line(), error.column());
        ConfigError::new("issuer", "its metadata is malformed").with_source(cause)
    })?;
    document.validate(scheme, issuer)
}

/// OpenID Connect Discovery section 4: appended to the issuer's path.
fn openid(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    url.set_path(&format!("{}{OPENID}", path(issuer)));
    url
}

/// RFC 8414 section 3.1: inserted before the issuer's path.
fn oauth(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    url.set_path(&format!("{OAUTH}{}", path(issuer)));
    url
}

/// The issuer's path without a trailing slash, as both documents use it.
fn path(issuer: &Url) -> &str {
    let path = issuer.path();
    path.strip_suffix('/').unwrap_or(path)
}

/// The members that are used (RFC 8414 section 2), as written.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    jwks_uri: Option<String>,
    userinfo_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

impl Document {
    fn validate(self, scheme: UrlScheme, issuer: &str) -> Result<Metadata, ConfigError> {
        if self.issuer != issuer {
            let reason = "its metadata names another issuer";
            return Err(ConfigError::new("issuer", reason));
        }
        let url =
            |setting, text: Option<String>| text.map(|text| scheme.url(setting, &text)).transpose();
        Ok(Metadata {
            authorization_endpoint: url("authorization_endpoint", self.authorization_endpoint)?,
            token_endpoint: url("token_endpoint", self.token_endpoint)?,
            jwks_uri: url("jwks_uri", self.jwks_uri)?,
            userinfo_endpoint: url("userinfo_endpoint", self.userinfo_endpoint)?,
            device_authorization_endpoint: url(
                "device_authorization_endpoint",
                self.device_authorization_endpoint,
            )?,
            revocation_endpoint: url("revocation_endpoint", self.revocation_endpoint)?,
            authorization_response_iss_parameter_supported: self
                .authorization_response_iss_parameter_supported,
            token_endpoint_auth_methods_supported: self.token_endpoint_auth_methods_supported,
        })
    }
}

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_where_the_two_standards_put_them() {
        for (issuer, at_openid, at_oauth) in [
            (
                "https://id.acme.dev",
                "https://id.acme.dev/.well-known/openid-configuration",
                "https://id.acme.dev/.well-known/oauth-authorization-server",
            ),
            (
                "https://acme.eu.auth0.com/",
                "https://acme.eu.auth0.com/.well-known/openid-configuration",
                "https://acme.eu.auth0.com/.well-known/oauth-authorization-server",
            ),
            (
                "https://id.acme.dev/realms/one",
                "https://id.acme.dev/realms/one/.well-known/openid-configuration",
                "https://id.acme.dev/.well-known/oauth-authorization-server/realms/one",
            ),
        ] {
            let url = Url::parse(issuer).unwrap();
            assert_eq!(openid(&url).as_str(), at_openid);
            assert_eq!(oauth(&url).as_str(), at_oauth);
        }
    }
}
