//! PEM and DER, with keys made by OpenSSL, and those of RFC 9881 appendix C.

use super::*;

macro_rules! file {
    ($name:literal) => {
        include_str!(concat!("../../../tests/keys/", $name, ".pem"))
    };
}

fn der(pem: &str) -> Vec<u8> {
    let body: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    base64_simd::STANDARD.decode_to_vec(body).unwrap()
}

const RSA: [Algorithm; 6] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];

/// Private and public forms of one key.
fn pairs() -> Vec<(&'static [Algorithm], Vec<&'static str>, Vec<&'static str>)> {
    vec![
        (
            &RSA,
            vec![file!("rsa2048.pkcs8"), file!("rsa2048.pkcs1")],
            vec![file!("rsa2048.spki"), file!("rsa2048.pkcs1-public")],
        ),
        (
            &[Algorithm::Es256],
            vec![file!("p256.pkcs8"), file!("p256.sec1")],
            vec![file!("p256.spki"), file!("p256-compressed.spki")],
        ),
        (
            &[Algorithm::Es384],
            vec![file!("p384.pkcs8"), file!("p384.sec1")],
            vec![file!("p384.spki")],
        ),
        (
            &[Algorithm::Es512],
            vec![file!("p521.pkcs8"), file!("p521.sec1")],
            vec![file!("p521.spki")],
        ),
        (
            &[Algorithm::Es256k],
            vec![file!("secp256k1.pkcs8"), file!("secp256k1.sec1")],
            vec![file!("secp256k1.spki")],
        ),
        (
            &[Algorithm::EdDsa],
            vec![file!("ed25519.pkcs8")],
            vec![file!("ed25519.spki")],
        ),
        (
            &[Algorithm::MlDsa44],
            vec![file!("ml-dsa-44-seed.pkcs8"), file!("ml-dsa-44-both.pkcs8")],
            vec![file!("ml-dsa-44.spki")],
        ),
        (
            &[Algorithm::MlDsa65],
            vec![file!("ml-dsa-65-seed.pkcs8")],
            vec![file!("ml-dsa-65.spki")],
        ),
        (
            &[Algorithm::MlDsa87],
            vec![file!("ml-dsa-87-seed.pkcs8")],
            vec![file!("ml-dsa-87.spki")],
        ),
    ]
}

fn others() -> Vec<&'static str> {
    vec![
        file!("x25519.pkcs8"),
        file!("x25519.spki"),
        file!("rsa1024.pkcs8"),
        file!("rsa1024.pkcs1"),
        file!("rsa1024.spki"),
        file!("rsa1024.pkcs1-public"),
        file!("rsa2048-e3.pkcs8"),
        file!("rsa2048-e3.spki"),
        file!("rsa2048-pss.pkcs8"),
        file!("rsa2048-pss.spki"),
        file!("rsa3072-3primes.pkcs8"),
        file!("p256.encrypted"),
        file!("rsa2048.legacy-encrypted"),
        file!("p256.certificate"),
        file!("rsa2048.certificate"),
        file!("ml-dsa-44-expanded.pkcs8"),
        file!("ml-dsa-44-bad1.pkcs8"),
        file!("ml-dsa-44-bad2.pkcs8"),
        file!("ml-dsa-44-bad3.pkcs8"),
    ]
}

/// The key's own block, where curve parameters stand before it.
fn last_block(pem: &str) -> &str {
    &pem[pem.rfind("-----BEGIN").unwrap()..]
}

#[test]
fn every_form_of_a_key_is_the_same_key() {
    for (algorithms, private, public) in pairs() {
        for algorithm in algorithms {
            let first = Key::from_pem(*algorithm, private[0]).unwrap();
            for pem in &private {
                for key in [
                    Key::from_pem(*algorithm, pem),
                    Key::from_der(*algorithm, der(last_block(pem))),
                ] {
                    let key = key.unwrap();
                    assert!(key.can_sign());
                    assert_eq!(key.thumbprint(), first.thumbprint());
                    assert!(first.verify(MESSAGE, &sign(&key)));
                }
            }
            for pem in &public {
                for key in [
                    Key::from_pem(*algorithm, pem),
                    Key::from_der(*algorithm, der(pem)),
                ] {
                    let key = key.unwrap();
                    assert!(!key.can_sign());
                    assert_eq!(key.public_jwk(), first.public_jwk());
                    assert!(key.verify(MESSAGE, &sign(&first)));
                }
            }
        }
    }
}

#[test]
fn an_exported_key_is_what_others_write() {
    for (algorithm, pem) in [
        (Algorithm::Rs256, file!("rsa2048.pkcs8")),
        (Algorithm::Es256, file!("p256.pkcs8")),
        (Algorithm::Es384, file!("p384.pkcs8")),
        (Algorithm::Es512, file!("p521.pkcs8")),
        (Algorithm::Es256k, file!("secp256k1.pkcs8")),
        (Algorithm::EdDsa, file!("ed25519.pkcs8")),
        (Algorithm::MlDsa44, file!("ml-dsa-44-seed.pkcs8")),
        (Algorithm::MlDsa65, file!("ml-dsa-65-seed.pkcs8")),
        (Algorithm::MlDsa87, file!("ml-dsa-87-seed.pkcs8")),
    ] {
        let exported = Key::from_pem(algorithm, pem)
            .unwrap()
            .to_pkcs8_pem()
            .unwrap();
        assert_eq!(exported.expose(), pem);
    }
}

#[test]
fn a_key_fits_only_its_own_algorithms() {
    for (algorithms, private, public) in pairs() {
        let forms: Vec<&str> = private.into_iter().chain(public).collect();
        for algorithm in Algorithm::ALL
            .iter()
            .filter(|algorithm| !algorithms.contains(algorithm))
        {
            for pem in &forms {
                let (setting, reason) = match pem.contains("PRIVATE") {
                    _ if algorithm.is_symmetric() => ("alg", "shared secret"),
                    true => ("private_key", "not a usable one"),
                    false => ("public_key", "not a usable one"),
                };
                refused(Key::from_pem(*algorithm, pem), setting, reason);
                refused(
                    Key::from_der(*algorithm, der(last_block(pem))),
                    setting,
                    reason,
                );
            }
        }
    }
}

#[test]
fn keys_that_are_not_offered_fit_no_algorithm() {
    for pem in others() {
        for algorithm in Algorithm::ALL {
            let error = Key::from_pem(*algorithm, pem).unwrap_err();
            let is_private = pem.contains("PRIVATE");
            match error.setting() {
                "alg" => assert!(algorithm.is_symmetric()),
                "private_key" => assert!(is_private),
                setting => assert_eq!((setting, is_private), ("public_key", false)),
            }
        }
    }
    let es256 = |pem| Key::from_pem(Algorithm::Es256, pem);
    let rs256 = |pem| Key::from_pem(Algorithm::Rs256, pem);
    refused(
        es256(file!("p256.encrypted")),
        "private_key",
        "openssl pkcs8",
    );
    refused(
        rs256(file!("rsa2048.legacy-encrypted")),
        "private_key",
        "openssl pkcs8",
    );
    refused(
        es256(file!("p256.certificate")),
        "public_key",
        "openssl x509",
    );
    let ml_dsa_44 = |pem| Key::from_pem(Algorithm::MlDsa44, pem);
    let expanded = file!("ml-dsa-44-expanded.pkcs8");
    refused(ml_dsa_44(expanded), "private_key", "without its seed");
    // Seed and expanded key of two keys (RFC 9881 appendix C.4).
    let two = file!("ml-dsa-44-bad1.pkcs8");
    refused(ml_dsa_44(two), "private_key", "not a usable one");
    refused(rs256(file!("rsa1024.spki")), "public_key", "1024 bits");
    refused(rs256(file!("rsa1024.pkcs8")), "private_key", "2048");
    refused(rs256(file!("rsa2048-e3.pkcs8")), "private_key", "65537");
    refused(rs256(file!("rsa2048-e3.spki")), "public_key", "65537");
    refused(es256("nothing"), "public_key", "no complete PEM block");
    refused(
        es256("-----BEGIN PRIVATE KEY-----\nAAAA\n"),
        "private_key",
        "no complete PEM block",
    );
    for (pem, reason) in [
        (file!("p256.encrypted"), "encrypted"),
        (file!("p256.certificate"), "certificate"),
    ] {
        let error = Key::from_der(Algorithm::Es256, der(pem)).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn text_around_the_block_is_skipped() {
    let pem = file!("p256.pkcs8");
    let key = Key::from_pem(Algorithm::Es256, pem).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    for text in [
        format!("Bag Attributes\n    friendlyName: one\n\n{pem}"),
        format!("{pem}\nsee -----BEGIN in the manual\n"),
        format!("\n\n{pem}\n\n"),
        pem.trim_end().to_owned(),
        pem.replace('\n', "\r\n"),
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"),
    ] {
        let read = Key::from_pem(Algorithm::Es256, &text).unwrap();
        assert_eq!(read.thumbprint(), key.thumbprint(), "{text}");
    }
}

#[test]
fn a_pem_that_leaves_a_choice_or_a_doubt_is_refused() {
    let (private, public) = (file!("p256.pkcs8"), file!("p256.spki"));
    let read = |pem: &str| Key::from_pem(Algorithm::Es256, pem);
    refused(
        read(&format!("{private}{public}")),
        "private_key",
        "more than one",
    );
    refused(
        read(&format!("{public}{}", file!("p256.certificate"))),
        "public_key",
        "more than one",
    );
    refused(
        read(&private.replace("PRIVATE", "RSA PRIVATE")),
        "private_key",
        "label does not match",
    );
    refused(
        read(&private.replace("PRIVATE", "PUBLIC")),
        "public_key",
        "label does not match",
    );
    refused(
        read(&public.replace("PUBLIC", "EC PRIVATE")),
        "private_key",
        "label does not match",
    );
    refused(
        read(&public.replace("PUBLIC", "SECRET")),
        "public_key",
        "not that of a key",
    );
    refused(
        read(&private.replace("PRIVATE", "OPENSSH PRIVATE")),
        "private_key",
        "ssh-keygen",
    );
    refused(
        read(&private.replacen("MIG", "M!G", 1)),
        "private_key",
        "malformed",
    );
    refused(read(&private.replacen("MIG", "M", 1)), "private_key", "");
    refused(
        read(&format!("x{private}")),
        "private_key",
        "no complete PEM block",
    );
}

#[test]
fn der_is_one_whole_key() {
    for (algorithms, private, public) in pairs() {
        for pem in private.into_iter().chain(public) {
            let whole = der(last_block(pem));
            assert!(Key::from_der(algorithms[0], &whole).is_ok());
            assert!(Key::from_der(algorithms[0], [&whole[..], &[0]].concat()).is_err());
            assert!(Key::from_der(algorithms[0], [&whole[..], &whole[..]].concat()).is_err());
            for length in 0..whole.len() {
                assert!(Key::from_der(algorithms[0], &whole[..length]).is_err());
            }
        }
    }
}

#[test]
fn no_changed_byte_makes_a_panic_or_a_pair_that_does_not_fit() {
    for (algorithm, pem) in [
        (Algorithm::Es256, file!("p256.pkcs8")),
        (Algorithm::Es256, file!("p256.sec1")),
        (Algorithm::EdDsa, file!("ed25519.pkcs8")),
        (Algorithm::Es256, file!("p256.spki")),
        (Algorithm::EdDsa, file!("ed25519.spki")),
        (Algorithm::MlDsa44, file!("ml-dsa-44-seed.pkcs8")),
    ] {
        let whole = der(last_block(pem));
        for index in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[index] ^= 1 << bit;
                let Ok(key) = Key::from_der(algorithm, &changed) else {
                    continue;
                };
                if key.can_sign() {
                    assert!(key.verify(MESSAGE, &sign(&key)), "byte {index} bit {bit}");
                }
            }
        }
    }
}

/// What keys look like in environment variables and files of settings.
fn wrapped(der: &[u8]) -> Vec<String> {
    let standard = base64_simd::STANDARD.encode_to_string(der);
    let url = base64_simd::URL_SAFE_NO_PAD.encode_to_string(der);
    let lines = |text: &str, end: &str| {
        let lines: Vec<_> = text.as_bytes().chunks(64).collect();
        let lines: Vec<_> = lines
            .iter()
            .map(|it| std::str::from_utf8(it).unwrap())
            .collect();
        lines.join(end) + end
    };
    let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        standard.trim_end_matches('=').to_owned(),
        lines(&standard, "\n"),
        lines(&standard, "\r\n"),
        lines(&standard, "\\n"),
        format!("\u{feff}{standard}"),
        format!("\"{standard}\""),
        lines(&url, "\n"),
        base64_simd::URL_SAFE.encode_to_string(der),
        url,
        hex.to_uppercase(),
        hex,
    ]
}

#[test]
fn a_key_or_certificate_is_no_shared_secret() {
    for pem in pairs()
        .into_iter()
        .flat_map(|(_, private, public)| [private, public].concat())
        .chain(others())
    {
        let key = Key::hs256(pem);
        refused(key, "secret_key", "PEM");
        refused(Key::hs256(format!(" \n\t{pem}")), "secret_key", "PEM");
        refused(Key::hs256(format!("\u{feff}{pem}")), "secret_key", "PEM");
        if pem.contains("Proc-Type") {
            continue;
        }
        let der = der(last_block(pem));
        refused(Key::hs256(&der), "secret_key", "asymmetric key");
        let text = base64_simd::STANDARD.encode_to_string(&der);
        refused(Key::hs256(text), "secret_key", "asymmetric key");
        for text in wrapped(&der) {
            refused(Key::hs256(&text), "secret_key", "asymmetric key");
        }
        let text = base64_simd::STANDARD.encode_to_string(pem);
        refused(Key::hs256(text), "secret_key", "PEM");
        let body: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
        if !pem.contains("PARAMETERS") {
            refused(Key::hs256(body.join("\n")), "secret_key", "asymmetric key");
        }
    }
    for (algorithm, pem) in [
        (Algorithm::Es256, file!("p256.spki")),
        (Algorithm::EdDsa, file!("ed25519.spki")),
        (Algorithm::Rs256, file!("rsa2048.spki")),
    ] {
        let key = Key::from_pem(algorithm, pem).unwrap();
        let jwk = key.public_jwk().unwrap().to_string();
        for text in [
            jwk.clone(),
            format!("\n {jwk}"),
            format!("\u{feff}{jwk}"),
            KeyRing::new(key).public_jwks().to_string(),
        ] {
            refused(Key::hs256(text), "secret_key", "JSON Web Key");
        }
    }
    // The end of the document is the uncompressed point.
    for spki in [der(file!("p256.spki")), der(file!("secp256k1.spki"))] {
        let point = &spki[spki.len() - 65..];
        refused(Key::hs256(point), "secret_key", "asymmetric key");
    }
    for secret in [
        base64_simd::STANDARD.encode_to_string([7, 1].repeat(32)),
        base64_simd::URL_SAFE_NO_PAD.encode_to_string([251, 1].repeat(32)),
        "0123456789abcdef0123456789abcdef".to_owned(),
        "not base64: ~~~ but thirty-two bytes".to_owned(),
    ] {
        assert!(Key::hs256(&secret).is_ok(), "{secret}");
    }
    let ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG2cQTvpAlxcXOHv1ux0r1c2jgvG2YJ0dM1Ym3Ff0kZb";
    refused(Key::hs256(ssh), "secret_key", "SSH");
    let json = r#"{"some":"object of settings that is not a key"}"#;
    assert!(Key::hs256(json).is_ok());
}
