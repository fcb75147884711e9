//! The command `jam`, as somebody at a terminal or in a pipe meets it.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

use std::fs;

#[path = "support/command.rs"]
mod command;

use command::{done, folder, jam};

#[test]
fn each_command_has_help_and_a_wrong_argument_is_two() {
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
    let wrong = if code.trim() == "000000" {
        "000001"
    } else {
        "000000"
    };
    // One of three codes may be the wrong one, too, once in some 300,000 runs.
    assert!(jam(&["otp", "verify", wrong], secret).code <= 1);
    assert_eq!(jam(&["otp", "verify", "12"], secret).code, 1);
    assert!(done(&["otp", "qr"], secret).out.contains('█'));
    assert!(
        done(&["otp", "qr", "--json"], secret).json()["svg"]
            .as_str()
            .unwrap()
            .contains("<svg")
    );
}
