//! An engine of each version and purpose, and a forge that seals whatever it is given with the
//! engine's key.

use base64_simd::URL_SAFE_NO_PAD;
use pasetors::{
    keys::{AsymmetricSecretKey, SymmetricKey},
    version2, version3, version4,
};

use tower_jam::{
    Claims, Grant, KeyRing, Paseto, PasetoKey,
    token::paseto::{Local, PasetoBuilder, Public, Purpose, V2, V3, V4},
};

pub(crate) use crate::jwt::forge::{clock, encode};

/// An engine, its key's id, and its forge. Local tokens of version 3 have no forge: pasetors lacks
/// them.
pub struct Subject {
    pub name: &'static str,
    pub paseto: Paseto<Claims>,
    pub kid: String,
    pub seal: Option<Seal>,
}

/// A token for this payload, footer and implicit assertion.
pub type Seal = Box<dyn Fn(&str, &str, &str) -> String>;

impl Subject {
    pub fn all() -> Vec<Self> {
        vec![
            v4_local(),
            v4_public(),
            v3_local(),
            v3_public(),
            v2_local(),
            v2_public(),
        ]
    }

    pub async fn minted(&self) -> String {
        let claims = Claims::new().with("marker", "swordfish").unwrap();
        let token = self.paseto.issue(Grant::new("swordfish-subject", claims));
        token.await.unwrap().expose().clone()
    }

    /// The footer that the engine would write.
    pub fn footer(&self) -> String {
        format!(r#"{{"kid":"{}"}}"#, self.kid)
    }
}

pub fn built<V: 'static, P: Purpose<V>>(builder: PasetoBuilder<Claims, V, P>) -> Paseto<Claims> {
    let builder = builder.issuer(ISSUER).audience(AUDIENCE);
    builder.clock(clock()).build().unwrap()
}

pub fn v4_local() -> Subject {
    let key = PasetoKey::<V4, Local>::generate();
    let forge = SymmetricKey::<version4::V4>::from(&body(key.to_paserk().expose())).unwrap();
    Subject {
        name: "v4.local",
        kid: key.kid().to_owned(),
        paseto: built(Paseto::v4_local(KeyRing::new(key))),
        seal: Some(Box::new(move |payload, footer, assertion| {
            let (footer, assertion) = (Some(footer.as_bytes()), Some(assertion.as_bytes()));
            version4::LocalToken::encrypt(&forge, payload.as_bytes(), footer, assertion).unwrap()
        })),
    }
}

pub fn v4_public() -> Subject {
    let key = PasetoKey::<V4, Public>::generate().unwrap();
    let secret = key.secret_paserk().unwrap();
    let forge = AsymmetricSecretKey::<version4::V4>::from(&body(secret.expose())).unwrap();
    Subject {
        name: "v4.public",
        kid: key.kid().to_owned(),
        paseto: built(Paseto::v4_public(KeyRing::new(key))),
        seal: Some(Box::new(move |payload, footer, assertion| {
            let (footer, assertion) = (Some(footer.as_bytes()), Some(assertion.as_bytes()));
            version4::PublicToken::sign(&forge, payload.as_bytes(), footer, assertion).unwrap()
        })),
    }
}

fn v3_local() -> Subject {
    let key = PasetoKey::<V3, Local>::generate();
    Subject {
        name: "v3.local",
        kid: key.kid().to_owned(),
        paseto: built(Paseto::v3_local(KeyRing::new(key))),
        seal: None,
    }
}

fn v3_public() -> Subject {
    let key = PasetoKey::<V3, Public>::generate().unwrap();
    let secret = key.secret_paserk().unwrap();
    let forge = AsymmetricSecretKey::<version3::V3>::from(&body(secret.expose())).unwrap();
    Subject {
        name: "v3.public",
        kid: key.kid().to_owned(),
        paseto: built(Paseto::v3_public(KeyRing::new(key))),
        seal: Some(Box::new(move |payload, footer, assertion| {
            let (footer, assertion) = (Some(footer.as_bytes()), Some(assertion.as_bytes()));
            version3::PublicToken::sign(&forge, payload.as_bytes(), footer, assertion).unwrap()
        })),
    }
}

fn v2_local() -> Subject {
    let key = PasetoKey::<V2, Local>::generate();
    let forge = SymmetricKey::<version2::V2>::from(&body(key.to_paserk().expose())).unwrap();
    Subject {
        name: "v2.local",
        kid: key.kid().to_owned(),
        paseto: built(Paseto::dangerous_legacy_v2_local(KeyRing::new(key))),
        seal: Some(Box::new(move |payload, footer, _| {
            let footer = Some(footer.as_bytes());
            version2::LocalToken::encrypt(&forge, payload.as_bytes(), footer).unwrap()
        })),
    }
}

fn v2_public() -> Subject {
    let key = PasetoKey::<V2, Public>::generate().unwrap();
    let secret = key.secret_paserk().unwrap();
    let forge = AsymmetricSecretKey::<version2::V2>::from(&body(secret.expose())).unwrap();
    Subject {
        name: "v2.public",
        kid: key.kid().to_owned(),
        paseto: built(Paseto::dangerous_legacy_v2_public(KeyRing::new(key))),
        seal: Some(Box::new(move |payload, footer, _| {
            let footer = Some(footer.as_bytes());
            version2::PublicToken::sign(&forge, payload.as_bytes(), footer).unwrap()
        })),
    }
}

/// The bytes of a key from its text.
pub fn body(paserk: &str) -> Vec<u8> {
    decode(paserk.rsplit('.').next().unwrap())
}

/// The claims of a valid token, with these replaced or added, and removed if the value is empty.
pub fn claims(changes: &[(&str, &str)]) -> String {
    let mut members = vec![
        ("iss", r#""https://auth.acme.dev""#),
        ("aud", r#""api""#),
        ("sub", r#""swordfish-subject""#),
        ("exp", r#""2026-01-01T00:10:00+00:00""#),
        ("iat", r#""2026-01-01T00:00:00+00:00""#),
        ("jti", r#""swordfish-id""#),
        ("marker", r#""swordfish""#),
    ];
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

pub fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode_to_vec(text).unwrap()
}

pub const ISSUER: &str = "https://auth.acme.dev";
pub const AUDIENCE: &str = "api";
