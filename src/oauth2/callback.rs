//! What comes back from a provider: the parameters of its callback, and the user that it
//! identified.

use std::fmt;

use super::{error::OAuthError, profile::Profile, tokens::ProviderTokens};
use crate::clock::Timestamp;

/// The parameters of a provider's callback, from its query or its form.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Callback {
    /// The authorization code.
    pub code: Option<String>,
    /// The state of the login.
    pub state: Option<String>,
    /// The issuer of the callback (RFC 9207).
    pub iss: Option<String>,
    /// The error code, if there is no authorization code.
    pub error: Option<String>,
    /// Apple's description of the user at the first login, in JSON. It is not signed, so it is used
    /// only as a display name.
    pub user: Option<String>,
}

impl Callback {
    /// Reads the parameters. Unknown ones are ignored.
    ///
    /// # Errors
    ///
    /// [`OAuthError::Malformed`] if a parameter of the protocol occurs twice (RFC 6749 section
    /// 3.1).
    pub fn read(
        parameters: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, OAuthError> {
        let mut callback = Self::default();
        for (name, value) in parameters {
            let field = match &*name {
                "code" => &mut callback.code,
                "state" => &mut callback.state,
                "iss" => &mut callback.iss,
                "error" => &mut callback.error,
                "user" => &mut callback.user,
                _ => continue,
            };
            if field.replace(value).is_some() {
                return Err(OAuthError::Malformed(
                    "a parameter of the callback occurs twice",
                ));
            }
        }
        Ok(callback)
    }
}

/// A user that a provider has identified.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProviderLogin {
    /// The user.
    pub profile: Profile,
    /// The tokens for the provider's API.
    pub tokens: ProviderTokens,
    /// Where the browser goes next: a path on this origin.
    pub return_to: String,
    /// When the login started here. If all sessions of the user were revoked after that, this login
    /// must fail.
    pub started_at: Timestamp,
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").finish_non_exhaustive()
    }
}
