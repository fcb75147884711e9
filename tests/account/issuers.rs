//! Two issuers with one store and one secret, whose users have the same ids: no credential of one
//! is valid at the other.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use serde_json::{Value, json};
use tower_jam::{
    Accounts, Algorithm, Claims, Clock, Env, Grant, Identity, Jwt, Key, KeyRing, MasterSecret, Otp,
    Sessions, SystemClock, Throttle, TokenPairs, account,
    account::{User, Users},
    layer::AuthLayer,
    otp::Totp,
    routes::AccountRoutes,
    store::{Store, StoreFuture},
    testing::ManualClock,
};

use super::{
    support::stores,
    world::{self, Answer, PASSWORD, Pair, login, post, send},
};

/// A table in which user 1 is named after its issuer.
#[derive(Clone)]
struct Table {
    name: &'static str,
    role: &'static str,
    hash: String,
    has_second_factor: bool,
}

impl Users<Claims> for Table {
    fn find<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<User<Claims>>> {
        let id = (name == self.name).then_some("1");
        Box::pin(async move {
            match id {
                Some(id) => self.read(id).await,
                None => Ok(None),
            }
        })
    }

    fn read<'a>(&'a self, id: &'a str) -> StoreFuture<'a, Option<User<Claims>>> {
        let grant = || Grant::new("1", Claims::new()).roles([self.role]);
        let user = (id == "1").then(|| User::new(grant(), self.hash.clone()));
        let user = user.map(|user| user.with_second_factor(self.has_second_factor));
        Box::pin(async move { Ok(user) })
    }

    fn replace_hash<'a>(&'a self, _: &'a str, _: &'a str, _: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async { Ok(false) })
    }

    fn set_second_factor<'a>(&'a self, _: &'a str, _: bool) -> StoreFuture<'a, bool> {
        Box::pin(async { Ok(true) })
    }
}

/// One of the two applications.
struct Site {
    name: &'static str,
    accounts: Accounts<Claims>,
    sessions: Sessions<Claims>,
    otp: Otp,
    clock: Arc<ManualClock>,
    app: Router,
}

impl Site {
    async fn new(
        name: &'static str,
        role: &'static str,
        store: &Arc<dyn Store>,
        secret: &MasterSecret,
        clock: &Arc<ManualClock>,
        has_second_factor: bool,
    ) -> Self {
        let issuer = format!("https://{name}.acme.dev");
        let passwords = world::passwords(world::CHEAP_KIB);
        let hash = passwords.check_new(PASSWORD).await.unwrap();
        let hash = passwords.hash(&hash).await.unwrap().expose().clone();
        let users: Arc<dyn Users<Claims>> = Arc::new(Table {
            name,
            role,
            hash,
            has_second_factor,
        });
        let jwt = Jwt::builder(KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap()))
            .issuer(&issuer)
            .audience("api")
            .clock(clock.clone())
            .build()
            .unwrap();
        let reread = || account::user_reader(users.clone());
        let pairs = TokenPairs::builder(&Env::new(&issuer, store.clone(), secret), jwt, reread());
        let pairs = pairs.build().unwrap();
        let sessions =
            Sessions::builder(&Env::new(&issuer, store.clone(), secret).with_clock(clock.clone()))
                .users(reread())
                .build()
                .unwrap();
        let otp = Otp::builder(
            &Env::new(&issuer, store.clone(), secret).with_clock(clock.clone()),
            "Acme",
        )
        .build()
        .unwrap();
        let throttle =
            Throttle::builder(&Env::new(&issuer, store.clone(), secret).with_clock(clock.clone()));
        let accounts = Accounts::builder(
            &Env::new(&issuer, store.clone(), secret).with_clock(clock.clone()),
            users,
            passwords,
            throttle.build(),
            pairs.clone(),
        )
        .sessions(sessions.clone())
        .otp(otp.clone())
        .remember_devices(Duration::from_secs(30 * 86_400))
        .unwrap()
        .build()
        .unwrap();
        let subject_page =
            get(|identity: Identity| async move { identity.subject().id().to_owned() });
        let page = Router::new().route("/page", subject_page.clone());
        let page = page.route_layer(AuthLayer::new(sessions.clone()));
        let api = Router::new().route("/api", subject_page);
        let api = api.route_layer(AuthLayer::new(pairs));
        let secret = "0123456789abcdef0123456789abcdef".to_owned();
        let routes = AccountRoutes::builder(accounts.clone())
            .service("gateway", &tower_jam::Secret::new(secret))
            .unwrap();
        Self {
            name,
            accounts,
            sessions,
            otp,
            clock: clock.clone(),
            app: page.merge(api).merge(routes.build()),
        }
    }

    async fn login(&self) -> Answer {
        post(&self.app, "/login", &[], login(self.name, PASSWORD)).await
    }

    async fn post_as_service(&self, path: &str, token: &str) -> Answer {
        let basic = "Basic Z2F0ZXdheTowMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==";
        let headers = [
            ("authorization", basic),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let form = format!("token={token}&token_type_hint=refresh_token");
        send(&self.app, "POST", path, &headers, form).await
    }
}

async fn both(
    store: &Arc<dyn Store>,
    secrets: [&MasterSecret; 2],
    has_second_factor: bool,
) -> [Site; 2] {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let [first, second] = secrets;
    [
        Site::new("a", "admin", store, first, &clock, has_second_factor).await,
        Site::new("b", "reader", store, second, &clock, has_second_factor).await,
    ]
}

async fn backends() -> Vec<stores::Backend> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    vec![stores::memory(&clock), stores::redis(&clock).await]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_of_one_issuer_is_valid_at_another() {
    for backend in backends().await {
        let secret = MasterSecret::generate();
        let [a, b] = both(&backend.nodes[0], [&secret, &secret], false).await;
        let pair = Pair::of(&a.login().await);
        // The same id is logged in at the other issuer, so that there is a record to confuse.
        let own = Pair::of(&b.login().await);

        let refused = post(&b.app, "/refresh", &[], pair.body()).await;
        assert_eq!(refused.status, 401, "{}: {}", backend.name, refused.text);
        let refused = post(&b.app, "/logout", &[], pair.body()).await;
        assert_eq!(refused.status, 401, "{}: {}", backend.name, refused.text);
        let refused = post(
            &b.app,
            "/revoke_other_session",
            &own.authorization(),
            pair.body(),
        )
        .await;
        assert_eq!(refused.status, 401, "{}: {}", backend.name, refused.text);
        let response = b.post_as_service("/introspect", &pair.refresh).await;
        assert_eq!(
            response.json(),
            json!({ "active": false }),
            "{}",
            backend.name
        );
        let response = b.post_as_service("/revoke", &pair.refresh).await;
        assert_eq!(response.status, 200, "there is nothing to revoke");
        let refused = send(&b.app, "GET", "/api", &pair.authorization(), String::new()).await;
        assert_eq!(refused.status, 401, "{}: {}", backend.name, refused.text);
        for path in ["/logout_all", "/password"] {
            let body = json!({ "current": PASSWORD, "new": "correct horse, staple" });
            let refused = post(&b.app, path, &pair.authorization(), body).await;
            assert_eq!(refused.status, 401, "{}: {path}", backend.name);
        }
        let kept = post(&a.app, "/refresh", &[], pair.body()).await;
        assert_eq!(kept.status, 200, "nothing of it was revoked: {}", kept.text);

        let answer = post(&a.app, "/session/login", &[], login("a", PASSWORD)).await;
        let cookie = answer.cookie("__Host-sid").unwrap();
        let cookie = [("cookie", cookie.split(';').next().unwrap())];
        let page = send(&a.app, "GET", "/page", &cookie, String::new()).await;
        assert_eq!(page.status, 200);
        let refused = send(&b.app, "GET", "/page", &cookie, String::new()).await;
        assert_eq!(refused.status, 401, "{}: {}", backend.name, refused.text);
        let token = cookie[0].1.strip_prefix("__Host-sid=").unwrap();
        assert!(b.sessions.get(token).await.unwrap().is_none());
        assert!(b.sessions.cycle_id(token).await.unwrap().is_none());
        assert!(!b.sessions.revoke_token(token).await.unwrap());
        let page = send(&a.app, "GET", "/page", &cookie, String::new()).await;
        assert_eq!(page.status, 200, "it stays valid at its own issuer");

        // A revocation at one issuer does not affect the users of the other.
        b.accounts.revoke_all("1").await.unwrap();
        let page = send(&a.app, "GET", "/page", &cookie, String::new()).await;
        assert_eq!(page.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_pending_at_one_issuer_is_unknown_to_another() {
    for backend in backends().await {
        let secret = MasterSecret::generate();
        let other = MasterSecret::generate();
        for secrets in [[&secret, &secret], [&secret, &other]] {
            let [a, b] = both(&backend.nodes[0], secrets, true).await;
            a.otp.dangerous_disable("1").await.unwrap();
            b.otp.dangerous_disable("1").await.unwrap();
            a.enrol().await;
            let code = b.enrol().await;
            let waiting = a.login().await;
            let challenge = waiting.json()["challenge"].clone();
            assert!(challenge.is_string(), "{}", waiting.text);
            let body = json!({ "challenge": challenge, "code": code });
            let refused = post(&b.app, "/login/otp", &[], body).await;
            assert_eq!(refused.status, 401, "{}: {}", backend.name, refused.text);
            let error: Value = refused.json()["error"].clone();
            assert_eq!(error, "challenge_over", "{}", backend.name);
        }
    }
}

impl Site {
    /// Enrols user 1, and returns an unused code.
    async fn enrol(&self) -> String {
        let begun = self.otp.enroll("1").await.unwrap();
        let code = || {
            Totp::new()
                .code(begun.secret(), self.clock.now())
                .expose()
                .clone()
        };
        drop(self.otp.confirm("1", &code()).await.unwrap());
        self.clock.advance(Duration::from_secs(30));
        code()
    }
}
