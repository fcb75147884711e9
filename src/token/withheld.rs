//! Members of a user that are not written as claims: the engine writes them itself, or only a grant
//! may state them.

/// Which members of a user do not become claims.
#[derive(Clone, Copy)]
pub(super) enum Withheld<'a> {
    /// The claims that the engine writes into every token.
    Engine,
    /// Those, and all claims that state authority, by the standards or by the claim map of the
    /// verifier.
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

/// The claims that the engine writes into every token, and the one that binds a token to a key.
const ENGINE_OWNED: [&str; 8] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf"];
