//! The routes as clients see them: responses, cookies, and what they do not reveal.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    http::{StatusCode, header},
};
use serde_json::json;
use tower_jam::{
    Claims, Clock, Passwords, Secret, Session, SessionLayer, SystemClock,
    account::{Credentials, LoginError, Origin, Users},
    event::EventKind,
    password::{Cost, PasswordScheme},
    routes::AccountRoutes,
    testing::ManualClock,
    throttle::Budget,
};

use super::{support::stores, world::*};

#[tokio::test]
async fn a_login_by_json_or_form_answers_with_a_pair_that_works() {
    let world = world().await;
    let app = world.app();
    let answer = post(
        &app,
        "/login",
        &[("user-agent", "Firefox/1")],
        login("alice", PASSWORD),
    )
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let device = answer.cookie("__Host-device").unwrap();
    for attribute in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
        assert!(device.contains(attribute), "{device}");
    }
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 900);
    let pair = Pair::of(&answer);
    let me = send(&app, "GET", "/me", &pair.authorization(), String::new()).await;
    assert_eq!(me.status, 200);
    assert_eq!(me.json()["name"], "Alice");
    assert_eq!(me.json()["sub"], world.alice.as_str());

    let form = [(
        "content-type",
        "application/x-www-form-urlencoded; charset=utf-8",
    )];
    let body = "username=alice&password=correct+horse%2C+battery&device_name=Laptop".to_owned();
    let answer = send(&app, "POST", "/login", &form, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let form_pair = Pair::of(&answer);

    let listed = send(
        &app,
        "GET",
        "/active_sessions",
        &form_pair.authorization(),
        String::new(),
    )
    .await;
    assert_eq!(listed.headers[header::CACHE_CONTROL], "no-store");
    let listed = listed.json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let own: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["current"] == true)
        .collect();
    assert_eq!(own.len(), 1);
    assert_eq!(own[0]["device_name"], "Laptop");
    let other = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["current"] == false)
        .unwrap();
    assert_eq!(other["user_agent"], "Firefox/1");
    assert_eq!(world.count(EventKind::LoginSucceeded), 2);
}

#[tokio::test]
async fn refresh_and_logout_respond_as_documented() {
    let world = world().await;
    let app = world.app();
    let pair = world.login().await;
    let answer = post(&app, "/refresh", &[], pair.body()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let next = Pair::of(&answer);
    assert_eq!(
        post(&app, "/refresh", &[], pair.body()).await.json()["refresh_token"],
        next.refresh.as_str()
    );

    let access = pair.bearer.strip_prefix("Bearer ").unwrap();
    for path in ["/refresh", "/logout"] {
        for (token, status) in [
            ("", 400),
            ("garbage", 401),
            (access, 401),
            (&"A".repeat(8_192), 401),
            (&"A".repeat(65_536), 401),
        ] {
            let answer = post(&app, path, &[], json!({ "refresh_token": token })).await;
            assert_eq!(answer.status, status, "{path}");
            assert_eq!(answer.headers["content-type"], "application/problem+json");
        }
        assert_eq!(post(&app, path, &[], json!({})).await.status, 400);
        assert_eq!(
            post(&app, path, &[], json!({ "refresh_token": 7 }))
                .await
                .status,
            422
        );
        assert_eq!(
            send(&app, "POST", path, &[], String::new()).await.status,
            415
        );
        let json = [("content-type", "application/json")];
        assert_eq!(
            send(&app, "POST", path, &json, "{".to_owned()).await.status,
            400
        );
        assert_eq!(
            send(&app, "POST", path, &json, "x".repeat(140_000))
                .await
                .status,
            413
        );
    }
    let refresh =
        [("authorization", &*format!("Bearer {}", next.refresh))].map(|(n, v)| (n, v.to_owned()));
    let refresh: Vec<_> = refresh.iter().map(|(n, v)| (*n, &**v)).collect();
    assert_eq!(
        send(&app, "GET", "/me", &refresh, String::new())
            .await
            .status,
        401
    );
    assert_eq!(
        send(&app, "GET", "/me", &next.authorization(), String::new())
            .await
            .status,
        200
    );

    // A token of any generation revokes the device. A repetition is no error.
    for _ in 0..2 {
        assert_eq!(post(&app, "/logout", &[], pair.body()).await.status, 204);
    }
    assert_eq!(post(&app, "/refresh", &[], next.body()).await.status, 401);
    assert_eq!(
        send(&app, "GET", "/me", &next.authorization(), String::new())
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn devices_are_revoked_only_by_their_own_user() {
    let world = world().await;
    let app = world.app();
    let hash = world
        .passwords
        .hash(&world.passwords.check_new(PASSWORD).await.unwrap())
        .await
        .unwrap();
    world
        .users
        .add("bob", hash.expose(), ["reader"], Claims::new())
        .await
        .unwrap();
    let bob = Pair::of(&post(&app, "/login", &[], login("bob", PASSWORD)).await);
    let [one, two] = [world.login().await, world.login().await];
    let listed = send(
        &app,
        "GET",
        "/active_sessions",
        &one.authorization(),
        String::new(),
    )
    .await
    .json();
    let other = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["current"] == false)
        .unwrap();
    let path = format!("/active_sessions/{}", other["id"].as_str().unwrap());

    assert_eq!(
        send(&app, "DELETE", &path, &bob.authorization(), String::new())
            .await
            .status,
        404
    );
    assert_eq!(
        send(&app, "DELETE", &path, &[], String::new()).await.status,
        401
    );
    assert_eq!(
        send(&app, "GET", "/me", &two.authorization(), String::new())
            .await
            .status,
        200
    );
    assert_eq!(
        send(&app, "DELETE", &path, &one.authorization(), String::new())
            .await
            .status,
        204
    );
    assert_eq!(
        send(&app, "DELETE", &path, &one.authorization(), String::new())
            .await
            .status,
        404
    );
    assert_eq!(
        send(&app, "GET", "/me", &two.authorization(), String::new())
            .await
            .status,
        401
    );

    let three = world.login().await;
    for wrong in ["garbage", "", &bob.refresh, &two.refresh, &three.refresh] {
        let body = json!({ "refresh_token": wrong });
        let answer = post(&app, "/revoke_other_session", &one.authorization(), body).await;
        assert_eq!(
            answer.status,
            if wrong.is_empty() { 400 } else { 401 },
            "{wrong}"
        );
    }
    assert_eq!(
        send(&app, "GET", "/me", &three.authorization(), String::new())
            .await
            .status,
        200
    );
    let answer = post(
        &app,
        "/revoke_other_session",
        &one.authorization(),
        one.body(),
    )
    .await;
    assert_eq!(answer.status, 204);
    assert_eq!(
        send(&app, "GET", "/me", &three.authorization(), String::new())
            .await
            .status,
        401
    );
    assert_eq!(
        send(&app, "GET", "/me", &one.authorization(), String::new())
            .await
            .status,
        200
    );
    assert_eq!(
        send(&app, "GET", "/me", &bob.authorization(), String::new())
            .await
            .status,
        200
    );
}

/// Creates a session of alice, as a handler would.
async fn session(world: &World) -> String {
    let accounts = world.accounts.clone();
    let handler = axum::routing::post(move |session: Session| async move {
        let credentials = Credentials {
            name: "alice".into(),
            password: Secret::new(PASSWORD.into()),
        };
        let origin = Origin::new("192.0.2.1".parse().unwrap());
        accounts
            .login_session(&credentials, &origin, &session)
            .await
            .map(|_| ())
    });
    let layer = SessionLayer::new(world.sessions.clone()).optional();
    let app = Router::new().route("/", handler.route_layer(layer));
    let answer = send(&app, "POST", "/", &[], String::new()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let cookie = answer.cookie("__Host-sid").unwrap();
    let value = cookie.strip_prefix("__Host-sid=").unwrap();
    value.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn logout_all_revokes_pairs_and_sessions() {
    let world = world().await;
    let app = world.app();
    let (one, two) = (world.login().await, world.login().await);
    let session = session(&world).await;
    assert!(world.sessions.get(&session).await.unwrap().is_some());
    assert_eq!(
        send(
            &app,
            "POST",
            "/logout_all",
            &one.authorization(),
            String::new()
        )
        .await
        .status,
        204
    );
    for pair in [&one, &two] {
        assert_eq!(post(&app, "/refresh", &[], pair.body()).await.status, 401);
        assert_eq!(
            send(&app, "GET", "/me", &pair.authorization(), String::new())
                .await
                .status,
            401
        );
    }
    assert!(world.sessions.get(&session).await.unwrap().is_none());
}

#[tokio::test]
async fn a_new_password_requires_the_old_one_and_a_recent_login_and_revokes_everything() {
    let world = world().await;
    let app = world.app();
    let session = session(&world).await;
    let stale = world.login().await;
    world.clock.advance(Duration::from_secs(301));
    let body = json!({ "current": PASSWORD, "new": "a new password" });
    let answer = post(&app, "/password", &stale.authorization(), body.clone()).await;
    assert_eq!(answer.status, 401);
    let challenge = answer.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
    assert!(
        challenge.contains("insufficient_user_authentication"),
        "{challenge}"
    );
    assert!(challenge.contains("max_age=300"), "{challenge}");

    let pair = world.login().await;
    for (current, new, status) in [
        (WRONG, "a new password", 401),
        (PASSWORD, "short", 422),
        (PASSWORD, "", 422),
    ] {
        let body = json!({ "current": current, "new": new });
        assert_eq!(
            post(&app, "/password", &pair.authorization(), body)
                .await
                .status,
            status
        );
    }
    assert_eq!(post(&app, "/password", &[], body.clone()).await.status, 401);
    assert_eq!(
        post(&app, "/password", &pair.authorization(), body)
            .await
            .status,
        204
    );
    for pair in [&stale, &pair] {
        assert_eq!(
            send(&app, "GET", "/me", &pair.authorization(), String::new())
                .await
                .status,
            401
        );
        assert_eq!(post(&app, "/refresh", &[], pair.body()).await.status, 401);
    }
    assert!(world.sessions.get(&session).await.unwrap().is_none());
    assert_eq!(
        post(&app, "/login", &[], login("alice", PASSWORD))
            .await
            .status,
        401
    );
    assert_eq!(
        post(&app, "/login", &[], login("alice", "a new password"))
            .await
            .status,
        200
    );
    assert_eq!(world.count(EventKind::PasswordChanged), 1);
}

#[tokio::test]
async fn an_unknown_name_a_wrong_password_and_a_disabled_user_have_the_same_response() {
    let world = world().await;
    let app = world.app();
    let pair = world.login().await;
    let wrong = post(&app, "/login", &[], login("alice", WRONG)).await;
    let unknown = post(&app, "/login", &[], login("nobody", PASSWORD)).await;
    assert!(world.users.set_disabled(&world.alice, true).await.unwrap());
    let disabled = post(&app, "/login", &[], login("alice", PASSWORD)).await;
    assert_eq!(wrong.status, 401);
    assert_eq!(wrong, unknown);
    assert_eq!(wrong, disabled);
    assert_eq!(
        post(&app, "/refresh", &[], pair.body()).await.status,
        401,
        "a disabled user gets nothing"
    );
    assert_eq!(
        (
            world.count(EventKind::WrongPassword),
            world.count(EventKind::UnknownUser)
        ),
        (1, 2)
    );
    let events = format!("{:?}", world.events.lock().unwrap());
    assert!(!events.contains(WRONG) && !events.contains("nobody"));
}

#[tokio::test]
async fn guessing_ends_with_the_budget_and_locks_no_user_out() {
    let world = world().await;
    let app = world.app();
    let device = post(&app, "/login", &[], login("alice", PASSWORD))
        .await
        .cookie("__Host-device")
        .unwrap();
    let device = device.split(';').next().unwrap();
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(
            post(&app, "/login", &[], login("alice", WRONG))
                .await
                .status,
        );
    }
    let verified = statuses.iter().take_while(|status| **status == 401).count();
    assert_eq!(verified, 10, "{statuses:?}");
    assert!(statuses[verified..].iter().all(|status| *status == 429));
    let refused = post(&app, "/login", &[], login("alice", PASSWORD)).await;
    assert_eq!(refused.status, 429);
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(world.count(EventKind::Throttled), 11);
    let known = post(
        &app,
        "/login",
        &[("cookie", device)],
        login("alice", PASSWORD),
    )
    .await;
    assert_eq!(
        known.status, 200,
        "her own device does not share the strangers' budget"
    );
    world.clock.advance(Duration::from_secs(901));
    assert_eq!(
        post(&app, "/login", &[], login("alice", PASSWORD))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn of_a_hundred_guesses_at_once_no_more_are_verified_than_the_budget_allows() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let world = world_on(backend.nodes[0].clone(), clock).await;
        let app = world.app();
        let guesses = (0..100).map(|_| {
            let app = app.clone();
            tokio::spawn(async move {
                post(&app, "/login", &[], login("alice", WRONG))
                    .await
                    .status
            })
        });
        let mut verified = 0;
        for guess in guesses.collect::<Vec<_>>() {
            match guess.await.unwrap() {
                401 => verified += 1,
                status => assert_eq!(status, 429, "{}", backend.name),
            }
        }
        assert!((1..=10).contains(&verified), "{}: {verified}", backend.name);
        assert_eq!(world.count(EventKind::WrongPassword), verified);
    }
}

#[tokio::test]
async fn a_refresh_token_in_a_cookie_is_hidden_from_scripts_and_no_sibling_domain_can_plant_it() {
    let world = world().await;
    let app = world.with_cookie();
    let answer = post(&app, "/auth/login", &[], login("alice", PASSWORD)).await;
    assert!(answer.json().get("refresh_token").is_none());
    let cookie = answer.cookie("__Host-refresh").unwrap();
    for attribute in [
        "HttpOnly",
        "Secure",
        "SameSite=Strict",
        "Path=/;",
        "Max-Age=604800",
    ] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    // A sibling domain can set a cookie of any name except those with `__Host-`.
    let planted = cookie.replace("__Host-refresh", "__Secure-refresh");
    let planted = planted.split(';').next().unwrap();
    let refused = post(&app, "/auth/refresh", &[("cookie", planted)], json!({})).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let first = cookie.split(';').next().unwrap().to_owned();
    let answer = post(&app, "/auth/refresh", &[("cookie", &first)], json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let second = answer.cookie("__Host-refresh").unwrap();
    let second = second.split(';').next().unwrap();
    assert_ne!(second, first);

    let both = json!({ "refresh_token": second.split_once('=').unwrap().1 });
    assert_eq!(
        post(&app, "/auth/refresh", &[("cookie", second)], both)
            .await
            .status,
        400
    );
    let two = format!("{first}; {second}");
    assert_eq!(
        post(&app, "/auth/refresh", &[("cookie", &two)], json!({}))
            .await
            .status,
        400
    );
    for foreign in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
    ] {
        let headers = [("cookie", second), ("host", "acme.dev"), foreign];
        let answer = post(&app, "/auth/refresh", &headers, json!({})).await;
        assert_eq!(answer.status, 403, "{foreign:?}");
    }
    // A rejection clears no cookie; it may be a slow response to an old token.
    let dead = post(
        &app,
        "/auth/refresh",
        &[("cookie", "__Host-refresh=garbage")],
        json!({}),
    )
    .await;
    assert_eq!((dead.status, dead.cookie("__Host-refresh")), (401, None));

    let out = post(&app, "/auth/logout", &[("cookie", second)], json!({})).await;
    assert_eq!(out.status, 204);
    assert!(out.cookie("__Host-refresh").unwrap().contains("Max-Age=0"));
    assert_eq!(
        post(&app, "/auth/refresh", &[("cookie", second)], json!({}))
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn a_hash_from_another_system_is_replaced_at_the_next_login() {
    let world = world().await;
    let app = world.app();
    let old = Passwords::builder()
        .schemes([PasswordScheme::Bcrypt])
        .dangerous_cost(Cost::Bcrypt { log_rounds: 4 })
        .build()
        .unwrap();
    let hash = old
        .hash(&old.check_new(PASSWORD).await.unwrap())
        .await
        .unwrap();
    world
        .users
        .add("carol", hash.expose(), ["reader"], Claims::new())
        .await
        .unwrap();
    assert_eq!(
        post(&app, "/login", &[], login("carol", WRONG))
            .await
            .status,
        401
    );
    let stored = async || {
        world
            .users
            .find("carol")
            .await
            .unwrap()
            .unwrap()
            .password_hash
    };
    assert_eq!(stored().await, hash);
    assert_eq!(
        post(&app, "/login", &[], login("carol", PASSWORD))
            .await
            .status,
        200
    );
    assert!(stored().await.expose().starts_with("$argon2id$"));
    assert_eq!(
        post(&app, "/login", &[], login("carol", PASSWORD))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn without_the_clients_address_no_login_succeeds_and_the_log_says_why() {
    let world = world().await;
    let json = [("content-type", "application/json")];
    let body = login("alice", PASSWORD).to_string();
    let answer = send_from(&world.app(), None, "POST", "/login", &json, body).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR.as_u16());
    assert!(
        !answer.text.contains("connect_info"),
        "the caller does not learn: {}",
        answer.text
    );
}

#[tokio::test]
async fn fields_have_the_names_they_were_given() {
    let world = world().await;
    let routes = AccountRoutes::builder(world.accounts.clone())
        .name_field("email")
        .password_field("secret");
    let app = world.mount(routes.build());
    let body = json!({ "email": "alice", "secret": PASSWORD });
    assert_eq!(post(&app, "/login", &[], body).await.status, 200);
    assert_eq!(
        post(&app, "/login", &[], login("alice", PASSWORD))
            .await
            .status,
        422
    );
}

#[tokio::test]
async fn a_password_change_that_another_one_overtook_is_refused() {
    let world = world().await;
    let user = world.users.find("alice").await.unwrap().unwrap();
    let old = user.password_hash.expose();
    assert!(
        world
            .users
            .replace_hash(&world.alice, old, "one")
            .await
            .unwrap()
    );
    assert!(
        !world
            .users
            .replace_hash(&world.alice, old, "two")
            .await
            .unwrap()
    );
    assert_eq!(
        world
            .users
            .find("alice")
            .await
            .unwrap()
            .unwrap()
            .password_hash
            .expose(),
        "one"
    );
    let credentials = Credentials {
        name: "alice".into(),
        password: Secret::new(PASSWORD.into()),
    };
    let origin = Origin::new("192.0.2.1".parse().unwrap());
    // A hash that cannot be read is not a wrong password.
    let proved = world.accounts.prove(&credentials, &origin).await;
    assert!(matches!(proved, Err(LoginError::Rejected(rejection)) if rejection.status() == 503));
}

#[tokio::test]
async fn names_are_unique_and_free_again_when_their_user_is_removed() {
    let world = world().await;
    let add = async || {
        world
            .users
            .add("dave", "hash", ["reader"], Claims::new())
            .await
            .unwrap()
    };
    let id = add().await.unwrap();
    assert!(add().await.is_none());
    assert!(world.users.set_roles(&id, ["editor"]).await.unwrap());
    let dave = world.users.read(&id).await.unwrap().unwrap();
    assert_eq!(dave.grant.subject(), id);
    assert!(world.users.remove(&id).await.unwrap());
    assert!(!world.users.remove(&id).await.unwrap());
    assert!(world.users.find("dave").await.unwrap().is_none());
    assert!(add().await.is_some());
}

#[test]
fn invalid_budgets_are_refused() {
    assert!(Budget::new(0, Duration::from_secs(60)).is_err());
}
