//! Custom engines and sources, and what a cross-site request can learn from them.

use axum::{Router, routing};
use http::StatusCode;
use tower::ServiceExt;
use tower_jam::{AuthUser, Credential, CredentialSource, Rejection, layer::AuthLayer};

use crate::world::{Answer, Oracle, User, request};

/// Reads a word in the query of the target.
fn in_query() -> CredentialSource {
    CredentialSource::custom(|parts| {
        let word = parts.uri.query().filter(|word| !word.is_empty());
        match word {
            Some("two=words") => Err(Rejection::malformed("two words")),
            Some("control") => Ok(Some("a\nb".to_owned())),
            word => Ok(word.map(str::to_owned)),
        }
    })
}

fn app(layer: AuthLayer<Oracle>) -> Router {
    let name = async |user: Option<AuthUser<User>>| {
        user.map_or_else(|| "nobody".to_owned(), |user| user.name.clone())
    };
    Router::new()
        .route("/", routing::get(name).post(name))
        .route_layer(layer)
}

async fn ask(app: &Router, method: &str, uri: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    Answer::of(
        app.clone()
            .oneshot(request(method, uri, &headers))
            .await
            .unwrap(),
    )
    .await
}

#[tokio::test]
async fn a_custom_source_finds_misses_and_rejects() {
    let required = app(AuthLayer::new(Oracle::new()).read_from(in_query()));
    let optional = app(AuthLayer::new(Oracle::new())
        .read_from(in_query())
        .optional());
    for (uri, when_required, when_optional) in [
        ("/", 401, 200),
        ("/?alice", 200, 200),
        ("/?expired", 401, 401),
        ("/?two=words", 400, 400),
        ("/?control", 400, 400),
    ] {
        assert_eq!(
            ask(&required, "GET", uri, &[]).await.status,
            when_required,
            "{uri}"
        );
        assert_eq!(
            ask(&optional, "GET", uri, &[]).await.status,
            when_optional,
            "{uri}"
        );
    }
    assert_eq!(ask(&required, "GET", "/?alice", &[]).await.text, "alice");
    // The default source of the engine is no longer read.
    let answer = ask(&required, "GET", "/", &[("x-word", "alice")]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn ambient_credentials_are_rejected_from_another_site() {
    let cookie = CredentialSource::cookie("word").unwrap();
    let by_cookie = app(AuthLayer::new(Oracle::new()).read_from(cookie));
    let by_query = app(AuthLayer::new(Oracle::new()).read_from(in_query()));
    let by_header = app(AuthLayer::new(Oracle::new()));
    for (method, name, value, status) in [
        ("GET", "sec-fetch-site", "cross-site", 200),
        ("HEAD", "sec-fetch-site", "cross-site", 200),
        ("POST", "sec-fetch-site", "cross-site", 403),
        ("POST", "sec-fetch-site", "same-site", 403),
        ("POST", "sec-fetch-site", "same-origin", 200),
        ("POST", "origin", "https://evil.dev", 403),
        ("POST", "origin", "null", 403),
        ("POST", "origin", "https://acme.dev", 200),
        ("GET", "upgrade", "websocket", 200),
    ] {
        let about = format!("{method} {name}: {value}");
        let headers = [("host", "acme.dev"), (name, value)];
        let with_cookie = [headers[0], headers[1], ("cookie", "word=alice")];
        assert_eq!(
            ask(&by_cookie, method, "/", &with_cookie).await.status,
            status,
            "{about}"
        );
        assert_eq!(
            ask(&by_query, method, "/?alice", &headers).await.status,
            status,
            "{about}"
        );
        // A page cannot make a browser add this header without a preflight.
        let with_header = [headers[0], headers[1], ("x-word", "alice")];
        assert_eq!(
            ask(&by_header, method, "/", &with_header).await.status,
            200,
            "{about}"
        );
    }
}

#[tokio::test]
async fn a_cross_site_request_is_rejected_before_the_engine_runs() {
    let cookie = CredentialSource::cookie("word").unwrap();
    let app = app(AuthLayer::new(Oracle::new()).read_from(cookie).optional());
    let foreign = ("sec-fetch-site", "cross-site");
    // The response does not tell the other site whether the credential is valid.
    for word in ["alice", "expired", "unavailable", "nobody"] {
        let cookie = format!("word={word}");
        let answer = ask(&app, "POST", "/", &[foreign, ("cookie", &cookie)]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{word}");
        assert_eq!(answer.header("www-authenticate"), None, "{word}");
    }
    // Without a credential there is nothing to forge a request with.
    let answer = ask(&app, "POST", "/", &[foreign]).await;
    assert_eq!((answer.status, &*answer.text), (StatusCode::OK, "nobody"));
}

#[tokio::test]
async fn a_header_beside_a_cookie_neither_bypasses_the_rule_nor_falls_under_it() {
    let source = CredentialSource::cookie("word").unwrap();
    let source = source.or(CredentialSource::header(http::HeaderName::from_static(
        "x-word",
    )));
    let app = app(AuthLayer::new(Oracle::new()).read_from(source));
    let foreign = ("sec-fetch-site", "cross-site");
    let answer = ask(&app, "POST", "/", &[foreign, ("cookie", "word=alice")]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    // A browser adds `Basic` and similar schemes on its own.
    let basic = ("authorization", "Basic YTpi");
    let answer = ask(
        &app,
        "POST",
        "/",
        &[foreign, basic, ("cookie", "word=alice")],
    )
    .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let headers = [foreign, ("x-word", "bob"), ("cookie", "word=alice")];
    assert_eq!(ask(&app, "POST", "/", &headers).await.text, "bob");
}

#[tokio::test]
async fn an_application_with_its_own_csrf_token_can_disable_the_rule() {
    let cookie = CredentialSource::cookie("word").unwrap();
    let layer = AuthLayer::new(Oracle::new()).read_from(cookie);
    let app = app(layer.dangerous_allow_cross_site());
    let foreign = ("sec-fetch-site", "cross-site");
    let answer = ask(&app, "POST", "/", &[foreign, ("cookie", "word=alice")]).await;
    assert_eq!(answer.text, "alice");
    // Nothing else is disabled with it.
    let answer = ask(&app, "POST", "/", &[foreign, ("cookie", "word=expired")]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

/// An engine may bind its proof to the request's method and target.
#[tokio::test]
async fn an_engine_sees_method_target_and_source() {
    #[derive(Clone)]
    struct Signed;

    impl tower_jam::Authenticate for Signed {
        type User = ();

        fn source(&self) -> CredentialSource {
            CredentialSource::bearer()
        }

        async fn authenticate(
            &self,
            presented: Credential,
        ) -> Result<tower_jam::Verified<()>, Rejection> {
            assert!(presented.came_from(&self.source()));
            assert!(presented.outer().is_none());
            let expected = format!("{}.{}", presented.method(), presented.uri().path().len());
            if presented.expose() != expected {
                return Err(Rejection::invalid("signed for another request"));
            }
            let verified = crate::world::known("alice");
            let identity = verified.identity().cloned();
            Ok(tower_jam::Verified::identity_only(identity.unwrap()))
        }
    }

    let app = Router::new()
        .route("/orders", routing::get(async || "in").post(async || "in"))
        .route_layer(AuthLayer::new(Signed));
    for (method, token, status) in [
        ("GET", "GET.7", 200),
        ("POST", "POST.7", 200),
        ("POST", "GET.7", 401),
        ("GET", "GET.8", 401),
    ] {
        let bearer = format!("Bearer {token}");
        let answer = ask(&app, method, "/orders", &[("authorization", &bearer)]).await;
        assert_eq!(answer.status, status, "{method} {token}");
    }
}
