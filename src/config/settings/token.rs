//! The tables `jwt` and `paseto`, and their keys.

use schemars::JsonSchema;
use serde::Deserialize;

use super::forms::{Alg, Hidden, Many, Span};

/// How tokens are called back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ListKind {
    #[default]
    None,
    Black,
    White,
}

/// One key as it is stated: exactly one of six.
pub(crate) struct Material<'a> {
    pub(crate) alg: Option<Alg>,
    pub(crate) kid: Option<&'a str>,
    pub(crate) inline: [(&'static str, Option<&'a Hidden>); 3],
    pub(crate) files: [(&'static str, Option<&'a str>); 3],
}

impl<'a> Material<'a> {
    /// The file that the key is in.
    pub(crate) fn file(&self) -> Option<&'a str> {
        self.files.iter().find_map(|(_, file)| *file)
    }
}

/// A table that states a key, and more.
macro_rules! keyed {
    ($(#[$table:meta])* $Name:ident { $($(#[$field:meta])* $name:ident: $Type:ty,)* }) => {
        $(#[$table])*
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub(crate) struct $Name {
            /// The algorithm that the key is used with. Default: what a JWK says of itself, or the first key's.
            pub(crate) alg: Option<Alg>,
            /// The secret of HS256, HS384 or HS512: random bytes, as text, or a JWK of them. Default: none.
            pub(crate) secret_key: Option<Hidden>,
            /// A file with such a secret or JWK; the last line end of a text is no part of it. Default: none.
            pub(crate) secret_key_file: Option<String>,
            /// A private key, PEM or JWK; never a shared secret. Default: none.
            pub(crate) private_key: Option<Hidden>,
            /// A file with a private key. Default: none.
            pub(crate) private_key_file: Option<String>,
            /// A public key, PEM or JWK, for verifying only. Default: none.
            pub(crate) public_key: Option<Hidden>,
            /// A file with a public key. Default: none.
            pub(crate) public_key_file: Option<String>,
            /// The key's id. Default: a JWK's own `kid`, or the thumbprint (RFC 7638).
            pub(crate) kid: Option<String>,
            $($(#[$field])* pub(crate) $name: $Type,)*
        }

        impl $Name {
            pub(crate) fn material(&self) -> Material<'_> {
                Material {
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
        /// Further keys whose tokens are accepted. Default: none.
        accept: Vec<KeySettings>,
        /// The media types that are accepted; the first is minted. Default: `at+jwt`.
        typ: Option<Many<String>>,
        /// Accepts tokens without a type. Default: `false`.
        untyped: bool,
        /// How far clocks may differ, at most `60s`. Default: `30s`.
        leeway: Option<Span>,
        /// How long a token lives. Default: `15m`.
        ttl: Option<Span>,
        /// How tokens are called back before they expire. Default: `none`.
        list: ListKind,
        /// The longest life of a token that the list remembers. Default: `24h`.
        list_longest: Option<Span>,
        /// The cookie that the layer reads the token from. Default: none, and it reads `Authorization: Bearer`.
        cookie: Option<String>,
        /// The header that the layer reads the bare token from. Default: none.
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

/// What the tokens are: encrypted or signed.
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
    /// The version; `v2` is legacy. Default: `v4`.
    pub(crate) version: VersionKind,
    /// `local` encrypts with a shared key, `public` signs. Default: `local`.
    pub(crate) purpose: PurposeKind,
    /// The key, as a PASERK. Default: none.
    pub(crate) key: Option<Hidden>,
    /// A file with the key. Default: none.
    pub(crate) key_file: Option<String>,
    /// The key's id. Default: its PASERK id.
    pub(crate) kid: Option<String>,
    /// Further keys whose tokens are accepted. Default: none.
    pub(crate) accept: Vec<PasetoKeySettings>,
    /// How far clocks may differ, at most `60s`. Default: `30s`.
    pub(crate) leeway: Option<Span>,
    /// How long a token lives. Default: `15m`.
    pub(crate) ttl: Option<Span>,
    /// How tokens are called back before they expire. Default: `none`.
    pub(crate) list: ListKind,
    /// The longest life of a token that the list remembers. Default: `24h`.
    pub(crate) list_longest: Option<Span>,
    /// The cookie that the layer reads the token from. Default: none, and it reads `Authorization: Bearer`.
    pub(crate) cookie: Option<String>,
    /// The header that the layer reads the bare token from. Default: none.
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
    /// The key's id. Default: its PASERK id.
    pub(crate) kid: Option<String>,
}
