//! Tokens of other issuers: their keys, refreshed whatever the issuer does, and which of their
//! tokens are access tokens.

use tower_jam::Jwt;

use crate::support;

mod keys;
mod resource;

/// The reason for which a token is rejected, or "good".
async fn reason(jwt: &Jwt, token: &str) -> String {
    match jwt.verify(token).await {
        Ok(_) => "good".to_owned(),
        Err(rejection) => rejection.reason().to_owned(),
    }
}
