//! The parts of the engine for token pairs.

use std::sync::Arc;

use super::{
    devices::DevicePolicy,
    fingerprint::FingerprintKeys,
    policy::RevocationCheck,
    records::DeviceRecords,
    token::{RefreshToken, TokenKeys},
};
use crate::{grant::ReadUser, rejection::Rejection, secret::MasterSecret, token::Engine};

pub(super) struct TokenPairsInner<U> {
    pub(super) access: Engine<U>,
    pub(super) records: DeviceRecords,
    pub(super) users: Arc<dyn ReadUser<U>>,
    pub(super) keys: TokenKeys,
    #[cfg_attr(
        not(feature = "account"),
        expect(dead_code, reason = "accounts derive further keys from it")
    )]
    pub(super) secret: MasterSecret,
    pub(super) fingerprints: FingerprintKeys,
    pub(super) policy: DevicePolicy,
    pub(super) revocation: RevocationCheck,
}

impl<U> TokenPairsInner<U> {
    /// Reads a refresh token that was made here.
    pub(super) fn read(&self, refresh_token: &str) -> Result<RefreshToken, Rejection> {
        self.keys
            .decode(refresh_token)
            .ok_or_else(|| Rejection::invalid("not a refresh token of this service"))
    }
}
