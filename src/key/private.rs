//! Writes private JSON Web Keys.

use std::collections::BTreeMap;

use serde::Serialize;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The private members of a JWK. They are wiped on drop.
pub(super) type PrivateMembers = Vec<(&'static str, Zeroizing<String>)>;

/// Writes a JWK with these members. With `signs_only`, its `key_ops` permits only signing.
pub(super) fn jwk(
    public: &[(&str, &str)],
    private: &PrivateMembers,
    signs_only: bool,
) -> Option<Secret<String>> {
    let private = private.iter().map(|(name, value)| (*name, value.as_str()));
    let texts = public.iter().copied().chain(private);
    let mut members: BTreeMap<_, _> = texts
        .map(|(name, text)| (name, Member::Text(text)))
        .collect();
    if signs_only {
        members.insert("key_ops", Member::List(&["sign"]));
    }
    // Large enough to never reallocate, which would leave an unwiped copy behind.
    let length = members
        .iter()
        .map(|(name, member)| name.len() + 6 + 2 * member.len());
    let mut json = Vec::with_capacity(2 + length.sum::<usize>());
    serde_json::to_writer(&mut json, &members).ok()?;
    String::from_utf8(json).ok().map(Secret::new)
}

#[derive(Serialize)]
#[serde(untagged)]
enum Member<'a> {
    Text(&'a str),
    List(&'a [&'a str]),
}

impl Member<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::List(texts) => texts.iter().map(|text| text.len() + 3).sum(),
        }
    }
}
