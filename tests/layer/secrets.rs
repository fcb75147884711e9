//! What a log may contain: that a request was rejected and why, without the credential or the
//! subject.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing};
use base64_simd::URL_SAFE_NO_PAD;
use http::StatusCode;
use tower::ServiceExt;
use tower_jam::{
    Algorithm, AuthUser, Authenticate, Claims, CredentialSource, Env, Grant, Identity, IssueError,
    Jwt, JwtLayer, Key, KeyRing, MasterSecret, Rejection, Session, SessionLayer, Sessions,
    guard::{role, scope},
    layer::{AuthLayer, GuardLayer, HttpResponder},
    store::{self, Entry, MemoryStore, Store, StoreFuture, When, Write},
};

use crate::{
    support::{ProbeStore, shared},
    world::{Log, Other, User, World, get, grant, request},
};

/// What must never appear in a log: every part of a token, the session's, and all that they state.
struct Hidden(Vec<String>);

impl Hidden {
    fn add(&mut self, text: &str) {
        // Short parts would be found by chance.
        let parts = text.split(['.', ' ', '=', ';']);
        self.0
            .extend(parts.filter(|part| part.len() > 7).map(str::to_owned));
    }

    fn check(&self, log: &str) {
        for secret in &self.0 {
            assert!(
                !log.contains(secret.as_str()),
                "{secret} is in the log:\n{log}"
            );
        }
    }
}

fn part(json: &str) -> String {
    URL_SAFE_NO_PAD.encode_to_string(json)
}

fn routes() -> Router {
    let name = async |user: AuthUser<User>| user.name.clone();
    let write = async |session: Session| {
        session
            .insert("markervalue-name", &"markervalue-text")
            .await?;
        Ok::<_, Rejection>(
            session
                .get::<String>("markervalue-name")?
                .unwrap_or_default(),
        )
    };
    let misread = async |session: Session| {
        session
            .insert("markervalue-name", &"markervalue-text")
            .await?;
        session.get::<u32>("markervalue-name").map(|_| ())
    };
    let login = async |session: Session| {
        let entered = session
            .login(grant("markeruser-carol").roles(["markerrole-carol"]))
            .await?;
        Ok::<_, Rejection>(entered.token.expose().clone())
    };
    let wrong_login = async |session: Session| {
        let token = session
            .login(Grant::new("markeruser-dora", "markeruser-dora"))
            .await;
        token.map(|_| ()).map_err(Rejection::from)
    };
    let bad_grant = async |session: Session| {
        let token = session
            .login(grant("markeruser-emil").scopes(["markerscope with space"]))
            .await;
        token
            .map(|_| ())
            .map_err(|error: IssueError| Rejection::from(error))
    };
    Router::new()
        .route("/name", routing::any(name))
        .route("/other", routing::any(async |_: AuthUser<Other>| ()))
        .route("/write", routing::any(write))
        .route("/misread", routing::any(misread))
        .route("/login", routing::any(login))
        .route("/wrong-login", routing::any(wrong_login))
        .route("/bad-grant", routing::any(bad_grant))
        .route(
            "/logout",
            routing::any(async |session: Session| session.logout().await),
        )
}

#[tokio::test]
async fn no_credential_and_nothing_of_the_user_is_ever_logged() {
    let world = World::new().await;
    let log = Log::start();
    let mut hidden = Hidden(Vec::new());
    for marker in ["marker", "token-alice", "session-bob", "user-of-"] {
        hidden.0.push(marker.to_owned());
    }

    // A token with many claims, valid at first and then damaged in each part.
    let key = Key::generate(Algorithm::EdDsa).unwrap();
    let claims = Jwt::<Claims>::builder(KeyRing::new(key.clone()));
    let claims = claims
        .issuer("https://issuer")
        .audience("api")
        .clock(world.clock.clone());
    let claims = claims.build().unwrap();
    let typed = Jwt::<Other>::builder(KeyRing::new(key))
        .issuer("https://issuer")
        .audience("api");
    let typed = typed.clock(world.clock.clone()).build().unwrap();
    let body = Claims::new()
        .with("number", "markerclaim-of-the-wrong-type")
        .and_then(|claims| claims.with("card", "markerclaim-4111"))
        .unwrap();
    let grant_of = || {
        Grant::new("markersub-1", body.clone())
            .roles(["markerrole-1"])
            .scopes(["markerscope-1"])
    };
    let good = claims.issue(grant_of()).await.unwrap().expose().clone();
    let foreign = claims
        .issue(grant_of())
        .audience("markeraud-else")
        .await
        .unwrap()
        .expose()
        .clone();
    let later = claims
        .issue(grant_of())
        .not_before(Duration::from_secs(600))
        .await
        .unwrap()
        .expose()
        .clone();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = signed.split_once('.').unwrap();
    let tokens = [
        good.clone(),
        foreign,
        later,
        world.token.clone(),
        world.expired.clone(),
        format!("{signed}.{}", part("markersignature-of-another-length")),
        format!(
            "{}.{payload}.{signature}",
            part(r#"{"alg":"markeralg","typ":"markertyp","kid":"markerkid"}"#)
        ),
        format!(
            "{}.{payload}.{signature}",
            part(r#"{"alg":"EdDSA","typ":"at+jwt","kid":"markerkid-2"}"#)
        ),
        format!(
            "{}.{payload}.{signature}",
            part(r#"{"alg":"EdDSA","crit":["markercrit"],"markercrit":1}"#)
        ),
        format!("{}.{payload}.{signature}", part("markerheader, not JSON")),
        format!("{header}.{}.{signature}", part(r#"{"sub":"markersub-2"}"#)),
        format!("{signed}.{signature}="),
        format!("{good}.markerpart"),
        "markertoken-without-dots".to_owned(),
    ];
    let second = world
        .sessions
        .create(grant("markeruser-frank"))
        .await
        .unwrap();
    let sessions = [
        world.session.clone(),
        second.token.expose().clone(),
        format!("{}x", world.session),
        "markersession-garbage".to_owned(),
        good.clone(),
    ];
    for secret in tokens.iter().chain(&sessions) {
        hidden.add(secret);
    }

    let jwt_header = CredentialSource::header(http::HeaderName::from_static("x-token"));
    let layers: Vec<(&str, Router)> = vec![
        (
            "claims",
            routes().route_layer(JwtLayer::new(claims.clone())),
        ),
        ("typed", routes().route_layer(JwtLayer::new(typed))),
        (
            "by header",
            routes().route_layer(JwtLayer::new(claims).read_from(jwt_header).optional()),
        ),
        (
            "jwt",
            routes().route_layer(JwtLayer::new(world.jwt.clone())),
        ),
        (
            "guarded",
            routes()
                .route_layer(GuardLayer::new(role("markerrole-2")))
                .route_layer(GuardLayer::new(scope("markerscope-2")))
                .route_layer(JwtLayer::new(world.jwt.clone())),
        ),
        (
            "sessions",
            routes().route_layer(SessionLayer::new(world.sessions.clone()).optional()),
        ),
        (
            "both",
            routes().route_layer(AuthLayer::new(world.jwt.clone().or(world.sessions.clone()))),
        ),
        ("none", routes()),
    ];
    let paths = [
        "/name",
        "/other",
        "/write",
        "/misread",
        "/login",
        "/wrong-login",
        "/bad-grant",
        "/logout",
    ];
    let mut statuses = std::collections::BTreeSet::new();
    for (name, app) in &layers {
        for path in paths {
            let mut requests = Vec::new();
            for token in &tokens {
                requests.push(vec![("authorization", format!("Bearer {token}"))]);
                requests.push(vec![("x-token", token.clone())]);
                requests.push(vec![
                    ("authorization", format!("Bearer {token}")),
                    ("authorization", format!("bearer {token}")),
                ]);
            }
            for session in &sessions {
                requests.push(vec![("cookie", format!("__Host-sid={session}"))]);
                requests.push(vec![(
                    "cookie",
                    format!("__Host-sid={session}; __Host-sid=markersession-2"),
                )]);
                requests.push(vec![
                    ("cookie", format!("__Host-sid={session}")),
                    ("origin", "https://markerorigin.dev".to_owned()),
                    ("host", "markerhost.dev".to_owned()),
                ]);
            }
            requests.push(vec![("authorization", "Basic markerbasic".to_owned())]);
            requests.push(vec![(
                "authorization",
                "Bearer marker \"quoted\"".to_owned(),
            )]);
            for headers in requests {
                let uri = format!("{path}?markerquery");
                let response = app
                    .clone()
                    .oneshot(request("POST", &uri, &headers))
                    .await
                    .unwrap();
                statuses.insert(response.status().as_u16());
                // Tokens that are issued meanwhile are secrets, too.
                for value in response.headers().get_all("set-cookie") {
                    hidden.add(value.to_str().unwrap().split(';').next().unwrap());
                }
                hidden.0.retain(|secret| secret != "__Host-sid");
            }
        }
        let written = log.take();
        assert!(
            written.contains("DEBUG") || *name == "none",
            "{name} logs nothing"
        );
        hidden.check(&written);
    }
    assert_eq!(
        statuses.into_iter().collect::<Vec<_>>(),
        [200, 400, 401, 403, 500]
    );

    // A failing store logs why, without the subject.
    let (_, app) = &layers[5];
    world.probe.set_down(true);
    let answer = get(app, "/name", &[world.cookie()]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let written = log.take();
    assert!(written.contains("connection refused"), "{written}");
    hidden.check(&written);
}

#[tokio::test]
async fn a_session_that_does_not_read_as_the_user_is_logged_without_its_content() {
    let (_, store) = shared(ProbeStore::new(MemoryStore::new()));
    let secret = MasterSecret::generate();
    let old = Sessions::<String>::builder(&Env::new("self", Arc::clone(&store), &secret))
        .build()
        .unwrap();
    let token = old
        .create(Grant::new("markersub", "markeruser-text".to_owned()))
        .await
        .unwrap()
        .token;
    let new = Sessions::<User>::builder(&Env::new("self", store, &secret))
        .build()
        .unwrap();
    let log = Log::start();
    let app = routes().route_layer(SessionLayer::new(new));
    let answer = get(
        &app,
        "/name",
        &[("cookie", format!("__Host-sid={}", token.expose()))],
    )
    .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let log = log.take();
    assert!(log.contains("ERROR"), "{log}");
    Hidden(vec!["marker".to_owned(), token.expose().clone()]).check(&log);
}

/// A store in which a list of roles was replaced by a text.
#[derive(Debug)]
struct Tampered(MemoryStore);

impl Store for Tampered {
    fn get<'a>(&'a self, key: &'a store::StoreKey) -> StoreFuture<'a, Option<Entry>> {
        Box::pin(async {
            let mut entry = self.0.get(key).await?;
            if let Some(entry) = &mut entry {
                let (list, text) = (&br#"["markerrole"]"#[..], &br#" "markerrole" "#[..]);
                let at = entry
                    .value
                    .windows(list.len())
                    .position(|bytes| bytes == list);
                if let Some(at) = at {
                    let (head, tail) = (&entry.value[..at], &entry.value[at + list.len()..]);
                    entry.value = [head, text, tail].concat().into();
                }
            }
            Ok(entry)
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a store::StoreKey,
        write: Write,
        when: When,
    ) -> StoreFuture<'a, bool> {
        self.0.put(key, write, when)
    }

    fn take<'a>(&'a self, key: &'a store::StoreKey) -> StoreFuture<'a, Option<Entry>> {
        self.0.take(key)
    }

    fn list<'a>(
        &'a self,
        group: &'a store::StoreKey,
    ) -> StoreFuture<'a, Vec<(store::StoreKey, Entry)>> {
        self.0.list(group)
    }
}

#[tokio::test]
async fn a_corrupt_record_is_logged_with_the_place_and_without_its_content() {
    let secret = MasterSecret::generate();
    let sessions = Sessions::builder(&Env::new(
        "self",
        Arc::new(Tampered(MemoryStore::new())),
        &secret,
    ));
    let sessions: Sessions<User> = sessions.build().unwrap();
    let created = sessions
        .create(grant("markeruser").roles(["markerrole"]))
        .await
        .unwrap();
    let cookie = ("cookie", format!("__Host-sid={}", created.token.expose()));
    let log = Log::start();
    let app = routes().route_layer(SessionLayer::new(sessions));
    let answer = get(&app, "/name", &[cookie]).await;
    // The session counts as absent, and the log names the place of the error.
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let log = log.take();
    assert!(
        log.contains("the stored value is corrupt") && log.contains("not of the expected form"),
        "{log}"
    );
    Hidden(vec!["marker".to_owned()]).check(&log);
}

#[tokio::test]
async fn debug_output_shows_no_key_and_no_credential() {
    let key = "a secret of the server, 32 bytes long and more";
    let jwt = Jwt::<User>::builder(KeyRing::new(Key::hs256(key).unwrap()));
    let jwt = jwt
        .issuer("https://issuer")
        .audience("api")
        .build()
        .unwrap();
    let world = World::new().await;
    let engine = jwt.clone().or(world.sessions.clone());
    let service = tower::ServiceBuilder::new()
        .layer(AuthLayer::new(engine.clone()).respond_with(HttpResponder::new()))
        .service("inner");
    let verified = world.jwt.verify(&world.token).await.unwrap();
    let source = engine.source();
    let (parts, _) = request("GET", "/", &[world.bearer()]).into_parts();
    let credential = source.find(&parts).unwrap().unwrap();
    let identity: &Identity = verified.identity().unwrap();
    let user = AuthUser::new(verified.user().unwrap().clone());
    let shown = format!(
        "{jwt:?} {engine:?} {service:?} {verified:?} {credential:?} {identity:?} {user:?} {source:?}"
    );
    let mut hidden = Hidden(vec![
        "a secret of the server".to_owned(),
        "token-alice".to_owned(),
    ]);
    hidden.add(&world.token);
    hidden.check(&shown);
}
