//! The command `jam`, as a user at a terminal or in a pipe runs it.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

use std::{fs, time::Duration};

use tower_jam::{
    Clock, Key, SystemClock,
    otp::{OtpSecret, Totp},
};

#[path = "support/command.rs"]
mod command;

use command::{done, folder, jam};

#[test]
fn each_command_has_help_and_a_wrong_argument_exits_with_2() {
    let commands = [
        "keys",
        "password",
        "otp",
        "token",
        "sessions",
        "check",
        "serve",
        "schema",
        "completions",
    ];
    let help = done(&["--help"], "").out;
    for command in commands {
        assert!(help.contains(command), "{help}");
        assert!(done(&[command, "--help"], "").out.contains("Usage: jam"));
    }
    for wrong in [&["keys", "dsa"][..], &["kes"], &["check"], &[]] {
        assert_eq!(jam(wrong, "").code, 2);
    }
    assert!(done(&["completions", "bash"], "").out.contains("_jam"));
    let schema = done(&["schema"], "").json();
    assert_eq!(schema["title"], "tower-jam");
}

#[test]
fn keys_of_every_kind_are_made_and_their_files_are_private() {
    let folder = folder("keys");
    for kind in [
        "symmetric",
        "hs384",
        "hs512",
        "rsa",
        "ec",
        "es384",
        "es512",
        "es256k",
        "ml-dsa-44",
        "ml-dsa-65",
        "ml-dsa-87",
        "ml-dsa",
        "ed25519",
        "paseto",
        "paseto-public",
        "paseto-v3",
        "paseto-v3-public",
    ] {
        let made = done(&["keys", kind, "--json"], "").json();
        assert!(made["private"].as_str().unwrap().len() > 40, "{kind}");
    }
    let path = folder.join("key.pem");
    let to = path.to_str().unwrap();
    let made = done(&["keys", "ed25519", "--out", to, "--json"], "").json();
    assert_eq!(made["public"]["crv"], "Ed25519");
    assert!(made["private"].is_null() && made["public"]["d"].is_null());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let before = fs::read(&path).unwrap();
    assert_eq!(jam(&["keys", "ed25519", "--out", to], "").code, 2);
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn keys_are_written_as_jwks_on_request() {
    for (kind, algorithm) in [
        ("symmetric", "HS256"),
        ("hs384", "HS384"),
        ("hs512", "HS512"),
        ("rsa", "RS256"),
        ("ec", "ES256"),
        ("es384", "ES384"),
        ("es512", "ES512"),
        ("es256k", "ES256K"),
        ("ed25519", "EdDSA"),
        ("ml-dsa-44", "ML-DSA-44"),
        ("ml-dsa", "ML-DSA-65"),
        ("ml-dsa-87", "ML-DSA-87"),
    ] {
        let made = done(&["keys", kind, "--format", "jwk", "--json"], "").json();
        let key = Key::from_jwk(made["private"].as_str().unwrap()).unwrap();
        assert!(
            key.can_sign() && key.algorithm().name() == algorithm,
            "{kind}"
        );
        assert_eq!(made["id"], key.kid());
        assert_eq!(made["public"], key.public_jwk().unwrap_or_default());
        let is_shared = algorithm.starts_with("HS");
        assert_eq!(made["public"].is_null(), is_shared);
        if is_shared {
            assert_eq!(jam(&["keys", kind, "--format", "pem"], "").code, 2);
        } else {
            let pem = done(&["keys", kind, "--format", "pem"], "").out;
            assert!(Key::from_pem(key.algorithm(), pem).unwrap().can_sign());
        }
    }
    for wrong in [
        ["keys", "paseto", "--format", "jwk"],
        ["keys", "paseto-public", "--format", "pem"],
        ["keys", "ec", "--format", "der"],
    ] {
        let ran = jam(&wrong, "");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{wrong:?}");
    }
}

#[test]
fn passwords_come_from_standard_input() {
    let hash = done(&["password", "hash"], "correct horse\n").out;
    assert!(hash.starts_with("$argon2id$"));
    done(&["password", "verify", hash.trim()], "correct horse\n");
    let wrong = jam(&["password", "verify", hash.trim()], "battery staple\n");
    assert_eq!(
        (wrong.code, wrong.err.trim()),
        (1, "jam: the password is wrong")
    );
    assert_eq!(jam(&["password", "hash"], "short\n").code, 1);
    assert_eq!(jam(&["password", "hash"], "").code, 2);
}

#[test]
fn codes_are_made_and_verified() {
    let made = done(
        &[
            "otp",
            "new",
            "--service",
            "Acme",
            "--account",
            "alice",
            "--json",
        ],
        "",
    )
    .json();
    let secret = made["secret"].as_str().unwrap();
    assert!(
        made["uri"]
            .as_str()
            .unwrap()
            .starts_with("otpauth://totp/Acme:alice?")
    );
    let code = done(&["otp", "code"], secret).out;
    done(&["otp", "verify", code.trim()], secret);
    // None of the codes that are accepted now, in the period before or after, or by the time that
    // the command checks it.
    let known = OtpSecret::from_base32(secret).unwrap();
    let now = SystemClock.now();
    let good = (0..5).map(|period| {
        let at = now
            .before(Duration::from_secs(60))
            .after(Duration::from_secs(30 * period));
        Totp::new().code(&known, at).expose().clone()
    });
    let good: Vec<String> = good.collect();
    let mut wrong = (0..6).map(|digit| format!("00000{digit}"));
    let wrong = wrong.find(|wrong| !good.contains(wrong)).unwrap();
    assert_eq!(jam(&["otp", "verify", &wrong], secret).code, 1);
    assert_eq!(jam(&["otp", "verify", "12"], secret).code, 1);
    assert!(done(&["otp", "qr"], secret).out.contains('█'));
    // Codes of another shape are not accepted.
    let shape = ["--digits", "8", "--digest", "sha256", "--interval", "60"];
    let with = |arguments: &[&'static str]| [arguments, &shape].concat();
    let code = done(&with(&["otp", "code"]), secret).out;
    assert_eq!(code.trim().len(), 8);
    let verify = |code: &str| {
        let mut arguments = vec!["otp", "verify", code];
        arguments.extend(shape);
        jam(&arguments, secret).code
    };
    assert_eq!(verify(code.trim()), 0);
    assert_eq!(jam(&["otp", "verify", code.trim()], secret).code, 1);
    let uri = done(&with(&["otp", "new", "--json"]), "").json()["uri"].to_string();
    for part in ["digits=8", "algorithm=SHA256", "period=60"] {
        assert!(uri.contains(part), "{uri}");
    }
    assert_eq!(jam(&["otp", "code", "--digits", "9"], secret).code, 2);
    assert!(
        done(&["otp", "qr", "--json"], secret).json()["svg"]
            .as_str()
            .unwrap()
            .contains("<svg")
    );
}
