//! `v2.json`, `v3.json` and `v4.json`: 49 tokens, of which 36 are valid.

use super::*;
use crate::{
    secret::Secret,
    token::{
        envelope::Envelope as _,
        paseto::{
            envelope::PasetoEnvelope,
            v3_local,
            version::sealed::{Cipher, KeyPair, SharedKey},
        },
    },
};

/// The results for the vectors of one version.
#[derive(Default, PartialEq, Eq, Debug)]
struct Count {
    encrypted: usize,
    signed: usize,
    refused: usize,
}

/// The expected envelope of a vector.
fn envelope<V: 'static, P: Purpose<V>>(
    vector: &Value,
    key: PasetoKey<V, P>,
) -> PasetoEnvelope<V, P> {
    let footer = serde_json::from_str::<Value>(text(vector, "footer")).unwrap_or_default();
    let key = match footer["kid"].as_str() {
        Some(kid) => key.with_kid(kid).unwrap(),
        None => key,
    };
    PasetoEnvelope {
        ring: KeyRing::new(key),
        assertion: text(vector, "implicit-assertion").into(),
        members: serde_json::Map::new(),
    }
}

fn run<V: 'static>(vectors: &[Value]) -> Count
where
    Local: SharedKey<V>,
    Public: KeyPair<V>,
{
    let mut count = Count::default();
    for vector in vectors {
        let token = text(vector, "token");
        let shared = vector.get("key").map(|_| {
            let key = PasetoKey::<V, Local>::from_bytes(bytes(vector, "key")).unwrap();
            envelope(vector, key)
        });
        let pair = vector.get("public-key").map(|_| {
            let secret = bytes(vector, "secret-key");
            let pair = PasetoKey::<V, Public>::from_secret_bytes(secret).unwrap();
            let public = PasetoKey::from_public_bytes(bytes(vector, "public-key")).unwrap();
            assert_eq!(pair.public_paserk(), public.public_paserk());
            (envelope(vector, pair), envelope(vector, public))
        });
        let opened = match (&shared, &pair) {
            (Some(shared), None) => shared.open(token),
            (None, Some((_, public))) => public.open(token),
            _ => unreachable!("{vector}"),
        };
        if fails(vector) {
            assert!(opened.is_err(), "{vector}");
            count.refused += 1;
            continue;
        }
        let payload = text(vector, "payload").as_bytes();
        assert_eq!(opened.unwrap().payload, payload, "{vector}");
        let (footer, assertion) = (text(vector, "footer"), text(vector, "implicit-assertion"));
        if let Some(shared) = shared {
            count.encrypted += 1;
            // With our own nonce.
            let key = shared.ring.active();
            let sealed = Local::seal(
                key.material(),
                payload,
                footer.as_bytes(),
                assertion.as_bytes(),
            );
            let opened = shared.open(&sealed.unwrap()).unwrap();
            assert_eq!(opened.payload, payload, "{vector}");
        }
        if let Some((pair, public)) = pair {
            count.signed += 1;
            // With Ed25519 a message has one signature; with ECDSA it is checked with the public
            // half.
            let key = pair.ring.active();
            let signed = Public::seal(
                key.material(),
                payload,
                footer.as_bytes(),
                assertion.as_bytes(),
            );
            let signed = signed.unwrap();
            assert!(
                <Public as Cipher<V>>::VERSION == 3 || signed == token,
                "{vector}"
            );
            assert_eq!(public.open(&signed).unwrap().payload, payload, "{vector}");
        }
    }
    count
}

#[test]
fn the_49_token_vectors_come_out_as_published() {
    let (v2, v3, v4) = (
        vectors!("v2.json"),
        vectors!("v3.json"),
        vectors!("v4.json"),
    );
    assert_eq!((v2.len(), v3.len(), v4.len()), (15, 17, 17));
    let expected = |encrypted, signed, refused| Count {
        encrypted,
        signed,
        refused,
    };
    assert_eq!(run::<V2>(&v2), expected(9, 3, 3));
    assert_eq!(run::<V3>(&v3), expected(9, 3, 5));
    assert_eq!(run::<V4>(&v4), expected(9, 3, 5));
}

/// pasetors does not implement this part, so it is compared byte for byte.
#[test]
fn version_3_encrypts_to_the_published_bytes() {
    let mut ran = 0;
    for vector in vectors!("v3.json") {
        if fails(&vector) || vector.get("key").is_none() {
            continue;
        }
        let token = v3_local::seal_with(
            &Secret::new(bytes(&vector, "key").try_into().unwrap()),
            &bytes(&vector, "nonce").try_into().unwrap(),
            text(&vector, "payload").as_bytes(),
            text(&vector, "footer").as_bytes(),
            text(&vector, "implicit-assertion").as_bytes(),
        );
        assert_eq!(token.unwrap(), text(&vector, "token"));
        ran += 1;
    }
    assert_eq!(ran, 9);
}

#[test]
fn version_3_opens_no_body_that_is_too_short_for_nonce_and_tag() {
    let key = Secret::new([7; 32]);
    for length in [0, 1, 31, 32, 47, 48, 79, 80] {
        let body = base64_simd::URL_SAFE_NO_PAD.encode_to_string(vec![0; length]);
        let token = format!("v3.local.{body}");
        let opened = <Local as Cipher<V3>>::open(&key, &token, b"", b"");
        assert!(opened.is_none(), "{length}");
    }
}
