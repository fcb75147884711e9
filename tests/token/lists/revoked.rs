//! What a list rejects and what it admits.

use std::{convert::Infallible, time::Duration};

use axum::body::Body;
use http::{Request, Response};
use tower::{Layer, ServiceExt};
use tower_jam::{
    Clock, Env, Grant, Jwt, JwtLayer, Timestamp,
    store::{When, Write},
    token::{Claims, TokenId},
};

use super::world::{App, BOTH, ISSUER, Mode, claims, is_good, issue, key, verdict};

#[tokio::test]
async fn a_revoked_token_is_refused_and_every_other_is_not() {
    for mode in BOTH {
        let app = App::new();
        let jwt = app.alone(mode);
        let (one, other) = (issue(&jwt, "alice").await, issue(&jwt, "alice").await);
        for _ in 0..2 {
            assert!(
                is_good(&jwt, &one).await,
                "seen for the first time, and again"
            );
        }
        jwt.revoke_token(&one).await.unwrap();
        let reason = match mode {
            Mode::Black => "401 the token was revoked",
            Mode::White => "401 the token is not on the list",
        };
        for _ in 0..2 {
            assert_eq!(verdict(&jwt, &one).await, reason);
        }
        assert!(is_good(&jwt, &other).await);
        jwt.revoke_token(&one).await.unwrap();
        assert!(!is_good(&jwt, &one).await, "a second time changes nothing");
        jwt.revoke_tokens([&one, &other]).await.unwrap();
        assert!(!is_good(&jwt, &other).await);
    }
}

#[tokio::test]
async fn the_layer_checks_the_list_on_every_request() {
    for mode in BOTH {
        let app = App::new();
        let jwt = app.alone(mode);
        let token = issue(&jwt, "alice").await;
        assert_eq!(answer(&jwt, &token).await, 200);
        assert_eq!(answer(&jwt, &token).await, 200);
        jwt.revoke_token(&token).await.unwrap();
        assert_eq!(answer(&jwt, &token).await, 401);
    }
}

async fn answer(jwt: &Jwt, token: &str) -> u16 {
    let inner = tower::service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let request = Request::builder().header("authorization", format!("Bearer {token}"));
    let request = request.body(Body::empty()).unwrap();
    let service = JwtLayer::new(jwt.clone()).layer(inner);
    service.oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn an_id_is_added_to_and_removed_from_a_list() {
    for mode in BOTH {
        let app = App::new();
        let jwt = app.alone(mode);
        let list = jwt.list().unwrap();
        let token = issue(&jwt, "alice").await;
        let id = jwt.token_id(&token).unwrap();
        assert_eq!(id.id(), claims(&token)["jti"].as_str().unwrap());
        assert_eq!(
            id.expires_at().as_secs(),
            claims(&token)["exp"].as_u64().unwrap()
        );
        let is_black = mode == Mode::Black;
        assert_eq!(list.remove(&id).await.unwrap(), !is_black);
        assert_eq!(list.check(&id).await.unwrap(), is_black);
        assert_eq!(is_good(&jwt, &token).await, is_black);
        for _ in 0..2 {
            list.add(&id).await.unwrap();
            assert_eq!(list.check(&id).await.unwrap(), !is_black);
            assert_eq!(is_good(&jwt, &token).await, !is_black);
        }
        assert!(list.remove(&id).await.unwrap());
        assert!(!list.remove(&id).await.unwrap());
        assert_eq!(is_good(&jwt, &token).await, is_black);
    }
}

#[tokio::test]
async fn many_at_once_are_the_same_as_one_by_one() {
    for mode in BOTH {
        let app = App::new();
        let jwt = app.alone(mode);
        let list = jwt.list().unwrap();
        let expires_at = app.clock.now().after(Duration::from_secs(60));
        let ids: Vec<_> = (0..150)
            .map(|number| TokenId::new(format!("token {number}"), expires_at))
            .collect();
        list.add_all(&ids[..100]).await.unwrap();
        let passes = list.check_all(&ids).await.unwrap();
        for (number, passes) in passes.into_iter().enumerate() {
            assert_eq!(passes, (number < 100) == (mode == Mode::White), "{number}");
        }
        assert_eq!(list.remove_all(&ids[50..]).await.unwrap(), 50);
        let left = list.check_all(&ids).await.unwrap();
        let listed = left
            .iter()
            .filter(|passes| **passes == (mode == Mode::White));
        assert_eq!(listed.count(), 50);
        assert!(list.check_all(&[]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn of_many_tokens_none_is_revoked_if_one_is_invalid() {
    for mode in BOTH {
        let app = App::new();
        let jwt = app.alone(mode);
        let token = issue(&jwt, "alice").await;
        let foreign = issue(&App::new().alone(mode), "alice").await;
        for tokens in [[&token, &foreign], [&foreign, &token]] {
            let rejection = jwt.revoke_tokens(tokens).await.unwrap_err();
            assert_eq!(rejection.status(), 401);
            assert!(is_good(&jwt, &token).await);
        }
        let garbage = jwt.revoke_token("garbage").await.unwrap_err();
        assert_eq!(garbage.status(), 401);
    }
}

/// A list cannot hold a token without anything that identifies it.
#[tokio::test]
async fn a_token_that_could_not_be_revoked_is_rejected() {
    for mode in BOTH {
        let app = App::new();
        let store = app.store();
        let jwt = app.node(mode, &store);
        jwt.list().unwrap().created_at().await.unwrap();
        app.advance(1);
        let now = app.clock.now().as_secs();
        let whole = serde_json::json!({
            "iss": ISSUER, "aud": "api", "sub": "alice", "jti": "id", "iat": now, "exp": now + 86_400,
        });
        let id = TokenId::new("id", app.clock.now().after(Duration::from_secs(86_400)));
        if mode == Mode::White {
            jwt.list().unwrap().add(&id).await.unwrap();
        }
        let refused = async |change: &dyn Fn(&mut serde_json::Value)| {
            let mut claims = whole.clone();
            change(&mut claims);
            let token = sign(&app, &claims);
            assert!(app.engine().build().unwrap().verify(&token).await.is_ok());
            verdict(&jwt, &token).await
        };
        assert_eq!(refused(&|_| {}).await, "good");
        let without = "401 no list can hold a token without `jti`";
        let remove = |claims: &mut serde_json::Value, name: &str| {
            claims.as_object_mut().unwrap().remove(name);
        };
        assert_eq!(refused(&|claims| remove(claims, "jti")).await, without);
        assert_eq!(refused(&|claims| claims["jti"] = "".into()).await, without);
        let undated = "401 no list can tell when a token without `iat` was issued";
        assert_eq!(refused(&|claims| remove(claims, "iat")).await, undated);
        let long = "401 the token lives longer than its list remembers";
        let longer = |claims: &mut serde_json::Value| claims["exp"] = (now + 86_401).into();
        assert_eq!(refused(&longer).await, long);
        let without_jti = {
            let mut claims = whole.clone();
            remove(&mut claims, "jti");
            sign(&app, &claims)
        };
        assert_eq!(
            jwt.revoke_token(&without_jti).await.unwrap_err().status(),
            401
        );
    }
}

fn sign(app: &App, claims: &serde_json::Value) -> String {
    let active = app.ring.active();
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(active.kid().to_owned());
    let pem = active.to_pkcs8_pem().unwrap();
    let key = jsonwebtoken::EncodingKey::from_ec_pem(pem.expose().as_bytes()).unwrap();
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

#[tokio::test]
async fn an_entry_lasts_as_long_as_some_verifier_accepts_its_token() {
    for mode in BOTH {
        let app = App::new();
        let store = app.store();
        let patient = app.engine().leeway(Duration::from_secs(60));
        let list = app.list(mode, &store).build().unwrap();
        let jwt = patient.list(list.clone()).build().unwrap();
        let grant = Grant::new("alice", Claims::new());
        let token = jwt.issue(grant).ttl(Duration::from_secs(10)).await.unwrap();
        let id = jwt.token_id(token.expose()).unwrap();
        list.add(&id).await.unwrap();
        let is_listed = async || list.check(&id).await.unwrap() == (mode == Mode::White);
        app.clock
            .set(id.expires_at().after(Duration::from_millis(59_999)));
        assert!(is_listed().await);
        assert_eq!(is_good(&jwt, token.expose()).await, mode == Mode::White);
        app.clock
            .set(id.expires_at().after(Duration::from_secs(60)));
        assert!(!is_listed().await);
        assert_eq!(
            verdict(&jwt, token.expose()).await,
            "401 the token has expired"
        );
        list.add(&id).await.unwrap();
        assert!(!is_listed().await, "it need not be stored");
    }
}

#[tokio::test]
async fn a_later_expiry_is_never_shortened() {
    let app = App::new();
    let list = app.list(Mode::Black, &app.store()).build().unwrap();
    let after = |seconds| app.clock.now().after(Duration::from_secs(seconds));
    let (long, short) = (
        TokenId::new("id", after(3_600)),
        TokenId::new("id", after(1)),
    );
    list.add(&long).await.unwrap();
    list.add(&short).await.unwrap();
    app.advance(3_000);
    assert!(!list.check(&long).await.unwrap());
}

/// Two issuers may give one `jti` to two tokens, and the two kinds of list may share a store.
#[tokio::test]
async fn lists_of_two_issuers_and_of_two_kinds_are_separate() {
    let app = App::new();
    let store = app.store();
    let id = TokenId::new("id", app.clock.now().after(Duration::from_secs(60)));
    let black = app.list(Mode::Black, &store).build().unwrap();
    black.add(&id).await.unwrap();
    black.revoke_all("alice").await.unwrap();
    let others = app
        .list_of(Mode::Black, &store, "https://other", app.clock.clone())
        .build()
        .unwrap();
    assert!(others.check(&id).await.unwrap());
    assert_eq!(others.issued_before("alice").await.unwrap(), None);
    let white = app.list(Mode::White, &store).build().unwrap();
    assert!(
        !white.check(&id).await.unwrap(),
        "a revocation there does not list the token here"
    );
    assert_eq!(white.issued_before("alice").await.unwrap(), None);
}

#[cfg(feature = "refresh")]
#[tokio::test]
async fn pairs_of_an_engine_with_a_list_work() {
    use tower_jam::{MasterSecret, TokenPairs, store::Store};
    for mode in BOTH {
        let app = App::new();
        let store: std::sync::Arc<dyn Store> = app.store();
        let jwt = app.node(mode, &store);
        let users = |subject: String| async move { Ok(Some(Grant::new(subject, Claims::new()))) };
        let secret = MasterSecret::generate();
        let pairs = TokenPairs::builder(
            &Env::new("https://auth.acme.dev", store, &secret),
            jwt.clone(),
            users,
        )
        .build()
        .unwrap();
        let first = pairs
            .issue(Grant::new("alice", Claims::new()))
            .await
            .unwrap();
        let second = pairs
            .refresh(first.refresh_token.expose(), None)
            .await
            .unwrap();
        for pair in [&first, &second] {
            assert!(pairs.verify(pair.access_token.expose()).await.is_ok());
        }
        jwt.revoke_token(first.access_token.expose()).await.unwrap();
        assert!(pairs.verify(first.access_token.expose()).await.is_err());
        assert!(pairs.verify(second.access_token.expose()).await.is_ok());
        jwt.list().unwrap().revoke_all("alice").await.unwrap();
        assert!(pairs.verify(second.access_token.expose()).await.is_err());
        let third = pairs
            .refresh(second.refresh_token.expose(), None)
            .await
            .unwrap();
        assert!(pairs.verify(third.access_token.expose()).await.is_ok());
    }
}

/// A damaged mark rejects every token of its subject, and the next revocation replaces it.
#[tokio::test]
async fn an_unreadable_mark_rejects_every_token_and_is_replaced() {
    let world = App::new();
    let store = world.store();
    let list = world.list(Mode::Black, &store).build().unwrap();
    let jwt = world.node(Mode::Black, &store);
    list.created_at().await.unwrap();
    world.advance(1);
    let before = issue(&jwt, "alice").await;
    let write = Write::new("odd", Timestamp::NEVER);
    let mark = key(Mode::Black, "subject", "alice");
    store.put(&mark, write, When::Always).await.unwrap();
    assert!(verdict(&jwt, &before).await.starts_with("503"));
    world.advance(1);
    list.revoke_all("alice").await.unwrap();
    assert!(!is_good(&jwt, &before).await);
    let after = issue(&jwt, "alice").await;
    assert!(is_good(&jwt, &after).await);
}
