//! Tokens and key texts of PyPI's pyseto.
//!
//! `pyseto.json` was made with pyseto 1.10.0 on Python 3: `Key.new(version, purpose, key)` with
//! fixed bytes (for `public` a PEM of cryptography 50.0.2), then
//! `pyseto.encode(key, payload, footer, implicit_assertion)`; `to_paserk()` and `to_paserk_id()` of
//! the same keys.

use serde_json::Value;

use tower_jam::{
    Claims, KeyRing, Paseto, PasetoKey,
    token::paseto::{ImplicitAssertions, Local, PasetoBuilder, Public, Purpose, V2, V3, V4},
};

use super::world::built;

fn text<'a>(token: &'a Value, name: &str) -> &'a str {
    token[name].as_str().unwrap()
}

macro_rules! shared {
    ($V:ty, $token:expr) => {{
        let key = PasetoKey::<$V, Local>::from_paserk(text($token, "paserk")).unwrap();
        assert_eq!(key.id(), text($token, "kid"));
        assert_eq!(key.to_paserk().expose(), text($token, "paserk"));
        KeyRing::new(key)
    }};
}

macro_rules! public {
    ($V:ty, $token:expr) => {{
        let pair = PasetoKey::<$V, Public>::from_paserk(text($token, "paserk")).unwrap();
        assert_eq!(pair.public_id(), text($token, "kid"));
        assert_eq!(pair.secret_id().unwrap(), text($token, "sid"));
        let key = PasetoKey::<$V, Public>::from_paserk(text($token, "public")).unwrap();
        assert_eq!(pair.public_paserk(), key.public_paserk());
        assert!(!key.can_sign());
        KeyRing::new(key)
    }};
}

/// The engine with the token's implicit assertion, and one with another.
fn asserting<V: ImplicitAssertions + 'static, P: Purpose<V>>(
    builder: impl Fn() -> PasetoBuilder<Claims, V, P>,
    token: &Value,
) -> (Paseto<Claims>, Option<Paseto<Claims>>) {
    let assertion = text(token, "assertion");
    (
        built(builder().implicit_assertion(assertion)),
        Some(built(builder().implicit_assertion("another"))),
    )
}

#[tokio::test]
async fn tokens_and_keys_of_pyseto_are_read() {
    let file: Value = serde_json::from_str(include_str!("pyseto.json")).unwrap();
    assert_eq!(file["made_with"], "pyseto 1.10.0");
    let mut ran = 0;
    for token in file["tokens"].as_array().unwrap() {
        let kind = text(token, "kind");
        let (paseto, other) = match kind {
            "v2.local" => (
                built(Paseto::dangerous_legacy_v2_local(shared!(V2, token))),
                None,
            ),
            "v2.public" => (
                built(Paseto::dangerous_legacy_v2_public(public!(V2, token))),
                None,
            ),
            "v3.local" => asserting(|| Paseto::v3_local(shared!(V3, token)), token),
            "v3.public" => asserting(|| Paseto::v3_public(public!(V3, token)), token),
            "v4.local" => asserting(|| Paseto::v4_local(shared!(V4, token)), token),
            "v4.public" => asserting(|| Paseto::v4_public(public!(V4, token)), token),
            _ => panic!("{kind}"),
        };
        let verified = paseto.verify(text(token, "token")).await.expect(kind);
        let user = verified.user().unwrap();
        for (name, claim) in file["claims"].as_object().unwrap() {
            assert_eq!(user.claim(name), Some(claim), "{kind}");
        }
        assert_eq!(user.expires_at().unwrap().as_secs(), 1_767_225_600 + 600);
        assert_eq!(verified.identity().unwrap().subject().id(), "alice");
        let footer = paseto.footer(text(token, "token")).unwrap();
        assert_eq!(footer.member("kid").unwrap(), text(token, "kid"));
        if let Some(other) = other {
            let rejection = other.verify(text(token, "token")).await.unwrap_err();
            assert_eq!(rejection.reason(), "the token is not by its key");
        }
        ran += 1;
    }
    assert_eq!(ran, 10);
}
