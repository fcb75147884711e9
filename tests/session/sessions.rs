//! Sessions as a browser sees them: through the layer, with cookies, on a clock that the test
//! advances.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{ProbeStore, shared};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, Response, StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tower::ServiceExt;
use tower_jam::{
    AuthUser, Clock, CookieSpec, CredentialSource, Env, Factor, Grant, Identity, MasterSecret,
    Rejection, Session, SessionLayer, Sessions,
    event::{EventKind, Events},
    store::{MemoryStore, Namespace, Store, StoreKey, When, Write},
    testing::ManualClock,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
}

/// An application with one clock, one store and two groups of routes.
struct Site {
    app: Router,
    sessions: Sessions<User>,
    probe: Arc<ProbeStore>,
    clock: Arc<ManualClock>,
}

impl Site {
    fn new() -> Self {
        Self::with_secret(&MasterSecret::generate())
    }

    fn with_secret(secret: &MasterSecret) -> Self {
        let clock = Arc::new(ManualClock::default());
        let memory = MemoryStore::new().with_clock(clock.clone());
        let (probe, store) = shared(ProbeStore::new(memory));
        let sessions =
            Sessions::builder(&Env::new("self", store, secret).with_clock(clock.clone()))
                .build()
                .unwrap();
        let app = Self::router(SessionLayer::new(sessions.clone()));
        Self {
            app,
            sessions,
            probe,
            clock,
        }
    }

    /// `/open/*` admits guests, `/closed/*` does not.
    fn router(layer: SessionLayer<User>) -> Router {
        let routes = || {
            Router::new()
                .route("/who", get(who))
                .route("/cart", get(cart))
                .route("/add/{item}", post(add))
                .route("/fill/{bytes}", post(fill))
                .route("/login/{name}", post(login))
                .route("/crash/{name}", post(login_and_crash))
                .route("/cycle_id", post(cycle_id))
                .route("/prove", post(prove))
                .route("/promote", post(promote))
                .route("/logout", post(logout))
                .route("/logout-late", post(logout_then_write))
                .route("/stream", post(stream))
        };
        Router::new()
            .nest("/open", routes().route_layer(layer.clone().optional()))
            .nest("/closed", routes().route_layer(layer))
            .route("/plain", get(|| async { "plain" }))
    }

    async fn ask(&self, method: &str, path: &str, cookie: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(value) = cookie {
            request = request.header(header::COOKIE, format!("theme=dark; __Host-sid={value}"));
        }
        Answer::of(
            self.app
                .clone()
                .oneshot(request.body(Body::empty()).unwrap())
                .await
                .unwrap(),
        )
        .await
    }

    async fn login(&self, name: &str, cookie: Option<&str>) -> String {
        let answer = self
            .ask("POST", &format!("/open/login/{name}"), cookie)
            .await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        answer.token.expect("a login sets a cookie")
    }
}

struct Answer {
    status: StatusCode,
    text: String,
    /// The whole header value.
    set_cookie: Option<String>,
    /// The value of the session's cookie, unless it is cleared.
    token: Option<String>,
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let status = response.status();
        let mut lines = response.headers().get_all(header::SET_COOKIE).iter();
        let set_cookie = lines.next().map(|line| line.to_str().unwrap().to_owned());
        assert!(lines.next().is_none(), "at most one cookie is set");
        if set_cookie.is_some() {
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        }
        let token = set_cookie.as_deref().and_then(|line| {
            let (value, _) = line.strip_prefix("__Host-sid=")?.split_once(';')?;
            (!value.is_empty()).then(|| value.to_owned())
        });
        let body = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        Self {
            status,
            text: String::from_utf8(body.to_vec()).unwrap(),
            set_cookie,
            token,
        }
    }
}

async fn who(user: Option<AuthUser<User>>, identity: Option<Identity>) -> String {
    assert_eq!(user.is_some(), identity.is_some());
    user.map_or_else(|| "guest".to_owned(), |user| user.name.clone())
}

async fn cart(session: Session) -> Result<String, Rejection> {
    Ok(session
        .get::<Vec<String>>("cart")?
        .unwrap_or_default()
        .join(","))
}

async fn add(
    session: Session,
    axum::extract::Path(item): axum::extract::Path<String>,
) -> Result<StatusCode, Rejection> {
    session
        .update(|values| {
            let cart = values
                .entry("cart")
                .or_insert_with(|| serde_json::json!([]));
            cart.as_array_mut().unwrap().push(item.clone().into());
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn grant(name: &str) -> Grant<User> {
    Grant::new(
        name,
        User {
            name: name.to_owned(),
        },
    )
    .factor(Factor::Password)
}

async fn login(
    session: Session,
    axum::extract::Path(name): axum::extract::Path<String>,
) -> Result<StatusCode, Rejection> {
    session.login(grant(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn login_and_crash(
    session: Session,
    path: axum::extract::Path<String>,
) -> Result<StatusCode, Rejection> {
    login(session, path).await?;
    Ok(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn cycle_id(session: Session) -> Result<StatusCode, Rejection> {
    session.cycle_id().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn prove(session: Session) -> Result<StatusCode, Rejection> {
    session.prove(Factor::Otp).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn promote(session: Session) -> Result<StatusCode, Rejection> {
    session.set_roles(["admin"]).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn fill(
    session: Session,
    axum::extract::Path(bytes): axum::extract::Path<usize>,
) -> Result<StatusCode, Rejection> {
    session.insert("note", &"a".repeat(bytes)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn logout(session: Session) -> Result<StatusCode, Rejection> {
    session.logout().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Another request of the same browser ends the session while this one is still using it.
async fn logout_then_write(
    session: Session,
    request: axum::extract::Request,
) -> Result<StatusCode, Rejection> {
    let sessions = request
        .extensions()
        .get::<Sessions<User>>()
        .cloned()
        .expect("the test inserted it");
    sessions.revoke_all("alice").await?;
    session.insert("late", &true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Writes to the session when the body is polled, long after the handler has returned.
async fn stream(session: Session) -> impl IntoResponse {
    let late = async move {
        session
            .insert("streamed", &true)
            .await
            .map_err(|rejection| rejection.to_string())?;
        Ok::<_, String>(Bytes::from_static(b"done"))
    };
    Body::from_stream(futures_once(late))
}

fn futures_once<T>(future: impl Future<Output = T>) -> impl tokio_stream::Stream<Item = T> {
    use tokio_stream::StreamExt;
    tokio_stream::once(future).then(|future| future)
}

/// Each request reads the whole session, and a guest needs no password to fill it.
#[tokio::test]
async fn the_values_of_a_session_have_64_kib_at_most() {
    let site = Site::new();
    let fits = 64 * 1024 - r#"{"note":""}"#.len();
    let refused = site
        .ask("POST", &format!("/open/fill/{}", fits + 1), None)
        .await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.token.is_none() && site.probe.written().is_empty());
    let taken = site.ask("POST", &format!("/open/fill/{fits}"), None).await;
    assert_eq!(taken.status, StatusCode::NO_CONTENT);
    let guest = taken.token.unwrap();
    for bytes in [fits + 1, 1_000_000] {
        let path = format!("/open/fill/{bytes}");
        let refused = site.ask("POST", &path, Some(&guest)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    }
    let smaller = site.ask("POST", "/open/fill/1", Some(&guest)).await;
    assert_eq!(smaller.status, StatusCode::NO_CONTENT);
    let refused = site.sessions.update(&guest, |data| {
        let long = "a".repeat(fits + 1);
        data.values.insert("note".to_owned(), long.into())
    });
    let refused = refused.await.unwrap_err();
    assert!(
        matches!(refused, tower_jam::IssueError::TooLarge { .. }),
        "{refused}"
    );
    let longest = site.probe.written().iter().map(Vec::len).max();
    assert!(longest.unwrap() < 66 * 1024, "{longest:?}");
}

#[tokio::test]
async fn a_guest_becomes_a_member_and_a_guest_again() {
    let site = Site::new();
    assert_eq!(site.ask("GET", "/open/who", None).await.text, "guest");
    assert_eq!(
        site.ask("GET", "/closed/who", None).await.status,
        StatusCode::UNAUTHORIZED
    );

    let token = site.login("alice", None).await;
    let answer = site.ask("GET", "/closed/who", Some(&token)).await;
    assert_eq!((answer.status, &*answer.text), (StatusCode::OK, "alice"));
    assert!(answer.set_cookie.is_none(), "reading sets no cookie");

    let answer = site.ask("POST", "/closed/logout", Some(&token)).await;
    assert!(
        answer
            .set_cookie
            .unwrap()
            .starts_with("__Host-sid=; Path=/; Max-Age=0")
    );
    assert_eq!(
        site.ask("GET", "/closed/who", Some(&token)).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        site.ask("GET", "/open/who", Some(&token)).await.text,
        "guest"
    );
}

#[tokio::test]
async fn the_cookie_is_host_only_secure_and_lasts_as_long_as_the_session_can() {
    let site = Site::new();
    let line = site
        .ask("POST", "/open/login/alice", None)
        .await
        .set_cookie
        .unwrap();
    let (_, attributes) = line.split_once(';').unwrap();
    assert_eq!(
        attributes,
        " Path=/; Max-Age=43200; HttpOnly; SameSite=Lax; Secure"
    );

    // A new id later: the end of the session has not moved.
    let token = line
        .strip_prefix("__Host-sid=")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    site.clock.advance(Duration::from_secs(600));
    let line = site
        .ask("POST", "/closed/cycle_id", Some(&token))
        .await
        .set_cookie
        .unwrap();
    assert!(line.contains("Max-Age=42600;"), "{line}");
}

/// A stale cookie must not lock a user out of the sign-in page, nor may a slow response remove a
/// newer one.
#[tokio::test]
async fn the_sign_in_page_answers_200_to_every_dead_cookie_and_leaves_it_alone() {
    let secret = MasterSecret::generate();
    let site = Site::with_secret(&secret);
    let expired = site.login("alice", None).await;
    site.clock.advance(Duration::from_secs(31 * 60));
    let foreign = Site::new().login("alice", None).await;
    let gone = Site::with_secret(&secret).login("alice", None).await;
    let ended = site.login("alice", None).await;
    site.ask("POST", "/closed/logout", Some(&ended)).await;
    let reworked = site.login("alice", None).await;
    site.ask("POST", "/closed/cycle_id", Some(&reworked)).await;

    for (what, cookie) in [
        ("expired", expired.as_str()),
        ("of another application or an old key", &foreign),
        ("of a record that is not there", &gone),
        ("ended", &ended),
        ("replaced", &reworked),
        ("garbage", "garbage"),
        ("chosen by the client", "A".repeat(86).as_str()),
        ("empty", ""),
        ("long", "A".repeat(5000).as_str()),
    ] {
        for path in ["/open/who", "/open/cart"] {
            let answer = site.ask("GET", path, Some(cookie)).await;
            assert_eq!(answer.status, StatusCode::OK, "{what}");
            assert!(answer.set_cookie.is_none(), "{what}");
        }
        let answer = site.ask("GET", "/closed/who", Some(cookie)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}");
        assert!(answer.set_cookie.is_none(), "{what}");
        // And signing in with it creates a new session.
        let token = site.login("bob", Some(cookie)).await;
        assert_ne!(token, cookie, "{what}");
        assert_eq!(
            site.ask("GET", "/closed/who", Some(&token)).await.text,
            "bob",
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_forged_cookie_is_rejected_without_a_store_call() {
    let site = Site::new();
    let foreign = Site::new().login("alice", None).await;
    for cookie in [
        "x",
        "../../etc/passwd",
        "' OR 1=1 --",
        &"A".repeat(86),
        &foreign,
    ] {
        site.ask("GET", "/open/who", Some(cookie)).await;
        site.ask("GET", "/closed/who", Some(cookie)).await;
    }
    assert_eq!(site.probe.calls(), 0);
    // The session does not get the id that the client chose.
    site.ask("POST", "/open/add/book", Some(&foreign)).await;
    assert!(site.sessions.get(&foreign).await.unwrap().is_none());
}

#[tokio::test]
async fn reading_writes_only_an_occasional_record_of_use() {
    let site = Site::new();
    let token = site.login("alice", None).await;
    let writes = site.probe.written().len();
    for _ in 0..10 {
        site.ask("GET", "/closed/who", Some(&token)).await;
        site.clock.advance(Duration::from_secs(8));
    }
    assert_eq!(
        site.probe.written().len(),
        writes,
        "within a twentieth of the idle time"
    );
    site.clock.advance(Duration::from_secs(90));
    for _ in 0..10 {
        let answer = site.ask("GET", "/closed/who", Some(&token)).await;
        assert!(answer.set_cookie.is_none());
    }
    assert_eq!(site.probe.written().len(), writes + 1);
}

#[tokio::test]
async fn idle_sessions_expire_used_ones_continue_and_none_outlives_the_absolute_end() {
    let site = Site::new();
    let token = site.login("alice", None).await;
    let begun = site.clock.now();
    let mut steps = 0;
    while site.ask("GET", "/closed/who", Some(&token)).await.status == StatusCode::OK {
        site.clock.advance(Duration::from_secs(20 * 60));
        steps += 1;
    }
    assert_eq!(
        site.clock.now().since(begun),
        Duration::from_secs(12 * 60 * 60),
        "after {steps} steps"
    );

    let token = site.login("alice", None).await;
    site.clock.advance(Duration::from_secs(30 * 60));
    assert_eq!(
        site.ask("GET", "/closed/who", Some(&token)).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn no_new_id_moves_the_absolute_end() {
    let site = Site::new();
    let mut token = site.login("alice", None).await;
    let begun = site.clock.now();
    let mut turns = [
        "/closed/cycle_id",
        "/closed/prove",
        "/closed/promote",
        "/closed/login/alice",
    ]
    .iter()
    .cycle();
    loop {
        site.clock.advance(Duration::from_secs(25 * 60));
        match site
            .ask("POST", turns.next().unwrap(), Some(&token))
            .await
            .token
        {
            Some(renewed) => token = renewed,
            None => break,
        }
    }
    let lived = site.clock.now().since(begun);
    assert!(lived >= Duration::from_secs(12 * 60 * 60), "{lived:?}");
    assert!(
        lived < Duration::from_secs(12 * 60 * 60 + 25 * 60),
        "{lived:?}"
    );
}

#[tokio::test]
async fn every_change_of_privilege_gives_a_new_id_and_invalidates_the_old_one() {
    let site = Site::new();
    for path in [
        "/closed/cycle_id",
        "/closed/prove",
        "/closed/promote",
        "/closed/login/alice",
    ] {
        let old = site.login("alice", None).await;
        let new = site.ask("POST", path, Some(&old)).await.token.expect(path);
        assert_eq!(
            site.ask("GET", "/closed/who", Some(&new)).await.text,
            "alice",
            "{path}"
        );
        assert_eq!(
            site.ask("GET", "/closed/who", Some(&old)).await.status,
            StatusCode::UNAUTHORIZED,
            "{path}"
        );
    }
    let old = site.login("alice", None).await;
    let new = site
        .ask("POST", "/closed/prove", Some(&old))
        .await
        .token
        .unwrap();
    let (info, _) = site.sessions.get(&new).await.unwrap().unwrap();
    assert_eq!(
        info.factors(),
        [
            (Factor::Password, site.clock.now()),
            (Factor::Otp, site.clock.now())
        ]
    );
}

#[tokio::test]
async fn an_anonymous_cart_is_kept_at_login_and_the_guests_id_is_invalidated() {
    let site = Site::new();
    let guest = site
        .ask("POST", "/open/add/book", None)
        .await
        .token
        .expect("the first write creates a session");
    let answer = site.ask("POST", "/open/add/pen", Some(&guest)).await;
    assert!(answer.set_cookie.is_none(), "the guest has its cookie");
    assert_eq!(
        site.ask("GET", "/closed/cart", Some(&guest)).await.status,
        StatusCode::UNAUTHORIZED
    );

    let member = site.login("alice", Some(&guest)).await;
    assert_eq!(
        site.ask("GET", "/closed/cart", Some(&member)).await.text,
        "book,pen"
    );
    assert_eq!(
        site.ask("GET", "/open/cart", Some(&guest)).await.text,
        "",
        "the guest's session is gone"
    );
}

#[tokio::test]
async fn another_users_login_starts_empty_and_ends_the_previous_session() {
    let site = Site::new();
    let alice = site.login("alice", None).await;
    site.ask("POST", "/closed/add/diary", Some(&alice)).await;
    let bob = site.login("bob", Some(&alice)).await;
    assert_eq!(site.ask("GET", "/closed/cart", Some(&bob)).await.text, "");
    assert_eq!(site.ask("GET", "/closed/who", Some(&bob)).await.text, "bob");
    assert_eq!(
        site.ask("GET", "/closed/who", Some(&alice)).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert!(site.sessions.list("alice").await.unwrap().is_empty());

    // The same user keeps her values.
    let alice = site.login("alice", None).await;
    site.ask("POST", "/closed/add/diary", Some(&alice)).await;
    let again = site.login("alice", Some(&alice)).await;
    assert_eq!(
        site.ask("GET", "/closed/cart", Some(&again)).await.text,
        "diary"
    );
    assert_eq!(site.sessions.list("alice").await.unwrap().len(), 1);
}

/// A logout works from a tab that has not received the new id yet.
#[tokio::test]
async fn a_replaced_token_still_ends_its_session() {
    let site = Site::new();
    let old = site.login("alice", None).await;
    let new = site
        .ask("POST", "/closed/cycle_id", Some(&old))
        .await
        .token
        .unwrap();
    assert!(site.sessions.revoke_token(&old).await.unwrap());
    assert!(!site.sessions.revoke_token(&new).await.unwrap());
    assert!(site.sessions.get(&new).await.unwrap().is_none());
}

#[tokio::test]
async fn a_login_is_kept_when_the_response_is_a_5xx() {
    let site = Site::new();
    let answer = site.ask("POST", "/open/crash/alice", None).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(
        site.ask("GET", "/closed/who", answer.token.as_deref())
            .await
            .text,
        "alice"
    );
}

#[tokio::test]
async fn a_write_made_while_the_body_streams_is_kept() {
    let site = Site::new();
    let token = site.login("alice", None).await;
    assert_eq!(
        site.ask("POST", "/closed/stream", Some(&token)).await.text,
        "done"
    );
    let (_, data) = site.sessions.get(&token).await.unwrap().unwrap();
    assert_eq!(data.values["streamed"], true);
}

#[tokio::test]
async fn a_request_that_a_logout_overtakes_is_rejected_and_gets_no_cookie() {
    let site = Site::new();
    let token = site.login("alice", None).await;
    let request = Request::post("/closed/logout-late")
        .header(header::COOKIE, format!("__Host-sid={token}"))
        .extension(site.sessions.clone())
        .body(Body::empty())
        .unwrap();
    let answer = Answer::of(site.app.clone().oneshot(request).await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text);
    assert!(answer.set_cookie.is_none());
    assert!(site.sessions.list("alice").await.unwrap().is_empty());
}

#[tokio::test]
async fn of_two_requests_the_one_that_rotates_sets_the_cookie_and_the_other_none() {
    let site = Site::new();
    let token = site.login("alice", None).await;
    let (slow, rotated) = tokio::join!(
        site.ask("GET", "/closed/who", Some(&token)),
        site.ask("POST", "/closed/cycle_id", Some(&token)),
    );
    assert!(rotated.token.is_some());
    assert!(slow.set_cookie.is_none());
    // A late write with the old id sets no cookie either.
    let late = site.ask("POST", "/open/add/late", Some(&token)).await;
    assert_eq!(late.status, StatusCode::UNAUTHORIZED);
    assert!(late.set_cookie.is_none());
    assert_eq!(
        site.ask("GET", "/closed/who", rotated.token.as_deref())
            .await
            .text,
        "alice"
    );
}

/// A guest's request that is overtaken by its own login must not replace the member's cookie by a
/// guest's.
#[tokio::test]
async fn a_request_that_a_login_overtakes_sets_no_cookie_for_a_minute() {
    let site = Site::new();
    for (before, after) in [("alice", "bob"), ("", "alice")] {
        let old = match before {
            "" => site
                .ask("POST", "/open/add/book", None)
                .await
                .token
                .unwrap(),
            name => site.login(name, None).await,
        };
        let new = site.login(after, Some(&old)).await;
        let late = site.ask("POST", "/open/add/pen", Some(&old)).await;
        assert_eq!(late.status, StatusCode::UNAUTHORIZED, "{before}");
        assert!(late.set_cookie.is_none(), "{before}");
        assert_eq!(
            site.ask("GET", "/open/who", Some(&old)).await.text,
            "guest",
            "pages are served"
        );
        assert_eq!(site.ask("GET", "/closed/who", Some(&new)).await.text, after);

        // A client that later still sends the old cookie is a guest like any other.
        site.clock.advance(Duration::from_secs(60));
        let guest = site.ask("POST", "/open/add/pen", Some(&old)).await;
        assert_eq!(guest.status, StatusCode::NO_CONTENT, "{before}");
        assert!(guest.token.is_some(), "{before}");
    }
}

#[tokio::test]
async fn an_unavailable_store_is_503_and_logs_no_user_out() {
    let site = Site::new();
    let token = site.login("alice", None).await;
    site.probe.set_down(true);
    for (method, path) in [
        ("GET", "/closed/who"),
        ("GET", "/open/who"),
        ("POST", "/closed/logout"),
        ("POST", "/open/login/bob"),
    ] {
        let answer = site.ask(method, path, Some(&token)).await;
        assert_eq!(
            answer.status,
            StatusCode::SERVICE_UNAVAILABLE,
            "{method} {path}"
        );
        assert!(answer.set_cookie.is_none(), "{method} {path}");
    }
    // A request without a cookie needs no store, and neither does an unprotected route.
    assert_eq!(site.ask("GET", "/open/who", None).await.text, "guest");
    assert_eq!(
        site.ask("GET", "/closed/who", None).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        site.ask("GET", "/plain", Some(&token)).await.status,
        StatusCode::OK
    );
    assert_eq!(
        site.ask("POST", "/open/login/bob", None).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );

    site.probe.set_down(false);
    assert_eq!(
        site.ask("GET", "/closed/who", Some(&token)).await.text,
        "alice"
    );
}

/// Whichever call of a login fails, the earlier session remains.
#[tokio::test]
async fn a_store_that_fails_during_a_login_logs_no_user_out() {
    let (mut refused, mut accepted) = (0, 0);
    for with in ["alice", "bob"] {
        for call in 1..=8 {
            let site = Site::new();
            let old = site.login("alice", None).await;
            site.probe.fail_at(call, false);
            let path = format!("/open/login/{with}");
            let answer = site.ask("POST", &path, Some(&old)).await;
            site.probe.fail_at(0, false);
            let (token, who) = match answer.status {
                StatusCode::NO_CONTENT => {
                    accepted += 1;
                    (answer.token.unwrap(), with)
                }
                status => {
                    assert_eq!(
                        status,
                        StatusCode::SERVICE_UNAVAILABLE,
                        "{with}, call {call}"
                    );
                    refused += 1;
                    (old, "alice")
                }
            };
            let seen = site.ask("GET", "/closed/who", Some(&token)).await;
            assert_eq!(seen.text, who, "{with}, call {call}");
        }
    }
    assert!(
        refused >= 8 && accepted >= 2,
        "{refused} refused, {accepted} accepted"
    );
}

#[tokio::test]
async fn a_store_that_fails_only_for_the_touch_does_not_fail_the_request() {
    let site = Site::new();
    let token = site.login("alice", None).await;
    site.clock.advance(Duration::from_secs(600));
    site.probe.fail_at(2, false);
    let answer = site.ask("GET", "/closed/who", Some(&token)).await;
    assert_eq!((answer.status, &*answer.text), (StatusCode::OK, "alice"));
}

#[tokio::test]
async fn a_cookie_that_another_site_sent_is_refused() {
    let site = Site::new();
    let token = site.login("alice", None).await;
    let send = async |method: &str, headers: &[(&str, &str)]| {
        let mut request = Request::builder().method(method).uri(if method == "GET" {
            "/closed/who"
        } else {
            "/closed/cycle_id"
        });
        request = request
            .header(header::COOKIE, format!("__Host-sid={token}"))
            .header(header::HOST, "acme.dev");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        site.app
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap()
            .status()
    };
    assert_eq!(
        send("GET", &[("sec-fetch-site", "cross-site")]).await,
        StatusCode::OK
    );
    assert_eq!(
        send("POST", &[("sec-fetch-site", "cross-site")]).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        send("POST", &[("sec-fetch-site", "same-site")]).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        send("POST", &[("origin", "https://evil.dev")]).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        send("POST", &[("origin", "null")]).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        send(
            "GET",
            &[("upgrade", "websocket"), ("origin", "https://evil.dev")]
        )
        .await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        send("POST", &[("origin", "https://acme.dev")]).await,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn two_cookies_of_one_name_that_differ_are_refused() {
    let site = Site::new();
    let token = site.login("alice", None).await;
    let twice = format!("{token}; __Host-sid={}", site.login("bob", None).await);
    for path in ["/closed/who", "/open/who"] {
        assert_eq!(
            site.ask("GET", path, Some(&twice)).await.status,
            StatusCode::BAD_REQUEST
        );
    }
    let same = format!("{token}; __Host-sid={token}");
    assert_eq!(
        site.ask("GET", "/closed/who", Some(&same)).await.text,
        "alice"
    );
}

#[tokio::test]
async fn a_session_in_a_header_is_renewed_by_return_value_and_never_by_cookie() {
    let site = Site::new();
    let header_name = header::HeaderName::from_static("x-session");
    let layer =
        SessionLayer::new(site.sessions.clone()).read_from(CredentialSource::header(header_name));
    let renew = |session: Session| async move {
        Ok::<_, Rejection>(session.cycle_id().await?.expose().clone())
    };
    let enter = |session: Session| async move {
        Ok::<_, Rejection>(session.login(grant("alice")).await?.token.expose().clone())
    };
    let app: Router = Router::new()
        .route("/renew", post(renew).route_layer(layer.clone()))
        .route("/enter", post(enter).route_layer(layer.optional()));
    let ask = async |path: &str, token: Option<&str>| {
        let mut request = Request::post(path).header("sec-fetch-site", "cross-site");
        if let Some(token) = token {
            request = request.header("x-session", token);
        }
        Answer::of(
            app.clone()
                .oneshot(request.body(Body::empty()).unwrap())
                .await
                .unwrap(),
        )
        .await
    };
    let entered = ask("/enter", None).await;
    assert_eq!(entered.status, StatusCode::OK);
    let renewed = ask("/renew", Some(&entered.text)).await;
    assert!(entered.set_cookie.is_none() && renewed.set_cookie.is_none());
    assert!(site.sessions.get(&renewed.text).await.unwrap().is_some());
    assert!(site.sessions.get(&entered.text).await.unwrap().is_none());
}

#[tokio::test]
async fn lists_show_sessions_without_their_tokens_and_revoke_one_or_all() {
    let site = Site::new();
    let mut tokens = Vec::new();
    for device in ["phone", "laptop", "tv"] {
        let session = site
            .sessions
            .create(grant("alice"))
            .device_name(device)
            .await
            .unwrap();
        assert!(!session.token.expose().contains(&session.id));
        tokens.push(session.token.expose().clone());
        site.clock.advance(Duration::from_secs(1));
    }
    let bob = site.sessions.create(grant("bob")).await.unwrap();
    let list = site.sessions.list("alice").await.unwrap();
    let devices: Vec<_> = list
        .iter()
        .map(|session| session.device.as_deref().unwrap())
        .collect();
    assert_eq!(devices, ["tv", "laptop", "phone"]);

    assert!(
        !site.sessions.revoke("alice", &bob.id).await.unwrap(),
        "another user's session"
    );
    assert!(!site.sessions.revoke("alice", "unknown").await.unwrap());
    assert!(site.sessions.revoke("alice", &list[0].id).await.unwrap());
    assert!(site.sessions.get(&tokens[2]).await.unwrap().is_none());
    assert_eq!(
        site.sessions
            .revoke_others("alice", &list[1].id)
            .await
            .unwrap(),
        1
    );
    assert!(site.sessions.get(&tokens[1]).await.unwrap().is_some());
    assert_eq!(site.sessions.revoke_all("alice").await.unwrap(), 1);
    assert!(
        site.sessions
            .get(bob.token.expose())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn the_store_holds_neither_a_session_token_nor_a_plain_value() {
    let site = Site::new();
    let mut tokens = Vec::new();
    tokens.push(
        site.ask("POST", "/open/add/swordfish", None)
            .await
            .token
            .unwrap(),
    );
    for path in ["/open/login/alice", "/closed/cycle_id", "/closed/prove"] {
        tokens.push(
            site.ask("POST", path, tokens.last().map(String::as_str))
                .await
                .token
                .unwrap(),
        );
    }
    let stored = site.probe.written().concat();
    let has = |needle: &[u8]| stored.windows(needle.len()).any(|window| window == needle);
    assert!(
        has(b"alice"),
        "the head is readable, so the search would find the rest"
    );
    assert!(!has(b"swordfish"));
    assert!(!has(b"\"name\""));
    for token in &tokens {
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token).unwrap();
        for window in token.as_bytes().windows(16).step_by(7) {
            assert!(!has(window));
        }
        for secret in [&bytes[..16], &bytes[16..32], &bytes[32..48], &bytes[48..]] {
            assert!(!has(secret));
            let listed = serde_json::to_vec(&secret).unwrap();
            assert!(!has(&listed[1..listed.len() - 1]), "as a list of numbers");
        }
    }
}

#[tokio::test]
async fn a_user_of_another_form_has_to_log_in_again() {
    #[derive(Serialize, Deserialize)]
    struct Newer {
        name: String,
        email: String,
    }
    let secret = MasterSecret::generate();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let older = Sessions::<User>::builder(&Env::new("self", Arc::clone(&store), &secret))
        .build()
        .unwrap();
    let newer = Sessions::<Newer>::builder(&Env::new("self", store, &secret))
        .build()
        .unwrap();
    let session = older.create(grant("alice")).await.unwrap();
    let app: Router = Router::new()
        .route(
            "/",
            get(|user: Option<AuthUser<Newer>>| async move {
                if user.is_some() { "member" } else { "guest" }
            }),
        )
        .route_layer(SessionLayer::new(newer).optional());
    let request = Request::get("/").header(
        header::COOKIE,
        format!("__Host-sid={}", session.token.expose()),
    );
    let answer = Answer::of(
        app.oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(answer.text, "guest");
}

#[tokio::test]
async fn settings_that_contradict_each_other_are_refused_by_name() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let builder = || {
        Sessions::<User>::builder(&Env::new(
            "self",
            Arc::clone(&store),
            &MasterSecret::generate(),
        ))
    };
    let setting = |built: Result<Sessions<User>, tower_jam::ConfigError>| {
        built.unwrap_err().setting().to_owned()
    };
    assert_eq!(
        setting(builder().idle_timeout(Duration::ZERO).build()),
        "idle_timeout"
    );
    assert_eq!(
        setting(builder().absolute_timeout(Duration::from_secs(60)).build()),
        "absolute_timeout"
    );
    let env = Env::new("", Arc::new(MemoryStore::new()), &MasterSecret::generate());
    assert_eq!(setting(Sessions::builder(&env).build()), "issuer");
    let error = Sessions::<User>::builder(&env).build().unwrap_err();
    assert_eq!(error.engine(), Some("Sessions"));
    assert_eq!(error.to_string(), "setting `issuer` of Sessions: is empty");
    let long = CookieSpec::new(&"a".repeat(4090)).unwrap();
    assert_eq!(setting(builder().cookie(long).build()), "cookie");
}

/// A record that was damaged, or written under another setting, belongs to no session. Its cookie
/// must not keep the user from the sign-in page until it expires.
#[tokio::test]
async fn a_session_that_does_not_read_counts_as_absent_and_is_replaced() {
    let secret = MasterSecret::generate();
    for damage in ["plain", "garbage", "a cut record", "a note that is cut"] {
        let clock = Arc::new(ManualClock::default());
        let memory = MemoryStore::new().with_clock(clock.clone());
        let (probe, store) = shared(ProbeStore::new(memory));
        let recorded = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&recorded);
        let env = Env::new("self", store.clone(), &secret).with_clock(clock.clone());
        let build = || Sessions::<User>::builder(&env);
        let events = Events::to(move |event| sink.lock().unwrap().push(event.kind));
        let heard_by = Sessions::<User>::builder(&env.clone().with_events(events));
        let site = Site {
            app: Site::router(SessionLayer::new(heard_by.build().unwrap())),
            sessions: build().build().unwrap(),
            probe,
            clock: clock.clone(),
        };
        let plain = build().dangerous_plain_records().build().unwrap();
        let group = StoreKey::new(
            Namespace::new("session-user").cached(),
            &[b"self", b"alice"],
        );
        let unreadable = async || {
            let maker = if damage == "plain" {
                &plain
            } else {
                &site.sessions
            };
            let made = maker.create(grant("alice")).await.unwrap();
            let token = made.token.expose().clone();
            let [(key, entry)] = &site.probe.list(&group).await.unwrap()[..] else {
                panic!("expected one session")
            };
            let value = match damage {
                "plain" => return token,
                "garbage" => b"garbage".to_vec(),
                "a cut record" => entry.value[..60].to_vec(),
                _ => vec![3, 0, 0],
            };
            let write = Write::new(value, entry.expires_at).in_group(group.clone());
            site.probe.put(key, write, When::Always).await.unwrap();
            token
        };

        let cookie = unreadable().await;
        let answer = site.ask("GET", "/open/who", Some(&cookie)).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.text),
            (200, "guest"),
            "{damage}"
        );
        assert!(answer.set_cookie.is_none(), "{damage}");
        let closed = site.ask("GET", "/closed/who", Some(&cookie)).await;
        assert_eq!(closed.status, 401, "{damage}");
        let unread = [EventKind::SessionUnreadable; 2];
        assert_eq!(*recorded.lock().unwrap(), unread, "{damage}");
        site.probe.set_down(true);
        let away = site.ask("GET", "/open/who", Some(&cookie)).await;
        assert_eq!(away.status, 503, "{damage}");
        site.probe.set_down(false);

        let next = site.login("alice", Some(&cookie)).await;
        let who = site.ask("GET", "/closed/who", Some(&next)).await;
        assert_eq!(who.text, "alice", "{damage}");
        assert_eq!(site.probe.list(&group).await.unwrap().len(), 1, "{damage}");
        site.ask("POST", "/closed/logout", Some(&next)).await;

        let cookie = unreadable().await;
        if damage != "plain" {
            assert!(site.sessions.list("alice").await.unwrap().is_empty());
        }
        let out = site.ask("POST", "/open/logout", Some(&cookie)).await;
        assert_eq!(out.status, 204, "{damage}");
        assert!(out.set_cookie.unwrap().contains("Max-Age=0"), "{damage}");
        assert!(
            site.probe.list(&group).await.unwrap().is_empty(),
            "{damage}"
        );
    }
}
