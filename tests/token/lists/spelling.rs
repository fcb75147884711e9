//! A second spelling of a revoked token is that token, and no part of either is in the store.

use super::{
    support::{ProbeStore, shared},
    world::{App, BOTH, claims, is_good, issue},
};

/// The order of P-256 (FIPS 186-5), big-endian.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// For every signature `(r, s)` there is `(r, n − s)`, which anyone can compute and every verifier
/// accepts.
fn twin(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let base64 = base64_simd::URL_SAFE_NO_PAD;
    let mut signature = base64.decode_to_vec(signature).unwrap();
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i16::from(ORDER[at]) - i16::from(signature[32 + at]) - borrow;
        borrow = i16::from(difference < 0);
        signature[32 + at] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    format!("{signed}.{}", base64.encode_to_string(signature))
}

#[tokio::test]
async fn no_second_spelling_bypasses_a_list() {
    for mode in BOTH {
        let app = App::new();
        let jwt = app.alone(mode);
        let token = issue(&jwt, "alice").await;
        let twin = twin(&token);
        assert_ne!(twin, token);
        assert!(is_good(&jwt, &token).await && is_good(&jwt, &twin).await);
        jwt.revoke_token(&token).await.unwrap();
        assert!(!is_good(&jwt, &token).await);
        assert!(
            !is_good(&jwt, &twin).await,
            "the same token by another signature"
        );

        let mut spellings = vec![
            format!("{token}="),
            format!("{token}=="),
            format!(" {token}"),
        ];
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for last in alphabet.chars() {
            // Among them those that differ in unused bits alone.
            let mut changed = token.clone();
            changed.pop();
            changed.push(last);
            spellings.push(changed);
        }
        for part in 0..2 {
            let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
            parts[part].push('=');
            spellings.push(parts.join("."));
        }
        for spelling in spellings {
            assert!(!is_good(&jwt, &spelling).await, "{spelling}");
        }
    }
}

/// And in the other direction: the twin is given, and the token is revoked.
#[tokio::test]
async fn revoking_one_spelling_revokes_the_other() {
    for mode in BOTH {
        let app = App::new();
        let jwt = app.alone(mode);
        let token = issue(&jwt, "alice").await;
        jwt.revoke_token(&twin(&token)).await.unwrap();
        assert!(!is_good(&jwt, &token).await);
    }
}

#[tokio::test]
async fn the_store_holds_nothing_of_a_token() {
    for mode in BOTH {
        let app = App::new();
        let (probe, store) = shared(ProbeStore::new(app.memory()));
        let jwt = app.node(mode, &store);
        let token = issue(&jwt, "alice@acme.dev").await;
        let list = jwt.list().unwrap();
        list.add(&jwt.token_id(&token).unwrap()).await.unwrap();
        list.revoke_all("alice@acme.dev").await.unwrap();
        let jti = claims(&token)["jti"].as_str().unwrap().to_owned();
        let mut needles = vec![jti, "alice".to_owned()];
        needles.extend(token.split('.').map(str::to_owned));
        let written = probe.written();
        assert!(written.len() >= 2);
        for value in written {
            assert!(value.len() <= 16, "{} bytes", value.len());
            for needle in &needles {
                let has_it = value
                    .windows(needle.len())
                    .any(|window| window == needle.as_bytes());
                assert!(!has_it, "{needle}");
            }
        }
    }
}
