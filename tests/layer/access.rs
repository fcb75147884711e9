//! Who is admitted, and what a handler learns about the caller: each extractor under each layer for
//! each caller.

use axum::{Router, routing};
use http::StatusCode;
use tower::ServiceExt;
use tower_jam::{
    AuthUser, Authenticate, CredentialSource, Identity, JwtLayer, Rejection, Session, SessionLayer,
    guard::role,
    layer::{AuthLayer, GuardLayer},
};

use crate::world::{Log, Other, User, World, get, grant, request};

const COLUMNS: [&str; 8] = [
    "/user",
    "/maybe-user",
    "/identity",
    "/maybe-identity",
    "/other",
    "/maybe-other",
    "/session",
    "/maybe-session",
];

fn routes() -> Router {
    let or_nobody = |name: Option<String>| name.unwrap_or_else(|| "nobody".to_owned());
    let kind = |session: Session| {
        if session.is_anonymous() {
            "guest"
        } else {
            "member"
        }
    };
    Router::new()
        .route(
            "/user",
            routing::get(async |user: AuthUser<User>| user.name.clone()),
        )
        .route(
            "/maybe-user",
            routing::get(async move |user: Option<AuthUser<User>>| {
                or_nobody(user.map(|user| user.name.clone()))
            }),
        )
        .route(
            "/identity",
            routing::get(async |identity: Identity| name_of(&identity)),
        )
        .route(
            "/maybe-identity",
            routing::get(async move |identity: Option<Identity>| {
                or_nobody(identity.as_ref().map(name_of))
            }),
        )
        .route(
            "/other",
            routing::get(async |user: AuthUser<Other>| user.number.to_string()),
        )
        .route(
            "/maybe-other",
            routing::get(async move |user: Option<AuthUser<Other>>| {
                or_nobody(user.map(|user| user.number.to_string()))
            }),
        )
        .route(
            "/session",
            routing::get(async move |session: Session| kind(session)),
        )
        .route(
            "/maybe-session",
            routing::get(async move |session: Option<Session>| session.map_or("none", kind)),
        )
}

fn name_of(identity: &Identity) -> String {
    identity.subject().id().to_owned()
}

/// Requests every column, and records the text of a success or the status of a rejection.
async fn row(app: &Router, headers: &[(&str, String)]) -> [String; 8] {
    let mut cells = <[String; 8]>::default();
    for (cell, path) in cells.iter_mut().zip(COLUMNS) {
        let answer = get(app, path, headers).await;
        *cell = match answer.status {
            StatusCode::OK => answer.text,
            status => status.as_str().to_owned(),
        };
    }
    cells
}

const REFUSED: [&str; 8] = ["401"; 8];
const MALFORMED: [&str; 8] = ["400"; 8];
const BROKEN: [&str; 8] = ["500"; 8];
const NOBODY: [&str; 8] = [
    "401", "nobody", "401", "nobody", "401", "nobody", "500", "none",
];
const GUEST: [&str; 8] = [
    "401", "nobody", "401", "nobody", "401", "nobody", "guest", "guest",
];
const ALICE: [&str; 8] = [
    "token-alice",
    "token-alice",
    "token-alice",
    "token-alice",
    "500",
    "500",
    "500",
    "none",
];
/// As above, where the caller could have presented a session instead: its absence is then the
/// caller's error and not a misconfiguration.
const ALICE_BY_CHOICE: [&str; 8] = [
    "token-alice",
    "token-alice",
    "token-alice",
    "token-alice",
    "500",
    "500",
    "401",
    "none",
];
const BOB: [&str; 8] = [
    "session-bob",
    "session-bob",
    "session-bob",
    "session-bob",
    "500",
    "500",
    "member",
    "member",
];

/// A caller, and the results of a required and an optional layer.
type Row = (
    &'static str,
    Vec<(&'static str, String)>,
    [&'static str; 8],
    [&'static str; 8],
);

async fn check<A: Authenticate>(layer: AuthLayer<A>, rows: Vec<Row>) {
    let required = routes().route_layer(layer.clone());
    let optional = routes().route_layer(layer.optional());
    for (caller, headers, when_required, when_optional) in rows {
        assert_eq!(
            row(&required, &headers).await,
            when_required,
            "required: {caller}"
        );
        assert_eq!(
            row(&optional, &headers).await,
            when_optional,
            "optional: {caller}"
        );
    }
}

fn basic() -> (&'static str, String) {
    ("authorization", "Basic YTpi".to_owned())
}

fn dead_cookie() -> (&'static str, String) {
    ("cookie", format!("__Host-sid={}", "A".repeat(86)))
}

fn odd_bearer() -> (&'static str, String) {
    ("authorization", "Bearer a b".to_owned())
}

#[tokio::test]
async fn a_token_authenticates_its_subject_and_an_invalid_one_is_never_ignored() {
    let world = World::new().await;
    let rows = vec![
        ("nothing", vec![], REFUSED, NOBODY),
        ("good", vec![world.bearer()], ALICE, ALICE),
        ("expired", vec![world.bad_bearer()], REFUSED, REFUSED),
        (
            "a session's",
            vec![("authorization", format!("Bearer {}", world.session))],
            REFUSED,
            REFUSED,
        ),
        ("not a token", vec![odd_bearer()], MALFORMED, MALFORMED),
        (
            "twice",
            vec![world.bearer(), world.bearer()],
            MALFORMED,
            MALFORMED,
        ),
        ("another scheme", vec![basic()], REFUSED, NOBODY),
        ("a cookie", vec![world.cookie()], REFUSED, NOBODY),
    ];
    check(JwtLayer::new(world.jwt.clone()), rows).await;
}

#[tokio::test]
async fn a_session_authenticates_its_user_and_a_dead_one_counts_as_absent() {
    let world = World::new().await;
    let twice = ("cookie", format!("{}; __Host-sid=other", world.cookie().1));
    let rows = vec![
        ("nothing", vec![], REFUSED, GUEST),
        ("live", vec![world.cookie()], BOB, BOB),
        ("dead", vec![dead_cookie()], REFUSED, GUEST),
        (
            "a token's",
            vec![("cookie", format!("__Host-sid={}", world.token))],
            REFUSED,
            GUEST,
        ),
        ("a header", vec![world.bearer()], REFUSED, GUEST),
        ("two that differ", vec![twice], MALFORMED, MALFORMED),
    ];
    check(SessionLayer::new(world.sessions.clone()), rows).await;
}

#[tokio::test]
async fn of_two_engines_the_one_whose_source_has_the_credential_decides() {
    let world = World::new().await;
    let rows = || {
        vec![
            ("nothing", vec![], REFUSED, GUEST),
            (
                "bearer",
                vec![world.bearer()],
                ALICE_BY_CHOICE,
                ALICE_BY_CHOICE,
            ),
            ("cookie", vec![world.cookie()], BOB, BOB),
            ("dead cookie", vec![dead_cookie()], REFUSED, GUEST),
            (
                "both",
                vec![world.cookie(), world.bearer()],
                ALICE_BY_CHOICE,
                ALICE_BY_CHOICE,
            ),
            (
                "bearer and dead cookie",
                vec![world.bearer(), dead_cookie()],
                ALICE_BY_CHOICE,
                ALICE_BY_CHOICE,
            ),
            (
                "bad bearer and cookie",
                vec![world.bad_bearer(), world.cookie()],
                REFUSED,
                REFUSED,
            ),
            (
                "odd bearer and cookie",
                vec![odd_bearer(), world.cookie()],
                MALFORMED,
                MALFORMED,
            ),
            ("basic and cookie", vec![basic(), world.cookie()], BOB, BOB),
            // Neither engine reads the other's credential.
            (
                "session as bearer",
                vec![("authorization", format!("Bearer {}", world.session))],
                REFUSED,
                REFUSED,
            ),
            (
                "token as session",
                vec![("cookie", format!("__Host-sid={}", world.token))],
                REFUSED,
                GUEST,
            ),
        ]
    };
    let (jwt, sessions) = (&world.jwt, &world.sessions);
    check(AuthLayer::new(jwt.clone().or(sessions.clone())), rows()).await;
    // A header is read before a cookie, in either order of the engines.
    check(AuthLayer::new(sessions.clone().or(jwt.clone())), rows()).await;
}

#[tokio::test]
async fn a_guest_of_two_engines_logs_in_through_the_session() {
    let world = World::new().await;
    let login = async |session: Session| {
        session.login(grant("carol")).await?;
        Ok::<_, Rejection>(())
    };
    let engine = world.jwt.clone().or(world.sessions.clone());
    let app = routes()
        .route("/login", routing::post(login))
        .route_layer(AuthLayer::new(engine).optional());
    let answer = app
        .clone()
        .oneshot(request("POST", "/login", &[]))
        .await
        .unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    let (cookie, _) = cookie.split_once(';').unwrap();
    let answer = get(&app, "/user", &[("cookie", cookie.to_owned())]).await;
    assert_eq!(answer.text, "carol");
}

#[tokio::test]
async fn a_layer_that_reads_where_neither_engine_does_is_an_error_that_the_log_explains() {
    let world = World::new().await;
    let log = Log::start();
    let elsewhere = CredentialSource::header(http::HeaderName::from_static("x-token"));
    let engine = world.jwt.clone().or(world.sessions.clone());
    let app = routes().route_layer(AuthLayer::new(engine).read_from(elsewhere));
    let answer = get(&app, "/user", &[("x-token", world.token.clone())]).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.text.contains("read_from"), "{}", answer.text);
    let log = log.take();
    assert!(
        log.contains("ERROR") && log.contains("call `read_from` on the engines"),
        "{log}"
    );
    // A caller without a credential does not see the misconfiguration.
    let answer = get(&app, "/user", &[]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_engine_of_a_pair_may_have_another_source() {
    let world = World::new().await;
    let header = http::HeaderName::from_static("x-token");
    let jwt = world
        .jwt
        .clone()
        .read_from(CredentialSource::header(header));
    let app = routes().route_layer(AuthLayer::new(jwt.or(world.sessions.clone())));
    let at_header = ("x-token", world.token.clone());
    assert_eq!(row(&app, &[at_header]).await, ALICE_BY_CHOICE);
    assert_eq!(row(&app, &[world.cookie()]).await, BOB);
    assert_eq!(row(&app, &[world.bearer()]).await, REFUSED);
}

#[tokio::test]
async fn a_user_of_another_type_is_an_error_that_only_the_log_explains() {
    let world = World::new().await;
    let app = routes().route_layer(JwtLayer::new(world.jwt.clone()).optional());
    let log = Log::start();
    for path in ["/other", "/maybe-other"] {
        let answer = get(&app, path, &[world.bearer()]).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        let log = log.take();
        let (wanted, there) = (
            std::any::type_name::<Other>(),
            std::any::type_name::<User>(),
        );
        assert!(log.contains("ERROR"), "{log}");
        assert!(log.contains(&format!("AuthUser<{wanted}>")), "{log}");
        assert!(log.contains(&format!("AuthUser<{there}>")), "{log}");
        for name in ["User", "Other", "world"] {
            assert!(!answer.text.contains(name), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn without_a_layer_every_extractor_fails_and_the_log_says_what_to_add() {
    let world = World::new().await;
    let log = Log::start();
    assert_eq!(row(&routes(), &[]).await, BROKEN);
    assert_eq!(
        row(&routes(), &[world.bearer(), world.cookie()]).await,
        BROKEN
    );
    let log = log.take();
    let mistakes = log.lines().filter(|line| line.contains("ERROR"));
    assert_eq!(mistakes.clone().count(), 16, "{log}");
    for line in mistakes {
        assert!(line.contains("add a JwtLayer or SessionLayer"), "{line}");
    }
}

#[tokio::test]
async fn a_session_extractor_behind_a_token_layer_fails_unless_optional() {
    let world = World::new().await;
    let log = Log::start();
    let app = routes().route_layer(JwtLayer::new(world.jwt.clone()));
    let answer = get(&app, "/session", &[world.bearer()]).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    let output = log.take();
    assert!(
        output.contains("ERROR") && output.contains("add a SessionLayer"),
        "{output}"
    );
    assert_eq!(
        get(&app, "/maybe-session", &[world.bearer()]).await.text,
        "none"
    );
    assert!(!log.take().contains("ERROR"));
}

#[tokio::test]
async fn a_guard_distinguishes_an_anonymous_caller_from_a_missing_layer() {
    let world = World::new().await;
    let guarded = || routes().route_layer(GuardLayer::new(role("reader")));
    let log = Log::start();

    let answer = get(&guarded(), "/user", &[world.bearer()]).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.text.contains("GuardLayer"), "{}", answer.text);
    let output = log.take();
    assert!(
        output.contains("ERROR") && output.contains("add a JwtLayer or SessionLayer"),
        "{output}"
    );

    // Around the authentication instead of inside it: the same misconfiguration.
    let inside_out = routes()
        .route_layer(JwtLayer::new(world.jwt.clone()))
        .route_layer(GuardLayer::new(role("reader")));
    let answer = get(&inside_out, "/user", &[world.bearer()]).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    log.take();

    let app = guarded().route_layer(JwtLayer::new(world.jwt.clone()).optional());
    let answer = get(&app, "/user", &[]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        answer.header("www-authenticate"),
        Some(r#"Bearer realm="api""#)
    );
    assert_eq!(
        get(&app, "/user", &[world.bearer()]).await.text,
        "token-alice"
    );
    assert!(!log.take().contains("ERROR"));

    // A guest of the session layer is anonymous as well, with or without a handle.
    let app = guarded().route_layer(SessionLayer::new(world.sessions.clone()).optional());
    assert_eq!(
        get(&app, "/session", &[]).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        get(&app, "/session", &[world.cookie()]).await.status,
        StatusCode::FORBIDDEN
    );
}
