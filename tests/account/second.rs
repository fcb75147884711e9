//! Logins in two steps, and what the owner of a second factor may do with it.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{sync::Barrier, task::JoinSet};
use tower_jam::{
    Accounts, Claims, Clock, Env, MasterSecret, Otp, SystemClock, Throttle,
    account::{NewDevice, Users},
    event::EventKind,
    otp::{OtpSecret, Totp},
    store::{MemoryStore, Store},
    testing::ManualClock,
};

use super::{
    support::{ProbeStore, stores},
    world::*,
};

/// Alice's authenticator and her recovery codes.
pub struct Phone {
    secret: OtpSecret,
    recovery: Vec<String>,
}

impl Phone {
    /// Returns an unused code: the clock advances to the next time step.
    pub fn code(&self, world: &World) -> String {
        world.clock.advance(Duration::from_secs(30));
        Totp::new()
            .code(&self.secret, world.clock.now())
            .expose()
            .clone()
    }
}

/// Enrols alice through the routes, as a client does.
pub async fn enroll(world: &World, pair: &Pair, headers: &[(&str, &str)]) -> Phone {
    let headers = [&pair.authorization()[..], headers].concat();
    let begun = post(
        &world.app(),
        "/otp/enroll",
        &headers,
        json!({ "account": "alice@acme.dev" }),
    )
    .await;
    assert_eq!(begun.status, 200, "{}", begun.text);
    assert_eq!(begun.headers["cache-control"], "no-store");
    let begun = begun.json();
    assert!(begun["qr_svg"].as_str().unwrap().contains("<svg"));
    assert!(
        begun["uri"]
            .as_str()
            .unwrap()
            .starts_with("otpauth://totp/Acme:alice%40acme.dev?")
    );
    let secret = OtpSecret::from_base32(begun["secret"].as_str().unwrap()).unwrap();
    let mut phone = Phone {
        secret,
        recovery: Vec::new(),
    };
    let code = json!({ "code": phone.code(world) });
    let confirmed = post(&world.app(), "/otp/confirm", &headers_of(pair), code).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    let codes = confirmed.json()["recovery_codes"].clone();
    phone.recovery = serde_json::from_value(codes).unwrap();
    assert_eq!(phone.recovery.len(), 10);
    phone
}

fn headers_of(pair: &Pair) -> [(&str, &str); 1] {
    pair.authorization()
}

/// A world in which alice has a second factor.
pub async fn enrolled() -> (World, Phone) {
    let world = world().await;
    let pair = world.login().await;
    let phone = enroll(&world, &pair, &[]).await;
    (world, phone)
}

/// Makes the first step and returns its challenge.
pub async fn first_step(world: &World, path: &str) -> String {
    let answer = post(&world.app(), path, &[], login("alice", PASSWORD)).await;
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.json()["error"], "otp_required");
    assert!(answer.cookie("__Host-sid").is_none());
    answer.json()["challenge"].as_str().unwrap().to_owned()
}

pub async fn second_step(world: &World, challenge: &str, code: &str, more: Value) -> Answer {
    let mut body = json!({ "challenge": challenge, "code": code });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    post(&world.app(), "/login/otp", &[], body).await
}

#[tokio::test]
async fn with_a_second_factor_every_login_takes_two_steps() {
    let (world, phone) = enrolled().await;
    for first in ["/login", "/session/login"] {
        for mode in ["tokens", "session"] {
            let challenge = first_step(&world, first).await;
            let code = phone.code(&world);
            let answer = second_step(&world, &challenge, &code, json!({ "mode": mode })).await;
            match mode {
                "tokens" => {
                    assert_eq!(answer.status, 200, "{}", answer.text);
                    assert_eq!(answer.headers["cache-control"], "no-store");
                    let pair = Pair::of(&answer);
                    let me = send(
                        &world.app(),
                        "GET",
                        "/me",
                        &headers_of(&pair),
                        String::new(),
                    )
                    .await;
                    let me = me.json();
                    assert_eq!(me["amr"], json!(["pwd", "otp"]));
                    assert!(me["proofs"]["otp"].as_u64() > me["proofs"]["pwd"].as_u64());
                }
                _ => {
                    assert_eq!(answer.status, 204, "{}", answer.text);
                    assert!(answer.cookie("__Host-sid").is_some());
                }
            }
            assert!(answer.cookie("__Host-device").is_some());
            let again = second_step(&world, &challenge, &phone.code(&world), json!({})).await;
            assert_eq!(
                (again.status, &again.json()["error"]),
                (401, &json!("challenge_over"))
            );
        }
    }
}

/// The device that the second step creates has the data of the first one.
#[tokio::test]
async fn the_device_is_the_one_of_the_first_step() {
    let (world, phone) = enrolled().await;
    let mut form = login("alice", PASSWORD);
    form["device_name"] = "Laptop".into();
    form["fingerprint"] = json!({ "screen": "wide" });
    let answer = post(&world.app(), "/login", &[("user-agent", "Firefox/1")], form).await;
    let challenge = answer.json()["challenge"].as_str().unwrap().to_owned();
    let pair = Pair::of(&second_step(&world, &challenge, &phone.code(&world), json!({})).await);
    let listed = send(
        &world.app(),
        "GET",
        "/active_sessions",
        &headers_of(&pair),
        String::new(),
    )
    .await;
    let listed = listed.json();
    let own = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["current"] == true)
        .unwrap();
    assert_eq!(
        (&own["device_name"], &own["user_agent"]),
        (&json!("Laptop"), &json!("Firefox/1"))
    );
    let other = json!({ "refresh_token": pair.refresh, "fingerprint": { "screen": "small" } });
    assert_eq!(post(&world.app(), "/refresh", &[], other).await.status, 200);
    assert_eq!(world.count(EventKind::FingerprintChanged), 1);
}

/// A challenge grants no access, and a wrong code leaves it valid.
#[tokio::test]
async fn a_pending_login_can_only_submit_its_code() {
    let (world, phone) = enrolled().await;
    let pair = world.accounts.pairs();
    let before = pair.list(&world.alice).await.unwrap().len();
    let challenge = first_step(&world, "/login").await;
    let bearer = format!("Bearer {challenge}");
    for (method, path) in [
        ("GET", "/me"),
        ("GET", "/active_sessions"),
        ("POST", "/logout_all"),
        ("POST", "/password"),
        ("POST", "/otp/enroll"),
        ("DELETE", "/otp"),
    ] {
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let answer = send(&world.app(), method, path, &headers, "{}".to_owned()).await;
        assert_eq!(answer.status, 401, "{path}");
    }
    let refresh = json!({ "refresh_token": challenge });
    assert_eq!(
        post(&world.app(), "/refresh", &[], refresh.clone())
            .await
            .status,
        401
    );
    assert_eq!(
        post(&world.app(), "/logout", &[], refresh).await.status,
        401
    );
    assert_eq!(pair.list(&world.alice).await.unwrap().len(), before);

    for wrong in [
        "",
        "000000",
        "12345",
        "+12345",
        "１２３４５６",
        "a recovery code that is none",
    ] {
        let answer = second_step(&world, &challenge, wrong, json!({})).await;
        let outcome = (answer.status, answer.json()["error"].clone());
        // Five wrong codes lock the user; the sixth is not compared.
        assert!(
            outcome == (401, json!("wrong_code")) || answer.status == 429,
            "{wrong}: {outcome:?}"
        );
    }
    world.clock.advance(Duration::from_secs(60));
    let locked = second_step(&world, &challenge, &phone.code(&world), json!({})).await;
    assert_eq!(locked.status, 429);
    assert!(locked.headers.contains_key("retry-after"));
    for invalid in ["", "x", &challenge[1..], &format!("{challenge}=")] {
        let answer = second_step(&world, invalid, &phone.code(&world), json!({})).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (401, &json!("challenge_over"))
        );
    }
}

#[tokio::test]
async fn a_challenge_expires_after_five_minutes_and_with_a_new_password() {
    let (world, phone) = enrolled().await;
    let challenge = first_step(&world, "/login").await;
    world.clock.advance(Duration::from_secs(4 * 60 + 29));
    let right = second_step(&world, &challenge, &phone.code(&world), json!({})).await;
    assert_eq!(right.status, 200, "{}", right.text);
    let late = first_step(&world, "/login").await;
    world.clock.advance(Duration::from_secs(4 * 60 + 31));
    let answer = second_step(&world, &late, &phone.code(&world), json!({})).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &json!("challenge_over"))
    );

    let challenge = first_step(&world, "/login").await;
    let pair = {
        let challenge = first_step(&world, "/login").await;
        Pair::of(&second_step(&world, &challenge, &phone.code(&world), json!({})).await)
    };
    let change = json!({ "current": PASSWORD, "new": "a new password" });
    assert_eq!(
        post(&world.app(), "/password", &headers_of(&pair), change)
            .await
            .status,
        204
    );
    let answer = second_step(&world, &challenge, &phone.code(&world), json!({})).await;
    assert_eq!(answer.status, 401, "{}", answer.text);
    let all = world.accounts.pairs().list(&world.alice).await.unwrap();
    assert!(all.is_empty());
}

#[tokio::test]
async fn a_recovery_code_completes_one_login() {
    let (world, phone) = enrolled().await;
    for expected in [200, 401] {
        let challenge = first_step(&world, "/login").await;
        let answer = second_step(&world, &challenge, &phone.recovery[0], json!({})).await;
        assert_eq!(answer.status, expected, "{}", answer.text);
    }
}

/// If many second steps run at once with one code, one becomes a login, whichever challenges they
/// have and whichever node they reach. The same holds for one challenge.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_second_steps_with_one_code_one_succeeds_on_every_store() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let first = world_on(backend.nodes[0].clone(), clock).await;
        let second = first.shared.node(&backend.nodes[1], |users| users);
        let pair = first.login().await;
        let phone = enroll(&first, &pair, &[]).await;
        let nodes = [Arc::new(first), Arc::new(second)];
        for round in 0..10 {
            let mut challenges = Vec::new();
            for _ in 0..10 {
                challenges.push(first_step(&nodes[0], "/login").await);
            }
            let code = phone.code(&nodes[0]);
            let start = Arc::new(Barrier::new(20));
            let mut running = JoinSet::new();
            for number in 0..20 {
                let (node, start, code) = (nodes[number % 2].clone(), start.clone(), code.clone());
                let challenge = challenges[number / 2].clone();
                running.spawn(async move {
                    start.wait().await;
                    second_step(&node, &challenge, &code, json!({}))
                        .await
                        .status
                });
            }
            let answers = running.join_all().await;
            let logins = answers.iter().filter(|status| **status == 200).count();
            assert_eq!(logins, 1, "{} round {round}: {answers:?}", backend.name);
            assert!(
                answers.iter().all(|status| [200, 401].contains(status)),
                "{answers:?}"
            );
            nodes[0].accounts.revoke_all(&nodes[0].alice).await.unwrap();
        }
    }
}

/// An enrolled user replaces or removes the authenticator only with a code, and the old one works
/// until the new one is confirmed.
#[tokio::test]
async fn a_second_factor_is_changed_only_with_a_code() {
    let (world, old) = enrolled().await;
    let challenge = first_step(&world, "/login").await;
    let pair = Pair::of(&second_step(&world, &challenge, &old.code(&world), json!({})).await);
    world.clock.advance(Duration::from_secs(5 * 60 + 1));
    let asks = |answer: &Answer| {
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert!(
            challenge.contains("insufficient_user_authentication"),
            "{challenge}"
        );
        assert!(
            challenge.contains("max_age") && challenge.contains("otp"),
            "{challenge}"
        );
        answer.status
    };
    for (method, path) in [
        ("POST", "/otp/enroll"),
        ("DELETE", "/otp"),
        ("POST", "/otp/recovery_codes"),
    ] {
        let answer = send(
            &world.app(),
            method,
            path,
            &headers_of(&pair),
            String::new(),
        )
        .await;
        assert_eq!(asks(&answer), 401, "{path}");
    }
    let confirm = json!({ "code": old.code(&world) });
    let answer = post(&world.app(), "/otp/confirm", &headers_of(&pair), confirm).await;
    assert_eq!(asks(&answer), 401);

    // A wrong code leaves the token valid, and two codes count as none.
    let wrong = [headers_of(&pair)[0], ("x-otp", "12345")];
    let answer = post(&world.app(), "/otp/enroll", &wrong, json!({})).await;
    assert_eq!(asks(&answer), 401);
    let two = [wrong[0], wrong[1], wrong[1]];
    let answer = post(&world.app(), "/otp/enroll", &two, json!({})).await;
    assert_eq!(answer.status, 400);

    // With a code the enrolment begins, and the old secret works until it is confirmed.
    let code = old.code(&world);
    let headers = [headers_of(&pair)[0], ("x-otp", code.as_str())];
    let begun = post(&world.app(), "/otp/enroll", &headers, json!({})).await;
    assert_eq!(begun.status, 200, "{}", begun.text);
    let new = OtpSecret::from_base32(begun.json()["secret"].as_str().unwrap()).unwrap();
    let challenge = first_step(&world, "/login").await;
    let pair = Pair::of(&second_step(&world, &challenge, &old.code(&world), json!({})).await);
    let new = Phone {
        secret: new,
        recovery: Vec::new(),
    };
    let confirm = json!({ "code": new.code(&world) });
    let answer = post(&world.app(), "/otp/confirm", &headers_of(&pair), confirm).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let challenge = first_step(&world, "/login").await;
    assert_eq!(
        second_step(&world, &challenge, &old.code(&world), json!({}))
            .await
            .status,
        401
    );
    let answer = second_step(&world, &challenge, &old.recovery[1], json!({})).await;
    assert_eq!(answer.status, 401, "the old recovery codes are invalid too");
    let pair = Pair::of(&second_step(&world, &challenge, &new.code(&world), json!({})).await);

    let codes = send(
        &world.app(),
        "POST",
        "/otp/recovery_codes",
        &headers_of(&pair),
        String::new(),
    )
    .await;
    assert_eq!(codes.status, 200, "{}", codes.text);
    let removed = send(
        &world.app(),
        "DELETE",
        "/otp",
        &headers_of(&pair),
        String::new(),
    )
    .await;
    assert_eq!(removed.status, 204, "{}", removed.text);
    world.login().await;
}

/// The record is gone, lost with the store or deleted. The password alone must not suffice for a
/// login, and an attacker must not be able to enrol an authenticator.
#[tokio::test]
async fn a_lost_enrolment_rejects_the_login() {
    let (world, phone) = enrolled().await;
    let pair = {
        let challenge = first_step(&world, "/login").await;
        Pair::of(&second_step(&world, &challenge, &phone.code(&world), json!({})).await)
    };
    assert!(world.otp.dangerous_disable(&world.alice).await.unwrap());
    world.clock.advance(Duration::from_secs(5 * 60 + 1));
    let challenge = first_step(&world, "/login").await;
    let answer = second_step(&world, &challenge, &phone.code(&world), json!({})).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &json!("wrong_code"))
    );
    let answer = second_step(&world, &challenge, &phone.recovery[2], json!({})).await;
    assert_eq!(answer.status, 401);
    let answer = post(&world.app(), "/otp/enroll", &headers_of(&pair), json!({})).await;
    assert_eq!(answer.status, 401, "{}", answer.text);
}

/// The secret that the record needs is gone. The response is not 503, no login succeeds, and an
/// operator can resolve it after verifying the user's identity.
#[tokio::test]
async fn a_factor_under_a_retired_secret_refuses_until_an_operator_resets_it() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    let old = world_on(store.clone(), clock).await;
    let pair = old.login().await;
    let phone = enroll(&old, &pair, &[]).await;
    let mut shared = old.shared.clone();
    shared.otp_secret = Some(MasterSecret::generate());
    let world = shared.node(&store, |users| users);
    let challenge = first_step(&world, "/login").await;
    for code in [
        phone.code(&world),
        phone.recovery[0].clone(),
        "000000".to_owned(),
    ] {
        let answer = second_step(&world, &challenge, &code, json!({})).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
    }
    assert_eq!(world.count(EventKind::OtpUnreadable), 3);
    let reset = world.accounts.second_factor().dangerous_reset(&world.alice);
    assert!(reset.await.unwrap());
    let pair = world.login().await;
    let phone = enroll(&world, &pair, &[]).await;
    let challenge = first_step(&world, "/login").await;
    let answer = second_step(&world, &challenge, &phone.code(&world), json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let stranger = world.accounts.second_factor().dangerous_reset("nobody");
    assert!(stranger.await.is_err());
}

/// The record was written, the user's flag was not, and the recovery codes were never shown. No
/// login asks for a code of such an authenticator, so it does not prevent a new enrolment.
#[tokio::test]
async fn an_incomplete_enrolment_can_be_started_again() {
    let world = world().await;
    let begun = world.otp.enroll(&world.alice).await.unwrap();
    let code = Totp::new().code(begun.secret(), world.clock.now());
    let _codes = world
        .otp
        .confirm(&world.alice, code.expose())
        .await
        .unwrap();
    let pair = world.login().await;
    let phone = enroll(&world, &pair, &[]).await;
    let challenge = first_step(&world, "/login").await;
    let answer = second_step(&world, &challenge, &phone.code(&world), json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// The settings of accounts and of one-time codes may differ on how old a code may be: the stricter
/// one is checked first.
#[tokio::test]
async fn a_code_that_is_too_old_removes_nothing() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    let world = world_on(store.clone(), clock.clone()).await;
    let pair = world.login().await;
    let phone = enroll(&world, &pair, &[]).await;
    let secret = &world.shared.secret;
    let strict = Otp::builder(
        &Env::new("https://auth.acme.dev", store.clone(), secret).with_clock(clock.clone()),
        "Acme",
    )
    .fresh(Duration::from_secs(60))
    .build()
    .unwrap();
    let users: Arc<dyn Users<Claims>> = world.users.clone();
    let throttle = Throttle::builder(&Env::new("self", store.clone(), secret)).build();
    let pairs = world.accounts.pairs().clone();
    let accounts = Accounts::builder(
        &Env::new("self", store, secret).with_clock(clock),
        users,
        world.passwords.clone(),
        throttle,
        pairs,
    )
    .otp(strict);
    let accounts = accounts.build().unwrap();
    let challenge = first_step(&world, "/login").await;
    let pair = Pair::of(&second_step(&world, &challenge, &phone.code(&world), json!({})).await);
    let token = pair.bearer.strip_prefix("Bearer ").unwrap();
    let verified = accounts.pairs().verify(token).await.unwrap();
    world.clock.advance(Duration::from_secs(120));
    let factor = accounts.second_factor();
    let refused = factor.disable(verified.identity().unwrap()).await;
    assert_eq!(refused.unwrap_err().status(), 401);
    first_step(&world, "/login").await;
}

/// A login of an hour ago does not permit an enrolment.
#[tokio::test]
async fn the_first_enrolment_requires_a_recent_login() {
    let world = world().await;
    let pair = world.login().await;
    world.clock.advance(Duration::from_secs(5 * 60 + 1));
    let answer = post(&world.app(), "/otp/enroll", &headers_of(&pair), json!({})).await;
    assert_eq!(answer.status, 401);
    let refreshed = post(&world.app(), "/refresh", &[], pair.body()).await;
    let pair = Pair::of(&refreshed);
    let answer = post(&world.app(), "/otp/enroll", &headers_of(&pair), json!({})).await;
    assert_eq!(
        answer.status, 401,
        "a refreshed token is no fresher than its login"
    );
}

/// A user who logs in only with a provider has no password to repeat.
#[tokio::test]
async fn a_login_with_a_provider_enrols_as_a_password_does() {
    let world = world().await;
    let now = world.clock.now();
    let proved = world
        .accounts
        .prove_external(&world.alice, now, now, None)
        .await;
    let device = NewDevice::default();
    let issued = world
        .accounts
        .finish_login(proved.unwrap().unwrap(), device);
    let issued = issued.await.unwrap();
    let pair = Pair {
        bearer: format!("Bearer {}", issued.access_token.expose()),
        refresh: issued.refresh_token.expose().clone(),
    };
    enroll(&world, &pair, &[]).await;
    first_step(&world, "/login").await;
    let late = post(&world.app(), "/otp/enroll", &headers_of(&pair), json!({})).await;
    assert_eq!(late.status, 401, "from now on a code is required");
}

#[tokio::test]
async fn a_remembered_device_needs_no_code_until_password_or_authenticator_change() {
    let (world, phone) = enrolled().await;
    let remember = json!({ "remember": true });
    let challenge = first_step(&world, "/login").await;
    let without = second_step(&world, &challenge, &phone.code(&world), json!({})).await;
    assert!(
        without.cookie("__Host-remembered").is_none(),
        "only on request"
    );
    let challenge = first_step(&world, "/login").await;
    let answer = second_step(&world, &challenge, &phone.code(&world), remember).await;
    let cookie = answer.cookie("__Host-remembered").unwrap();
    for attribute in [
        "HttpOnly",
        "Secure",
        "SameSite=Lax",
        "Path=/",
        "Max-Age=2592000",
    ] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with = async |cookie: &str| {
        let headers = [("cookie", cookie)];
        post(&world.app(), "/login", &headers, login("alice", PASSWORD)).await
    };
    let remembered = with(&cookie).await;
    assert_eq!(remembered.status, 200, "{}", remembered.text);
    let pair = Pair::of(&remembered);
    let me = send(
        &world.app(),
        "GET",
        "/me",
        &headers_of(&pair),
        String::new(),
    )
    .await;
    assert_eq!(me.json()["amr"], json!(["pwd"]), "it is not a factor");
    assert_eq!(with("__Host-remembered=made-up").await.status, 401);
    let device = remembered.cookie("__Host-device").unwrap();
    let value = device.split(['=', ';']).nth(1).unwrap();
    assert_eq!(
        with(&format!("__Host-remembered={value}")).await.status,
        401
    );
    world.clock.advance(Duration::from_secs(30 * 86_400));
    assert_eq!(with(&cookie).await.status, 401, "after a month");

    // Another authenticator in place of the first.
    let challenge = first_step(&world, "/login").await;
    let answer = second_step(
        &world,
        &challenge,
        &phone.code(&world),
        json!({ "remember": true }),
    )
    .await;
    let cookie = answer.cookie("__Host-remembered").unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert_eq!(with(&cookie).await.status, 200);
    let pair = Pair::of(&answer);
    let new = enroll(&world, &pair, &[]).await;
    assert_eq!(with(&cookie).await.status, 401);

    // Another password.
    let challenge = first_step(&world, "/login").await;
    let answer = second_step(
        &world,
        &challenge,
        &new.code(&world),
        json!({ "remember": true }),
    )
    .await;
    let cookie = answer.cookie("__Host-remembered").unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let pair = Pair::of(&answer);
    let change = json!({ "current": PASSWORD, "new": "a new password" });
    let changed = post(&world.app(), "/password", &headers_of(&pair), change).await;
    assert_eq!(changed.status, 204, "{}", changed.text);
    let headers = [("cookie", cookie.as_str())];
    let answer = post(
        &world.app(),
        "/login",
        &headers,
        login("alice", "a new password"),
    )
    .await;
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &json!("otp_required"))
    );
}

/// Each call of the second step fails once: 503, and never a login without its code. A code that
/// was used stays used.
#[tokio::test]
async fn a_store_that_fails_at_the_second_step_is_503() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store = Arc::new(ProbeStore::new(
        MemoryStore::new().with_clock(clock.clone()),
    ));
    let world = world_on(store.clone(), clock).await;
    let pair = world.login().await;
    let phone = enroll(&world, &pair, &[]).await;
    let mut statuses = Vec::new();
    for fails_at in 1..14 {
        for loses_answer in [false, true] {
            let challenge = first_step(&world, "/login").await;
            let code = phone.code(&world);
            store.fail_at(fails_at, loses_answer);
            let answer = second_step(&world, &challenge, &code, json!({})).await;
            store.fail_at(0, false);
            assert!(
                [200, 503].contains(&answer.status),
                "{fails_at}: {}",
                answer.text
            );
            statuses.push(answer.status);
        }
    }
    assert!(
        statuses.contains(&200) && statuses.contains(&503),
        "{statuses:?}"
    );
}
