//! The members of a JSON Web Key (RFC 7517).

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::members::JwkMembers;
use crate::{
    error::ConfigError,
    key::{
        algorithm::{Algorithm, EcdsaCurve},
        encoding::decode,
    },
};

/// A JWK or a JWK set: the members as written, with distinct names (RFC 7517 section 4).
///
/// Errors never contain messages of the JSON library, because those quote values.
pub(crate) struct Jwk<'a> {
    pub(super) setting: &'static str,
    members: BTreeMap<String, &'a RawValue>,
}

/// What `use` and `key_ops` permit.
pub(crate) struct Uses {
    pub(super) sign: bool,
    pub(crate) verify: bool,
}

impl<'a> Jwk<'a> {
    pub(crate) fn parse(setting: &'static str, json: &'a str) -> Result<Self, ConfigError> {
        let JwkMembers(members) = serde_json::from_str(json).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let reason =
                format!("not a JSON object of distinct members (line {line}, column {column})");
            ConfigError::new(setting, reason)
        })?;
        Ok(Self { setting, members })
    }

    /// Returns the algorithm that `alg` names or, if there is none, the only algorithm of the
    /// curve.
    pub(crate) fn algorithm(&self) -> Result<Option<Algorithm>, ConfigError> {
        if let Some(stated) = self.stated_algorithm()? {
            return Ok(Some(stated));
        }
        let curve = self.text("crv")?;
        Ok(match (self.required("kty")?.as_str(), curve.as_deref()) {
            ("EC", Some(curve)) => EcdsaCurve::from_name(curve).map(|curve| curve.algorithm),
            ("OKP", Some("Ed25519")) => Some(Algorithm::EdDsa),
            ("EC" | "OKP", _) => {
                return Err(self.refuse("its `crv` is missing or belongs to no known algorithm"));
            }
            ("AKP", _) => return Err(self.refuse("its `alg` is missing")),
            _ => None,
        })
    }

    pub(crate) fn is_rsa(&self) -> bool {
        self.text("kty")
            .is_ok_and(|kty| kty.as_deref() == Some("RSA"))
    }

    /// Reads `use` and `key_ops` (RFC 7517 sections 4.2 and 4.3).
    pub(crate) fn uses(&self) -> Result<Uses, ConfigError> {
        self.expect_use("sig")?;
        let Some(operations) = self.operations()? else {
            return Ok(Uses {
                sign: true,
                verify: true,
            });
        };
        let allows = |operation: &str| operations.iter().any(|listed| listed == operation);
        Ok(Uses {
            sign: allows("sign"),
            verify: allows("verify"),
        })
    }

    /// Checks `use`, which may be absent but must otherwise have this value (RFC 7517 section 4.2).
    pub(crate) fn expect_use(&self, usage: &str) -> Result<(), ConfigError> {
        match self.text("use")? {
            Some(other) if other != usage => {
                Err(self.refuse(format!("its `use` is not `{usage}`")))
            }
            _ => Ok(()),
        }
    }

    /// Returns the operations listed in `key_ops`, which must be distinct (RFC 7517 section 4.3).
    pub(crate) fn operations(&self) -> Result<Option<Vec<String>>, ConfigError> {
        let Some(listed) = self.members.get("key_ops") else {
            return Ok(None);
        };
        let Ok(mut operations) = serde_json::from_str::<Vec<String>>(listed.get()) else {
            return Err(self.refuse("its `key_ops` is not an array of strings"));
        };
        let count = operations.len();
        operations.sort_unstable();
        operations.dedup();
        if operations.len() != count {
            return Err(self.refuse("its `key_ops` names an operation twice"));
        }
        Ok(Some(operations))
    }

    pub(crate) fn kid(&self) -> Result<Option<String>, ConfigError> {
        self.text("kid")
    }

    /// Returns the keys of a set (RFC 7517 section 5), each as its own JSON.
    pub(crate) fn keys(&self) -> Result<Vec<&'a RawValue>, ConfigError> {
        let keys = self
            .members
            .get("keys")
            .map(|keys| serde_json::from_str(keys.get()));
        keys.and_then(Result::ok)
            .ok_or_else(|| self.refuse("its `keys` is not an array"))
    }

    pub(crate) fn refuse(&self, reason: impl Into<Cow<'static, str>>) -> ConfigError {
        ConfigError::new(self.setting, reason)
    }

    pub(super) fn stated_algorithm(&self) -> Result<Option<Algorithm>, ConfigError> {
        let Some(name) = self.text("alg")? else {
            return Ok(None);
        };
        let unknown = || self.refuse("its `alg` is not a supported signature algorithm");
        Algorithm::from_name(&name).map(Some).ok_or_else(unknown)
    }

    /// Whether there are private members (RFC 7518 sections 6.2.2, 6.3.2 and 6.4, RFC 9964).
    #[cfg(any(feature = "dpop", feature = "config"))]
    pub(crate) fn has_private_members(&self) -> bool {
        let mut private = RSA_PRIVATE.iter().chain(&["oth", "k", "priv"]);
        private.any(|name| self.has(name))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    pub(super) fn expect(
        &self,
        name: &str,
        value: &str,
        algorithm: &str,
    ) -> Result<(), ConfigError> {
        if self.required(name)? == value {
            return Ok(());
        }
        Err(self.refuse(format!(
            "its `{name}` is not `{value}`, as {algorithm} requires"
        )))
    }

    pub(crate) fn required(&self, name: &str) -> Result<String, ConfigError> {
        self.text(name)?
            .ok_or_else(|| self.refuse(format!("its `{name}` is missing")))
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, ConfigError> {
        let parsed = self
            .members
            .get(name)
            .map(|value| serde_json::from_str(value.get()));
        parsed
            .transpose()
            .map_err(|_| self.refuse(format!("its `{name}` is not a string")))
    }

    /// Decodes base64url without copying the text, since the copy would not be wiped.
    pub(super) fn bytes(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        let Some(value) = self.members.get(name) else {
            return Err(self.refuse(format!("its `{name}` is missing")));
        };
        let decoded = serde_json::from_str(value.get()).ok().and_then(decode);
        decoded.ok_or_else(|| self.refuse(format!("its `{name}` is not base64url without padding")))
    }

    /// Decodes a member of exactly `length` bytes. Leading zeros must be present (RFC 7518 sections
    /// 6.2.1.2 and 6.2.2.1).
    pub(crate) fn bytes_of(
        &self,
        name: &str,
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
        let bytes = self.bytes(name)?;
        if bytes.len() != length {
            return Err(self.refuse(format!("its `{name}` does not have {length} bytes")));
        }
        Ok(bytes)
    }
}

/// The private members of an RSA key.
pub(super) const RSA_PRIVATE: [&str; 6] = ["d", "p", "q", "dp", "dq", "qi"];
