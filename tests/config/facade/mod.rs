//! One object for all engines: the examples of Jam's own pages, and the settings of
//! fastapi-simple-jwt.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, routing::get};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower_jam::{
    AuthUser, Claims, Env, Grant, Jam, MasterSecret, Rejection, Timestamp,
    account::{StoreUsers, Users},
    config::Config,
    otp::OtpSecret,
    store::{MemoryStore, Store},
    testing::ManualClock,
};

mod world;

use world::{answer, built, everything, key, refusal};

/// Jam's README: a token with data is issued, verified, and rejected after it has expired.
#[tokio::test]
async fn a_token_is_made_and_verified() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_700_000_000)));
    let config = Config::value(&everything()).load().unwrap();
    let jam: Jam = Jam::builder(config)
        .clock(clock.clone())
        .build()
        .await
        .unwrap();
    let user = Claims::new().with("username", "alice").unwrap();
    let payload = jam.jwt_make_payload(Some(Duration::from_secs(600)), Grant::new("1", user));
    let token = jam.jwt_create_token(payload).await.unwrap();
    let verified = jam.jwt_verify_token(token.expose()).await.unwrap();
    assert_eq!(
        verified.user().unwrap().claim("username"),
        Some(&json!("alice"))
    );
    clock.advance(Duration::from_secs(631));
    let refused = jam.jwt_verify_token(token.expose()).await.unwrap_err();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

/// Jam's README and its async page: a session through its whole life, by every method.
#[tokio::test]
async fn a_session_works_with_every_method() {
    let jam = built(&everything()).await;
    let user = Claims::new().with("username", "alice").unwrap();
    let session = jam.session_create(Grant::new("1", user)).await.unwrap();
    let token = session.token.expose();
    let (info, data) = jam.session_get(token).await.unwrap().unwrap();
    assert_eq!(info.id, session.id);
    assert_eq!(data.user.unwrap().claim("username"), Some(&json!("alice")));

    let seen = |values: &Value| values.as_u64().unwrap();
    let set = jam.session_update(token, |data| {
        data.values.insert("visits".to_owned(), json!(1));
        seen(&data.values["visits"])
    });
    assert_eq!(set.await.unwrap(), Some(1));

    let renewed = jam.session_rework(token).await.unwrap().unwrap();
    assert!(jam.session_get(token).await.unwrap().is_none());
    let (_, data) = jam.session_get(renewed.expose()).await.unwrap().unwrap();
    assert_eq!(data.values["visits"], json!(1));

    assert!(jam.session_delete(renewed.expose()).await.unwrap());
    assert!(!jam.session_delete(renewed.expose()).await.unwrap());
    for _ in 0..2 {
        let user = Claims::new();
        jam.session_create(Grant::new("1", user)).await.unwrap();
    }
    assert_eq!(jam.session_clear("1").await.unwrap(), 2);
}

/// Jam's README: a code, its URI, and the result; here it works once.
#[tokio::test]
async fn a_code_is_made_and_verified_once() {
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_700_000_000)));
    let config = Config::value(&everything()).load().unwrap();
    let jam: Jam = Jam::builder(config)
        .clock(clock.clone())
        .build()
        .await
        .unwrap();
    let secret = OtpSecret::generate();
    let uri = jam.otp_uri(&secret, "alice").unwrap();
    assert!(uri.expose().starts_with("otpauth://totp/"));
    jam.otp()
        .unwrap()
        .enroll("1")
        .secret(secret.clone())
        .await
        .unwrap();
    let first = jam.otp_code(&secret, None).unwrap();
    let otp = jam.otp().unwrap();
    let _recovery = otp.confirm("1", first.expose()).await.unwrap();
    clock.advance(Duration::from_secs(30));
    let code = jam.otp_code(&secret, None).unwrap();
    jam.otp_verify_code("1", code.expose()).await.unwrap();
    assert!(jam.otp_verify_code("1", code.expose()).await.is_err());
    assert_eq!(jam.otp_code(&secret, Some(1_700_000_030)).unwrap(), code);
}

#[tokio::test]
async fn a_paseto_is_made_and_decoded() {
    let jam = built(&everything()).await;
    let payload = jam.paseto_make_payload(None, Grant::new("1", Claims::new()));
    let token = jam.paseto_create(payload).await.unwrap();
    assert!(token.expose().starts_with("v4.local."));
    let verified = jam.paseto_decode(token.expose()).await.unwrap();
    assert_eq!(verified.identity().unwrap().subject().id(), "1");
}

#[tokio::test]
async fn a_login_with_a_provider_begins() {
    let jam = built(&everything()).await;
    let started = jam.oauth2_get_authorized_url("github").await.unwrap();
    assert!(
        started
            .url
            .starts_with("https://github.com/login/oauth/authorize?")
    );
    let callback = tower_jam::oauth2::Callback::default();
    assert!(
        jam.oauth2_fetch_token("github", callback, None)
            .await
            .is_err()
    );
    let missing = jam.oauth2("gitlab").unwrap_err();
    assert_eq!(missing.setting(), "oauth2.providers.gitlab");
}

/// Jam's Starlette and Flask pages: a token or a session, in a cookie or a header, and the facade
/// in a handler.
#[tokio::test]
async fn layers_read_cookies_and_headers_as_the_tables_say() {
    async fn me(user: AuthUser<Claims>) -> String {
        user.subject().unwrap_or("nobody of a token").to_owned()
    }
    async fn login(jam: Jam) -> Result<Json<Value>, Rejection> {
        let token = jam.jwt_create_token(Grant::new("1", Claims::new())).await?;
        let session = jam.session_create(Grant::new("1", Claims::new())).await?;
        Ok(Json(
            json!({ "token": token.expose(), "session": session.token.expose() }),
        ))
    }
    let app = |jam: &Jam| {
        Router::new()
            .route("/token", get(me).route_layer(jam.jwt_layer().unwrap()))
            .route(
                "/session",
                get(|| async { "in" }).route_layer(jam.session_layer().unwrap()),
            )
            .route("/login", get(login))
            .layer(jam.extension())
    };
    let mut config = everything();
    let app_by_default = app(&built(&config).await);
    config["jwt"]["cookie"] = json!("jwt");
    config["session"] = json!({ "header": "X-Session" });
    let app_by_table = app(&built(&config).await);
    config["jwt"]["cookie"] = Value::Null;
    config["jwt"]["header"] = json!("X-Token");
    config["session"] = json!({ "cookie": "sid" });
    let app_by_others = app(&built(&config).await);
    for (app, places) in [
        (
            app_by_default,
            [("authorization", "Bearer "), ("cookie", "__Host-sid=")],
        ),
        (app_by_table, [("cookie", "jwt="), ("x-session", "")]),
        (app_by_others, [("x-token", ""), ("cookie", "sid=")]),
    ] {
        let login = Request::get("/login").body(String::new()).unwrap();
        let (_, body) = answer(&app, login).await;
        let given: Value = serde_json::from_str(&body).unwrap();
        for (path, (name, before)) in ["token", "session"].into_iter().zip(places) {
            let value = format!("{before}{}", given[path].as_str().unwrap());
            let ask = Request::get(format!("/{path}"));
            let (status, _) =
                answer(&app, ask.header(name, value).body(String::new()).unwrap()).await;
            assert_eq!(status, StatusCode::OK, "{path} in {name}");
            let ask = Request::get(format!("/{path}"))
                .body(String::new())
                .unwrap();
            assert_eq!(answer(&app, ask).await.0, StatusCode::UNAUTHORIZED);
        }
    }
    // Without the extension it is an error of the program.
    let bare = Router::new().route("/login", get(login));
    let ask = Request::get("/login").body(String::new()).unwrap();
    assert_eq!(
        answer(&bare, ask).await.0,
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

/// The secrets of Jam's examples are rejected.
#[tokio::test]
async fn weak_literals_are_refused() {
    for weak in ["secret", "SOME_SECRET", "supersecretkey"] {
        let mut config = everything();
        config["jwt"] = json!({ "alg": "HS256", "secret_key": weak });
        let message = refusal(&config).await;
        let bytes = weak.len();
        assert_eq!(
            message,
            format!(
                "setting `jwt.secret_key`: {bytes} bytes, but HS256 requires at least 32 random bytes"
            )
        );
        let mut config = everything();
        config["secret"] = json!(weak);
        assert!(refusal(&config).await.starts_with("setting `secret[0]`: "));
    }
}

/// Every key of fastapi-simple-jwt's Config, in the table of the guide, has an effect.
#[tokio::test]
async fn settings_of_fastapi_simple_jwt_have_an_effect() {
    let mut config = everything();
    config["secret"] = json!(key());
    config["refresh"] = json!({ "access_ttl": "5m", "idle": "1d", "absolute": "2d", "rotate": false,
        "max_devices": 1, "on_limit": "reject", "blacklist": "both" });
    config["passwords"] = json!({ "schemes": ["bcrypt", "argon2id"] });
    config.as_object_mut().unwrap().remove("otp");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let users = Arc::new(StoreUsers::new(&Env::new(
        "self",
        Arc::clone(&store),
        &MasterSecret::generate(),
    )));
    let found: Arc<dyn Users<Claims>> = users.clone();
    let config = Config::value(&config).load().unwrap();
    let jam: Jam = Jam::builder(config)
        .store(store)
        .users(found)
        .build()
        .await
        .unwrap();

    let password = jam
        .passwords()
        .unwrap()
        .check_new("correct horse")
        .await
        .unwrap();
    let hash = jam.passwords().unwrap().hash(&password).await.unwrap();
    assert!(
        hash.expose().contains("bcrypt") || hash.expose().starts_with("$2"),
        "{}",
        hash.expose()
    );
    let grant = Grant::new("1", Claims::new());
    let pairs = jam.pairs().unwrap();
    let pair = pairs.issue(grant.clone()).await.unwrap();
    assert_eq!(pair.expires_in, Duration::from_secs(300));
    let refused = pairs.issue(grant).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the user is logged in on too many devices"
    );
    drop(jam.accounts().unwrap().clone());
    drop((
        jam.pairs_layer().unwrap(),
        jam.otp_guard().unwrap_err(),
        jam.throttle().unwrap(),
    ));
    drop(users);
}

#[tokio::test]
async fn a_facade_shows_no_secret_and_says_whether_its_store_answers() {
    let jam = built(&everything()).await;
    jam.ready().await.unwrap();
    assert!(!format!("{jam:?}").contains(key()));
}

#[tokio::test]
async fn it_travels_in_the_extensions_of_a_request() {
    let jam = built(&everything()).await;
    let mut request = tonic::Request::new(());
    request.extensions_mut().insert(jam);
    assert!(request.extensions().get::<Jam>().unwrap().jwt().is_ok());
}
