//! Nested layers: the inner one takes precedence, and if it finds no caller the identity of the
//! outer one remains.

use axum::{Router, routing};
use http::{Extensions, StatusCode};
use tower_jam::{
    AuthUser, Authenticate, Claims, Credential, CredentialSource, Grant, Identity, Jwt, JwtLayer,
    Rejection, SessionLayer, Verified,
    guard::role,
    layer::{AuthLayer, GuardLayer},
};

use crate::world::{Log, Oracle, User, World, get};

/// The caller as a handler sees it: the name of the identity and of the user.
async fn who(user: Option<AuthUser<User>>, identity: Option<Identity>) -> String {
    let identity = identity.map(|identity| identity.subject().id().to_owned());
    let user = user.map(|user| user.name.clone());
    assert_eq!(identity, user, "one caller, not two");
    user.unwrap_or_else(|| "nobody".to_owned())
}

fn routes() -> Router {
    Router::new().route("/", routing::get(who))
}

#[tokio::test]
async fn an_inner_layer_that_requires_is_not_satisfied_by_the_outer_one() {
    let world = World::new().await;
    let app = routes()
        .route_layer(SessionLayer::new(world.sessions.clone()))
        .route_layer(JwtLayer::new(world.jwt.clone()).optional());
    for (headers, expected) in [
        (vec![], Err(StatusCode::UNAUTHORIZED)),
        (vec![world.bearer()], Err(StatusCode::UNAUTHORIZED)),
        (vec![world.cookie()], Ok("session-bob")),
        (vec![world.bearer(), world.cookie()], Ok("session-bob")),
        (
            vec![world.bad_bearer(), world.cookie()],
            Err(StatusCode::UNAUTHORIZED),
        ),
    ] {
        let answer = get(&app, "/", &headers).await;
        match expected {
            Ok(name) => assert_eq!(answer.text, name, "{headers:?}"),
            Err(status) => assert_eq!(answer.status, status, "{headers:?}"),
        }
    }
}

#[tokio::test]
async fn an_inner_layer_that_finds_nothing_keeps_the_outer_identity() {
    let world = World::new().await;
    let app = routes()
        .route_layer(SessionLayer::new(world.sessions.clone()).optional())
        .route_layer(JwtLayer::new(world.jwt.clone()).optional());
    let dead = ("cookie", format!("__Host-sid={}", "A".repeat(86)));
    for (headers, name) in [
        (vec![], "nobody"),
        (vec![world.bearer()], "token-alice"),
        (vec![world.cookie()], "session-bob"),
        (vec![world.bearer(), world.cookie()], "session-bob"),
        (vec![world.bearer(), dead.clone()], "token-alice"),
        (vec![dead], "nobody"),
    ] {
        assert_eq!(get(&app, "/", &headers).await.text, name, "{headers:?}");
    }
}

#[tokio::test]
async fn a_guard_sees_the_identity_of_the_layer_around_it() {
    let world = World::new().await;
    let app = |outer: &'static str, inner: &'static str| {
        routes()
            .route_layer(GuardLayer::new(role(inner)))
            .route_layer(SessionLayer::new(world.sessions.clone()))
            .route_layer(GuardLayer::new(role(outer)))
            .route_layer(JwtLayer::new(world.jwt.clone()))
    };
    let both = [world.bearer(), world.cookie()];
    for (outer, inner, status) in [
        ("reader", "writer", StatusCode::OK),
        ("writer", "writer", StatusCode::FORBIDDEN),
        ("reader", "reader", StatusCode::FORBIDDEN),
    ] {
        let answer = get(&app(outer, inner), "/", &both).await;
        assert_eq!(answer.status, status, "{outer}, {inner}");
    }
}

#[tokio::test]
async fn an_inner_layer_overrides_an_anonymous_outer_one() {
    let world = World::new().await;
    let app = routes()
        .route_layer(GuardLayer::new(role("writer")))
        .route_layer(SessionLayer::new(world.sessions.clone()))
        .route_layer(JwtLayer::new(world.jwt.clone()).optional());
    let answer = get(&app, "/", &[world.cookie()]).await;
    assert_eq!(answer.text, "session-bob");
}

/// Otherwise the handler would act for one caller with the permissions of another.
#[tokio::test]
async fn the_user_of_the_outer_layer_goes_when_the_inner_one_brings_its_own() {
    let world = World::new().await;
    let clock = world.clock.clone();
    let jwt = Jwt::<Claims>::builder(tower_jam::KeyRing::new(
        tower_jam::Key::generate(tower_jam::Algorithm::Hs256).unwrap(),
    ));
    let jwt = jwt.issuer("i").audience("a").clock(clock).build().unwrap();
    let token = jwt
        .issue(Grant::new("claims-carol", Claims::new()))
        .await
        .unwrap();
    let bearer = ("authorization", format!("Bearer {}", token.expose()));

    let names = async |extensions: Extensions| {
        let claims = extensions.get::<AuthUser<Claims>>();
        let user = extensions.get::<AuthUser<User>>();
        let claims = claims.and_then(|claims| claims.subject()).unwrap_or("-");
        format!("{claims} {}", user.map_or("-", |user| &user.name))
    };
    let app = Router::new()
        .route("/names", routing::get(names))
        .route("/claims", routing::get(async |_: AuthUser<Claims>| ()))
        .route_layer(SessionLayer::new(world.sessions.clone()).optional())
        .route_layer(JwtLayer::new(jwt).optional());

    assert_eq!(
        get(&app, "/names", std::slice::from_ref(&bearer))
            .await
            .text,
        "claims-carol -"
    );
    assert_eq!(
        get(&app, "/names", &[world.cookie()]).await.text,
        "- session-bob"
    );
    let both = [bearer, world.cookie()];
    assert_eq!(get(&app, "/names", &both).await.text, "- session-bob");
    let log = Log::start();
    assert_eq!(
        get(&app, "/claims", &both).await.status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    let log = log.take();
    for name in [
        std::any::type_name::<Claims>(),
        std::any::type_name::<User>(),
    ] {
        assert!(log.contains(name), "{log}");
    }
}

/// An engine that adds a proof to an identity that exists already, as a second factor does.
#[derive(Clone)]
struct Stamp;

impl Authenticate for Stamp {
    type User = ();

    fn source(&self) -> CredentialSource {
        CredentialSource::header(http::HeaderName::from_static("x-stamp"))
    }

    async fn authenticate(&self, presented: Credential) -> Result<Verified<()>, Rejection> {
        let outer = presented.outer().cloned();
        let outer = outer.ok_or_else(|| Rejection::misconfigured("nobody to stamp"))?;
        Ok(Verified::identity_only(outer.with_roles(["stamped"])))
    }

    fn absent(&self, outer: Option<&Identity>) -> Result<Verified<()>, Rejection> {
        match outer {
            Some(_) => Err(Rejection::step_up(None, None, "no stamp")),
            None => Err(Rejection::misconfigured("nobody to stamp")),
        }
    }
}

#[tokio::test]
async fn an_engine_may_strengthen_the_outer_identity_and_keeps_its_user() {
    let app = routes()
        .route_layer(GuardLayer::new(role("stamped")))
        .route_layer(AuthLayer::new(Stamp))
        .route_layer(AuthLayer::new(Oracle::new()));
    let alice = ("x-word", "alice".to_owned());
    let answer = get(&app, "/", &[alice.clone(), ("x-stamp", "seal".to_owned())]).await;
    assert_eq!(answer.text, "alice");
    let answer = get(&app, "/", &[alice]).await;
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("insufficient_user_authentication"),
        "{challenge}"
    );

    let alone = routes().route_layer(AuthLayer::new(Stamp).optional());
    for headers in [vec![], vec![("x-stamp", "seal".to_owned())]] {
        let status = get(&alone, "/", &headers).await.status;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}

/// A rejection that says more than "missing" must not be replaced by the other engine's "missing".
#[tokio::test]
async fn of_two_engines_the_more_specific_rejection_of_absence_is_returned() {
    #[derive(Clone)]
    struct Silent;

    impl Authenticate for Silent {
        type User = ();

        fn source(&self) -> CredentialSource {
            CredentialSource::header(http::HeaderName::from_static("x-silent"))
        }

        async fn authenticate(&self, _: Credential) -> Result<Verified<()>, Rejection> {
            Err(Rejection::invalid("always"))
        }
    }

    async fn challenge_of(engine: impl Authenticate) -> String {
        let app = routes()
            .route_layer(AuthLayer::new(engine))
            .route_layer(AuthLayer::new(Oracle::new()));
        let answer = get(&app, "/", &[("x-word", "alice".to_owned())]).await;
        answer.header("www-authenticate").unwrap().to_owned()
    }

    for challenge in [
        challenge_of(Stamp.or(Silent)).await,
        challenge_of(Silent.or(Stamp)).await,
    ] {
        assert!(
            challenge.contains("insufficient_user_authentication"),
            "{challenge}"
        );
    }
}

#[tokio::test]
async fn three_engines_of_one_user_type_are_one_to_the_handler() {
    let world = World::new().await;
    let engine = Oracle::new()
        .or(world.jwt.clone())
        .or(world.sessions.clone());
    let app = routes().route_layer(AuthLayer::new(engine));
    for (header, name) in [
        (("x-word", "alice".to_owned()), "alice"),
        (world.bearer(), "token-alice"),
        (world.cookie(), "session-bob"),
    ] {
        assert_eq!(get(&app, "/", &[header]).await.text, name);
    }
}
