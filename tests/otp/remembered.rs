//! A session remembers the code that was given in it, under a new id.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::get};
use http::{HeaderName, Request, Response};
use tower::ServiceExt;
use tower_jam::{
    Algorithm, Claims, Clock, CredentialSource, Env, Factor, Grant, Identity, Jwt, JwtLayer, Key,
    KeyRing, Otp, OtpGuard, Session, SessionLayer, Sessions, layer::AuthLayer, otp::OtpSecret,
    store::Store,
};

use super::{
    support::{ProbeStore, shared},
    world::{App, ISSUER, WRONG},
};

const MINUTE: Duration = Duration::from_secs(60);

struct Shop {
    app: App,
    /// The store of the sessions; the codes have a store of their own.
    probe: Arc<ProbeStore>,
    sessions: Sessions<Claims>,
    otp: Otp,
    secret: OtpSecret,
}

impl Shop {
    async fn open() -> Self {
        let app = App::new();
        let (_, otp) = app.probed();
        let (secret, _) = app.enrolled(&otp, "alice").await;
        let (probe, store): (_, Arc<dyn Store>) = shared(ProbeStore::new(app.memory()));
        let sessions =
            Sessions::builder(&Env::new(ISSUER, store, &app.secret).with_clock(app.clock.clone()));
        Self {
            sessions: sessions.build().unwrap(),
            app,
            probe,
            otp,
            secret,
        }
    }

    async fn login(&self) -> String {
        let grant = Grant::new("alice", Claims::new()).factor(Factor::Password);
        let session = self.sessions.create(grant).await.unwrap();
        session.token.expose().clone()
    }

    fn guard(&self) -> OtpGuard {
        OtpGuard::new(self.otp.clone()).within(5 * MINUTE)
    }

    fn routes(&self) -> Router {
        Router::new()
            .route("/pay", get(async || ()))
            .route_layer(self.guard())
            .route_layer(SessionLayer::new(self.sessions.clone()))
    }

    async fn proof(&self, token: &str) -> Option<u64> {
        let found = self.sessions.get(token).await.unwrap();
        let (info, _) = found.expect("a live session");
        let mut proofs = info.factors().iter();
        let proof = proofs.find(|(factor, _)| *factor == Factor::Otp);
        proof.map(|(_, at)| at.as_millis())
    }
}

async fn ask(routes: &Router, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::get("/pay");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    routes.clone().oneshot(request).await.unwrap()
}

fn cookie(token: &str) -> String {
    format!("__Host-sid={token}")
}

fn new_token(response: &Response<Body>) -> Option<String> {
    let set = response.headers().get("set-cookie")?.to_str().unwrap();
    let value = set.strip_prefix("__Host-sid=").unwrap();
    Some(value.split(';').next().unwrap().to_owned())
}

#[tokio::test]
async fn a_session_remembers_the_code_with_its_time_under_a_new_id_and_the_old_one_is_invalid() {
    let shop = Shop::open().await;
    let routes = shop.routes();
    let old = shop.login().await;
    let refused = ask(&routes, &[("cookie", &cookie(&old))]).await;
    assert_eq!(refused.status(), 401);
    assert!(new_token(&refused).is_none());

    let code = shop.app.code(&shop.secret);
    let given = shop.app.clock.now().as_millis();
    let granted = ask(&routes, &[("cookie", &cookie(&old)), ("x-otp", &code)]).await;
    assert_eq!(granted.status(), 200);
    assert_eq!(granted.headers()["cache-control"], "no-store");
    let new = new_token(&granted).expect("a cookie is set");
    assert_ne!(new, old);
    assert!(shop.sessions.get(&old).await.unwrap().is_none());
    assert_eq!(shop.proof(&new).await, Some(given));
    assert_eq!(
        ask(&routes, &[("cookie", &cookie(&old))]).await.status(),
        401
    );

    // No code is required until five minutes have passed, whatever happens meanwhile.
    let new_cookie = cookie(&new);
    let headers = [("cookie", &*new_cookie)];
    assert_eq!(ask(&routes, &headers).await.status(), 200);
    shop.app.clock.advance(Duration::from_secs(299));
    assert_eq!(ask(&routes, &headers).await.status(), 200);
    shop.app.clock.advance(Duration::from_secs(2));
    let refused = ask(&routes, &headers).await;
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("insufficient_user_authentication"));
}

#[tokio::test]
async fn a_wrong_code_changes_nothing_of_the_session() {
    let shop = Shop::open().await;
    let token = shop.login().await;
    let headers = [("cookie", &*cookie(&token)), ("x-otp", WRONG)];
    let refused = ask(&shop.routes(), &headers).await;
    assert_eq!(refused.status(), 401);
    assert!(new_token(&refused).is_none());
    assert_eq!(shop.proof(&token).await, None);
}

/// A caller that sends the session in a header would never learn a new token, and a proof would log
/// it out.
#[tokio::test]
async fn a_session_in_a_header_remembers_the_code_and_keeps_its_id() {
    let shop = Shop::open().await;
    let source = CredentialSource::header(HeaderName::from_static("x-session"));
    let routes = Router::new()
        .route("/pay", get(async || ()))
        .route_layer(shop.guard())
        .route_layer(SessionLayer::new(shop.sessions.clone()).read_from(source));
    let token = shop.login().await;
    let code = shop.app.code(&shop.secret);
    let granted = ask(&routes, &[("x-session", &token), ("x-otp", &code)]).await;
    assert_eq!(granted.status(), 200);
    assert!(new_token(&granted).is_none());
    assert!(shop.proof(&token).await.is_some());
    assert_eq!(ask(&routes, &[("x-session", &token)]).await.status(), 200);
}

/// The proof belongs to the subject of the inner token. The session around it may be another
/// user's.
#[tokio::test]
async fn a_proof_is_not_stored_in_the_session_of_another_identity() {
    let shop = Shop::open().await;
    let jwt = Jwt::<Claims>::builder(KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap()))
        .issuer(ISSUER)
        .audience("api")
        .clock(shop.app.clock.clone())
        .build()
        .unwrap();
    let token = jwt.issue(Grant::new("alice", Claims::new())).await.unwrap();
    let bob = Grant::new("bob", Claims::new()).factor(Factor::Password);
    let session = shop.sessions.create(bob).await.unwrap();
    let who = async |identity: Identity| identity.subject().id().to_owned();
    let routes = Router::new()
        .route("/pay", get(who))
        .route_layer(shop.guard())
        .route_layer(JwtLayer::new(jwt))
        .route_layer(SessionLayer::new(shop.sessions.clone()));
    let bearer = format!("Bearer {}", token.expose());
    let cookie = cookie(session.token.expose());
    let code = shop.app.code(&shop.secret);
    let headers = [
        ("authorization", &*bearer),
        ("cookie", &*cookie),
        ("x-otp", &*code),
    ];
    let granted = ask(&routes, &headers).await;
    assert_eq!(granted.status(), 200);
    assert!(new_token(&granted).is_none());
    assert_eq!(shop.proof(session.token.expose()).await, None);
}

#[tokio::test]
async fn a_session_revoked_while_the_code_is_checked_is_401_and_an_unavailable_one_503() {
    let shop = Shop::open().await;
    let token = shop.login().await;
    let cookie = cookie(&token);
    // The first call reads the session, the second and the third change it.
    for call in [2, 3] {
        shop.probe.fail_at(call, false);
        let code = shop.app.next_code(&shop.secret);
        let headers = [("cookie", &*cookie), ("x-otp", &*code)];
        let answer = ask(&shop.routes(), &headers).await;
        assert_eq!(answer.status(), 503, "call {call}");
        assert_eq!(shop.proof(&token).await, None);
    }
    let code = shop.app.next_code(&shop.secret);
    let ends = {
        let sessions = shop.sessions.clone();
        let token = token.clone();
        move |_: &http::request::Parts| {
            let (sessions, token) = (sessions.clone(), token.clone());
            // The session is revoked between its authentication and its change, while the code is
            // verified.
            let ending = async move { sessions.revoke_token(&token).await.unwrap() };
            assert!(super::support::abandon_after(1, ending).unwrap());
            Ok(Some(code.clone()))
        }
    };
    let routes = Router::new()
        .route("/pay", get(async |_: Session| ()))
        .route_layer(shop.guard().read_from(CredentialSource::custom(ends)))
        .route_layer(AuthLayer::new(shop.sessions.clone()));
    let answer = ask(&routes, &[("cookie", &cookie)]).await;
    assert_eq!(answer.status(), 401);
    assert!(new_token(&answer).is_none());
}
