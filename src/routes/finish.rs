//! The one end of every login: it binds the login to a key, and issues a token pair or logs in to a
//! session.

use std::time::Duration;

use serde::Serialize;

use crate::{
    account::{Accounts, LoginError, NewDevice, Proved},
    refresh::TokenPair,
    secret::Secret,
    session::Session,
    token::dpop::UnusedProof,
};

/// How a login is to end.
#[derive(Default)]
pub(super) struct LoginEnd {
    /// The description of the device that gets a token pair or is remembered.
    pub(super) device: NewDevice,
    /// The session to log in to. Without one, a token pair is issued.
    pub(super) session: Option<Session>,
    /// The proof of the key that the tokens are bound to.
    pub(super) proof: Option<UnusedProof>,
    /// Whether the device skips the one-time code for a while.
    pub(super) remember: bool,
}

/// What a login has issued. The cookie of a session is set by its layer.
pub(super) struct FinishedLogin {
    pub(super) pair: Option<TokenPair>,
    /// The token of the known device.
    pub(super) device_token: Secret<String>,
    /// The token of the remembered device, and how long it is valid.
    pub(super) remembered: Option<(Secret<String>, Duration)>,
}

/// Finishes the login of a user who has given enough proof.
pub(super) async fn finish<U: Serialize + Send + Sync + 'static>(
    accounts: &Accounts<U>,
    proved: Proved<U>,
    end: LoginEnd,
) -> Result<FinishedLogin, LoginError> {
    let proved = match end.proof {
        Some(proof) => proved.bound_to(proof.use_up().await?),
        None => proved,
    };
    let device_token = accounts.device_token(&proved);
    let remembered = if end.remember {
        let factor = accounts.second_factor();
        factor.remember_device(&proved, &end.device).await?
    } else {
        None
    };
    let pair = match end.session {
        Some(session) => {
            accounts.finish_session(proved, &session).await?;
            None
        }
        None => Some(accounts.finish_login(proved, end.device).await?),
    };
    Ok(FinishedLogin {
        pair,
        device_token,
        remembered,
    })
}
