//! Tokens of other issuers: their keys, kept fresh whatever the issuer does, and what of theirs is
//! an access token.

use tower_jam::Jwt;

use crate::support;

mod keys;
mod resource;

/// Why a token is rejected, or "good".
async fn reason(jwt: &Jwt, token: &str) -> String {
    match jwt.verify(token).await {
        Ok(_) => "good".to_owned(),
        Err(rejection) => rejection.reason().to_owned(),
    }
}
