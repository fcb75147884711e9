//! The tables `oauth2.providers.NAME`, against a provider that runs in the test.

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use axum::{Router, routing::get};
use http::StatusCode;
use serde_json::{Value, json};
use tower_jam::{
    Algorithm, AuthUser, Claims, Jam, Secret, StoreError,
    config::Config,
    oauth2::{Callback, ProviderLogin},
    routes,
};
use url::Url;

use crate::{
    browser::{Browser, location},
    provider::{CLIENT, Fault, OWN, Provider, SECRET as CLIENT_SECRET},
    world::{build, built, error_chain, instance},
};

/// The provider by its issuer's address alone.
fn discovered(provider: &Provider, more: Value) -> Value {
    let mut table = json!({
        "client_id": CLIENT, "client_secret": CLIENT_SECRET, "issuer": provider.url,
        "redirect_url": "https://app.acme.dev/oauth/acme/callback", "dangerous_http_on_loopback": true,
    });
    let Value::Object(more) = more else {
        panic!("settings must be a table");
    };
    table.as_object_mut().unwrap().extend(more);
    instance(json!({ "oauth2": { "providers": { "acme": table } } }))
}

/// The same provider by all of its addresses.
fn addressed(provider: &Provider) -> Value {
    let at = |path: &str| format!("{}{path}", provider.url);
    discovered(
        provider,
        json!({
            "scopes": ["openid", "profile"], "authorize_url": at("/authorize"), "token_url": at("/token"),
            "userinfo_url": at("/user"), "device_url": at("/device"), "revoke_url": at("/revoke"), "jwks_url": at("/keys"),
        }),
    )
}

/// Visits the provider with a browser. Returns the callback and the cookie.
async fn visit_provider(jam: &Jam) -> (Callback, String) {
    let started = jam.oauth2_get_authorized_url("acme").await.unwrap();
    let answer = Browser::new().get(&started.url).await;
    let to = Url::parse(&location(&answer).expect("the provider redirects the browser back"));
    let callback = Callback::read(to.unwrap().query_pairs().into_owned()).unwrap();
    let line = started.set_cookie.to_str().unwrap();
    let (_, value) = line.split(';').next().unwrap().split_once('=').unwrap();
    (callback, value.to_owned())
}

async fn log_in(jam: &Jam) -> Result<ProviderLogin, tower_jam::Rejection> {
    let (callback, cookie) = visit_provider(jam).await;
    jam.oauth2_fetch_token("acme", callback, Some(&cookie))
        .await
}

#[tokio::test]
async fn every_method_works_with_a_provider_that_is_named() {
    let provider = Provider::start().await;
    for (config, asks_itself) in [
        (discovered(&provider, json!({})), true),
        (addressed(&provider), false),
    ] {
        let path = "/.well-known/openid-configuration";
        let before = provider.seen(path).len();
        let jam = built(&config).await;
        assert_eq!(provider.seen(path).len() - before, usize::from(asks_itself));
        let login = log_in(&jam).await.unwrap();
        assert_eq!(login.profile.key(), (provider.url.as_str(), "user-1"));
        assert_eq!(login.return_to, "/");
        let token = login.tokens.refresh_token.unwrap();
        let renewed = jam.oauth2_refresh_token("acme", &token).await.unwrap();
        assert_ne!(renewed.refresh_token.unwrap(), token);
        let own = jam.oauth2_client_credentials_flow("acme", ["read", "write"]);
        assert!(own.await.unwrap().expires_at.is_some());
        let sent = provider.seen("/token");
        let sent = sent.last().unwrap();
        assert_eq!(sent.form["grant_type"], "client_credentials");
        assert_eq!(sent.form["scope"], "read write");
        let client = jam.oauth2("acme").unwrap();
        assert_eq!(client.device().await.unwrap().user_code, "WDJB-MJHT");
        client.revoke(&token).await.unwrap();
        assert_eq!(
            provider.seen("/revoke").last().unwrap().form["token"],
            *token.expose()
        );
    }
}

#[tokio::test]
async fn a_provider_that_rejects_is_401_and_an_unavailable_one_is_503() {
    let provider = Provider::start().await;
    let jam = built(&addressed(&provider)).await;
    let stale = Secret::new("stale".to_owned());
    let refused = jam.oauth2_refresh_token("acme", &stale).await.unwrap_err();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let (callback, _) = visit_provider(&jam).await;
    let refused = jam
        .oauth2_fetch_token("acme", callback, None)
        .await
        .unwrap_err();
    assert_eq!(
        refused.status(),
        StatusCode::UNAUTHORIZED,
        "without its cookie"
    );
    let missing = jam.oauth2_refresh_token("other", &stale).await.unwrap_err();
    assert_eq!(missing.status(), StatusCode::INTERNAL_SERVER_ERROR);
    provider.fail("/token", Fault::Status(500));
    let (callback, cookie) = visit_provider(&jam).await;
    let away = jam
        .oauth2_fetch_token("acme", callback, Some(&cookie))
        .await;
    assert_eq!(
        away.err().unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    let none: [&str; 0] = [];
    let away = jam.oauth2_client_credentials_flow("acme", none).await;
    assert_eq!(away.unwrap_err().status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn each_setting_of_a_provider_has_an_effect() {
    let provider = Provider::start().await;
    let with = |more: Value| built_with(&provider, more);
    let url = async |jam: &Jam| {
        let started = jam.oauth2_get_authorized_url("acme").await.unwrap();
        Url::parse(&started.url).unwrap()
    };
    let parameter = |url: &Url, name: &str| {
        let mut pairs = url.query_pairs();
        pairs
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    };
    let last = || provider.seen("/token").last().unwrap().clone();

    let usual = url(&with(json!({})).await).await;
    assert_eq!(parameter(&usual, "scope").unwrap(), "openid profile email");
    let back = "https://app.acme.dev/oauth/acme/callback";
    assert_eq!(parameter(&usual, "redirect_uri").unwrap(), back);
    let scopes = url(&with(json!({ "scopes": ["openid"] })).await).await;
    assert_eq!(parameter(&scopes, "scope").unwrap(), "openid");
    let prompt = json!({ "parameters": { "prompt": "consent" } });
    let prompt = url(&with(prompt).await).await;
    assert_eq!(parameter(&prompt, "prompt").unwrap(), "consent");
    let elsewhere = json!({ "authorize_url": "http://127.0.0.1:1/elsewhere", "token_url": provider.at("/token"),
        "jwks_url": provider.at("/keys"), "scopes": ["openid"] });
    let elsewhere = url(&with(elsewhere).await).await;
    assert_eq!(elsewhere.path(), "/elsewhere");

    let page = with(json!({ "default_page": "/cart" })).await;
    assert_eq!(log_in(&page).await.unwrap().return_to, "/cart");
    assert!(last().headers.contains_key("authorization"));
    log_in(&with(json!({ "secret_in_body": true })).await)
        .await
        .unwrap();
    assert_eq!(last().form["client_secret"], CLIENT_SECRET);
    let signs =
        json!({ "client_secret": null, "private_key": OWN, "alg": "ES256", "kid": "the-key" });
    log_in(&with(signs).await).await.unwrap();
    let assertion = last().form["client_assertion"].clone();
    let header = assertion.split('.').next().unwrap().to_owned();
    let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!(
        (&header["kid"], &header["alg"]),
        (&json!("the-key"), &json!("ES256"))
    );

    // A discovered provider states that its callbacks have an issuer; a table of addresses must
    // state it.
    for (require, is_good) in [(false, true), (true, false)] {
        let mut config = addressed(&provider);
        config["oauth2"]["providers"]["acme"]["require_issuer"] = json!(require);
        let jam = built(&config).await;
        let (mut callback, cookie) = visit_provider(&jam).await;
        callback.iss = None;
        let login = jam
            .oauth2_fetch_token("acme", callback, Some(&cookie))
            .await;
        assert_eq!(login.is_ok(), is_good);
    }

    let hasty = with(json!({ "timeout": "200ms" })).await;
    provider.fail("/token", Fault::Hang);
    let began = Instant::now();
    let none: [&str; 0] = [];
    let late = hasty.oauth2_client_credentials_flow("acme", none).await;
    assert_eq!(late.unwrap_err().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(began.elapsed() < Duration::from_secs(2));
}

async fn built_with(provider: &Provider, more: Value) -> Jam {
    built(&discovered(provider, more)).await
}

#[tokio::test]
async fn an_unreachable_provider_prevents_the_start() {
    let provider = Provider::start().await;
    provider.fail("/.well-known/openid-configuration", Fault::Status(500));
    let oauth = "setting `oauth2.providers.acme";
    for (more, words) in [
        (
            json!({}),
            format!("{oauth}.issuer`: its metadata could not be fetched"),
        ),
        (
            json!({ "dangerous_http_on_loopback": false }),
            format!("{oauth}.issuer`: is not an https URL"),
        ),
        (
            json!({ "issuer": "http://id.acme.dev" }),
            format!("{oauth}.issuer`: is not an https URL"),
        ),
    ] {
        let error = build(&discovered(&provider, more)).await.unwrap_err();
        assert!(error.to_string().starts_with(&words), "{error}");
        assert!(
            !error_chain(&error).contains("swordfish"),
            "{}",
            error_chain(&error)
        );
    }
}

/// The routes that log browsers in, built from parts of the facade.
#[tokio::test]
async fn a_browser_logs_in_by_the_routes() {
    let provider = Provider::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let key = tower_jam::Key::generate(Algorithm::EdDsa).unwrap();
    let key = key.to_pkcs8_pem().unwrap();
    let back =
        json!({ "redirect_url": format!("{url}/oauth/acme/callback"), "default_page": "/me" });
    let mut config = discovered(&provider, back);
    config["jwt"] = json!({ "alg": "EdDSA", "private_key": key.expose() });
    config["refresh"] = json!({});
    config["passwords"] = json!({});
    let loaded = Config::value(&config).load().unwrap();
    let jam: Jam = Jam::builder(loaded).build().await.unwrap();
    let users = jam.store_users().unwrap();
    let ada = Claims::new().with("name", "Ada").unwrap();
    let ada = users
        .add("ada", "", ["editor"], ada)
        .await
        .unwrap()
        .unwrap();
    let known = HashMap::from([((provider.url.clone(), "user-1".to_owned()), ada)]);
    let link = move |login: ProviderLogin| {
        let (issuer, subject) = login.profile.key();
        let user = known.get(&(issuer.to_owned(), subject.to_owned())).cloned();
        async move { Ok::<_, StoreError>(user) }
    };
    let accounts = jam.accounts().unwrap().clone();
    let clients = [jam.oauth2("acme").unwrap().clone()];
    let me = get(|user: AuthUser<Claims>| async { axum::Json(user) });
    let app: Router = Router::new()
        .route("/me", me)
        .route_layer(jam.session_layer().unwrap())
        .merge(routes::providers(accounts, clients, link).unwrap());
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let browser = Browser::new();
    assert_eq!(browser.get(&format!("{url}/me")).await.status(), 401);
    let page = browser.visit(&format!("{url}/oauth/acme/login")).await;
    assert_eq!(page.status(), 200);
    let user: Value = serde_json::from_str(&page.text().await.unwrap()).unwrap();
    assert_eq!(user["name"], "Ada");
}
