//! What may name what, how long a file may be, and what the crate may depend on.

use std::{collections::BTreeSet, process::Command};

use crate::{cycles::graph, source::sources};

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
    let homes: [(&str, &[&str]); 35] = [
        ("data_encoding", &["otp/base32.rs"]),
        ("futures_util", &["token/revocation/"]),
        ("foldhash", &["store/"]),
        ("tower", &[]),
        ("tower_layer", &["layer/"]),
        ("tower_service", &["layer/"]),
        ("pin_project", &["layer/"]),
        ("axum_core", &["extract.rs"]),
        ("axum", &["routes/", "bin/jam/serve/"]),
        ("tower_http", &["bin/jam/serve/"]),
        ("tonic", &[]),
        (
            "aws_lc_rs",
            &[
                "key/",
                "token/",
                "secret/",
                "password/",
                "store/redis/tls.rs",
                "store/sealed.rs",
                "bin/jam/keys.rs",
            ],
        ),
        ("argon2", &["password/"]),
        ("bcrypt", &["password/"]),
        ("scrypt", &["password/"]),
        ("arc_swap", &["key/"]),
        ("pasetors", &["token/paseto"]),
        ("orion", &["token/paseto"]),
        ("totp_lite", &["otp/code.rs"]),
        ("qrcode", &["otp/qr.rs"]),
        ("jwt_simple", &["key/jwt_simple.rs"]),
        ("metrics", &["metrics.rs"]),
        ("redb", &["store/file"]),
        // The crate has a module of the same name.
        (
            "oauth2",
            &[
                "oauth2/",
                "account/link_user.rs",
                "routes/",
                "jam/assemble/providers.rs",
                "bin/jam/serve/",
            ],
        ),
        ("fred", &["store/redis"]),
        ("sqlx", &["store/postgres", "account/users/postgres"]),
        (
            "tokio",
            &[
                "account/",
                "password/",
                "blocking/worker.rs",
                "bin/jam/",
                "oauth2/inner.rs",
                "oauth2/device.rs",
                "oauth2/finish.rs",
                "oauth2/flight.rs",
                "oauth2/wire.rs",
                "testing/contract",
                "store/file",
                "store/near",
                "store/redis",
                "store/postgres",
                "remote/jwks.rs",
                "token/jwt/issuer_builder.rs",
            ],
        ),
        ("reqwest", &["remote/fetch.rs"]),
        ("clap", &["bin/jam/"]),
        ("clap_complete", &["bin/jam/"]),
        ("rpassword", &["bin/jam/"]),
        ("toml", &["config/load.rs"]),
        ("serde_saphyr", &["config/load.rs"]),
        ("schemars", &["config/settings/", "config/reference.rs"]),
        (
            "url",
            &[
                "remote/fetch.rs",
                "remote/discovery.rs",
                "remote/jwks.rs",
                "oauth2/",
            ],
        ),
    ];
    for source in sources() {
        let (file, code) = (&source.name, source.code());
        if file.starts_with("guide/") {
            continue;
        }
        for (name, allowed) in homes {
            let is_home = allowed.iter().any(|home| file.starts_with(home));
            assert!(is_home || !names(&code, name), "{file} names {name}");
        }
    }
}

/// The folders and files of `src`, in the order in which they build on each other.
const ORDER: [&str; 32] = [
    "clock",
    "error",
    "json",
    "secret",
    "metrics",
    "measure",
    "event",
    "store",
    "env",
    "cache",
    "identity",
    "rejection",
    "grant",
    "proof",
    "request",
    "authenticate",
    "guard",
    "key",
    "remote",
    "token",
    "session",
    "refresh",
    "otp",
    "oauth2",
    "throttle",
    "password",
    "account",
    "layer",
    "routes",
    "config",
    "jam",
    "extract",
];

/// Only these may use every other module, and no other may use them.
const TOP: [&str; 4] = ["blocking", "testing", "guide", "bin"];

/// Each module uses only modules that stand before it. So `config` does not know the facade, an
/// engine does not know a layer, and a store does not know an engine.
#[test]
fn modules_build_on_each_other_in_one_direction() {
    let position = |module: &str| ORDER.iter().position(|other| *other == module);
    let top = |file: &str| {
        let first = file.split('/').next().unwrap();
        first.trim_end_matches(".rs").to_owned()
    };
    let mut wrong = BTreeSet::new();
    for (file, depends) in graph() {
        for target in depends {
            let (from, to) = (top(&file), top(&target));
            if from == to || TOP.contains(&from.as_str()) {
                continue;
            }
            let (Some(above), Some(below)) = (position(&from), position(&to)) else {
                wrong.insert(format!(
                    "{file} uses {target}, and one of them has no place"
                ));
                continue;
            };
            if above < below {
                wrong.insert(format!("{file} uses {target}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The parts of `token/` that keep records in a store. Verifying a token needs no store.
const WITH_STORE: [&str; 3] = ["token/revocation/", "token/dpop/", "token/issuers.rs"];

#[test]
fn tokens_are_verified_without_a_store() {
    for (file, depends) in graph() {
        let is_verifier =
            file.starts_with("token/") && !WITH_STORE.iter().any(|place| file.starts_with(place));
        let store = depends.iter().find(|target| target.starts_with("store/"));
        assert!(!is_verifier || store.is_none(), "{file} uses {store:?}");
    }
}

/// No module of the library comes from the folder of tests or examples.
#[test]
fn the_library_includes_no_test_and_no_example() {
    for source in sources() {
        assert!(
            !source.code().contains("#[path"),
            "{} has a path",
            source.name
        );
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

/// A default build has no crate with a known hole that concerns it, and none under a licence that
/// binds its users.
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

/// The first command of the README is the first impression: it must not take long.
#[test]
fn the_example_server_compiles_few_crates() {
    let tree = cargo(&[
        "tree",
        "--package",
        "example-server",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    let crates: BTreeSet<_> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .collect();
    assert!(crates.len() > 50, "{tree}");
    assert!(crates.len() <= 150, "{} crates", crates.len());
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
