//! Keys that the token contains, names, or uses as another kind of key.

use aws_lc_rs::{
    aead, hmac,
    rand::{self, SystemRandom},
    rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA384, RSA_PSS_SHA512,
    },
};

use tower_jam::{Algorithm, Key, KeyRing};

use super::{ALGORITHM, Category, HEADER, KEY, PARTS, SIGNATURE};
use crate::jwt::forge::{
    ED25519, Forge, P256, RSA, SECRET, claims, der, encode, engine, header, public, shared,
};

pub(super) fn all() -> Vec<Category> {
    let mut all = confusions();
    all.extend([
        paddings_rs(),
        paddings_ps(),
        ids(),
        one_key(),
        embedded(),
        embedded_secret(),
        encrypted(),
    ]);
    all
}

/// A MAC with a public key as its secret, which is accepted by implementations that use the
/// algorithm of the token (RFC 8725 section 2.1).
fn confusions() -> Vec<Category> {
    [
        (
            "confusion with RSA",
            Forge::rs256(),
            Algorithm::Rs256,
            RSA,
            include_str!("../../../keys/rsa2048.spki.pem"),
        ),
        (
            "confusion with ECDSA",
            Forge::es256(),
            Algorithm::Es256,
            P256,
            include_str!("../../../keys/p256.spki.pem"),
        ),
        (
            "confusion with EdDSA",
            Forge::ed25519(),
            Algorithm::EdDsa,
            ED25519,
            include_str!("../../../keys/ed25519.spki.pem"),
        ),
    ]
    .into_iter()
    .map(|(name, forge, algorithm, private, spki)| {
        let ring = public(algorithm, private);
        let jwk = ring.active().public_jwk().unwrap();
        let mut category = Category::new(name, engine(ring.clone()), &forge);
        let point = der(spki)[der(spki).len() - 32..].to_vec();
        for (form, secret) in [
            ("PEM", spki.as_bytes().to_vec()),
            (
                "PEM without the last line break",
                spki.trim_end().as_bytes().to_vec(),
            ),
            ("PEM with CRLF", spki.replace('\n', "\r\n").into_bytes()),
            ("DER", der(spki)),
            ("JWK", jwk.to_string().into_bytes()),
            ("JWK set", ring.public_jwks().to_string().into_bytes()),
            ("end of the DER", point),
            ("kid", ring.active().kid().as_bytes().to_vec()),
            ("nothing", Vec::new()),
        ] {
            let mac = Forge::hs256(&secret);
            category.refuse(
                ALGORITHM,
                format!("HS256 by the {form}"),
                mac.with_header(&mac.header),
            );
            category.refuse(
                SIGNATURE,
                format!("MAC by the {form} passed off as {algorithm}"),
                mac.with_header(&forge.header),
            );
        }
        for (alg, hash) in [("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
            let key = hmac::Key::new(hash, spki.as_bytes());
            let mac = Forge::new(alg, move |message| {
                hmac::sign(&key, message).as_ref().to_vec()
            });
            category.refuse(ALGORITHM, format!("{alg} by the PEM"), mac.good());
        }
        category
    })
    .collect()
}

fn paddings_rs() -> Category {
    let mut category = Category::new(
        "RS256 by another padding or hash",
        engine(public(Algorithm::Rs256, RSA)),
        &Forge::rs256(),
    );
    let right = header("RS256", &[]);
    for forge in [
        Forge::ps256(),
        Forge::rsa("PS384", &RSA_PSS_SHA384),
        Forge::rsa("PS512", &RSA_PSS_SHA512),
        Forge::rsa("RS384", &RSA_PKCS1_SHA384),
        Forge::rsa("RS512", &RSA_PKCS1_SHA512),
    ] {
        category.refuse(ALGORITHM, format!("as {}", forge.header), forge.good());
        category.refuse(
            SIGNATURE,
            format!("{} as RS256", forge.header),
            forge.with_header(&right),
        );
    }
    category
}

fn paddings_ps() -> Category {
    let mut category = Category::new(
        "PS256 by another padding or hash",
        engine(public(Algorithm::Ps256, RSA)),
        &Forge::ps256(),
    );
    let right = header("PS256", &[]);
    for forge in [
        Forge::rs256(),
        Forge::rsa("PS384", &RSA_PSS_SHA384),
        Forge::rsa("RS512", &RSA_PKCS1_SHA512),
    ] {
        category.refuse(ALGORITHM, format!("as {}", forge.header), forge.good());
        category.refuse(
            SIGNATURE,
            format!("{} as PS256", forge.header),
            forge.with_header(&right),
        );
    }
    category
}

fn ids() -> Category {
    let other = b"another swordfish, swordfish, swordfish and swordfish";
    let ring = KeyRing::new(Key::hs256(SECRET).unwrap().with_kid("one").unwrap());
    ring.accept(Key::hs256(other).unwrap().with_kid("two").unwrap())
        .unwrap();
    ring.accept(
        Key::from_pem(Algorithm::Es256, P256)
            .unwrap()
            .with_kid("three")
            .unwrap(),
    )
    .unwrap();
    let named = |kid: &str| header("HS256", &[("kid", &format!("\"{kid}\""))]);
    let mut forge = Forge::hs256(SECRET);
    let unnamed = forge.good();
    forge.header = named("one");
    let mut category = Category::new("kid among several", engine(ring), &forge);
    category.accept(Forge::hs256(other).with_header(named("two")));
    category.accept(forge.with_header(named("on\\u0065")));

    category.refuse(KEY, "no kid", unnamed);
    for kid in [
        "",
        "zero",
        "ONE",
        "One",
        "one ",
        " one",
        "one\\u0000",
        "one\\n",
        "on",
        "onee",
        "one,two",
        "*",
        "%",
        "0",
        "1",
        "оne",
        "../one",
        "./one",
        "/dev/null",
        "../../../../../../dev/null",
        "..\\\\..\\\\one",
        "file:///etc/passwd",
        "https://attacker.example/key",
        "' OR '1'='1",
        "one' UNION SELECT 'secret'--",
        "one'; DROP TABLE keys;--",
        "one|/bin/id",
        "$(id)",
        "`id`",
        "{{7*7}}",
        "${jndi:ldap://x}",
        "__proto__",
        "constructor",
    ] {
        category.refuse(
            KEY,
            format!("kid is {kid:?}"),
            forge.with_header(named(kid)),
        );
    }
    category.refuse(
        KEY,
        "kid of 4000 characters",
        forge.with_header(named(&"one".repeat(1333))),
    );
    category.refuse(
        SIGNATURE,
        "kid of the other secret",
        forge.with_header(named("two")),
    );
    category.refuse(
        SIGNATURE,
        "signed with the other secret",
        Forge::hs256(other).with_header(named("one")),
    );
    category.refuse(
        ALGORITHM,
        "kid of the other kind of key",
        forge.with_header(named("three")),
    );
    category.refuse(
        SIGNATURE,
        "signed with nothing",
        Forge::hs256(b"").with_header(named("one")),
    );
    for value in ["null", "1", "true", "[\"one\"]", "{\"kid\":\"one\"}"] {
        category.refuse(
            HEADER,
            format!("kid is {value}"),
            forge.with_header(header("HS256", &[("kid", value)])),
        );
    }
    category
}

fn one_key() -> Category {
    let forge = Forge::hs256(SECRET);
    let ring = shared();
    let kid = ring.active().kid().to_owned();
    let mut category = Category::new("kid of the only key", engine(ring), &forge);
    category.accept(forge.with_header(header("HS256", &[("kid", &format!("\"{kid}\""))])));
    for other in [
        String::new(),
        "other".to_owned(),
        kid.to_uppercase(),
        format!("{kid}="),
        kid[1..].to_owned(),
    ] {
        let token = forge.with_header(header("HS256", &[("kid", &format!("\"{other}\""))]));
        category.refuse(KEY, format!("kid is {other:?}"), token);
    }
    category
}

/// RFC 8725 section 3.10: the attacker signs with a key of its own and includes it.
fn embedded() -> Category {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let pkcs8 = pair.to_pkcs8v1().unwrap();
    let attacker = Forge::es256_by(pkcs8.as_ref());
    let mut jwk = Key::from_der(Algorithm::Es256, pkcs8.as_ref())
        .unwrap()
        .public_jwk()
        .unwrap();
    let theirs = jwk.to_string();
    let theirs_kid = jwk["kid"].to_string();
    let ring = public(Algorithm::Es256, P256);
    let ours_kid = format!("\"{}\"", ring.active().kid());
    jwk["kid"] = ring.active().kid().into();
    let disguised = jwk.to_string();
    let certificate = encode(der(include_str!("../../../keys/p256.certificate.pem")));

    let forge = Forge::es256();
    let mut category = Category::new("embedded keys", engine(ring), &forge);
    let set = format!("{{\"keys\":[{theirs}]}}");
    let chain = format!("[\"{certificate}\"]");
    let url = "\"https://attacker.example/keys.json\"";
    let pem = encode(pkcs8.as_ref());
    let pem = format!("\"{pem}\"");
    let ways: [(&str, &[(&str, &str)]); 16] = [
        ("jwk", &[("jwk", &theirs)]),
        ("jwk and our kid", &[("jwk", &theirs), ("kid", &ours_kid)]),
        ("jwk with our kid", &[("jwk", &disguised)]),
        (
            "jwk with our kid and our kid",
            &[("jwk", &disguised), ("kid", &ours_kid)],
        ),
        ("jwks", &[("jwks", &set)]),
        ("keys", &[("keys", &set)]),
        ("jku", &[("jku", url)]),
        ("jku to a file", &[("jku", "\"file:///tmp/keys.json\"")]),
        ("jku and our kid", &[("jku", url), ("kid", &ours_kid)]),
        ("x5u", &[("x5u", url)]),
        ("x5c", &[("x5c", &chain)]),
        ("x5c and our kid", &[("x5c", &chain), ("kid", &ours_kid)]),
        ("x5t", &[("x5t", "\"AAAAAAAAAAAAAAAAAAAAAAAAAAA\"")]),
        (
            "x5t#S256",
            &[(
                "x5t#S256",
                "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
            )],
        ),
        ("epk", &[("epk", &theirs)]),
        (
            "all at once",
            &[
                ("jwk", &theirs),
                ("jku", url),
                ("x5u", url),
                ("x5c", &chain),
                ("kid", &ours_kid),
            ],
        ),
    ];
    for (name, members) in ways {
        let head = header("ES256", members);
        category.refuse(SIGNATURE, name, attacker.with_header(&head));
        // They select nothing, so a token that is valid without them is valid with them.
        category.accept(forge.with_header(&head));
    }
    for (name, members) in [
        ("their kid", &[("kid", &*theirs_kid)][..]),
        (
            "jwk and their kid",
            &[("jwk", &theirs), ("kid", &theirs_kid)],
        ),
        ("jku and their kid", &[("jku", url), ("kid", &theirs_kid)]),
        ("the private key as kid", &[("kid", &pem)]),
    ] {
        category.refuse(KEY, name, attacker.with_header(header("ES256", members)));
    }
    category.refuse(SIGNATURE, "nothing embedded", attacker.good());
    category
}

fn embedded_secret() -> Category {
    let theirs = b"a secret that only the attacker knows, of enough bytes";
    let attacker = Forge::hs256(theirs);
    let mut category = Category::new("embedded secrets", engine(shared()), &Forge::hs256(SECRET));
    let kid = format!("\"{}\"", shared().active().kid());
    let jwk = format!(
        "{{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":{kid},\"k\":\"{}\"}}",
        encode(theirs)
    );
    let secret = format!("\"{}\"", encode(theirs));
    let ways: [(&str, &[(&str, &str)]); 5] = [
        ("jwk", &[("jwk", &jwk)]),
        ("jwk and kid", &[("jwk", &jwk), ("kid", &kid)]),
        ("k", &[("k", &secret)]),
        ("p2s and p2c", &[("p2s", &secret), ("p2c", "1000000000")]),
        ("nothing", &[]),
    ];
    for (name, members) in ways {
        category.refuse(
            SIGNATURE,
            name,
            attacker.with_header(header("HS256", members)),
        );
    }
    category
}

/// RFC 7516: encrypted to our own public key, which anyone can do, or with our secret.
fn encrypted() -> Category {
    let forge = Forge::rs256();
    let mut category = Category::new(
        "encrypted tokens",
        engine(public(Algorithm::Rs256, RSA)),
        &forge,
    );
    let spki = der(include_str!("../../../keys/rsa2048.spki.pem"));
    let recipient =
        OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&spki).unwrap()).unwrap();
    for (name, plain) in [("claims", claims(&[])), ("a token", forge.good())] {
        for alg in ["RSA-OAEP-256", "RS256", "none"] {
            let mut key = [0; 32];
            rand::fill(&mut key).unwrap();
            let mut wrapped = vec![0; recipient.ciphertext_size()];
            recipient
                .encrypt(&OAEP_SHA256_MGF1SHA256, &key, &mut wrapped, None)
                .unwrap();
            let token = jwe(alg, &key, &wrapped, &plain);
            category.refuse(PARTS, format!("{name} encrypted to us, alg {alg}"), token);
        }
    }
    for alg in ["dir", "HS256", "A256GCM"] {
        category.refuse(
            PARTS,
            format!("encrypted with a key, alg {alg}"),
            jwe(alg, &SECRET[..32], &[], &claims(&[])),
        );
    }
    category
}

fn jwe(alg: &str, key: &[u8], wrapped: &[u8], plain: &str) -> String {
    let header = encode(header(alg, &[("enc", "\"A256GCM\"")]));
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, key).unwrap());
    let mut iv = [0; 12];
    rand::SecureRandom::fill(&SystemRandom::new(), &mut iv).unwrap();
    let mut text = plain.as_bytes().to_vec();
    let (nonce, aad) = (
        aead::Nonce::assume_unique_for_key(iv),
        aead::Aad::from(header.as_bytes()),
    );
    let tag = key
        .seal_in_place_separate_tag(nonce, aad, &mut text)
        .unwrap();
    let parts = [encode(wrapped), encode(iv), encode(text), encode(tag)];
    format!("{header}.{}", parts.join("."))
}
