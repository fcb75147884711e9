//! What Jam's own tests of its configuration show, in each of the three formats, from files.

use std::{fs, path::PathBuf};

use serde_json::json;
use tower_jam::{Algorithm, Claims, ConfigError, Grant, Jam, Jwt, Key, KeyRing, config::Config};

use crate::{
    support::{process::Folder, redis},
    world::SECRET,
};

/// The same configuration in each format, with these texts in it.
fn files(folder: &Folder, texts: &Texts) -> Vec<PathBuf> {
    let Texts {
        alg,
        key,
        second,
        url,
    } = texts;
    let written = [
        (
            "jam.toml",
            format!(
                "[jam]\nissuer = \"https://auth.acme.dev\"\naudience = [\"api\", \"{second}\"]\nsecret = \"$MASTER\"\n\
                 [jam.jwt]\nalg = \"{alg}\"\nsecret_key = \"{key}\"\n[jam.store]\ntype = \"redis\"\nurl = \"{url}\"\n\
                 [jam.session]\n"
            ),
        ),
        (
            "jam.yml",
            format!(
                "jam:\n  issuer: https://auth.acme.dev\n  audience:\n    - api\n    - {second}\n  secret: $MASTER\n  \
                 jwt:\n    alg: {alg}\n    secret_key: {key}\n  store:\n    type: redis\n    url: {url}\n  session: {{}}\n"
            ),
        ),
        (
            "jam.json",
            json!({ "jam": { "issuer": "https://auth.acme.dev", "audience": ["api", second], "secret": "$MASTER",
                "jwt": { "alg": alg, "secret_key": key }, "store": { "type": "redis", "url": url }, "session": {} } })
            .to_string(),
        ),
    ];
    let write = |(name, text): (&str, String)| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    written.into_iter().map(write).collect()
}

#[derive(Clone, Copy)]
struct Texts {
    alg: &'static str,
    key: &'static str,
    second: &'static str,
    url: &'static str,
}

const BASIC: Texts = Texts {
    alg: "HS256",
    key: "$JWT_SECRET",
    second: "admin",
    url: "redis://127.0.0.1:$REDIS_PORT/0",
};

/// What an instance must consist of: the algorithm and the second audience, or the expected error.
type Expected = Result<(Algorithm, &'static str), &'static str>;

/// The name of the case, the texts, the variables, and the expected result.
type Case<'a> = (&'a str, Texts, &'a [(&'a str, &'a str)], Expected);

#[tokio::test]
async fn variables_are_put_in_their_places_in_every_format() {
    let server = redis::Server::shared();
    let port = server.port.to_string();
    let long = SECRET.repeat(2);
    let usual = [
        ("MASTER", SECRET.as_str()),
        ("JWT_SECRET", &long),
        ("REDIS_PORT", &port),
    ];
    let (hs256, hs512) = (Algorithm::Hs256, Algorithm::Hs512);
    let cases: [Case<'_>; 9] = [
        ("a short form", BASIC, &[], Ok((hs256, "admin"))),
        (
            "a form with braces",
            Texts {
                alg: "${JWT_ALG}",
                key: "${JWT_SECRET}",
                ..BASIC
            },
            &[("JWT_ALG", "HS512")],
            Ok((hs512, "admin")),
        ),
        (
            "several in one text",
            Texts {
                url: "redis://${REDIS_HOST}:${REDIS_PORT}/0",
                ..BASIC
            },
            &[("REDIS_HOST", "127.0.0.1")],
            Ok((hs256, "admin")),
        ),
        (
            "defaults",
            Texts {
                alg: "${JWT_ALG:-HS512}",
                url: "redis://${REDIS_HOST:-127.0.0.1}:${REDIS_PORT:-6379}/0",
                ..BASIC
            },
            &[],
            Ok((hs512, "admin")),
        ),
        (
            "a default that is not needed",
            Texts {
                alg: "${JWT_ALG:-HS512}",
                ..BASIC
            },
            &[("JWT_ALG", "HS256")],
            Ok((hs256, "admin")),
        ),
        (
            "one in a list",
            Texts {
                second: "${EXTRA}",
                ..BASIC
            },
            &[("EXTRA", "ops")],
            Ok((hs256, "ops")),
        ),
        (
            "a default in a list",
            Texts {
                second: "${EXTRA:-staff}",
                ..BASIC
            },
            &[],
            Ok((hs256, "staff")),
        ),
        (
            "one that is missing",
            Texts {
                alg: "${JWT_ALG}",
                ..BASIC
            },
            &[],
            Err("`jam.jwt.alg`: the variable `JWT_ALG` is not set"),
        ),
        (
            "one that is missing in a list",
            Texts {
                second: "$EXTRA",
                ..BASIC
            },
            &[],
            Err("`jam.audience[1]`: the variable `EXTRA` is not set"),
        ),
    ];
    for (what, texts, more, expected) in cases {
        let folder = Folder::new("behaviours");
        for path in files(&folder, &texts) {
            let variables = usual.iter().chain(more).copied();
            let loaded = Config::file(&path).variables(variables).load();
            let built = match loaded {
                Ok(config) => Jam::<Claims>::builder(config).build().await,
                Err(error) => Err(error),
            };
            check(
                &format!("{what}: {}", path.display()),
                built,
                expected,
                &long,
            )
            .await;
        }
    }
}

async fn check(what: &str, built: Result<Jam, ConfigError>, expected: Expected, key: &str) {
    let (algorithm, second) = match expected {
        Ok(expected) => expected,
        Err(words) => {
            let message = built.unwrap_err().to_string();
            assert!(message.ends_with(words), "{what}: {message}");
            return;
        }
    };
    let jam = built.unwrap_or_else(|error| panic!("{what}: {error}"));
    jam.ready().await.unwrap();
    assert_eq!(
        jam.jwt().unwrap().keys().active().algorithm(),
        algorithm,
        "{what}"
    );
    let key = match algorithm {
        Algorithm::Hs512 => Key::hs512(key),
        _ => Key::hs256(key),
    };
    let other = Jwt::<Claims>::builder(KeyRing::new(key.unwrap()))
        .issuer("https://auth.acme.dev")
        .audience(second)
        .build()
        .unwrap();
    let token = other
        .issue(Grant::new("alice", Claims::new()))
        .await
        .unwrap();
    let verified = jam.jwt_verify_token(token.expose()).await.unwrap();
    assert_eq!(
        verified.identity().unwrap().subject().id(),
        "alice",
        "{what}"
    );
}

#[tokio::test]
async fn a_file_without_variables_is_read_literally() {
    let server = redis::Server::shared();
    let url: &'static str = format!("{}/0", server.url()).leak();
    let key: &'static str = SECRET.clone().leak();
    let folder = Folder::new("basic");
    for path in files(&folder, &Texts { key, url, ..BASIC }) {
        let config = Config::file(&path).variables([("MASTER", key)]).load();
        let jam = Jam::builder(config.unwrap()).build().await;
        check("basic", jam, Ok((Algorithm::Hs256, "admin")), key).await;
    }
}

#[test]
fn a_file_that_is_missing_or_of_unknown_format_is_an_error() {
    for (name, words) in [
        ("nonexistent.toml", "there is no such file"),
        ("nonexistent.yml", "there is no such file"),
        ("nonexistent.yaml", "there is no such file"),
        ("nonexistent.json", "there is no such file"),
        (
            "config.ini",
            "the extension must be toml, yaml, yml or json",
        ),
        (
            "config.TOML",
            "the extension must be toml, yaml, yml or json",
        ),
        ("config", "the extension must be toml, yaml, yml or json"),
    ] {
        let error = Jam::<Claims>::from_file(name).unwrap_err();
        assert_eq!(error.to_string(), format!("{name}: {words}"));
    }
}

/// The value itself is not changed.
#[tokio::test]
async fn a_value_is_a_configuration_as_well() {
    let value = json!({ "issuer": "https://auth.acme.dev", "audience": ["api", "${EXTRA:-admin}"],
        "jwt": { "alg": "HS256", "secret_key": *SECRET } });
    let before = value.clone();
    let none: [(&str, &str); 0] = [];
    let config = Config::value(&value).variables(none).load().unwrap();
    let jam = Jam::builder(config).build().await;
    check("a value", jam, Ok((Algorithm::Hs256, "admin")), &SECRET).await;
    assert_eq!(value, before);
}
