//! The content of a token, for a party that does not present it.

use crate::{clock::Timestamp, identity::Identity};

/// The content of a token, for a party that does not present it.
pub(crate) struct Inspected {
    pub(crate) identity: Identity,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) issued_at: Option<Timestamp>,
    pub(crate) audience: Vec<String>,
    pub(crate) key: Option<String>,
}

/// Returns the audience of a verified payload.
pub(super) fn audience(payload: &[u8]) -> Vec<String> {
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    #[derive(serde::Deserialize)]
    struct Audience {
        aud: Option<OneOrMany>,
    }
    let read = serde_json::from_slice(payload).ok();
    match read.and_then(|Audience { aud }| aud) {
        Some(OneOrMany::One(name)) => vec![name],
        Some(OneOrMany::Many(names)) => names,
        None => Vec::new(),
    }
}
