//! The keys that another party publishes.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tower_jam::{
    Algorithm, Claims, ConfigError, Jwt, Key,
    remote::{Jwks, JwksBuilder},
};

use super::{
    reason,
    support::provider::{FAULTS, Fault, KEYS, Provider, seal, sign},
};

/// For tests in which the provider does not answer; all others use the default.
const TIMEOUT: Duration = Duration::from_secs(1);

fn jwks(provider: &Provider) -> JwksBuilder {
    Jwks::builder(&provider.at(KEYS)).dangerous_http_on_loopback()
}

fn jwt(provider: &Provider, jwks: &Jwks) -> Jwt {
    Jwt::<Claims>::builder(jwks.clone())
        .issuer(provider.issuer())
        .audience("api")
        .build()
        .unwrap()
}

fn token(provider: &Provider, key: &Key) -> String {
    sign(key, Some("at+jwt"), &provider.claims(&json!({})))
}

const UNKNOWN: &str = "no key of the ring has this kid";

#[tokio::test]
async fn keys_are_loaded_before_the_first_request_and_no_request_waits_for_them() {
    let provider = Provider::start().await;
    let jwks = jwks(&provider).connect().await.unwrap();
    assert_eq!(provider.requests(KEYS), 1);
    let jwt = jwt(&provider, &jwks);
    for _ in 0..10 {
        assert_eq!(
            reason(&jwt, &token(&provider, &provider.key())).await,
            "good"
        );
    }
    assert_eq!(provider.requests(KEYS), 1);
}

#[tokio::test]
async fn a_new_key_is_fetched_with_its_first_token_and_all_such_tokens_wait_for_it() {
    let provider = Provider::start().await;
    let jwks = jwks(&provider).connect().await.unwrap();
    let jwt = jwt(&provider, &jwks);
    let new = provider.rotate(true);
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (jwt, token) = (jwt.clone(), token(&provider, &new));
        callers.spawn(async move { reason(&jwt, &token).await });
    }
    for verdict in callers.join_all().await {
        assert_eq!(verdict, "good");
    }
    assert_eq!(provider.requests(KEYS), 2);
}

#[tokio::test]
async fn a_thousand_unknown_keys_in_a_second_cause_one_request_and_are_refused() {
    let provider = Provider::start().await;
    let jwks = jwks(&provider).connect().await.unwrap();
    let jwt = jwt(&provider, &jwks);
    let stranger = Key::generate(Algorithm::Es256).unwrap();
    let began = Instant::now();
    for number in 0..1_000 {
        let kid = format!("unknown-{number}");
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid });
        let token = seal(&stranger, &header, &provider.claims(&json!({})));
        assert_eq!(reason(&jwt, &token).await, UNKNOWN);
        if number % 10 == 0 {
            assert_eq!(
                reason(&jwt, &token_of(&provider)).await,
                "good",
                "beside it"
            );
        }
    }
    // A slow machine may take longer than an interval of half a minute; the bound is per interval.
    let intervals = began.elapsed().as_secs() / 30;
    assert!(provider.requests(KEYS) as u64 <= 2 + intervals);
}

fn token_of(provider: &Provider) -> String {
    token(provider, &provider.key())
}

/// Advances tokio's clock, on which keys are refreshed; the network uses the real time.
async fn advance_time(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

async fn until_requested(provider: &Provider, times: usize) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while provider.requests(KEYS) < times {
        assert!(Instant::now() < deadline, "{}", provider.requests(KEYS));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_unknown_key_is_fetched_once_per_interval() {
    let provider = Provider::start().await;
    let jwks = jwks(&provider).connect().await.unwrap();
    let jwt = jwt(&provider, &jwks);
    let stranger = Key::generate(Algorithm::Es256).unwrap();
    for round in 2..5 {
        for _ in 0..5 {
            assert_eq!(reason(&jwt, &token(&provider, &stranger)).await, UNKNOWN);
            assert_eq!(provider.requests(KEYS), round);
        }
        advance_time(28).await;
        assert_eq!(reason(&jwt, &token(&provider, &stranger)).await, UNKNOWN);
        assert_eq!(provider.requests(KEYS), round);
        advance_time(3).await;
    }
    let new = provider.rotate(true);
    assert_eq!(reason(&jwt, &token(&provider, &new)).await, "good");
}

#[tokio::test]
async fn keys_are_refreshed_when_they_expire_and_soon_after_a_failure() {
    let provider = Provider::start().await;
    provider.cache_control("public, max-age=7200");
    let jwks = jwks(&provider).connect().await.unwrap();
    let jwt = jwt(&provider, &jwks);
    let old = token_of(&provider);
    assert_eq!(reason(&jwt, &old).await, "good");
    advance_time(7_190).await;
    assert_eq!(provider.requests(KEYS), 1);
    provider.fail(KEYS, Fault::Failing);
    advance_time(20).await;
    until_requested(&provider, 2).await;
    assert_eq!(reason(&jwt, &old).await, "good", "the old keys stay");
    // A token with an unknown key waits for the end of the fetch in progress.
    let stranger = Key::generate(Algorithm::Es256).unwrap();
    assert_eq!(reason(&jwt, &token(&provider, &stranger)).await, UNKNOWN);
    provider.heal();
    provider.rotate(false);
    advance_time(31).await;
    until_requested(&provider, 3).await;
    assert_eq!(reason(&jwt, &token(&provider, &stranger)).await, UNKNOWN);
    assert_eq!(reason(&jwt, &old).await, UNKNOWN);
    assert_eq!(reason(&jwt, &token_of(&provider)).await, "good");
}

#[tokio::test]
async fn only_a_token_that_a_new_key_could_have_signed_causes_a_fetch() {
    let provider = Provider::start().await;
    let jwks = jwks(&provider).connect().await.unwrap();
    let jwt = jwt(&provider, &jwks);
    let key = provider.key();
    let claims = provider.claims(&json!({}));
    for header in [
        json!({ "alg": "HS256", "typ": "at+jwt", "kid": "unknown" }),
        json!({ "alg": "none", "typ": "at+jwt", "kid": "unknown" }),
        json!({ "alg": "ES256", "typ": "JWT", "kid": "unknown" }),
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": "unknown", "crit": ["x"] }),
        json!({ "alg": "ES384", "typ": "at+jwt", "kid": key.kid() }),
    ] {
        assert_ne!(reason(&jwt, &seal(&key, &header, &claims)).await, "good");
    }
    for text in ["", "a.b.c", "..", "e30.e30.e30"] {
        assert_ne!(reason(&jwt, text).await, "good");
    }
    assert_eq!(provider.requests(KEYS), 1);
}

/// While a token with an unknown key waits for a provider that hangs, tokens with known keys do
/// not.
#[tokio::test]
async fn known_keys_verify_at_once_while_the_provider_hangs() {
    let provider = Provider::start().await;
    let jwks = jwks(&provider).connect().await.unwrap();
    let jwt = jwt(&provider, &jwks);
    let known = provider.key();
    let stranger = provider.rotate(true);
    provider.fail(KEYS, Fault::Slow);
    let waiting = {
        let (jwt, token) = (jwt.clone(), token(&provider, &stranger));
        tokio::spawn(async move { reason(&jwt, &token).await })
    };
    while provider.requests(KEYS) < 2 {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    for _ in 0..200 {
        assert_eq!(reason(&jwt, &token(&provider, &known)).await, "good");
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn every_failure_is_reported_at_the_start_and_later_the_old_keys_stay() {
    for fault in FAULTS {
        let provider = Provider::start().await;
        let jwks = || jwks(&provider).request_timeout(TIMEOUT);
        let started = jwks().connect().await.unwrap();
        let jwt = jwt(&provider, &started);
        let known = provider.key();
        let new = provider.rotate(false);
        provider.fail(KEYS, fault);

        let began = Instant::now();
        let error = jwks().connect().await.unwrap_err();
        assert!(began.elapsed() < TIMEOUT * 4, "{fault:?}");
        assert_eq!(error.setting(), "jwks_url", "{fault:?}");
        let message = chain(&error);
        assert!(
            message.contains("the key set could not be loaded: "),
            "{fault:?}: {message}"
        );
        assert!(!message.contains("127.0.0.1"), "{fault:?}: {message}");

        let began = Instant::now();
        assert_eq!(
            reason(&jwt, &token(&provider, &new)).await,
            UNKNOWN,
            "{fault:?}"
        );
        assert!(began.elapsed() < TIMEOUT * 4, "{fault:?}");
        assert_eq!(
            reason(&jwt, &token(&provider, &known)).await,
            "good",
            "{fault:?}"
        );
        assert_eq!(provider.redirected(), 0);
    }
}

/// An error with all of its causes.
pub fn chain(error: &ConfigError) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message += &format!(": {error}");
        cause = error.source();
    }
    message
}

#[tokio::test]
async fn a_broken_key_is_left_out_and_the_others_count() {
    let provider = Provider::start().await;
    let mut keys = provider.published();
    let good = Key::generate(Algorithm::EdDsa).unwrap();
    keys.extend(broken());
    keys.push(good.public_jwk().unwrap());
    provider.publish(keys);
    let jwks = jwks(&provider).connect().await.unwrap();
    let jwt = jwt(&provider, &jwks);
    assert_eq!(reason(&jwt, &token_of(&provider)).await, "good");
    assert!(jwks.keys().accept(good).is_err(), "its id is taken");
    assert_eq!(
        jwks.keys().public_jwks()["keys"].as_array().unwrap().len(),
        2
    );
}

/// Keys that cannot be used here: malformed, of an unknown type, for encryption, for signing alone.
fn broken() -> Vec<Value> {
    let encryption = Key::generate(Algorithm::Es256).unwrap();
    let mut encryption = encryption.public_jwk().unwrap();
    encryption["use"] = "enc".into();
    let mut deriving = Key::generate(Algorithm::Es256)
        .unwrap()
        .public_jwk()
        .unwrap();
    deriving["key_ops"] = json!(["deriveKey"]);
    vec![
        json!({ "kty": "EC", "crv": "P-256", "kid": "broken", "x": "AAAA", "y": "AAAA" }),
        json!({ "kty": "AKP", "alg": "ML-DSA-65", "kid": "to-come", "pub": "AAAA" }),
        json!({ "kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB" }),
        json!("no key at all"),
        encryption,
        deriving,
    ]
}

#[tokio::test]
async fn a_set_without_a_usable_key_or_with_a_shared_secret_is_an_error_and_the_old_keys_stay() {
    let secret = json!({ "kty": "oct", "alg": "HS256", "kid": "s", "k": "c3dvcmRmaXNoLHN3b3JkZmlzaCxzd29yZGZpc2gsc3dvcmRmaXNo" });
    for keys in [vec![], broken(), vec![secret]] {
        let provider = Provider::start().await;
        let started = jwks(&provider).connect().await.unwrap();
        let jwt = jwt(&provider, &started);
        let known = provider.key();
        provider.publish(keys);
        assert!(jwks(&provider).connect().await.is_err());
        let stranger = Key::generate(Algorithm::Es256).unwrap();
        assert_eq!(reason(&jwt, &token(&provider, &stranger)).await, UNKNOWN);
        assert_eq!(reason(&jwt, &token(&provider, &known)).await, "good");
    }
}

#[tokio::test]
async fn a_cached_token_is_rejected_once_its_key_is_no_longer_published() {
    let provider = Provider::start().await;
    let jwks = jwks(&provider).connect().await.unwrap();
    let jwt = jwt(&provider, &jwks);
    let old = token_of(&provider);
    for _ in 0..3 {
        assert_eq!(reason(&jwt, &old).await, "good");
    }
    provider.rotate(false);
    assert_eq!(
        reason(&jwt, &old).await,
        "good",
        "no token has named it yet"
    );
    assert_eq!(reason(&jwt, &token_of(&provider)).await, "good");
    assert_eq!(reason(&jwt, &old).await, UNKNOWN);
}

/// The task ends with the last handle, so a provider gets no requests for engines that are gone.
#[tokio::test]
async fn the_task_ends_with_the_last_handle() {
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let provider = Provider::start().await;
    let before = tasks();
    let jwks = jwks(&provider).connect().await.unwrap();
    let jwt = jwt(&provider, &jwks);
    drop(jwks);
    let provider_key = provider.rotate(true);
    assert_eq!(
        reason(&jwt, &token(&provider, &provider_key)).await,
        "good",
        "the engine holds a handle"
    );
    assert!(tasks() > before);
    provider.fail(KEYS, Fault::Slow);
    drop(jwt);
    // Tasks of connections end on their own.
    let deadline = Instant::now() + Duration::from_secs(5);
    while tasks() > before + CONNECTIONS {
        assert!(Instant::now() < deadline, "{} tasks", tasks());
        tokio::task::yield_now().await;
    }
}

/// For a pooled connection to the provider: the client's task and the server's.
const CONNECTIONS: usize = 2;

#[tokio::test]
async fn another_party_is_contacted_by_https_after_settings_are_checked() {
    let refused = async |url: &str| Jwks::builder(url).connect().await.unwrap_err().to_string();
    for url in [
        "http://id.acme.dev/keys",
        "http://127.0.0.1/keys",
        "file:///etc/passwd",
        "https://",
        "keys",
        "",
    ] {
        assert!(refused(url).await.starts_with("setting `jwks_url`: is "));
    }
    let provider = Provider::start().await;
    for interval in [0, 86_401] {
        let settings = jwks(&provider).min_refresh_interval(Duration::from_secs(interval));
        assert_eq!(
            settings.connect().await.unwrap_err().setting(),
            "min_refresh_interval"
        );
    }
    for timeout in [Duration::ZERO, Duration::from_secs(31)] {
        let settings = jwks(&provider).request_timeout(timeout);
        assert_eq!(
            settings.connect().await.unwrap_err().setting(),
            "request_timeout"
        );
    }
    assert_eq!(provider.requests(KEYS), 0);
}
