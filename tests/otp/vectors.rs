//! Codes match those published in RFC 4226 and RFC 6238, and those of Jam.
//!
//! `vectors/jam/otp.json` was made with Python's jamlib 4.2.1: for secrets of 16, 20, 32 and 64
//! bytes, each digest, 6 to 8 digits and intervals of 30, 45 and 60 seconds,
//! `TOTP(secret, digits, digest, interval).at(time)` at eight times, and
//! `HOTP(secret, digits, digest).at(counter)` at six counters.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tower_jam::{
    Timestamp,
    otp::{Digest, Hotp, OtpScheme, OtpSecret, Totp},
    store::Store,
};

use super::world::{App, verify};

macro_rules! vectors {
    ($path:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../vectors/", $path)))
            .expect("the file is JSON")
    };
}

fn rows<'a>(file: &'a Value, name: &str) -> &'a Vec<Value> {
    file[name].as_array().expect("a list")
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().expect("a text")
}

fn number(row: &Value, name: &str) -> u64 {
    row[name].as_u64().expect("a number")
}

fn digits(row: &Value) -> u8 {
    u8::try_from(number(row, "digits")).unwrap()
}

fn digest(name: &str) -> Digest {
    match name.to_ascii_lowercase().as_str() {
        "sha1" => Digest::Sha1,
        "sha256" => Digest::Sha256,
        "sha512" => Digest::Sha512,
        other => panic!("{other}"),
    }
}

#[test]
fn counters_match_rfc_4226_appendix_d() {
    let file = vectors!("rfc/rfc4226_hotp.json");
    let secret = OtpSecret::from_base32(text(&file, "secret_base32")).unwrap();
    assert_eq!(secret.expose(), text(&file, "secret_ascii").as_bytes());
    let tests = rows(&file, "tests");
    for row in tests {
        let code = Hotp::new().code(&secret, number(row, "counter"));
        assert_eq!(code.expose(), text(row, "hotp"));
    }
    assert_eq!(tests.len(), 10);
    let extra = rows(&file["computed_extra"], "tests");
    for row in extra {
        let hotp = Hotp::new().with_digits(digits(row)).unwrap();
        let code = hotp.code(&secret, number(row, "counter"));
        assert_eq!(code.expose(), text(row, "hotp"), "{row}");
    }
    assert_eq!(extra.len(), 21);
}

#[test]
fn times_match_rfc_6238_appendix_b() {
    let file = vectors!("rfc/rfc6238_totp.json");
    let secret = |row: &Value| {
        let base32 = text(&file["secrets"][text(row, "algorithm")], "base32");
        OtpSecret::from_base32(base32).unwrap()
    };
    let code = |row: &Value, digits| {
        let totp = Totp::new().with_digest(digest(text(row, "algorithm")));
        let totp = totp.with_digits(digits).unwrap();
        totp.code(&secret(row), Timestamp::from_secs(number(row, "time")))
    };
    let tests = rows(&file, "tests");
    for row in tests {
        assert_eq!(code(row, 8).expose(), text(row, "totp"), "{row}");
    }
    assert_eq!(tests.len(), 18);
    let extra = rows(&file["computed_extra"], "tests");
    for row in extra {
        assert_eq!(code(row, digits(row)).expose(), text(row, "totp"), "{row}");
    }
    assert_eq!(extra.len(), 24);
}

/// The engine accepts each of the codes that Jam computed once.
#[tokio::test]
async fn codes_made_by_jam_verify() {
    let file = vectors!("jam/otp.json");
    let codes = rows(&file, "codes");
    let mut verified = 0;
    for row in codes {
        let secret = OtpSecret::from_base32(text(row, "secret")).unwrap();
        let (factor, expected) = (number(row, "factor"), text(row, "code"));
        let digest = digest(text(row, "digest"));
        let scheme: OtpScheme = match text(row, "kind") {
            "totp" => {
                let totp = Totp::new().with_digest(digest).with_digits(digits(row));
                let period = Duration::from_secs(number(row, "interval"));
                let totp = totp.unwrap().with_period(period).unwrap();
                let code = totp.code(&secret, Timestamp::from_secs(factor));
                assert_eq!(code.expose(), expected, "{row}");
                totp.into()
            }
            _ => {
                let hotp = Hotp::new().with_digest(digest).with_digits(digits(row));
                let hotp = hotp.unwrap();
                assert_eq!(hotp.code(&secret, factor).expose(), expected, "{row}");
                hotp.into()
            }
        };
        let app = App::new();
        let store: Arc<dyn Store> = Arc::new(app.memory());
        let otp = app.node(&store, |otp| otp.scheme(scheme));
        if let OtpScheme::Hotp(_) = scheme
            && factor > 5
        {
            continue;
        }
        if let OtpScheme::Totp(_) = scheme {
            app.clock.set(Timestamp::from_secs(factor));
        }
        otp.enroll("alice").secret(secret).await.unwrap();
        assert!(otp.confirm("alice", expected).await.is_ok(), "{row}");
        assert_eq!(verify(&otp, "alice", expected).await, 401, "{row}");
        verified += 1;
    }
    assert_eq!((codes.len(), verified), (360, 312));
}
