//! The effects of settings that no other test covers.

use std::{sync::Arc, time::Duration};

use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower_jam::{
    Algorithm, Claims, Grant, Jam, Key, Timestamp, config::Config, otp::OtpSecret,
    password::Outcome, store::MemoryStore, testing::ManualClock,
};

use crate::{
    support::{ProbeStore, shared},
    world::{SECRET, alice, instance, status_of},
};

/// An instance with these tables, its clock, and its store.
async fn configured(more: Value) -> (Jam, Arc<ManualClock>, Arc<ProbeStore>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_700_000_000)));
    let (probe, store) = shared(ProbeStore::new(
        MemoryStore::new().with_clock(clock.clone()),
    ));
    let jam = Jam::builder(Config::value(&instance(more)).load().unwrap());
    let jam = jam.store(store).clock(clock.clone()).build().await;
    (jam.unwrap(), clock, probe)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn a_session_ends_when_its_table_says() {
    let (jam, clock, _) =
        configured(json!({ "session": { "idle": "10m", "absolute": "25m" } })).await;
    let idle = jam.session_create(alice()).await.unwrap();
    clock.advance(seconds(601));
    assert!(
        jam.session_get(idle.token.expose())
            .await
            .unwrap()
            .is_none()
    );
    let busy = jam.session_create(alice()).await.unwrap();
    let busy = || Request::get("/").header("cookie", format!("__Host-sid={}", busy.token.expose()));
    for (pause, status) in [(590, 200), (590, 200), (319, 200), (2, 401)] {
        clock.advance(seconds(pause));
        assert_eq!(
            status_of(jam.session_layer().unwrap(), busy()).await,
            status
        );
    }
}

#[tokio::test]
async fn a_session_is_read_from_the_cookie_or_the_header_that_is_named() {
    for (table, name, before) in [
        (json!({ "cookie": "sid" }), "cookie", "sid="),
        (json!({ "header": "X-Session" }), "x-session", ""),
    ] {
        let (jam, ..) = configured(json!({ "session": table })).await;
        let session = jam.session_create(alice()).await.unwrap();
        let cookie = session.set_cookie.to_str().unwrap();
        let expected = if before.is_empty() {
            "__Host-sid="
        } else {
            before
        };
        assert!(cookie.starts_with(expected), "{cookie}");
        let value = format!("{before}{}", session.token.expose());
        let layer = || jam.session_layer().unwrap();
        let there = Request::get("/").header(name, value);
        assert_eq!(status_of(layer(), there).await, StatusCode::OK);
        let usual = format!("__Host-sid={}", session.token.expose());
        let elsewhere = Request::get("/").header("cookie", usual);
        assert_eq!(
            status_of(layer(), elsewhere).await,
            StatusCode::UNAUTHORIZED
        );
    }
}

#[tokio::test]
async fn records_can_be_read_in_the_store_only_where_that_is_allowed() {
    for is_plain in [false, true] {
        let (jam, _, store) =
            configured(json!({ "session": { "dangerous_plain_records": is_plain } })).await;
        let user = Claims::new().with("name", "Alice Liddell").unwrap();
        jam.session_create(Grant::new("1", user)).await.unwrap();
        let written = store.written().concat();
        let text = String::from_utf8_lossy(&written);
        assert_eq!(text.contains("Alice Liddell"), is_plain, "{text}");
    }
}

#[tokio::test]
async fn tokens_are_of_the_types_the_life_and_the_leeway_of_their_table() {
    let key = json!({ "alg": "HS256", "secret_key": *SECRET });
    let with = async |more: Value| {
        let mut jwt = key.clone();
        let Value::Object(more) = more else {
            panic!("settings must be a table");
        };
        jwt.as_object_mut().unwrap().extend(more);
        configured(json!({ "jwt": jwt })).await
    };
    let made = async |jam: &Jam| jam.jwt_create_token(alice()).await.unwrap();
    let (usual, ..) = with(json!({})).await;
    let (plain, ..) = with(json!({ "typ": ["JWT", "at+jwt"] })).await;
    let of_usual = made(&usual).await;
    let of_plain = made(&plain).await;
    assert!(plain.jwt_verify_token(of_usual.expose()).await.is_ok());
    assert!(plain.jwt_verify_token(of_plain.expose()).await.is_ok());
    assert!(usual.jwt_verify_token(of_plain.expose()).await.is_err());

    let (untyped, ..) = with(json!({ "untyped": true })).await;
    let foreign = {
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        header.typ = None;
        let claims = json!({ "iss": "https://auth.acme.dev", "aud": "api", "sub": "alice", "iat": 1_700_000_000,
            "exp": 1_700_000_600 });
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    };
    assert!(untyped.jwt_verify_token(&foreign).await.is_ok());
    assert!(usual.jwt_verify_token(&foreign).await.is_err());

    for (table, good_for) in [
        (json!({}), 15 * 60 + 30),
        (json!({ "ttl": "1m" }), 90),
        (json!({ "ttl": "1m", "leeway": "5s" }), 65),
        (json!({ "ttl": "1m", "leeway": "0s" }), 60),
    ] {
        let (jam, clock, _) = with(table.clone()).await;
        let token = made(&jam).await;
        clock.advance(seconds(good_for - 1));
        assert!(
            jam.jwt_verify_token(token.expose()).await.is_ok(),
            "{table}"
        );
        clock.advance(seconds(1));
        assert!(
            jam.jwt_verify_token(token.expose()).await.is_err(),
            "{table}"
        );
    }
}

#[tokio::test]
async fn tokens_are_revoked_as_the_list_of_their_table_can() {
    for kind in ["jwt", "paseto"] {
        for (list, is_known) in [("none", false), ("black", true), ("white", true)] {
            let mut tables = json!({
                "jwt": { "alg": "HS256", "secret_key": *SECRET }, "paseto": { "key": *SECRET },
            });
            tables[kind]["list"] = json!(list);
            let (jam, ..) = configured(tables).await;
            let (token, revoked) = match kind {
                "jwt" => {
                    let token = jam.jwt_create_token(alice()).await.unwrap();
                    let revoked = jam.jwt().unwrap().revoke_token(token.expose()).await;
                    (token, revoked)
                }
                _ => {
                    let token = jam.paseto_create(alice()).await.unwrap();
                    let revoked = jam.paseto().unwrap().revoke_token(token.expose()).await;
                    (token, revoked)
                }
            };
            assert_eq!(revoked.is_ok(), is_known, "{kind} {list}");
            let verified = match kind {
                "jwt" => jam.jwt_verify_token(token.expose()).await,
                _ => jam.paseto_decode(token.expose()).await,
            };
            assert_eq!(verified.is_err(), is_known, "{kind} {list}");
        }
    }
}

#[tokio::test]
async fn keys_that_are_accepted_verify_and_do_not_sign() {
    let pem = |key: &Key| key.to_pkcs8_pem().unwrap().expose().clone();
    let (old, new) = (
        Key::generate(Algorithm::EdDsa)
            .unwrap()
            .with_kid("old")
            .unwrap(),
        Key::generate(Algorithm::EdDsa).unwrap(),
    );
    let (before, ..) =
        configured(json!({ "jwt": { "alg": "EdDSA", "private_key": pem(&old), "kid": "old" } }))
            .await;
    let accepted = json!({ "public_key": old.public_jwk().unwrap().to_string(), "kid": "old" });
    let (after, ..) = configured(
        json!({ "jwt": { "alg": "EdDSA", "private_key": pem(&new), "accept": [accepted] } }),
    )
    .await;
    let token = before.jwt_create_token(alice()).await.unwrap();
    assert!(after.jwt_verify_token(token.expose()).await.is_ok());
    let token = after.jwt_create_token(alice()).await.unwrap();
    assert!(before.jwt_verify_token(token.expose()).await.is_err());
}

#[tokio::test]
async fn passwords_are_hashed_with_a_pepper_if_their_table_says_so() {
    for has_pepper in [false, true] {
        let (jam, ..) = configured(
            json!({ "passwords": { "pepper": has_pepper, "max_running": 1, "max_waiting": 0 } }),
        )
        .await;
        let passwords = jam.passwords().unwrap();
        let new = passwords.check_new("correct horse").await.unwrap();
        let hash = passwords.hash(&new).await.unwrap();
        assert_eq!(hash.expose().starts_with("$pepper$"), has_pepper);
        let outcome = passwords.verify("correct horse", Some(hash.expose())).await;
        assert!(matches!(outcome.unwrap(), Outcome::Verified { .. }));
    }
}

#[tokio::test]
async fn codes_are_what_their_table_says() {
    let secret = OtpSecret::new(b"12345678901234567890").unwrap();
    // RFC 4226 appendix D and RFC 6238 appendix B.
    for (table, factor, code) in [
        (json!({}), 59, "287082"),
        (json!({ "digits": 8 }), 59, "94287082"),
        (json!({ "interval": 59 }), 59, "287082"),
        (json!({ "interval": 60 }), 59, "755224"),
        (json!({ "type": "hotp" }), 9, "520489"),
    ] {
        let (jam, ..) = configured(json!({ "otp": table })).await;
        assert_eq!(
            jam.otp_code(&secret, Some(factor)).unwrap().expose(),
            code,
            "{table}"
        );
    }
    let long = OtpSecret::new(&b"12345678901234567890".repeat(4)[..64]).unwrap();
    let (jam, ..) = configured(json!({ "otp": { "digest": "sha512", "digits": 8 } })).await;
    assert_eq!(jam.otp_code(&long, Some(59)).unwrap().expose(), "90693936");
    let uri = jam.otp_uri(&long, "alice").unwrap();
    assert!(
        uri.expose()
            .starts_with("otpauth://totp/auth.acme.dev:alice?"),
        "the issuer's host"
    );
}

/// An enrolled authenticator: by how much its clock may be off, how many guesses are allowed, and
/// how long the lock lasts.
#[tokio::test]
async fn codes_are_checked_as_their_table_says() {
    let table = json!({ "service": "Acme", "window": 0, "max_failures": 2, "lock": "5m", "secret_bits": 256 });
    let (jam, clock, _) = configured(json!({ "otp": table })).await;
    let otp = jam.otp().unwrap();
    let enrollment = otp.enroll("alice").await.unwrap();
    let secret = enrollment.secret().clone();
    assert_eq!(secret.expose().len(), 32);
    let code = || jam.otp_code(&secret, None).unwrap();
    let _recovery = otp.confirm("alice", code().expose()).await.unwrap();
    clock.advance(seconds(30));
    let last = code();
    clock.advance(seconds(30));
    assert!(
        otp.verify("alice", last.expose()).await.is_err(),
        "no period before this one"
    );
    otp.verify("alice", code().expose()).await.unwrap();
    for _ in 0..2 {
        otp.verify("alice", "000000").await.unwrap_err();
    }
    clock.advance(seconds(299));
    let locked = otp.verify("alice", code().expose()).await.unwrap_err();
    assert_eq!(locked.status(), StatusCode::TOO_MANY_REQUESTS);
    clock.advance(seconds(31));
    otp.verify("alice", code().expose()).await.unwrap();

    let (jam, clock, _) =
        configured(json!({ "otp": { "service": "Acme", "pending": "1m" } })).await;
    let otp = jam.otp().unwrap();
    let enrollment = otp.enroll("alice").await.unwrap();
    let secret = enrollment.secret().clone();
    clock.advance(seconds(61));
    let code = jam.otp_code(&secret, None).unwrap();
    assert!(
        otp.confirm("alice", code.expose()).await.is_err(),
        "the enrolment has expired"
    );
}

#[tokio::test]
async fn a_counter_may_be_ahead_as_far_as_its_table_says() {
    for (look_ahead, is_good) in [(0, false), (3, true)] {
        let table = json!({ "type": "hotp", "look_ahead": look_ahead });
        let (jam, ..) = configured(json!({ "otp": table })).await;
        let otp = jam.otp().unwrap();
        let enrollment = otp.enroll("alice").await.unwrap();
        let secret = enrollment.secret().clone();
        let code = |counter| jam.otp_code(&secret, Some(counter)).unwrap();
        let _recovery = otp.confirm("alice", code(0).expose()).await.unwrap();
        assert_eq!(otp.verify("alice", code(4).expose()).await.is_ok(), is_good);
    }
}

/// `fresh`: how long the guard requires no further code.
#[tokio::test]
async fn a_code_counts_as_fresh_for_as_long_as_its_table_says() {
    use axum::{Router, body::Body, routing::get};
    use tower::ServiceExt;

    let (jam, clock, _) = configured(json!({ "otp": { "fresh": "1m" } })).await;
    let otp = jam.otp().unwrap();
    let enrollment = otp.enroll("alice").await.unwrap();
    let secret = enrollment.secret().clone();
    let code = || jam.otp_code(&secret, None).unwrap();
    let _recovery = otp.confirm("alice", code().expose()).await.unwrap();
    clock.advance(seconds(30));
    let app: Router = Router::new()
        .route("/", get(|| async {}))
        .route_layer(jam.otp_guard().unwrap())
        .route_layer(jam.session_layer().unwrap());
    let session = jam.session_create(alice()).await.unwrap();
    let ask = async |session: &str, code: Option<&str>| {
        let mut request = Request::get("/").header("cookie", format!("__Host-sid={session}"));
        if let Some(code) = code {
            request = request.header("x-otp", code);
        }
        let request = request.body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap()
    };
    let answer = ask(session.token.expose(), Some(code().expose())).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let renewed = answer.headers()["set-cookie"].to_str().unwrap();
    let renewed = renewed.split([';', '=']).nth(1).unwrap().to_owned();
    for (pause, status) in [(59, 200), (2, 401)] {
        clock.advance(seconds(pause));
        assert_eq!(ask(&renewed, None).await.status(), status);
    }
}
