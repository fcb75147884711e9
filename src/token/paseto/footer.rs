//! The footer of a token, which is authenticated but not encrypted.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::{
    json,
    json::{CowStr, MemberNames, Skipped},
    rejection::Rejection,
};

/// The footer of a verified token. See [`Paseto::footer`](crate::Paseto::footer).
#[derive(Clone)]
pub struct Footer {
    text: String,
    members: Map<String, Value>,
}

impl Footer {
    /// Returns the text of the footer, empty if there is none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the member `name` if the footer is a JSON object that has it.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// Parses an authenticated footer.
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self, Rejection> {
        let members = if is_json(&bytes) {
            json::parse(&bytes).map_err(|error| not_json(&error))?
        } else {
            Map::new()
        };
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| Rejection::invalid("the token's footer is not UTF-8"))?;
        Ok(Self { text, members })
    }
}

/// Returns the `kid` of an unverified footer, only to look up a key.
pub(super) fn kid(footer: &[u8]) -> Result<Option<Cow<'_, str>>, Rejection> {
    if !is_json(footer) {
        return Ok(None);
    }
    let Kid(kid) = json::parse(footer).map_err(|error| not_json(&error))?;
    Ok(kid)
}

/// Distinguishes a JSON footer from others, as in the guide on payload processing of the
/// specification.
fn is_json(footer: &[u8]) -> bool {
    footer.first() == Some(&b'{')
}

fn not_json(error: &serde_json::Error) -> Rejection {
    Rejection::invalid("the token's footer is not an acceptable JSON object")
        .with_source(json::position(error))
}

/// Shows only its length.
impl fmt::Debug for Footer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Footer")
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

struct Kid<'a>(Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Kid<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KidVisitor)
    }
}

struct KidVisitor;

impl<'de> Visitor<'de> for KidVisitor {
    type Value = Kid<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a footer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kid<'de>, A::Error> {
        let (mut kid, mut names) = (None, MemberNames::new());
        while let Some(CowStr(name)) = map.next_key()? {
            match &*name {
                "kid" => kid = Some(map.next_value::<CowStr<'de>>()?.0),
                // A key from the token itself, wrapped or not, must never verify it.
                "wpk" => return Err(A::Error::custom("a wrapped key")),
                _ => {
                    map.next_value::<Skipped>()?;
                }
            }
            names.add(name).map_err(A::Error::custom)?;
        }
        Ok(Kid(kid))
    }
}
