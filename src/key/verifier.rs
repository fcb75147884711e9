//! The verifying half of a key, bound to its algorithm.

use serde_json::{Map, Value};

use super::{
    algorithm::Algorithm,
    material::{PublicMembers, VerifyingKey},
    private::{self, PrivateMembers},
};
use crate::secret::Secret;

pub(super) struct Verifier {
    pub(super) algorithm: Algorithm,
    pub(super) thumbprint: String,
    pub(super) members: Option<PublicMembers>,
    pub(super) verifying_key: VerifyingKey,
}

impl Verifier {
    /// Returns the JWK of the key with this id, unless the key is a shared secret.
    pub(super) fn public_jwk(&self, kid: &str) -> Option<Value> {
        let members = self.members.as_ref()?;
        let about = [("alg", self.algorithm.name()), ("use", "sig"), ("kid", kid)];
        let members = members
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain(about);
        let object: Map<String, Value> = members
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        Some(object.into())
    }

    /// Builds a JWK from the public members and `private`.
    pub(super) fn private_jwk(
        &self,
        kid: &str,
        private: &PrivateMembers,
        alg: &str,
        usage: &str,
        signs_only: bool,
    ) -> Option<Secret<String>> {
        let mut public = vec![("alg", alg), ("use", usage), ("kid", kid)];
        match &self.members {
            Some(members) => public.extend(members.iter().map(|(name, text)| (*name, &**text))),
            None => public.push(("kty", "oct")),
        }
        private::jwk(&public, private, signs_only)
    }
}
