//! A secret that is mixed into each password and is not in the table of users.

use std::fmt;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::stored::PepperId;
use crate::secret::MasterSecret;

/// The peppers by id, the one for new hashes first. Empty by default.
#[derive(Default)]
pub(super) struct Peppers(Vec<(PepperId, hmac::Key)>);

impl Peppers {
    pub(super) fn new(secret: &MasterSecret) -> Self {
        // Not bound to an issuer: hashes belong to the table of users, whose issuer may change or
        // not be the only one.
        let keys = secret.keys("tower-jam password pepper", "");
        let ids = secret.keys("tower-jam password pepper id", "");
        let named = ids.iter().zip(&keys).map(|(id, key)| {
            let [a, b, c, d, ..] = *id.expose();
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
            ([a, b, c, d], key)
        });
        Self(named.collect())
    }

    pub(super) fn active(&self) -> Option<PepperId> {
        self.0.first().map(|(id, _)| *id)
    }

    /// Returns what is hashed in place of the password, or `None` if there is no such pepper.
    pub(super) fn apply(
        &self,
        id: Option<PepperId>,
        password: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let Some(id) = id else {
            return Some(Zeroizing::new(password.to_vec()));
        };
        let (_, key) = self.0.iter().find(|(known, _)| *known == id)?;
        Some(Zeroizing::new(hmac::sign(key, password).as_ref().to_vec()))
    }
}

impl fmt::Debug for Peppers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peppers({})", self.0.len())
    }
}
