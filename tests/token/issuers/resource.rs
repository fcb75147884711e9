//! From an issuer's name to a layer: what is discovered, and which of the issuer's tokens are
//! accepted.

use std::time::{Duration, Instant};

use axum::{Json, Router, body::Body, routing::get};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_jam::{
    Algorithm, AuthUser, Authenticate, Claims, Identity, Jwt, JwtLayer, Key,
    layer::AuthLayer,
    token::{ClaimMap, FromIssuer, Issuers},
};

use super::{
    keys::chain,
    reason,
    support::provider::{DISCOVERY, FAULTS, Fault, KEYS, METADATA, Provider, sign},
};

/// For tests in which the provider does not answer; all others use the default.
const TIMEOUT: Duration = Duration::from_secs(1);

fn from(provider: &Provider) -> FromIssuer<Claims> {
    from_name(provider.issuer())
}

fn from_name(issuer: &str) -> FromIssuer<Claims> {
    Jwt::from_issuer(issuer)
        .audience("api")
        .dangerous_http_on_loopback()
}

async fn ask<A: Authenticate<User = Claims>>(layer: AuthLayer<A>, token: &str) -> StatusCode {
    let me = |user: AuthUser<Claims>, _: Identity| async { Json(user) };
    let app: Router = Router::new().route("/me", get(me)).route_layer(layer);
    let request = Request::get("/me").header(header::AUTHORIZATION, format!("Bearer {token}"));
    let answer = app.oneshot(request.body(Body::empty()).unwrap()).await;
    answer.unwrap().status()
}

#[tokio::test]
async fn five_lines_make_a_resource_server_that_is_warm_before_its_first_request() {
    let provider = Provider::start().await;
    let layer = JwtLayer::<Claims>::from_issuer(provider.issuer())
        .audience("api")
        .dangerous_http_on_loopback()
        .await
        .unwrap();
    assert_eq!(
        (provider.requests(DISCOVERY), provider.requests(KEYS)),
        (1, 1)
    );
    for typ in [
        Some("at+jwt"),
        Some("application/at+jwt"),
        Some("JWT"),
        Some("jwt"),
        None,
    ] {
        let token = provider.token(typ, &json!({}));
        assert_eq!(ask(layer.clone(), &token).await, StatusCode::OK, "{typ:?}");
    }
    let new = provider.rotate(true);
    let token = sign(&new, Some("JWT"), &provider.claims(&json!({})));
    assert_eq!(ask(layer, &token).await, StatusCode::OK);
    assert_eq!(
        (provider.requests(DISCOVERY), provider.requests(KEYS)),
        (1, 2)
    );
}

#[tokio::test]
async fn only_access_tokens_for_this_service_are_accepted() {
    let provider = Provider::start().await;
    let jwt = from(&provider).await.unwrap();
    let not_access = "the token is not an access token";
    for (claims, expected) in [
        (json!({}), "good"),
        (json!({ "token_use": "access" }), "good"),
        (json!({ "typ": "Bearer", "azp": "app", "sid": "s" }), "good"),
        (json!({ "aud": ["other", "api"] }), "good"),
        (
            json!({ "aud": "service-b" }),
            "the token is for another audience",
        ),
        (json!({ "aud": null }), "the token is for another audience"),
        (
            json!({ "iss": format!("{}/", provider.issuer()) }),
            "the token is from another issuer",
        ),
        (json!({ "sub": null }), "the token has no `sub`"),
        (json!({ "exp": 1_000 }), "the token has expired"),
        (
            json!({ "cnf": { "jkt": "x" } }),
            "the token is bound to a key, and nothing here checks that",
        ),
        // ID tokens.
        (json!({ "nonce": "n-0S6_WzA2Mj" }), not_access),
        (json!({ "at_hash": "MTIzNDU2Nzg5" }), not_access),
        (json!({ "c_hash": "MTIzNDU2Nzg5" }), not_access),
        (json!({ "token_use": "id" }), not_access),
        (json!({ "typ": "ID" }), not_access),
        // Refresh and logout tokens.
        (json!({ "typ": "Refresh" }), not_access),
        (json!({ "typ": "Logout" }), not_access),
        (
            json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": {} } }),
            not_access,
        ),
    ] {
        for typ in [Some("JWT"), Some("at+jwt"), None] {
            let token = provider.token(typ, &claims);
            assert_eq!(reason(&jwt, &token).await, expected, "{claims} {typ:?}");
            assert_eq!(reason(&jwt, &token).await, expected, "cached: {claims}");
        }
    }
    for typ in ["logout+jwt", "secevent+jwt", "dpop+jwt", "id+jwt"] {
        let token = provider.token(Some(typ), &json!({}));
        assert_eq!(reason(&jwt, &token).await, "the token is of another type");
    }
}

#[tokio::test]
async fn the_metadata_must_name_exactly_this_issuer_and_a_safe_address_of_its_keys() {
    for (member, value, setting) in [
        ("issuer", json!("http://127.0.0.1"), "issuer"),
        ("issuer", json!(""), "issuer"),
        ("issuer", json!(["x"]), "issuer"),
        ("issuer", Value::Null, "issuer"),
        ("jwks_uri", Value::Null, "jwks_uri"),
        ("jwks_uri", json!("http://id.acme.dev/keys"), "jwks_uri"),
        ("jwks_uri", json!("ftp://127.0.0.1/keys"), "jwks_uri"),
        ("jwks_uri", json!("/keys"), "jwks_uri"),
        (
            "token_endpoint",
            json!("http://id.acme.dev/token"),
            "token_endpoint",
        ),
    ] {
        let provider = Provider::start().await;
        provider.set_metadata(member, value.clone());
        let error = from(&provider).await.unwrap_err();
        assert_eq!(error.setting(), setting, "{member} {value}");
        assert_eq!(provider.requests(KEYS), 0);
    }
    let provider = Provider::start().await;
    for issuer in [
        format!("{}/", provider.issuer()),
        provider.issuer().replace("127.0.0.1", "localhost"),
        provider.issuer().replace("http", "HTTP"),
    ] {
        let error = from_name(&issuer).await.unwrap_err();
        assert_eq!(error.setting(), "issuer", "{issuer}");
        assert!(chain(&error).contains("another issuer"), "{issuer}");
    }
}

#[tokio::test]
async fn issuers_have_paths_and_may_publish_by_rfc_8414_alone() {
    for path in ["", "/realms/acme", "/tenant/v2.0"] {
        let provider = Provider::start_at(path).await;
        let jwt = from(&provider).await.unwrap();
        assert_eq!(
            reason(&jwt, &provider.token(None, &json!({}))).await,
            "good"
        );

        let provider = Provider::start_at(path).await;
        provider.document(METADATA, json!({}));
        provider.fail(DISCOVERY, Fault::Missing);
        let jwt = from(&provider).await.unwrap();
        assert_eq!(
            reason(&jwt, &provider.token(None, &json!({}))).await,
            "good"
        );
        assert_eq!(provider.requests(&format!("{METADATA}{path}")), 1);
    }
}

#[tokio::test]
async fn every_failure_of_discovery_or_keys_is_reported_in_time() {
    for at in [DISCOVERY, KEYS] {
        for fault in FAULTS {
            let provider = Provider::start().await;
            provider.fail(at, fault);
            let began = Instant::now();
            let error = from(&provider).request_timeout(TIMEOUT).await.unwrap_err();
            assert!(began.elapsed() < TIMEOUT * 3, "{at} {fault:?}");
            let message = chain(&error);
            assert!(
                ["issuer", "jwks_url"].contains(&error.setting()),
                "{at} {fault:?}: {message}"
            );
            assert!(!message.contains("127.0.0.1"), "{message}");
            assert_eq!(provider.redirected(), 0);
        }
    }
}

#[tokio::test]
async fn settings_are_checked_before_any_request() {
    let provider = Provider::start().await;
    let from = || Jwt::<Claims>::from_issuer(provider.issuer());
    let error = from().dangerous_http_on_loopback().await.unwrap_err();
    assert_eq!(error.setting(), "audience");
    let error = from().audience("api").await.unwrap_err();
    assert_eq!(error.to_string(), "setting `issuer`: is not an https URL");
    let late = from().audience("api").leeway(Duration::from_secs(61));
    assert_eq!(late.await.unwrap_err().setting(), "leeway");
    assert_eq!(provider.requests(""), 0);
    for issuer in [
        "",
        "acme",
        "https://u:p@id.acme.dev",
        "https://id.acme.dev/?t=1",
    ] {
        let error = Jwt::<Claims>::from_issuer(issuer).audience("api").await;
        assert_eq!(error.unwrap_err().setting(), "issuer", "{issuer}");
    }
}

#[tokio::test]
async fn roles_and_scopes_are_read_where_the_map_says() {
    let provider = Provider::start().await;
    let jwt = from(&provider)
        .claim_map(ClaimMap::keycloak("api"))
        .await
        .unwrap();
    let claims = json!({
        "realm_access": { "roles": ["staff"] },
        "resource_access": { "api": { "roles": ["editor"] }, "other": { "roles": ["admin"] } },
        "roles": ["admin"],
        "scope": "openid orders:read",
    });
    let token = provider.token(Some("JWT"), &claims);
    for _ in 0..2 {
        let verified = jwt.verify(&token).await.unwrap();
        let identity = verified.identity().unwrap();
        assert_eq!(identity.roles(), ["staff", "editor"]);
        assert_eq!(identity.scopes(), ["openid", "orders:read"]);
    }

    let jwt = from(&provider)
        .claim_map(ClaimMap::cognito())
        .await
        .unwrap();
    let cognito = json!({ "aud": null, "client_id": "api", "token_use": "access", "cognito:groups": ["staff"] });
    let verified = jwt.verify(&provider.token(None, &cognito)).await.unwrap();
    assert!(verified.identity().unwrap().has_role("staff"));
    for (aud, client) in [(json!("other"), "api"), (Value::Null, "other")] {
        let other = json!({ "aud": aud, "client_id": client, "token_use": "access" });
        let token = provider.token(None, &other);
        assert_eq!(
            reason(&jwt, &token).await,
            "the token is for another audience"
        );
    }
}

#[tokio::test]
async fn each_issuer_is_bound_to_its_keys_and_an_unknown_one_causes_no_request() {
    let (one, other) = (Provider::start().await, Provider::start().await);
    let issuers = Issuers::new([from(&one).await.unwrap(), from(&other).await.unwrap()]).unwrap();
    let layer = || AuthLayer::new(issuers.clone());
    let requests = || one.requests("") + other.requests("");
    let before = requests();
    for provider in [&one, &other] {
        let token = provider.token(None, &json!({}));
        assert_eq!(ask(layer(), &token).await, StatusCode::OK);
    }
    let unknown = sign(
        &one.key(),
        None,
        &one.claims(&json!({ "iss": "https://evil.example" })),
    );
    for token in [unknown.as_str(), "", "a.b.c", "e30.e30.e30", "x"] {
        assert!(issuers.verify(token).await.is_err());
    }
    assert_eq!(requests(), before);
    // The key of one issuer under the name of the other: its kid is unknown there.
    let crossed = sign(&one.key(), None, &other.claims(&json!({})));
    assert_eq!(ask(layer(), &crossed).await, StatusCode::UNAUTHORIZED);
    assert_eq!(requests(), before + 1);

    let jwt = from(&one).await.unwrap();
    assert!(Issuers::new([jwt.clone(), jwt]).is_err());
    assert!(Issuers::<Claims>::new([]).is_err());
    let any = Jwt::<Claims>::builder(tower_jam::KeyRing::new(
        Key::generate(Algorithm::Es256).unwrap(),
    ));
    let any = any.dangerous_any_issuer().audience("api").build().unwrap();
    assert!(Issuers::new([any]).is_err());
}
