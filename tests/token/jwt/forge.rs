//! Signs whatever it is given, and builds engines that would accept it if it were correct.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
        RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
    },
};
use base64_simd::URL_SAFE_NO_PAD;

use tower_jam::{
    Algorithm, Claims, Clock, Jwt, Key, KeyRing, testing::ManualClock, token::JwtBuilder,
};

/// A key that signs arbitrary text, and the header that its tokens should have.
pub(crate) struct Forge {
    pub(crate) header: String,
    sign: Sign,
}

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

impl Forge {
    pub(crate) fn new(alg: &str, sign: impl Fn(&[u8]) -> Vec<u8> + 'static) -> Self {
        let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt"}}"#);
        Self {
            header,
            sign: Box::new(sign),
        }
    }

    pub(crate) fn hs256(secret: &[u8]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Self::new("HS256", move |message| {
            hmac::sign(&key, message).as_ref().to_vec()
        })
    }

    pub(crate) fn es256() -> Self {
        Self::es256_by(&der(P256))
    }

    pub(crate) fn es256_by(pkcs8: &[u8]) -> Self {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).unwrap();
        Self::new("ES256", move |message| {
            pair.sign(&SystemRandom::new(), message)
                .unwrap()
                .as_ref()
                .to_vec()
        })
    }

    pub(crate) fn ed25519() -> Self {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der(ED25519)).unwrap();
        Self::new("EdDSA", move |message| pair.sign(message).as_ref().to_vec())
    }

    pub(crate) fn rs256() -> Self {
        Self::rsa("RS256", &RSA_PKCS1_SHA256)
    }

    pub(crate) fn ps256() -> Self {
        Self::rsa("PS256", &RSA_PSS_SHA256)
    }

    pub(crate) fn rsa(alg: &str, encoding: &'static dyn RsaEncoding) -> Self {
        let pair = RsaKeyPair::from_pkcs8(&der(RSA)).unwrap();
        Self::new(alg, move |message| {
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(encoding, &SystemRandom::new(), message, &mut signature)
                .unwrap();
            signature
        })
    }

    /// The signature of `message` as it is written in a token.
    pub(crate) fn sign(&self, message: &str) -> Vec<u8> {
        (self.sign)(message.as_bytes())
    }

    /// A token of these two parts unchanged, with a valid signature.
    pub(crate) fn seal_parts(&self, header: &str, payload: &str) -> String {
        let message = format!("{header}.{payload}");
        let signature = encode(self.sign(&message));
        format!("{message}.{signature}")
    }

    pub(crate) fn seal(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.seal_parts(&encode(header), &encode(payload))
    }

    /// This header over valid claims.
    pub(crate) fn with_header(&self, header: impl AsRef<[u8]>) -> String {
        self.seal(header, claims(&[]))
    }

    /// This payload under the correct header.
    pub(crate) fn with_payload(&self, payload: impl AsRef<[u8]>) -> String {
        self.seal(&self.header, payload)
    }

    /// The token that every engine of this key accepts.
    pub(crate) fn good(&self) -> String {
        self.with_payload(claims(&[]))
    }

    /// The first two parts of [`good`](Self::good) and the signature of them.
    pub(crate) fn good_parts(&self) -> (String, Vec<u8>) {
        let message = format!("{}.{}", encode(&self.header), encode(claims(&[])));
        let signature = self.sign(&message);
        (message, signature)
    }
}

/// The claims of a valid token, with these replaced or added, and removed if the value is empty.
pub(crate) fn claims(changes: &[(&str, &str)]) -> String {
    let good = [
        ("iss", format!("\"{ISSUER}\"")),
        ("aud", format!("\"{AUDIENCE}\"")),
        ("sub", "\"swordfish-subject\"".to_owned()),
        ("exp", (NOW + 600).to_string()),
        ("iat", NOW.to_string()),
        ("jti", "\"swordfish-id\"".to_owned()),
        ("marker", "\"swordfish\"".to_owned()),
    ];
    let good = good.iter().map(|(name, value)| (*name, value.as_str()));
    object(good, changes)
}

/// A header with these members added to the correct ones or replacing them.
pub(crate) fn header(alg: &str, changes: &[(&str, &str)]) -> String {
    let alg = format!("\"{alg}\"");
    object(
        [("alg", alg.as_str()), ("typ", "\"at+jwt\"")].into_iter(),
        changes,
    )
}

fn object<'a>(
    good: impl Iterator<Item = (&'a str, &'a str)>,
    changes: &[(&'a str, &'a str)],
) -> String {
    let mut members: Vec<_> = good.collect();
    for (name, value) in changes {
        match members.iter_mut().find(|(known, _)| known == name) {
            Some(member) => member.1 = value,
            None => members.push((name, value)),
        }
    }
    let members = members.iter().filter(|(_, value)| !value.is_empty());
    let members: Vec<_> = members
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// An engine for the valid tokens of a key, at [`NOW`].
pub(crate) fn engine(keys: KeyRing) -> Jwt<Claims> {
    builder(keys).build().unwrap()
}

pub(crate) fn builder<U>(keys: KeyRing) -> JwtBuilder<U> {
    Jwt::builder(keys)
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .clock(clock())
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    let clock = ManualClock::default();
    assert_eq!(clock.now().as_secs(), NOW);
    Arc::new(clock)
}

pub(crate) fn shared() -> KeyRing {
    KeyRing::new(Key::hs256(SECRET).unwrap())
}

/// A ring with only the public half of a key.
pub(crate) fn public(algorithm: Algorithm, pem: &str) -> KeyRing {
    KeyRing::new(
        Key::from_pem(algorithm, pem)
            .unwrap()
            .public_only()
            .unwrap(),
    )
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

pub(crate) fn der(pem: &str) -> Vec<u8> {
    pem_rfc7468::decode_vec(pem.as_bytes()).unwrap().1
}

/// The time of all tests here: 2026-01-01T00:00:00Z, where a manual clock starts.
pub(crate) const NOW: u64 = 1_767_225_600;

pub(crate) const LEEWAY: Duration = Duration::from_secs(30);

pub(crate) const ISSUER: &str = "https://auth.acme.dev";
pub(crate) const AUDIENCE: &str = "api";

/// Every secret of these tests contains this word.
pub(crate) const SECRET: &[u8] = b"swordfish, swordfish, swordfish and more swordfish";

pub(crate) const P256: &str = include_str!("../../keys/p256.pkcs8.pem");
pub(crate) const ED25519: &str = include_str!("../../keys/ed25519.pkcs8.pem");
pub(crate) const RSA: &str = include_str!("../../keys/rsa2048.pkcs8.pem");
