//! What may name what, how long a file may be, and what the crate may depend on.

use std::{collections::BTreeSet, process::Command};

use crate::source::sources;

/// Whether `text` names the crate or module `word` at the head of a path.
fn names(text: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = &text[at + word.len()..];
        after.starts_with("::") && !before.is_some_and(|c| is_word(c) || c == ':')
    })
}

#[test]
fn each_foreign_crate_has_one_home() {
    let homes: [(&str, &[&str]); 32] = [
        ("tower", &[]),
        ("tower_layer", &["layer/"]),
        ("tower_service", &["layer/"]),
        ("pin_project", &["layer/"]),
        ("axum_core", &["extract.rs"]),
        (
            "axum",
            &[
                "account/answer.rs",
                "account/body.rs",
                "account/caller.rs",
                "account/mount.rs",
                "account/oauth.rs",
                "account/oauth_mount.rs",
                "account/routes.rs",
                "account/second_routes.rs",
                "account/service_routes.rs",
                "bin/jam/serve/",
            ],
        ),
        ("tower_http", &["account/routes.rs", "bin/jam/serve/"]),
        ("tonic", &[]),
        (
            "aws_lc_rs",
            &[
                "token/",
                "secret/",
                "account/password",
                "store/redis/tls.rs",
                "bin/jam/keys.rs",
            ],
        ),
        ("argon2", &["account/password"]),
        ("bcrypt", &["account/password"]),
        ("scrypt", &["account/password"]),
        ("arc_swap", &["token/"]),
        ("pasetors", &["token/paseto"]),
        ("orion", &["token/paseto"]),
        ("totp_lite", &["otp/code.rs"]),
        ("qrcode", &["otp/qr.rs"]),
        ("jwt_simple", &["token/jwt_simple.rs"]),
        ("metrics", &["metrics.rs"]),
        ("redb", &["store/file"]),
        // It is the name of a module, too, which `account` imports.
        (
            "oauth2",
            &[
                "oauth2/",
                "account/external.rs",
                "account/oauth.rs",
                "account/oauth_mount.rs",
                "config/build/providers.rs",
                "bin/jam/serve/",
            ],
        ),
        ("fred", &["store/redis"]),
        ("sqlx", &["store/postgres", "account/users/postgres"]),
        (
            "tokio",
            &[
                "account/change.rs",
                "account/password",
                "account/users/postgres.rs",
                "blocking/worker.rs",
                "bin/jam/",
                "oauth2/client.rs",
                "oauth2/device.rs",
                "oauth2/finish.rs",
                "oauth2/flight.rs",
                "oauth2/wire.rs",
                "store/contract",
                "store/file",
                "store/near",
                "store/redis",
                "store/postgres",
                "token/jwks.rs",
                "token/from_issuer.rs",
            ],
        ),
        ("reqwest", &["fetch.rs"]),
        ("clap", &["bin/jam/"]),
        ("clap_complete", &["bin/jam/"]),
        ("rpassword", &["bin/jam/"]),
        ("toml", &["config/load.rs"]),
        ("serde_saphyr", &["config/load.rs"]),
        ("schemars", &["config/settings/", "config/reference.rs"]),
        (
            "url",
            &[
                "fetch.rs",
                "discovery.rs",
                "token/dpop",
                "token/jwks.rs",
                "oauth2/",
            ],
        ),
    ];
    for source in sources() {
        let (file, code) = (&source.name, source.code());
        for (name, allowed) in homes {
            let is_home = allowed.iter().any(|home| file.starts_with(home));
            assert!(is_home || !names(&code, name), "{file} names {name}");
        }
    }
}

/// Whether the file is of a part of `token/` that knows a store: the list of tokens, and the note of proofs that were used.
fn keeps_notes(file: &str) -> bool {
    let parts = ["token/list", "token/dpop"];
    let is_of = |part: &str| file == format!("{part}.rs") || file.starts_with(&format!("{part}/"));
    parts.into_iter().any(is_of)
}

/// `engines → authenticate, store, clock, secret, error`, never a layer, never each other.
#[test]
fn imports_point_one_way() {
    let rules: [(&str, &[&str]); 16] = [
        (
            "store/",
            &[
                "account",
                "layer",
                "session",
                "token",
                "authenticate",
                "credential",
                "identity",
                "rejection",
                "extract",
                "guard",
            ],
        ),
        (
            "session/",
            &["layer", "token", "extract", "guard", "account"],
        ),
        (
            "token/",
            &["layer", "session", "store", "extract", "guard", "account"],
        ),
        (
            "refresh/",
            &["layer", "session", "extract", "guard", "account"],
        ),
        ("account/", &["layer", "extract", "guard"]),
        (
            "otp/",
            &[
                "layer", "session", "token", "refresh", "extract", "guard", "account",
            ],
        ),
        (
            "oauth2/",
            &[
                "layer", "session", "refresh", "otp", "extract", "guard", "account",
            ],
        ),
        (
            "proof.rs",
            &["layer", "session", "token", "otp", "store", "authenticate"],
        ),
        (
            "refresh/",
            &["layer", "session", "extract", "guard", "account"],
        ),
        (
            "blocking/",
            &["layer", "store", "extract", "guard", "account"],
        ),
        ("layer/auth.rs", &["session", "token", "store", "extract"]),
        ("layer/guard.rs", &["session", "token", "store", "extract"]),
        ("guard.rs", &["layer", "session", "token", "store"]),
        (
            "credential.rs",
            &["layer", "session", "token", "store", "authenticate"],
        ),
        (
            "clock.rs",
            &["layer", "session", "token", "store", "error", "secret"],
        ),
        ("secret/", &["layer", "session", "token", "store"]),
    ];
    let sources = sources();
    for (place, forbidden) in rules {
        let files: Vec<_> = sources
            .iter()
            .filter(|source| source.name.starts_with(place))
            .collect();
        assert!(!files.is_empty(), "nothing at {place}");
        for source in files {
            let (file, code) = (&source.name, source.code());
            for module in forbidden {
                // Tokens stand for themselves; what calls them back, and what was used up, is kept in a store.
                if *module == "store" && keeps_notes(file) {
                    continue;
                }
                // Routes are mounted with a layer in front of them; the operations behind them know of none.
                let is_mount = file.ends_with("routes.rs") || file.starts_with("account/oauth");
                if *module == "layer" && is_mount {
                    continue;
                }
                let (inline, listed) = (format!("crate::{module}::"), format!("    {module}::"));
                let imports = code
                    .split("use crate::{")
                    .nth(1)
                    .and_then(|rest| rest.split("};").next())
                    .unwrap_or("");
                assert!(
                    !code.contains(&inline) && !imports.contains(&listed),
                    "{file} imports {module}"
                );
            }
        }
    }
}

/// `config → all`, and nothing but the facade knows of it.
#[test]
fn only_the_facade_knows_the_configuration() {
    for source in sources() {
        let (file, code) = (&source.name, source.code());
        let may = ["config/", "jam", "bin/", "lib.rs", "extract.rs"];
        let is_outside = !may.iter().any(|place| file.starts_with(place));
        for module in ["config", "jam"] {
            let is_named = code.contains(&format!("crate::{module}::"));
            assert!(!(is_outside && is_named), "{file} imports {module}");
        }
    }
}

#[test]
fn files_stay_small() {
    let mut lengths: Vec<_> = sources()
        .into_iter()
        .map(|source| (source.text.lines().count(), source.name))
        .collect();
    lengths.sort();
    let (longest, file) = lengths.last().unwrap();
    assert!(
        *longest <= 350,
        "{file} has {longest} lines without its tests"
    );
    let (median, _) = lengths[lengths.len() / 2];
    assert!(median < 200, "the median is {median} lines");
}

#[test]
fn nothing_is_unfinished() {
    for source in sources() {
        let (file, code) = (&source.name, source.code());
        for word in [
            "todo!(",
            "unimplemented!(",
            "TODO",
            "FIXME",
            "XXX",
            ".unwrap()",
            "panic!(",
            "unsafe ",
        ] {
            assert!(
                !code.contains(word) || file.starts_with("testing/contract"),
                "{file} has {word}"
            );
        }
    }
}

/// A default build has no crate with a known hole that concerns it, and none under a licence that binds its users.
#[test]
fn dependencies_are_few_and_free() {
    let tree = cargo(&[
        "tree",
        "-p",
        "tower-jam",
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--format",
        "{p}|{l}",
    ]);
    let crates: BTreeSet<_> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .collect();
    assert!(crates.len() > 10, "{tree}");
    let named = |name: &str| {
        crates
            .iter()
            .any(|line| line.split(' ').next() == Some(name))
    };
    for unwanted in [
        "rsa",
        "openssl",
        "openssl-sys",
        "chrono",
        "time",
        "ring",
        "tower",
        "axum",
        "tokio",
        "hyper",
    ] {
        assert!(!named(unwanted), "{unwanted} is in a default build");
    }
    assert!(
        crates.len() <= 60,
        "{} crates in a default build",
        crates.len()
    );
    let free = [
        "MIT",
        "Apache-2.0",
        "BSD-3-Clause",
        "BSD-2-Clause",
        "ISC",
        "Zlib",
        "Unicode-3.0",
        "Unlicense",
        "OpenSSL",
        "0BSD",
        "CC0-1.0",
    ];
    for line in crates {
        let (name, licence) = line.split_once('|').unwrap();
        let is_free = |term: &str| {
            term.split(['(', ')', ' ', '/']).all(|word| {
                matches!(word, "" | "AND" | "OR" | "WITH" | "LLVM-exception")
                    || free.contains(&word)
            })
        };
        assert!(
            licence.split(" OR ").any(is_free),
            "{name} is under {licence}"
        );
    }
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
