//! The tables `jwt` and `paseto`, and their keys.

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{Alg, Hidden, Many, Span};

/// How tokens can be revoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ListKind {
    #[default]
    None,
    Deny,
    Allow,
}

/// A stated key: exactly one of six settings.
pub(crate) struct KeyMaterial<'a> {
    pub(crate) alg: Option<Alg>,
    pub(crate) kid: Option<&'a str>,
    pub(crate) inline: [(&'static str, Option<&'a Hidden>); 3],
    pub(crate) files: [(&'static str, Option<&'a str>); 3],
}

impl<'a> KeyMaterial<'a> {
    /// Returns the file that contains the key.
    pub(crate) fn file(&self) -> Option<&'a str> {
        self.files.iter().find_map(|(_, file)| *file)
    }
}

/// Defines a table that states a key along with other settings.
macro_rules! keyed {
    ($(#[$table:meta])* $Name:ident { $($(#[$field:meta])* $name:ident: $Type:ty,)* }) => {
        $(#[$table])*
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $Name {
            /// The algorithm of the key. Default: that of the JWK, or that of the first key.
            pub(crate) alg: Option<Alg>,
            /// The secret of HS256, HS384 or HS512: random bytes as a string, or a JWK. Default:
            /// none.
            pub(crate) secret_key: Option<Hidden>,
            /// A file with such a secret or JWK; a newline at the end of the text is not part of
            /// it. Default: none.
            pub(crate) secret_key_file: Option<String>,
            /// A private key, PEM or JWK; never a shared secret. Default: none.
            pub(crate) private_key: Option<Hidden>,
            /// A file with a private key. Default: none.
            pub(crate) private_key_file: Option<String>,
            /// A public key, PEM or JWK, which can only verify. Default: none.
            pub(crate) public_key: Option<Hidden>,
            /// A file with a public key. Default: none.
            pub(crate) public_key_file: Option<String>,
            /// The id of the key. Default: the `kid` of the JWK, or the thumbprint (RFC 7638).
            pub(crate) kid: Option<String>,
            $($(#[$field])* pub(crate) $name: $Type,)*
        }

        impl $Name {
        pub(crate) fn material(&self) -> KeyMaterial<'_> {
            KeyMaterial {
                    alg: self.alg,
                    kid: self.kid.as_deref(),
                    inline: [
                        ("secret_key", self.secret_key.as_ref()),
                        ("private_key", self.private_key.as_ref()),
                        ("public_key", self.public_key.as_ref()),
                    ],
                    files: [
                        ("secret_key_file", self.secret_key_file.as_deref()),
                        ("private_key_file", self.private_key_file.as_deref()),
                        ("public_key_file", self.public_key_file.as_deref()),
                    ],
                }
            }
        }
    };
}

keyed! {
    /// A further key of `jwt.accept`.
    KeySettings {}
}

keyed! {
    /// The table `jwt`.
    JwtSettings {
        /// Further keys that verify tokens. Default: none.
        accept: Vec<KeySettings>,
        /// The accepted media types (`typ`); the first is the one that is issued. Default:
        /// `at+jwt`.
        typ: Option<Many<String>>,
        /// Accepts tokens without a type. Default: `false`.
        untyped: bool,
        /// The tolerated clock skew, at most `60s`. Default: `30s`.
        leeway: Option<Span>,
        /// The lifetime of a token. Default: `15m`.
        ttl: Option<Span>,
        /// The list by which tokens are revoked before they expire: none, a deny list (`deny`) or
        /// an allow list (`allow`). Default: `none`.
        list: ListKind,
        /// The longest lifetime of a token that the list supports. Default: `24h`.
        list_longest: Option<Span>,
        /// The cookie from which the layer reads the token. Default: none, and the layer reads
        /// `Authorization: Bearer`.
        cookie: Option<String>,
        /// The header from which the layer reads the bare token. Default: none.
        header: Option<String>,
    }
}

/// The version of PASETO.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VersionKind {
    /// Legacy.
    V2,
    V3,
    #[default]
    V4,
}

/// The purpose of the tokens: encrypted or signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PurposeKind {
    #[default]
    Local,
    Public,
}

/// The table `paseto`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PasetoSettings {
    /// The protocol version; `v2` is legacy. Default: `v4`.
    pub(crate) version: VersionKind,
    /// The purpose: `local` encrypts with a shared key, `public` signs. Default: `local`.
    pub(crate) purpose: PurposeKind,
    /// The key, as a PASERK. Default: none.
    pub(crate) key: Option<Hidden>,
    /// A file with the key. Default: none.
    pub(crate) key_file: Option<String>,
    /// The id of the key. Default: its PASERK id.
    pub(crate) kid: Option<String>,
    /// Further keys that verify or decrypt tokens. Default: none.
    pub(crate) accept: Vec<PasetoKeySettings>,
    /// The tolerated clock skew, at most `60s`. Default: `30s`.
    pub(crate) leeway: Option<Span>,
    /// The lifetime of a token. Default: `15m`.
    pub(crate) ttl: Option<Span>,
    /// The list by which tokens are revoked before they expire: none, a deny list (`deny`) or an
    /// allow list (`allow`). Default: `none`.
    pub(crate) list: ListKind,
    /// The longest lifetime of a token that the list supports. Default: `24h`.
    pub(crate) list_longest: Option<Span>,
    /// The cookie from which the layer reads the token. Default: none, and the layer reads
    /// `Authorization: Bearer`.
    pub(crate) cookie: Option<String>,
    /// The header from which the layer reads the bare token. Default: none.
    pub(crate) header: Option<String>,
}

/// A further key of `paseto.accept`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PasetoKeySettings {
    /// The key, as a PASERK. Default: none.
    pub(crate) key: Option<Hidden>,
    /// A file with the key. Default: none.
    pub(crate) key_file: Option<String>,
    /// The id of the key. Default: its PASERK id.
    pub(crate) kid: Option<String>,
}
