//! Authenticates this application to a provider.

use std::{borrow::Cow, time::Duration};

use crate::{
    error::{ConfigError, IssueError},
    grant::Grant,
    key::{Key, KeyRing},
    secret::Secret,
    token::{Claims, Jwt},
};

/// The configured credential of the application.
#[derive(Clone)]
pub(super) enum ClientSecret {
    None,
    Shared(Secret<String>),
    PrivateKey(Key),
    Apple { team_id: String, key: Key },
}

/// The credential that the application sends (RFC 6749 section 2.3.1, RFC 7523 section 2.2).
#[derive(Clone)]
pub(super) enum ClientAuth {
    None,
    Basic(Secret<String>),
    Body(Secret<String>),
    /// A signed token in place of a secret.
    Assertion(Jwt<Claims>),
    /// A signed token as the secret.
    SignedSecret(Jwt<Claims>),
}

impl ClientSecret {
    pub(super) const fn is_private_key(&self) -> bool {
        matches!(self, Self::PrivateKey(_))
    }

    pub(super) fn shared(secret: &str) -> Self {
        Self::Shared(Secret::new(secret.to_owned()))
    }

    pub(super) fn build(
        self,
        client_id: &str,
        audience: &str,
        in_body: bool,
    ) -> Result<ClientAuth, ConfigError> {
        let signing = |key: Key, issuer: &str, audience: &str| {
            if !key.can_sign() {
                return Err(ConfigError::new("private_key", "can only verify, not sign"));
            }
            Jwt::builder(KeyRing::new(key))
                .issuer(issuer)
                .audience(audience)
                .types(["JWT"])
                .ttl(ASSERTION_TTL)
                .build()
        };
        Ok(match self {
            Self::None => ClientAuth::None,
            Self::Shared(secret) if secret.expose().is_empty() => {
                return Err(ConfigError::new("client_secret", "is empty"));
            }
            Self::Shared(secret) if in_body => ClientAuth::Body(secret),
            Self::Shared(secret) => ClientAuth::Basic(secret),
            Self::PrivateKey(key) => ClientAuth::Assertion(signing(key, client_id, audience)?),
            Self::Apple { team_id, key } => {
                ClientAuth::SignedSecret(signing(key, &team_id, "https://appleid.apple.com")?)
            }
        })
    }
}

impl ClientAuth {
    /// Returns the secret, or the parameters, to send with a request.
    pub(super) async fn present(&self, client_id: &str) -> Result<ClientProof, IssueError> {
        let mint = async |jwt: &Jwt<Claims>| jwt.issue(Grant::new(client_id, Claims::new())).await;
        Ok(match self {
            Self::None => ClientProof::default(),
            Self::Basic(secret) => ClientProof {
                secret: Some(secret.clone()),
                ..ClientProof::default()
            },
            Self::Body(secret) => ClientProof {
                secret: Some(secret.clone()),
                in_body: true,
                ..ClientProof::default()
            },
            Self::SignedSecret(jwt) => ClientProof {
                secret: Some(mint(jwt).await?),
                in_body: true,
                ..ClientProof::default()
            },
            Self::Assertion(jwt) => ClientProof {
                in_body: true,
                parameters: vec![
                    ("client_assertion_type", Cow::Borrowed(JWT_BEARER)),
                    ("client_assertion", mint(jwt).await?.expose().clone().into()),
                ],
                ..ClientProof::default()
            },
        })
    }
}

/// The client authentication of one request.
#[derive(Default)]
pub(super) struct ClientProof {
    pub(super) secret: Option<Secret<String>>,
    pub(super) in_body: bool,
    pub(super) parameters: Vec<(&'static str, Cow<'static, str>)>,
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// It is used immediately, but the provider's clock may be slow.
const ASSERTION_TTL: Duration = Duration::from_secs(5 * 60);
