//! Accounts of the facade: the routes from login to logout, with every engine that a file can
//! configure.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, routing::get};
use serde_json::{Value, json};
use tower_jam::{
    Algorithm, AuthUser, Claims, Clock, Jam, Key, SystemClock,
    config::{Config, Format},
    otp::{OtpSecret, Totp},
    routes,
    testing::ManualClock,
};

use crate::{
    account::{Answer, PASSWORD, Pair, WRONG, login, post, send, send_from},
    world::SECRET,
};

const CONFIG: &str = r#"
    [jam]
    issuer = "https://auth.acme.dev"
    audience = "api"
    secret = "$JAM_SECRET"

    [jam.jwt]
    alg = "EdDSA"
    private_key = "$PRIVATE_KEY"

    [jam.refresh]
    bind = "refuse"

    [jam.session]
    idle = "1h"

    [jam.passwords]
    min_length = 12
    remember_devices = "30d"

    [jam.throttle]
    account = { attempts = 2, window = "10m" }
    address = { attempts = 5, window = "20m" }
    device = { attempts = 1, window = "30m" }

    [jam.otp]
    service = "Acme"
    digits = 8
"#;

struct Site {
    clock: Arc<ManualClock>,
    jam: Jam,
    app: Router,
}

async fn site() -> Site {
    site_with(&[]).await
}

/// With these environment variables in addition.
async fn site_with(changes: &[(&str, &str)]) -> Site {
    let key = Key::generate(Algorithm::EdDsa)
        .unwrap()
        .to_pkcs8_pem()
        .unwrap();
    let variables = [
        ("JAM_SECRET", SECRET.as_str()),
        ("PRIVATE_KEY", key.expose()),
    ];
    let variables = variables.iter().chain(changes).copied();
    let config = Config::text(CONFIG, Format::Toml).variables(variables);
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let jam: Jam = Jam::builder(config.load().unwrap())
        .clock(clock.clone())
        .build()
        .await
        .unwrap();
    // Without a table of the application, the users are in the store.
    let passwords = jam.passwords().unwrap();
    let password = passwords.check_new(PASSWORD).await.unwrap();
    let hash = passwords.hash(&password).await.unwrap();
    let users = jam.store_users().unwrap();
    for name in ["alice", "bob"] {
        let claims = Claims::new().with("name", name).unwrap();
        let added = users.add(name, hash.expose(), ["editor"], claims).await;
        added.unwrap().unwrap();
    }
    let me = || get(|user: AuthUser<Claims>| async { Json(user) });
    let app = Router::new()
        .route("/me", me().route_layer(jam.pairs_layer().unwrap()))
        .route("/page", me().route_layer(jam.session_layer().unwrap()))
        .merge(routes::accounts(jam.accounts().unwrap().clone()));
    Site { clock, jam, app }
}

impl Site {
    async fn login(&self) -> Pair {
        let answer = post(&self.app, "/login", &[], login("alice", PASSWORD)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Pair::of(&answer)
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> u16 {
        send(&self.app, "GET", path, headers, String::new())
            .await
            .status
    }
}

/// Behind a proxy that the table `throttle` trusts, each of its clients has an address of its own.
#[tokio::test]
async fn the_clients_of_a_proxy_are_distinguished() {
    for (proxies, status) in [("0", 429), ("1", 401)] {
        let site = site_with(&[("JAM__THROTTLE__TRUSTED_PROXIES", proxies)]).await;
        for number in 0..6 {
            let client = format!("198.51.100.{number}");
            let headers = [("x-forwarded-for", client.as_str())];
            let guess = login(&format!("nobody {number}"), WRONG);
            let answer = post(&site.app, "/login", &headers, guess).await;
            let is_last = number == 5;
            assert_eq!(
                answer.status,
                if is_last { status } else { 401 },
                "{proxies}"
            );
        }
    }
}

#[tokio::test]
async fn a_pair_lasts_from_login_to_logout() {
    let site = site().await;
    assert_eq!(site.get("/me", &[]).await, 401);
    let pair = site.login().await;
    assert_eq!(site.get("/me", &pair.authorization()).await, 200);
    let refreshed = post(&site.app, "/refresh", &[], pair.body()).await;
    assert_eq!(refreshed.status, 200);
    let pair = Pair::of(&refreshed);
    let own = pair.authorization();
    let listed = send(&site.app, "GET", "/active_sessions", &own, String::new());
    assert_eq!(listed.await.json().as_array().unwrap().len(), 1);
    assert_eq!(
        post(&site.app, "/logout", &[], pair.body()).await.status,
        204
    );
    assert_eq!(site.get("/me", &pair.authorization()).await, 401);
    assert_eq!(
        post(&site.app, "/refresh", &[], pair.body()).await.status,
        401
    );
}

#[tokio::test]
async fn a_session_lasts_from_login_to_logout() {
    let site = site().await;
    let entered = post(&site.app, "/session/login", &[], login("alice", PASSWORD)).await;
    assert_eq!(entered.status, 204, "{}", entered.text);
    let cookie = entered.cookie("__Host-sid").unwrap();
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(site.get("/page", &[("cookie", cookie)]).await, 200);
    let left = post(
        &site.app,
        "/session/logout",
        &[("cookie", cookie)],
        json!({}),
    )
    .await;
    assert_eq!(left.status, 204);
    assert_eq!(site.get("/page", &[("cookie", cookie)]).await, 401);
}

/// The table `throttle`: by account, by address, and by a known device.
#[tokio::test]
async fn attempts_are_limited_as_the_table_says() {
    let site = site().await;
    let entered = post(&site.app, "/login", &[], login("alice", PASSWORD)).await;
    let device = entered.headers["set-cookie"].to_str().unwrap();
    let device = device.split(';').next().unwrap();
    let attempt = async |peer: &str, name: &str, password: &str, headers: &[(&str, &str)]| {
        let body = login(name, password).to_string();
        let headers = [headers, &[("content-type", "application/json")]].concat();
        send_from(&site.app, Some(peer), "POST", "/login", &headers, body).await
    };
    let after = |answer: &Answer| answer.headers["retry-after"].to_str().unwrap().to_owned();
    for expected in [401, 401, 429] {
        let answer = attempt("192.0.2.1:9", "alice", WRONG, &[]).await;
        assert_eq!(answer.status, expected, "{}", answer.text);
        if expected == 429 {
            assert_eq!(after(&answer), "600", "the account's window");
        }
    }
    let known = [("cookie", device)];
    for (password, expected) in [(PASSWORD, 200), (WRONG, 401), (PASSWORD, 429)] {
        let answer = attempt("192.0.2.1:9", "alice", password, &known).await;
        assert_eq!(answer.status, expected, "{}", answer.text);
        if expected == 429 {
            assert_eq!(after(&answer), "1800", "the device's window");
        }
    }
    for n in 0..5 {
        let name = format!("nobody {n}");
        assert_eq!(attempt("192.0.2.2:9", &name, WRONG, &[]).await.status, 401);
    }
    let answer = attempt("192.0.2.2:9", "bob", PASSWORD, &[]).await;
    assert_eq!(
        (answer.status, &*after(&answer)),
        (429, "1200"),
        "the address's window"
    );
    assert_eq!(
        attempt("192.0.2.3:9", "bob", PASSWORD, &[]).await.status,
        200
    );
}

#[tokio::test]
async fn a_device_is_known_for_as_long_as_the_table_says() {
    let site = site_with(&[("JAM__THROTTLE__DEVICE_LIFE", "1d")]).await;
    let entered = post(&site.app, "/login", &[], login("alice", PASSWORD)).await;
    let device = entered.headers["set-cookie"].to_str().unwrap();
    assert!(device.contains("Max-Age=86400;"), "{device}");
    let known = [("cookie", device.split(';').next().unwrap())];
    for (hours, status) in [(23, 200), (2, 429)] {
        site.clock.advance(Duration::from_secs(hours * 3_600));
        for _ in 0..2 {
            let refused = post(&site.app, "/login", &[], login("alice", WRONG)).await;
            assert_eq!(refused.status, 401);
        }
        let answer = post(&site.app, "/login", &known, login("alice", PASSWORD)).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}

/// The tables `otp` and `passwords`: two steps, and none on a remembered device.
#[tokio::test]
async fn a_login_accepts_a_code_as_configured() {
    let site = site().await;
    let pair = site.login().await;
    let own = pair.authorization();
    let begun = post(
        &site.app,
        "/otp/enroll",
        &own,
        json!({ "account": "alice" }),
    )
    .await;
    let begun = begun.json();
    let uri = begun["uri"].as_str().unwrap();
    assert!(
        uri.starts_with("otpauth://totp/Acme:alice?") && uri.contains("digits=8"),
        "{uri}"
    );
    let secret = OtpSecret::from_base32(begun["secret"].as_str().unwrap()).unwrap();
    let code = || {
        site.clock.advance(Duration::from_secs(30));
        let totp = Totp::new().with_digits(8).unwrap();
        totp.code(&secret, site.clock.now()).expose().clone()
    };
    let confirmed = post(&site.app, "/otp/confirm", &own, json!({ "code": code() })).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);

    let first = post(&site.app, "/login", &[], login("alice", PASSWORD)).await;
    assert_eq!(first.json()["error"], "otp_required");
    let second =
        json!({ "challenge": first.json()["challenge"], "code": code(), "remember": true });
    let second = post(&site.app, "/login/otp", &[], second).await;
    assert_eq!(second.status, 200, "{}", second.text);
    let cookies: Vec<_> = second
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|line| line.to_str().unwrap().split(';').next().unwrap())
        .collect();
    let cookies = cookies.join("; ");
    for (days, is_asked) in [(29, false), (2, true)] {
        site.clock.advance(Duration::from_secs(days * 86_400));
        let headers = [("cookie", &*cookies), ("sec-fetch-site", "same-origin")];
        let again = post(&site.app, "/login", &headers, login("alice", PASSWORD)).await;
        let status = if is_asked { 401 } else { 200 };
        assert_eq!(again.status, status, "{}", again.text);
    }
    // The facade's guard has the same engine.
    drop(site.jam.otp_guard().unwrap());
}

#[tokio::test]
async fn a_new_password_is_as_long_as_the_table_says() {
    let site = site().await;
    let pair = site.login().await;
    for (new, status) in [("eleven char", 422), ("twelve chars", 204)] {
        let change = json!({ "current": PASSWORD, "new": new });
        let changed = post(&site.app, "/password", &pair.authorization(), change).await;
        assert_eq!(changed.status, status, "{}", changed.text);
    }
    assert_eq!(
        site.get("/me", &pair.authorization()).await,
        401,
        "the session was revoked"
    );
}

/// The setting `bind`: a refresh by another browser.
#[tokio::test]
async fn a_refresh_with_another_fingerprint_is_refused() {
    let site = site().await;
    let mut body_of_login = login("alice", PASSWORD);
    body_of_login["fingerprint"] = json!({ "cores": 8 });
    let pair = Pair::of(&post(&site.app, "/login", &[], body_of_login).await);
    let refresh = async |cores: Value| {
        let body = json!({ "refresh_token": pair.refresh, "fingerprint": { "cores": cores } });
        post(&site.app, "/refresh", &[], body).await.status
    };
    assert_eq!(refresh(json!(8)).await, 200);
    assert_eq!(refresh(json!(4)).await, 401);
}
