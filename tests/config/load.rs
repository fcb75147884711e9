//! What a configuration may contain, and the errors for everything else.

use std::{env, fs, path::PathBuf};

use serde_json::{Value, json};
use tower_jam::{
    Algorithm, Claims, ConfigError, Grant, Jam, Key, PasetoKey,
    config::{Config, Format, Loader},
    token::paseto::{Local, Public, V4},
};

use crate::support::log::Log;

const SECRET: &str = "6f1a3c0cd1d6f4a9d3f4b1f8f2a7e0b95c3d8e7f6a1b2c4d";

/// A folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("tower-jam-config-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

async fn built(loader: Loader) -> Result<Jam, ConfigError> {
    let loader = loader.variables([("JWT_SECRET", SECRET), ("EMPTY", ""), ("TTL", "7m")]);
    Jam::builder(loader.load()?).build().await
}

async fn refused(loader: Loader) -> String {
    let error = built(loader).await.unwrap_err();
    assert!(!format!("{error:?}{error}").contains(SECRET));
    error.to_string()
}

/// The lifetime of the tokens of `jam`, in seconds.
async fn life(jam: &Jam) -> u64 {
    let token = jam
        .jwt_create_token(Grant::new("alice", Claims::new()))
        .await
        .unwrap();
    let claims = jam.jwt_verify_token(token.expose()).await.unwrap();
    let claims = claims.user().unwrap();
    claims.expires_at().unwrap().as_secs() - claims.issued_at().unwrap().as_secs()
}

fn jwt(more: Value) -> Value {
    let mut jwt = json!({ "alg": "HS256", "secret_key": SECRET });
    let Value::Object(more) = more else {
        panic!("settings must be a table");
    };
    jwt.as_object_mut().unwrap().extend(more);
    json!({ "issuer": "https://auth.acme.dev", "audience": "api", "jwt": jwt })
}

/// Adds a table to a configuration.
fn with(mut config: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("settings must be a table");
    };
    config.as_object_mut().unwrap().extend(more);
    config
}

/// A valid table of a provider, with `more` added.
fn provider(name: &str, more: Value) -> Value {
    let good = json!({ "client_id": "id", "client_secret": "s", "redirect_url": "https://acme.dev/callback" });
    json!({ "oauth2": { "providers": { (name): with(good, more) } } })
}

#[tokio::test]
async fn three_formats_are_equivalent() {
    let folder = folder("formats");
    let texts = [
        ("a.toml", format!("[jam]\nissuer = 'i'\naudience = ['api', 'b']\n[jam.jwt]\nalg = 'HS256'\nsecret_key = '{SECRET}'\nttl = '2m'\n")),
        ("a.yaml", format!("jam:\n  issuer: i\n  audience: [api, b]\n  jwt:\n    alg: HS256\n    secret_key: {SECRET}\n    ttl: 2m\n")),
        ("a.yml", format!("issuer: i\naudience: api\njwt:\n  alg: HS256\n  secret_key: {SECRET}\n  ttl: 120s\n")),
        ("a.json", json!({ "jam": { "issuer": "i", "audience": "api", "jwt": { "alg": "HS256", "secret_key": SECRET, "ttl": "120000ms" } } }).to_string()),
    ];
    for (name, text) in texts {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        let jam = built(Config::file(&path)).await.unwrap();
        assert_eq!(life(&jam).await, 120, "{name}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn variables_have_three_forms_and_a_dollar_is_two() {
    for (text, seconds) in [
        ("$TTL", 420),
        ("${TTL}", 420),
        ("${TTL:-9m}", 420),
        ("${NONE:-9m}", 540),
        ("${EMPTY:-9m}", 540),
        ("1${EMPTY}0s", 10),
    ] {
        let jam = built(Config::value(&jwt(json!({ "ttl": text }))))
            .await
            .unwrap();
        assert_eq!(life(&jam).await, seconds, "{text}");
    }
    let jam = built(Config::value(&jwt(json!({ "kid": "a$$b" }))))
        .await
        .unwrap();
    assert_eq!(jam.jwt().unwrap().keys().active().kid(), "a$b");
    // The content of a variable is used as it is.
    let loader = Config::value(&jwt(json!({ "kid": "$KID" }))).variables([("KID", "$TTL")]);
    let jam: Jam = Jam::builder(loader.load().unwrap()).build().await.unwrap();
    assert_eq!(jam.jwt().unwrap().keys().active().kid(), "$TTL");
}

#[tokio::test]
async fn variables_are_expanded_in_lists_and_nested_tables() {
    let (old, new) = (
        Key::generate(Algorithm::EdDsa).unwrap(),
        Key::generate(Algorithm::EdDsa).unwrap(),
    );
    let pem = |key: &Key| key.to_pkcs8_pem().unwrap().expose().clone();
    let value = json!({ "issuer": "i", "audience": ["$AUD", "b"],
        "jwt": { "alg": "EdDSA", "private_key": "$NEW", "accept": [{ "private_key": "${OLD}" }] } });
    let loader = Config::value(&value).variables([
        ("AUD", "a".to_owned()),
        ("NEW", pem(&new)),
        ("OLD", pem(&old)),
    ]);
    let jam: Jam = Jam::builder(loader.load().unwrap()).build().await.unwrap();
    let jwks = jam.jwt().unwrap().keys().public_jwks();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn two_instances_live_in_one_file() {
    let folder = folder("two");
    let path = folder.join("both.toml");
    let table = |name: &str, ttl: &str| {
        format!(
            "[{name}]\nissuer = 'i'\naudience = 'a'\n[{name}.jwt]\nalg = 'HS256'\nsecret_key = '{SECRET}'\nttl = '{ttl}'\n"
        )
    };
    fs::write(
        &path,
        table("jam", "1m") + &table("auth.admin", "2m") + "[other]\nprogram = 1\n",
    )
    .unwrap();
    let jam: Jam = Jam::from_file(&path).unwrap().build().await.unwrap();
    let admin: Jam = Jam::from_file_at(&path, "auth.admin")
        .unwrap()
        .build()
        .await
        .unwrap();
    assert_eq!((life(&jam).await, life(&admin).await), (60, 120));
    let missing = admin.sessions().unwrap_err();
    assert_eq!(
        missing.to_string(),
        "setting `auth.admin.session`: is not configured: add the table `auth.admin.session`"
    );
    let error = Jam::<Claims>::from_file_at(&path, "auth.users").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}: `auth.users`: there is no such table", path.display())
    );
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn the_environment_overrides() {
    let loader = || Config::value(&jwt(json!({ "ttl": "$NOWHERE" })));
    let with = |variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| (*name, *value));
        loader().variables(variables).load()
    };
    let config = with(&[("JAM__JWT__TTL", "3m"), ("JAM__AUDIENCE", r#"["x", "$y"]"#)]).unwrap();
    let jam: Jam = Jam::builder(config).build().await.unwrap();
    assert_eq!(life(&jam).await, 180);
    let error = with(&[("JAM__JWT__TTL", "3m"), ("JAM__JWT__LEWAY", "3m")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "JAM__JWT__LEWAY: `jwt.leway`: unknown setting; did you mean `leeway`?"
    );
    let error = with(&[("JAM__ISSUER__NAME", "x")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "setting `issuer.name`: the variable `JAM__ISSUER__NAME` passes through a setting that is not a table"
    );
    let config = loader()
        .overrides("ADMIN")
        .variables([("ADMIN__JWT__TTL", "4m"), ("JAM__JWT__TTL", "5m")]);
    let jam: Jam = Jam::builder(config.load().unwrap()).build().await.unwrap();
    assert_eq!(life(&jam).await, 240);
}

#[tokio::test]
async fn an_empty_table_is_an_instance_without_engines() {
    for text in ["", "[jam]"] {
        let jam = built(Config::text(text, Format::Toml)).await.unwrap();
        jam.ready().await.unwrap();
        assert!(jam.jwt().is_err() && jam.sessions().is_err() && jam.accounts().is_err());
    }
    assert!(built(Config::text("", Format::Yaml)).await.is_ok());
    // An engine needs its table, even if all of its settings have defaults.
    assert!(
        built(Config::text("[session]", Format::Toml))
            .await
            .unwrap()
            .sessions()
            .is_ok()
    );
}

#[tokio::test]
async fn numbers_and_booleans_may_be_strings() {
    let value = json!({ "session": {}, "otp": { "service": "acme", "digits": "$DIGITS" }, "passwords": { "rehash": "false" } });
    let loader = Config::value(&value).variables([("DIGITS", "8")]);
    let jam: Jam = Jam::builder(loader.load().unwrap()).build().await.unwrap();
    let secret = tower_jam::otp::OtpSecret::generate();
    assert_eq!(jam.otp_code(&secret, Some(59)).unwrap().expose().len(), 8);
}

/// Each of these prevents the start, with exactly these words.
#[tokio::test]
async fn an_invalid_setting_prevents_the_start() {
    let pair = Key::generate(Algorithm::Es256).unwrap();
    let pem = pair.to_pkcs8_pem().unwrap().expose().clone();
    let public = pair.public_jwk().unwrap().to_string();
    let paserk = PasetoKey::<V4, Local>::generate()
        .to_paserk()
        .expose()
        .clone();
    let verifying = PasetoKey::<V4, Public>::generate().unwrap().public_paserk();
    let cases = [
        (
            jwt(json!({ "leway": 1 })),
            "setting `jwt.leway`: unknown setting; did you mean `leeway`?",
        ),
        (
            jwt(json!({ "certificate_chain": 1 })),
            "setting `jwt.certificate_chain`: unknown setting",
        ),
        (
            jwt(json!({ "ttl": "$NONE" })),
            "setting `jwt.ttl`: the variable `NONE` is not set",
        ),
        (
            jwt(json!({ "ttl": "a$" })),
            "setting `jwt.ttl`: has a `$` without a variable name; write `$$` for a dollar sign",
        ),
        (
            jwt(json!({ "ttl": "${TTL" })),
            "setting `jwt.ttl`: has a `${` without `}`",
        ),
        (
            jwt(json!({ "ttl": 15 })),
            "setting `jwt.ttl`: expected a string, found a number",
        ),
        (
            jwt(json!({ "ttl": "15" })),
            "setting `jwt.ttl`: is not a duration such as `30s`, `15m`, `12h` or `7d`",
        ),
        (
            jwt(json!({ "ttl": "5ms" })),
            "setting `jwt.ttl`: is less than one second",
        ),
        (
            jwt(json!({ "leeway": "2m" })),
            "setting `jwt.leeway`: is more than 60 seconds",
        ),
        (
            jwt(json!({ "untyped": "maybe" })),
            "setting `jwt.untyped`: expected a boolean, found a string",
        ),
        (
            jwt(json!({ "alg": "none" })),
            "setting `jwt.alg`: must be one of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, ES256K, EdDSA, ML-DSA-44, ML-DSA-65, ML-DSA-87",
        ),
        (
            jwt(json!({ "list": "grey" })),
            "setting `jwt.list`: must be one of none, deny, allow",
        ),
        (
            jwt(json!({ "list_longest": "1h" })),
            "setting `jwt.list_longest`: conflicts with `list`, which is none",
        ),
        (
            jwt(json!({ "alg": "RS256" })),
            "setting `jwt.alg`: RS256 requires a key pair, but a secret is set",
        ),
        (
            jwt(json!({ "alg": null })),
            "setting `jwt.alg`: is not set, and the key does not state it",
        ),
        (
            jwt(json!({ "secret_key": "secret" })),
            "setting `jwt.secret_key`: 6 bytes, but HS256 requires at least 32 random bytes",
        ),
        (
            jwt(json!({ "secret_key": "SOME_SECRET" })),
            "setting `jwt.secret_key`: 11 bytes, but HS256 requires at least 32 random bytes",
        ),
        (
            jwt(json!({ "secret_key": "supersecretkey" })),
            "setting `jwt.secret_key`: 14 bytes, but HS256 requires at least 32 random bytes",
        ),
        (
            jwt(json!({ "public_key": pem })),
            "setting `jwt.public_key`: conflicts with `secret_key`: set exactly one key",
        ),
        (
            jwt(json!({ "secret_key": null })),
            "setting `jwt`: has no key: set `secret_key`, `private_key`, `public_key`, or one of them with `_file`",
        ),
        (
            jwt(json!({ "secret_key": null, "secret_key_file": "/nowhere/key" })),
            "setting `jwt.secret_key_file`: /nowhere/key: there is no such file",
        ),
        (
            jwt(json!({ "alg": "ES384", "secret_key": null, "public_key": pem })),
            "setting `jwt.public_key`: ES384 requires an EC key on P-384, and this is not a usable one",
        ),
        (
            jwt(json!({ "alg": "ES256", "secret_key": null, "public_key": pem })),
            "setting `jwt.public_key`: is a private key",
        ),
        (
            jwt(json!({ "kid": "a b" })),
            "setting `jwt.kid`: a key id is 1 to 128 visible ASCII characters",
        ),
        (
            jwt(json!({ "accept": [{ "secret_key": "short" }] })),
            "setting `jwt.accept[0].secret_key`: 5 bytes, but HS256 requires at least 32 random bytes",
        ),
        (
            jwt(json!({ "accept": {} })),
            "setting `jwt.accept`: expected a list, found a table",
        ),
        (
            jwt(json!({ "cookie": "jwt", "header": "X-Token" })),
            "setting `jwt.header`: conflicts with `cookie`",
        ),
        (
            json!({ "jwt": { "alg": "HS256", "secret_key": SECRET } }),
            "setting `issuer`: is not set, and the table `jwt` needs it",
        ),
        (
            json!({ "jwt": [] }),
            "setting `jwt`: expected a table, found a list",
        ),
        (
            json!({ "secret": "supersecretkey" }),
            "setting `secret[0]`: 14 bytes, but at least 32 random bytes are required",
        ),
        (
            json!({ "secret": [SECRET, "x"] }),
            "setting `secret[1]`: 1 bytes, but at least 32 random bytes are required",
        ),
        (
            json!({ "secret": SECRET, "secret_file": "x" }),
            "setting `secret_file`: conflicts with `secret`",
        ),
        (
            json!({ "store": { "type": "memcached" } }),
            "setting `store.type`: must be one of memory, file, redis, postgres",
        ),
        (
            json!({ "store": { "url": "redis://x" } }),
            "setting `store.url`: conflicts with `type`, which is memory",
        ),
        (
            json!({ "store": { "type": "redis" } }),
            "setting `store.url`: is not set",
        ),
        (
            json!({ "session": { "idle": "2h", "absolute": "1h" } }),
            "setting `session.absolute`: is 3600 seconds, less than the idle timeout",
        ),
        (
            json!({ "session": { "idle": "1d" } }),
            "setting `session.absolute`: is 43200 seconds, less than the idle timeout",
        ),
        (
            json!({ "session": { "cookie": "sid", "header": "X-Session" } }),
            "setting `session.header`: conflicts with `cookie`",
        ),
        (
            json!({ "issuer": "i", "audience": "a", "session": { "cookie": "__Host-a" },
                "jwt": { "alg": "HS256", "secret_key": SECRET, "cookie": "__Host-a" } }),
            "setting `session.cookie`: is also the name of `jwt.cookie`",
        ),
        (
            json!({ "issuer": "i", "audience": "a", "session": {},
                "jwt": { "alg": "HS256", "secret_key": SECRET, "cookie": "__Host-sid" } }),
            "setting `session.cookie`: is also the name of `jwt.cookie`",
        ),
        (
            json!({ "otp": {} }),
            "setting `otp.service`: is not set, and there is no issuer to derive it from",
        ),
        (
            json!({ "otp": { "service": "acme", "digits": 300 } }),
            "setting `otp.digits`: is out of range",
        ),
        (
            json!({ "otp": { "service": "acme", "type": "hotp", "interval": 30 } }),
            "setting `otp.interval`: conflicts with `type`, which is hotp",
        ),
        (
            {
                let mut all = jwt(json!({}));
                all["refresh"] = json!({ "rotate": false, "grace": "10s" });
                all
            },
            "setting `refresh.grace`: conflicts with `rotate`, which is false",
        ),
        (
            json!({ "passwords": {}, "throttle": { "device_life": "0s" } }),
            "setting `throttle.device_life`: is zero, so no device would be recognized",
        ),
        (
            json!({ "refresh": {} }),
            "setting `refresh.format`: needs the table `jwt`",
        ),
        (
            with(jwt(json!({})), json!({ "refresh": {} })),
            "setting `refresh`: needs to read users: call `JamBuilder::users` or `JamBuilder::read_user`, or add the table `passwords`",
        ),
        (
            json!({ "refresh": { "format": "paseto" } }),
            "setting `refresh.format`: needs the table `paseto`",
        ),
        (
            with(
                jwt(json!({ "ttl": "5m" })),
                json!({ "refresh": { "access_ttl": "5m" } }),
            ),
            "setting `refresh.access_ttl`: conflicts with `jwt.ttl`: set only one of them",
        ),
        (
            with(
                jwt(json!({})),
                json!({ "refresh": { "access_ttl": "5ms" } }),
            ),
            "setting `refresh.access_ttl`: is less than one second",
        ),
        (
            with(
                jwt(json!({ "alg": "ES256", "secret_key": null, "public_key": public })),
                json!({ "refresh": {} }),
            ),
            "setting `refresh.format`: needs a key that can sign, but the key of the table can only verify",
        ),
        (
            with(jwt(json!({})), json!({ "refresh": { "max_devices": 0 } })),
            "setting `refresh.max_devices`: is not 1 to 100",
        ),
        (
            with(jwt(json!({})), json!({ "refresh": { "grace": "61s" } })),
            "setting `refresh.grace`: is more than 60 seconds",
        ),
        (
            with(
                jwt(json!({})),
                json!({ "refresh": {}, "passwords": { "remember_devices": "30d" } }),
            ),
            "setting `passwords.remember_devices`: there is no `otp`",
        ),
        (
            json!({ "passwords": { "remember_devices": "30d" } }),
            "setting `passwords.remember_devices`: needs the table `refresh`",
        ),
        (
            json!({ "passwords": { "schemes": [] } }),
            "setting `passwords.schemes`: no scheme is listed",
        ),
        (
            json!({ "passwords": {}, "throttle": { "address": { "attempts": 0, "window": "1m" } } }),
            "setting `throttle.address.attempts`: is not 1 to 1000000",
        ),
        (
            json!({ "throttle": {} }),
            "setting `throttle`: needs the table `passwords`",
        ),
        (
            json!({ "passwords": {}, "throttle": { "account": { "attempts": 3 } } }),
            "setting `throttle.account.window`: is not set",
        ),
        (
            json!({ "passwords": { "min_length": 0 } }),
            "setting `passwords.min_length`: is not 1 to 64 characters",
        ),
        (
            json!({ "passwords": { "max_length": 5000 } }),
            "setting `passwords.max_length`: is not 256 to 4096 bytes",
        ),
        (
            json!({ "passwords": { "max_running": 0 } }),
            "setting `passwords.max_running`: is not 1 to 65536",
        ),
        (
            json!({ "passwords": { "max_waiting": 65537 } }),
            "setting `passwords.max_waiting`: is more than 65536",
        ),
        (
            json!({ "otp": { "service": "a:b" } }),
            "setting `otp.service`: is not 1 to 64 bytes without a colon",
        ),
        (
            json!({ "otp": { "service": "acme", "secret_bits": 100 } }),
            "setting `otp.secret_bits`: is not 128 to 1024 in whole bytes",
        ),
        (
            json!({ "otp": { "service": "acme", "window": 6 } }),
            "setting `otp.window`: is more than 5 periods",
        ),
        (
            json!({ "otp": { "service": "acme", "type": "hotp", "look_ahead": 21 } }),
            "setting `otp.look_ahead`: is more than 20 codes",
        ),
        (
            json!({ "otp": { "service": "acme", "look_ahead": 5 } }),
            "setting `otp.look_ahead`: conflicts with `type`, which is totp",
        ),
        (
            json!({ "otp": { "service": "acme", "type": "hotp", "window": 1 } }),
            "setting `otp.window`: conflicts with `type`, which is hotp",
        ),
        (
            json!({ "otp": { "service": "acme", "interval": 0 } }),
            "setting `otp.interval`: is not a whole number of seconds from one to a day",
        ),
        (
            json!({ "otp": { "service": "acme", "max_failures": 11 } }),
            "setting `otp.max_failures`: is not 1 to 10",
        ),
        (
            json!({ "otp": { "service": "acme", "lock": "1s" } }),
            "setting `otp.lock`: is not a minute to a day",
        ),
        (
            json!({ "otp": { "service": "acme", "pending": "2d" } }),
            "setting `otp.pending`: is not a minute to a day",
        ),
        (
            json!({ "otp": { "service": "acme", "fresh": "0s" } }),
            "setting `otp.fresh`: is zero",
        ),
        (
            jwt(json!({ "typ": [] })),
            "setting `jwt.typ`: needs at least one media type, in visible ASCII",
        ),
        (
            jwt(json!({ "cookie": "a b" })),
            "setting `jwt.cookie`: the name is not a token of RFC 9110",
        ),
        (
            jwt(json!({ "header": "a b" })),
            "setting `jwt.header`: is not a valid header name",
        ),
        (
            jwt(json!({ "list": "deny", "list_longest": "1m" })),
            "setting `jwt.ttl`: is longer than the longest lifetime of the list",
        ),
        (
            jwt(json!({ "list": "deny", "list_longest": "400d" })),
            "setting `jwt.list_longest`: is not between a second and a year",
        ),
        (
            jwt(json!({ "list": "allow", "leeway": "0s" })),
            "setting `jwt.leeway`: is less than one second, by which a list may postdate `iat`",
        ),
        (
            with(jwt(json!({})), json!({ "audience": [] })),
            "setting `audience`: is not set",
        ),
        (
            with(jwt(json!({})), json!({ "issuer": "" })),
            "setting `issuer`: is empty",
        ),
        (
            json!({ "session": { "cookie": "a;b" } }),
            "setting `session.cookie`: the name is not a token of RFC 9110",
        ),
        (
            json!({ "session": { "idle": "5ms" } }),
            "setting `session.idle`: is less than one second",
        ),
        (
            json!({ "passwords": { "schemes": ["md5"] } }),
            "setting `passwords.schemes[0]`: must be one of argon2id, bcrypt, scrypt, pbkdf2_sha256, pbkdf2_sha512",
        ),
        (
            json!({ "issuer": "i", "audience": "a", "paseto": { "purpose": "public", "key": paserk } }),
            "setting `paseto.key`: is not a PASERK `k4.secret` or `k4.public`",
        ),
        (
            json!({ "issuer": "i", "audience": "a", "refresh": { "format": "paseto" },
                "paseto": { "purpose": "public", "key": verifying } }),
            "setting `refresh.format`: needs a key that can sign, but the key of the table can only verify",
        ),
        (
            json!({ "issuer": "i", "audience": "a", "paseto": { "key": paserk, "key_file": "x" } }),
            "setting `paseto.key_file`: conflicts with `key`",
        ),
        (
            json!({ "issuer": "i", "audience": "a", "paseto": {} }),
            "setting `paseto`: has no key: set `key` or `key_file`",
        ),
        (
            json!({ "oauth2": { "providers": { "github": { "client_secret": "x" } } } }),
            "setting `oauth2.providers.github.client_id`: is not set",
        ),
        (
            json!({ "oauth2": { "providers": { "github": { "client_id": "x", "client_secret": "y" } } } }),
            "setting `oauth2.providers.github.redirect_url`: is not set",
        ),
        (
            json!({ "oauth2": { "providers": { "github": { "client_id": "x", "client_secret": "y", "tenant": "z" } } } }),
            "setting `oauth2.providers.github.tenant`: does not apply to this provider",
        ),
        (
            provider("github", json!({ "alg": "ES256" })),
            "setting `oauth2.providers.github.alg`: needs `private_key`",
        ),
        (
            provider("github", json!({ "kid": "1" })),
            "setting `oauth2.providers.github.kid`: needs `private_key`",
        ),
        (
            provider("github", json!({ "issuer": "https://github.com" })),
            "setting `oauth2.providers.github.issuer`: conflicts with the preset of this name, whose URLs are not replaced",
        ),
        (
            provider("github", json!({ "private_key": pem })),
            "setting `oauth2.providers.github.client_secret`: conflicts with the private key: set only one of them",
        ),
        (
            provider("github", json!({ "parameters": { "state": "x" } })),
            "setting `oauth2.providers.github.parameters`: the protocol defines this parameter",
        ),
        (
            provider("github", json!({ "timeout": "31s" })),
            "setting `oauth2.providers.github.timeout`: is not between a millisecond and 30 seconds",
        ),
        (
            provider("github", json!({ "default_page": "https://evil.example" })),
            "setting `oauth2.providers.github.default_page`: is not a path on this origin",
        ),
        (
            provider("github", json!({ "redirect_url": "http://acme.dev" })),
            "setting `oauth2.providers.github.redirect_url`: is not an https URL",
        ),
        (
            provider(
                "Acme",
                json!({ "issuer": "https://id.acme.dev", "authorize_url": "https://id.acme.dev/a",
                "token_url": "https://id.acme.dev/t", "userinfo_url": "https://id.acme.dev/u" }),
            ),
            "setting `oauth2.providers.Acme`: is not 1 to 32 of a to z, 0 to 9 and `-`",
        ),
        (
            provider(
                "acme",
                json!({ "issuer": "https://id.acme.dev", "authorize_url": "https://id.acme.dev/a" }),
            ),
            "setting `oauth2.providers.acme.token_url`: is not set",
        ),
        (
            provider(
                "acme",
                json!({ "client_secret": null, "secret_in_body": true }),
            ),
            "setting `oauth2.providers.acme.secret_in_body`: needs `client_secret`",
        ),
        (
            provider("microsoft", json!({})),
            "setting `oauth2.providers.microsoft.tenant`: is not set",
        ),
        (
            provider("apple", json!({ "client_secret": null })),
            "setting `oauth2.providers.apple.team_id`: is not set",
        ),
        (
            provider("apple", json!({ "client_secret": null, "team_id": "T" })),
            "setting `oauth2.providers.apple.private_key`: is not set",
        ),
        (
            json!({ "oauth2": { "providers": { "acme": { "client_id": "x" } } } }),
            "setting `oauth2.providers.acme.issuer`: is not set",
        ),
        (
            json!({ "oauth2": { "providers": { "githb": { "client_id": "x" } } } }),
            "setting `oauth2.providers.githb.issuer`: is not set; did you mean the provider `github`, which needs none?",
        ),
        (json!([]), "setting `config`: is not a table"),
        (json!({ "jam": 1 }), "setting `jam`: is not a table"),
    ];
    let mut wrong = Vec::new();
    for (value, words) in &cases {
        let message = match built(Config::value(value)).await {
            Ok(_) => "nothing".to_owned(),
            Err(error) => error.to_string(),
        };
        if message != *words {
            wrong.push(format!("said     {message}\nexpected {words}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn files_are_named_and_never_quoted() {
    let folder = folder("files");
    let texts = [
        (
            "jam.ini",
            "",
            "jam.ini: the extension must be toml, yaml, yml or json",
        ),
        (
            "jam",
            "",
            "jam: the extension must be toml, yaml, yml or json",
        ),
        ("missing.toml", "", "missing.toml: there is no such file"),
        (
            "a.toml",
            "[jam]\nsecret = hunter2",
            "a.toml: is not valid TOML: see line 2",
        ),
        (
            "a.json",
            "{\n\n\"jam\": hunter2}",
            "a.json: is not valid JSON: see line 3",
        ),
        (
            "a.yaml",
            "jam:\n  a: [hunter2\n",
            "a.yaml: is not valid YAML: see line",
        ),
        (
            "b.toml",
            "[jam.jwt]\nalg = 5",
            "b.toml: `jam.jwt.alg`: expected a string, found a number",
        ),
        (
            "c.toml",
            "[jam.jwt]\nsecret_key = '$SECRET_OF_NOBODY'",
            "c.toml: `jam.jwt.secret_key`: the variable `SECRET_OF_NOBODY` is not set",
        ),
        (
            "d.toml",
            "[jam.store]\ntype = 'file'\npath = 'x.redb'",
            "d.toml: `jam.secret`: is not set, but the data of the store outlives the process",
        ),
    ];
    for (name, text, words) in texts {
        let path = folder.join(name);
        if name != "missing.toml" {
            fs::write(&path, text).unwrap();
        }
        let error = built(Config::file(&path)).await.unwrap_err();
        assert_eq!(error.file(), path.to_str());
        let message = error
            .to_string()
            .replace(&format!("{}/", folder.display()), "");
        assert!(message.starts_with(words), "{message}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn keys_and_secrets_come_from_files_beside_the_configuration() {
    let folder = folder("keys");
    let key = Key::generate(Algorithm::EdDsa).unwrap();
    fs::write(
        folder.join("ed25519.pem"),
        key.to_pkcs8_pem().unwrap().expose(),
    )
    .unwrap();
    fs::write(folder.join("master"), format!("{SECRET}\n")).unwrap();
    let path = folder.join("jam.toml");
    fs::write(&path, "[jam]\nissuer = 'https://auth.acme.dev'\naudience = 'api'\nsecret_file = 'master'\n\
        [jam.store]\ntype = 'file'\npath = 'store.redb'\n[jam.jwt]\nalg = 'EdDSA'\nprivate_key_file = 'ed25519.pem'\n\
        [jam.session]\n").unwrap();
    let jam = built(Config::file(&path)).await.unwrap();
    assert_eq!(jam.jwt().unwrap().keys().active().kid(), key.kid());
    let session = jam
        .session_create(Grant::new("alice", Claims::new()))
        .await
        .unwrap();
    drop(jam);
    // The stored entries survive the process, and so does the secret that they are read with.
    let jam = built(Config::file(&path)).await.unwrap();
    assert!(
        jam.session_get(session.token.expose())
            .await
            .unwrap()
            .is_some()
    );
    drop(jam);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn secrets_are_not_shown() {
    let value = json!({ "secret": SECRET, "jwt": { "alg": "HS256", "secret_key": SECRET },
        "store": { "type": "redis", "url": "redis://:hunter2@host" }, "paseto": { "key": SECRET },
        "oauth2": { "providers": { "github": { "client_secret": SECRET, "private_key": SECRET } } } });
    let config = Config::value(&value).load().unwrap();
    let shown = format!("{config:?} {:?}", Jam::<Claims>::builder(config.clone()));
    assert!(
        !shown.contains(SECRET) && !shown.contains("hunter2"),
        "{shown}"
    );
    let text = refused(Config::text(
        &format!("secret: {SECRET}\njwt: {SECRET}"),
        Format::Yaml,
    ))
    .await;
    assert_eq!(text, "setting `jwt`: expected a table, found a string");
}

/// What building an instance logs. The log must contain no secret.
#[cfg(unix)]
async fn logged_by(loader: Loader) -> String {
    let log = Log::default();
    let _guard = log.listen(tracing::Level::INFO);
    built(loader).await.unwrap();
    let text = log.text();
    assert!(!text.contains(SECRET));
    text
}

#[cfg(unix)]
#[tokio::test]
async fn a_world_readable_secret_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder("readable");
    let path = folder.join("key");
    fs::write(&path, SECRET).unwrap();
    let restrict = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let words = "is readable by every user of this machine";
    let value = jwt(json!({ "secret_key": null, "secret_key_file": path }));
    for (mode, is_warned) in [(0o600, false), (0o644, true)] {
        restrict(&path, mode);
        let text = logged_by(Config::value(&value)).await;
        assert_eq!(text.contains(words), is_warned, "{text}");
    }
    // The same for a configuration that contains a secret itself; of a variable, only the name is
    // logged.
    let path = folder.join("jam.json");
    for (key, mode, is_warned) in [
        (SECRET, 0o600, false),
        (SECRET, 0o644, true),
        ("$JWT_SECRET", 0o644, false),
    ] {
        fs::write(&path, jwt(json!({ "secret_key": key })).to_string()).unwrap();
        restrict(&path, mode);
        let text = logged_by(Config::file(&path)).await;
        assert_eq!(text.contains(words), is_warned, "{text}");
    }
    fs::remove_dir_all(folder).unwrap();
}
