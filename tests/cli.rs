//! The command `jam`, as somebody at a terminal or in a pipe meets it.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

use std::{
    env, fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;
use tower_jam::Key;

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

fn jam(arguments: &[&str], input: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_jam"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing has gone before this arrives.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn done(arguments: &[&str], input: &str) -> Ran {
    let ran = jam(arguments, input);
    assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
    ran
}

fn folder(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("tower-jam-cli-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn each_command_has_help_and_a_wrong_argument_is_two() {
    let commands = [
        "keys",
        "password",
        "otp",
        "token",
        "sessions",
        "check",
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
fn keys_are_written_as_jwks_where_that_is_asked_for() {
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

#[test]
fn tokens_sessions_and_the_configuration_are_looked_at() {
    let folder = folder("configured");
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    done(&["keys", "ed25519", "--out", &path("key.pem")], "");
    done(&["keys", "symmetric", "--out", &path("secret")], "");
    let config = path("jam.toml");
    let text = "[jam]\nissuer = 'https://auth.acme.dev'\naudience = 'api'\nsecret_file = 'secret'\n\
        [jam.store]\ntype = 'file'\npath = 'store.redb'\n[jam.jwt]\nalg = 'EdDSA'\nprivate_key_file = 'key.pem'\n\
        [jam.session]\n";
    fs::write(&config, text).unwrap();
    let with = |arguments: &[&str], input: &str| {
        let mut all = arguments.to_vec();
        all.extend(["--config", &config, "--json"]);
        jam(&all, input)
    };

    let minted = with(
        &["token", "mint", "alice", "--role", "admin", "--ttl", "60"],
        "",
    )
    .json();
    let token = minted["token"].as_str().unwrap();
    let verified = with(&["token", "verify"], token).json();
    assert_eq!(
        (&verified["verified"], &verified["claims"]["sub"]),
        (&true.into(), &"alice".into())
    );
    let (head, rest) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", rest.chars().rev().collect::<String>());
    let refused = with(&["token", "verify"], &forged);
    assert_eq!(refused.code, 1);
    assert!(!refused.err.contains(head));
    let seen = done(&["token", "inspect", "--json"], &forged);
    assert!(seen.err.contains("NOTHING WAS VERIFIED"));
    assert_eq!(
        (&seen.json()["verified"], &seen.json()["claims"]["sub"]),
        (&false.into(), &"alice".into())
    );
    assert_eq!(jam(&["token", "inspect"], "no token").code, 2);

    assert_eq!(
        with(&["sessions", "list", "alice"], "").json(),
        Value::Array(Vec::new())
    );
    assert_eq!(with(&["sessions", "clear", "alice"], "").json()["ended"], 0);
    let checked = done(&["check", &config], "").out;
    assert!(
        checked.contains("jwt: mints and verifies EdDSA with the key "),
        "{checked}"
    );

    fs::write(&config, text.replace("alg =", "algo =")).unwrap();
    let wrong = jam(&["check", &config], "");
    let words =
        format!("jam: {config}: `jam.jwt.algo`: there is no such setting; the nearest is `alg`");
    assert_eq!((wrong.code, wrong.err.trim()), (2, &*words));
    fs::remove_dir_all(folder).unwrap();
}
