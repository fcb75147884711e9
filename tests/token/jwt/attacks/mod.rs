//! Tokens that must be rejected, each with the reason that is logged for it.
//!
//! A reason from a later step than the attack shows that the forgery is correct in everything else.
//! A table that checked only for rejection would also pass with a broken forge.

use std::collections::HashSet;

use tower_jam::{Claims, Jwt};

use super::forge::Forge;

mod claims;
mod encodings;
mod headers;
pub(crate) mod json;
mod keys;
mod signatures;

/// Attacks on one engine.
pub(crate) struct Category {
    pub(crate) name: &'static str,
    pub(crate) jwt: Jwt<Claims>,
    /// Tokens from the same forge that the engine accepts.
    pub(crate) controls: Vec<String>,
    pub(crate) attacks: Vec<Attack>,
}

pub(crate) struct Attack {
    pub(crate) name: String,
    pub(crate) token: String,
    pub(crate) reason: &'static str,
}

impl Category {
    fn new(name: &'static str, jwt: Jwt<Claims>, forge: &Forge) -> Self {
        Self {
            name,
            jwt,
            controls: vec![forge.good()],
            attacks: Vec::new(),
        }
    }

    fn accept(&mut self, token: String) {
        self.controls.push(token);
    }

    fn refuse(&mut self, reason: &'static str, name: impl Into<String>, token: String) {
        self.attacks.push(Attack {
            name: name.into(),
            token,
            reason,
        });
    }
}

/// Every attack, on every engine that it applies to.
pub(crate) fn all() -> Vec<Category> {
    let mut all = Vec::new();
    all.extend(headers::all());
    all.extend(keys::all());
    all.extend(json::all());
    all.extend(encodings::all());
    all.extend(claims::all());
    all.extend(signatures::all());
    let mut seen = HashSet::new();
    for category in &all {
        for attack in &category.attacks {
            let is_new = seen.insert((category.name, &attack.token));
            assert!(is_new, "{}: {} occurs twice", category.name, attack.name);
        }
    }
    all
}

const HEADER: &str = "the token's header is not an acceptable JSON object";
const CLAIMS: &str = "the claims are not an acceptable JSON object";
const ALGORITHM: &str = "the token names another algorithm than its key";
const TYPE: &str = "the token is of another type";
const KEY: &str = "no key of the ring has this kid";
const SIGNATURE: &str = "the signature is wrong";
const LENGTH: &str = "the signature has no possible length";
const PARTS: &str = "the token has not three parts";
const SIZE: &str = "the token is longer than 8 KiB";
