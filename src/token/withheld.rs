//! Members of a user that the engine states itself, or that would state what only a grant may.

/// Members of a user that do not become claims.
#[derive(Clone, Copy)]
pub(super) enum Withheld<'a> {
    /// Those that every token has from the engine.
    Engine,
    /// Those and all that state authority, by the standards or by what the verifier maps.
    Authority(&'a [String]),
}

impl Withheld<'_> {
    pub(super) fn has(self, name: &str) -> bool {
        match self {
            Self::Engine => ENGINE_OWNED.contains(&name),
            Self::Authority(mapped) => {
                ENGINE_OWNED.contains(&name)
                    || AUTHORITY.contains(&name)
                    || mapped.iter().any(|mapped| mapped == name)
            }
        }
    }
}

/// Claims that state what a user may do or has proved.
const AUTHORITY: [&str; 8] = [
    "roles",
    "scope",
    "sid",
    "amr",
    "acr",
    "auth_time",
    "proofs",
    "act",
];

/// Claims that every token has from the engine, and the one by which a token is bound to a key.
const ENGINE_OWNED: [&str; 8] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf"];
