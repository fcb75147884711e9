//! Verifies an access token and that its device is logged in.

use serde::de::DeserializeOwned;

use super::{inner::TokenPairsInner, policy::RevocationCheck};
use crate::{authenticate::Verified, rejection::Rejection};

/// Verifies an access token whose holder has proved possession of a key, if any.
pub(super) async fn verify<U: DeserializeOwned + Send + Sync + 'static>(
    pairs: &TokenPairsInner<U>,
    access_token: &str,
    proved_key: Option<&str>,
) -> Result<Verified<U>, Rejection> {
    let verified = pairs
        .access
        .verify_with_key(access_token, proved_key)
        .await?;
    if pairs.revocation == RevocationCheck::Both {
        let identity = verified.identity();
        let identity = identity.ok_or_else(|| Rejection::invalid("a token without a user"))?;
        pairs.records.check_device(identity).await?;
    }
    Ok(verified)
}
