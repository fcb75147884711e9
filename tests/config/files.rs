//! Unusual and malicious files: each ends with an error, in bounded time, and the error quotes
//! nothing.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::json;
use tower_jam::{
    Algorithm, Claims, Jam, Key, PasetoKey,
    config::{Config, Format},
    token::paseto::{Public, V4},
};

use crate::{
    support::process::Folder,
    world::{SECRET, alice, build, error_chain, instance},
};

fn message(text: &str, format: Format) -> String {
    let began = Instant::now();
    let loaded = Config::text(text, format).variables([("X", "y")]).load();
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    loaded.map_or_else(|error| error_chain(&error), |_| "nothing".to_owned())
}

#[test]
fn a_duplicate_key_is_refused_in_every_format() {
    for (text, format, line) in [
        (
            "{\"issuer\": \"hunter1\",\n\"issuer\": \"hunter2\"}",
            Format::Json,
            2,
        ),
        (
            "{\"otp\": {\n\"digits\": 6,\n\"digits\": 8}}",
            Format::Json,
            3,
        ),
        ("{\"jam\": {},\n\"jam\": {}}", Format::Json, 2),
        ("issuer: hunter1\nissuer: hunter2\n", Format::Yaml, 2),
        ("issuer = 'hunter1'\nissuer = 'hunter2'\n", Format::Toml, 2),
    ] {
        let message = message(text, format);
        let words = format!(
            "is not valid {}: see line {line}",
            format!("{format:?}").to_uppercase()
        );
        assert!(message.contains(&words), "{message}");
        assert!(!message.contains("hunter"), "{message}");
    }
    // The same key in two tables is no duplicate.
    let two = r#"{"otp": {"service": "a"}, "session": {"idle": "1h"}, "jwt": {"accept": [{"kid": "a"}, {"kid": "a"}]}}"#;
    assert_eq!(message(two, Format::Json), "nothing");
}

#[test]
fn an_empty_value_is_refused_where_defaults_could_be_meant() {
    let words = "is empty: set a value, write `{}` for a table of defaults, or remove the key";
    for (text, format, setting) in [
        ("otp:\n", Format::Yaml, "otp"),
        (
            "jam:\n  store:\n    near_cache: ~\n",
            Format::Yaml,
            "jam.store.near_cache",
        ),
        ("jwt:\n  list:\n", Format::Yaml, "jwt.list"),
        ("secret: [a, ~]\n", Format::Yaml, "secret[1]"),
        (r#"{"throttle": null}"#, Format::Json, "throttle"),
        ("[jwt]\nttl = nan\n", Format::Toml, "jwt.ttl"),
    ] {
        let message = message(text, format);
        assert!(
            message.starts_with(&format!("setting `{setting}`: {words}")),
            "{message}"
        );
    }
    for (text, format) in [
        ("otp: {}\n", Format::Yaml),
        ("jam:\n", Format::Yaml),
        ("# nothing\n", Format::Yaml),
        (r#"{"jam": null}"#, Format::Json),
    ] {
        assert_eq!(message(text, format), "nothing", "{text}");
    }
    // In a value of the program, null means that a setting is not set, as `None` does.
    assert!(
        Config::value(&json!({ "otp": null, "jwt": { "kid": null } }))
            .load()
            .is_ok()
    );
}

#[test]
fn a_document_that_is_deep_wide_or_long_ends_with_an_error() {
    for depth in [200, 10_000, 100_000] {
        let lists = "[".repeat(depth) + &"]".repeat(depth);
        let tables = "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
        let keys = vec!["a"; depth].join(".");
        for (text, format) in [
            (lists.clone(), Format::Json),
            (tables.clone(), Format::Json),
            (format!("a: {lists}"), Format::Yaml),
            (format!("a: {tables}"), Format::Yaml),
            ("- ".repeat(depth) + "a", Format::Yaml),
            (format!("a = {lists}"), Format::Toml),
            (format!("{keys} = 1"), Format::Toml),
            (format!("[{keys}]"), Format::Toml),
        ] {
            let message = message(&text, format);
            assert!(
                message.contains(": see line 1"),
                "{depth} {format:?}: {message}"
            );
        }
    }
    let key = "x".repeat(1_000_000);
    for (text, format) in [
        (format!("{key} = 1"), Format::Toml),
        (format!("{{\"{key}\": 1}}"), Format::Json),
    ] {
        let began = Instant::now();
        assert!(message(&text, format).contains("unknown setting"));
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
    }
    // A billion strings.
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..10 {
        let ten = vec![format!("*a{}", n - 1); 10].join(", ");
        bomb += &format!("a{n}: &a{n} [{ten}]\n");
    }
    assert!(message(&bomb, Format::Yaml).contains("is not valid YAML"));
    for format in [Format::Toml, Format::Yaml, Format::Json] {
        let long = format!("# {}", "x".repeat(1 << 20));
        assert!(message(&long, format).contains("is longer than 1 MiB"));
    }
    let wide = "a: &a {x: y}\nb:\n".to_owned() + &"  <<: *a\n".repeat(2);
    assert_ne!(message(&wide, Format::Yaml), "nothing");
}

#[test]
fn a_tag_an_anchor_or_a_second_document_adds_nothing() {
    let folder = Folder::new("tags");
    let secret = folder.path().join("secret");
    fs::write(&secret, "hunter2").unwrap();
    let include = format!("issuer: !include {}\n", secret.display());
    assert!(!message(&include, Format::Yaml).contains("hunter2"));
    let two = message("issuer: a\n---\nissuer: b\n", Format::Yaml);
    assert!(two.contains("is not valid YAML"), "{two}");
    // A merged setting belongs to the table that it is merged into.
    let merged = message("jwt: &a\n  leeway: 5s\nsession:\n  <<: *a\n", Format::Yaml);
    assert!(
        merged.starts_with("setting `session.leeway`: unknown setting"),
        "{merged}"
    );
}

/// Variables are expanded in values only: a key is literal.
#[test]
fn a_dollar_in_a_key_is_a_dollar() {
    let message = message("$X: 1\n", Format::Yaml);
    assert!(
        message.starts_with("setting `$X`: unknown setting"),
        "{message}"
    );
}

#[tokio::test]
async fn a_configuration_that_is_not_a_file_is_an_error() {
    let folder = Folder::new("nofile");
    let inner = folder.path().join("inner.toml");
    fs::create_dir(&inner).unwrap();
    let binary = folder.path().join("binary.toml");
    fs::write(&binary, [0xff, 0xfe, b'h']).unwrap();
    let long = folder.path().join("long.yaml");
    fs::write(&long, "#".repeat((1 << 20) + 1)).unwrap();
    for (path, words) in [
        (inner, "is a directory"),
        (binary, "is not UTF-8"),
        (long, "is longer than 1 MiB"),
    ] {
        let error = Jam::<Claims>::from_file(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: {words}", path.display()));
    }
    // The file has no end, so it is not read to its end.
    #[cfg(target_os = "linux")]
    {
        let zeros = folder.path().join("zeros.json");
        std::os::unix::fs::symlink("/dev/zero", &zeros).unwrap();
        let error = Jam::<Claims>::from_file(&zeros).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("zeros.json: is longer than 1 MiB"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_key_that_is_not_a_file_is_an_error() {
    let folder = Folder::new("nokey");
    let binary = folder.path().join("binary");
    fs::write(&binary, [&[0xff, 0xfe][..], &[7; 40]].concat()).unwrap();
    let long = folder.path().join("long");
    fs::write(&long, "a".repeat(65_537)).unwrap();
    let missing = folder.path().join("missing");
    let there = "setting `jwt.private_key_file`: ";
    for (path, words) in [
        (folder.path(), "is a directory"),
        (&missing, "there is no such file"),
        (&long, "is longer than 64 KiB"),
        (&binary, "there is no complete PEM block in it"),
    ] {
        let table = json!({ "alg": "ES256", "private_key_file": path });
        let error = build(&instance(json!({ "jwt": table }))).await.unwrap_err();
        let path = path.display();
        assert_eq!(error.to_string(), format!("{there}{path}: {words}"));
    }
    for (name, path, words) in [
        (
            "secret_file",
            folder.path(),
            "`secret_file[0]`: {path}: is a directory",
        ),
        ("paseto", &binary, "`paseto.key_file`: is not UTF-8"),
        (
            "paseto",
            &long,
            "`paseto.key_file`: {path}: is longer than 64 KiB",
        ),
    ] {
        let more = match name {
            "paseto" => json!({ "paseto": { "key_file": path } }),
            _ => json!({ "secret": null, "secret_file": path }),
        };
        let error = build(&instance(more)).await.unwrap_err();
        let words = words.replace("{path}", path.to_str().unwrap());
        assert_eq!(error.to_string(), format!("setting {words}"));
    }
    fs::write(&missing, "k4.local.short").unwrap();
    let error = build(&instance(json!({ "paseto": { "key_file": missing } }))).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "setting `paseto.key_file`: is not a PASERK `k4.local`"
    );
}

/// The last line end of a text is removed, since editors add it. A file that is not text is used
/// whole, whatever its last byte is.
#[tokio::test]
async fn a_secret_in_a_file_is_its_exact_content() {
    let folder = Folder::new("ends");
    let path = folder.path().join("secret");
    let random = [&[0xff; 7][..], SECRET.as_bytes(), b" \t\n"].concat();
    let padded = format!("{} ", *SECRET);
    let cases: [(Vec<u8>, &[u8]); 6] = [
        (SECRET.clone().into_bytes(), SECRET.as_bytes()),
        (format!("{}\n", *SECRET).into_bytes(), SECRET.as_bytes()),
        (format!("{}\r\n", *SECRET).into_bytes(), SECRET.as_bytes()),
        (format!("{padded}\n").into_bytes(), padded.as_bytes()),
        (
            format!("{padded}\n\n").into_bytes(),
            &[padded.as_bytes(), b"\n"].concat(),
        ),
        (random.clone(), &random),
    ];
    for (content, expected) in cases {
        fs::write(&path, &content).unwrap();
        let table = json!({ "alg": "HS256", "secret_key_file": path });
        let jam = build(&instance(json!({ "jwt": table }))).await.unwrap();
        let same = Key::hs256(expected).unwrap();
        assert_eq!(
            jam.jwt().unwrap().keys().active().kid(),
            same.kid(),
            "{content:?}"
        );
    }
}

/// Whitespace around other keys is ignored.
#[tokio::test]
async fn whitespace_around_a_key_in_a_file_is_ignored() {
    let folder = Folder::new("space");
    let path = folder.path().join("key");
    let pair = Key::generate(Algorithm::Es256).unwrap();
    let pem = pair.to_pkcs8_pem().unwrap().expose().clone();

    for (text, more) in [
        (format!("{pem}\n\n"), json!({ "private_key_file": path })),
        (
            format!("\n{}\n\n", pair.public_jwk().unwrap()),
            json!({ "public_key_file": path }),
        ),
    ] {
        fs::write(&path, text).unwrap();
        let mut table = json!({ "alg": "ES256" });
        table
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let jam = build(&instance(json!({ "jwt": table }))).await.unwrap();
        assert_eq!(jam.jwt().unwrap().keys().active().kid(), pair.kid());
    }
    fs::write(&path, format!("{}\n\n", *SECRET)).unwrap();
    let jam = build(&instance(json!({ "paseto": { "key_file": path } })))
        .await
        .unwrap();
    jam.paseto_create(alice()).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn the_permissions_of_every_file_with_a_secret_are_checked_and_of_no_other() {
    use std::os::unix::fs::PermissionsExt;

    use crate::support::log::Log;

    let folder = Folder::new("modes");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    };
    let pair = Key::generate(Algorithm::EdDsa).unwrap();
    let secret = file("secret", &SECRET);
    let private = file("private", pair.to_pkcs8_pem().unwrap().expose());
    let public = file("public", &pair.public_jwk().unwrap().to_string());
    let paserk = PasetoKey::<V4, Public>::generate().unwrap();
    let sealing = file("sealing", paserk.secret_paserk().unwrap().expose());
    let opening = file("opening", &paserk.public_paserk());
    let redirect = "https://acme.dev/callback";
    let es256 = Key::generate(Algorithm::Es256).unwrap();
    let client = file("client", es256.to_pkcs8_pem().unwrap().expose());
    // The name of a provider is not the name of a setting.
    let provider = json!({ "client_id": "id", "redirect_url": redirect, "private_key_file": client,
        "issuer": "https://id.acme.dev", "authorize_url": "https://id.acme.dev/a",
        "token_url": "https://id.acme.dev/t", "userinfo_url": "https://id.acme.dev/u" });
    for (more, warned) in [
        (
            json!({ "secret": null, "secret_file": [secret] }),
            Some("secret_file[0]"),
        ),
        (
            json!({ "jwt": { "alg": "EdDSA", "private_key_file": private } }),
            Some("jwt.private_key_file"),
        ),
        (
            json!({ "jwt": { "alg": "EdDSA", "public_key_file": public } }),
            None,
        ),
        (
            json!({ "paseto": { "purpose": "public", "key_file": sealing } }),
            Some("paseto.key_file"),
        ),
        (
            json!({ "paseto": { "purpose": "public", "key_file": opening } }),
            None,
        ),
        (
            json!({ "oauth2": { "providers": { "public": provider } } }),
            Some("oauth2.providers.public.private_key_file"),
        ),
    ] {
        let log = Log::default();
        let _guard = log.listen(tracing::Level::INFO);
        build(&instance(more)).await.unwrap();
        let text = log.text();
        match warned {
            Some(setting) => assert!(
                text.contains("is readable by every user of this machine")
                    && text.contains(setting),
                "{setting}: {text}"
            ),
            None => assert_eq!(text, ""),
        }
    }
}

/// No duration is so long that an engine panics.
#[tokio::test]
async fn the_longest_durations_are_refused_or_accepted() {
    let longest = "18446744073709551615ms";
    for (more, table) in [
        (json!({ "session": { "absolute": longest } }), "session"),
        (
            json!({ "session": { "idle": longest, "absolute": longest } }),
            "session",
        ),
        (json!({ "jwt": { "ttl": longest } }), "jwt"),
        (json!({ "refresh": { "access_ttl": longest } }), "refresh"),
        (
            json!({ "refresh": { "idle": longest, "absolute": longest } }),
            "refresh",
        ),
        (json!({ "otp": { "fresh": longest } }), "otp"),
        (
            json!({ "throttle": { "device_life": longest } }),
            "throttle",
        ),
        (json!({ "paseto": { "ttl": longest } }), "paseto"),
    ] {
        let mut config = instance(json!({
            "jwt": { "alg": "HS256", "secret_key": *SECRET }, "paseto": { "key": *SECRET },
            "refresh": {}, "passwords": {}, "otp": {},
        }));
        for (name, settings) in more.as_object().unwrap() {
            for (setting, value) in settings.as_object().unwrap() {
                config[name][setting] = value.clone();
            }
        }
        let jam = match build(&config).await {
            Ok(jam) => jam,
            Err(error) => {
                assert!(error.setting().starts_with(table), "{error}");
                continue;
            }
        };
        // An error is as good as a token; what matters is that there is no panic.
        let _ = jam.session_create(alice()).await.map(|_| ());
        let _ = jam.jwt_create_token(alice()).await.map(|_| ());
        let _ = jam.paseto_create(alice()).await.map(|_| ());
        let _ = jam.pairs().unwrap().issue(alice()).await.map(|_| ());
        let _ = jam.otp_verify_code("alice", "000000").await.map(|_| ());
    }
    let beyond = message("session: { idle: 99999999999999999999d }", Format::Yaml);
    assert!(beyond.contains("is not a duration"), "{beyond}");
}
