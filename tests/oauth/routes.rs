//! The routes as a browser uses them.

use std::collections::HashMap;

use reqwest::Response;
use serde_json::{Value, json};
use tower_jam::{
    Claims, Clock, SystemClock, Timestamp, account::Users, otp::Totp, routes::ProviderRoutes,
};
use url::Url;

use crate::{
    browser::{Browser, location},
    site::{DEFAULTS, Site, SiteOptions, site},
};

/// Goes to the provider and stops before the callback.
async fn before_callback(site: &Site, login: &str) -> Url {
    let begun = site.browser.get(&site.at(login)).await;
    assert_eq!(begun.status(), 303);
    let there = site.browser.get(&location(&begun).unwrap()).await;
    Url::parse(&location(&there).unwrap()).unwrap()
}

async fn json(answer: Response) -> Value {
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn a_browser_is_redirected_to_the_provider_and_back_into_a_session() {
    let site = site(DEFAULTS).await;
    assert_eq!(site.browser.get(&site.at("/me")).await.status(), 401);
    let page = site
        .browser
        .visit(&site.at("/oauth/acme/login?return_to=/cart"))
        .await;
    assert_eq!(page.url().path(), "/cart");
    assert_eq!(site.browser.names(&site.url), ["__Host-sid"]);
    let me = json(site.browser.get(&site.at("/me")).await).await;
    assert_eq!(me["name"], "Ada");
    let sessions = site.sessions.list(&site.ada).await.unwrap();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].factors()[0].0.as_amr(), "fed");
    // A second login keeps the session, under a new id.
    let first = site.session().unwrap();
    let page = site.browser.visit(&site.at("/oauth/acme/login")).await;
    assert_eq!((page.url().path(), page.status().as_u16()), ("/me", 200));
    assert_ne!(site.session().unwrap(), first);
    assert_eq!(site.sessions.list(&site.ada).await.unwrap().len(), 1);
}

/// Ten browsers are at the provider while their user logs out everywhere. Their callbacks create no
/// session.
#[tokio::test]
async fn a_login_at_the_provider_during_a_logout_everywhere_creates_no_session() {
    let site = site(DEFAULTS).await;
    let mut callbacks = Vec::new();
    for _ in 0..10 {
        let browser = Browser::new();
        // To the provider and back, except for the last step.
        let begun = browser.get(&site.at("/oauth/acme/login")).await;
        let back = browser.get(&location(&begun).unwrap()).await;
        callbacks.push((location(&back).unwrap(), browser));
    }
    site.accounts.revoke_all(&site.ada).await.unwrap();
    for (callback, browser) in callbacks {
        let answer = browser.get(&callback).await;
        assert_eq!(answer.status(), 401);
        assert!(browser.cookie(&site.url, "__Host-sid").is_none());
    }
    assert!(site.sessions.list(&site.ada).await.unwrap().is_empty());
}

/// A login with the provider is one factor: a user with a second factor here must give a code too,
/// for a session or a pair, and has nothing before that.
#[tokio::test]
async fn a_user_with_a_second_factor_gives_a_code_after_the_provider() {
    let second_page: fn(ProviderRoutes<Claims>) -> ProviderRoutes<Claims> =
        |it| it.second_step_page("/cart");
    let pair: fn(ProviderRoutes<Claims>) -> ProviderRoutes<Claims> =
        |it| it.refresh_cookie().second_step_page("/cart");
    for (routes, mode) in [
        (second_page, "session"),
        (pair, "tokens"),
        (DEFAULTS.routes, "session"),
    ] {
        let site = site(SiteOptions { routes, ..DEFAULTS }).await;
        let enrollment = site.otp.enroll(&site.ada).await.unwrap();
        let code = |period: u64| {
            let at = SystemClock.now().as_secs() + 30 * period;
            Totp::new()
                .code(enrollment.secret(), Timestamp::from_secs(at))
                .expose()
                .clone()
        };
        drop(site.otp.confirm(&site.ada, &code(0)).await.unwrap());
        assert!(site.users.set_second_factor(&site.ada, true).await.unwrap());

        let page = site.browser.visit(&site.at("/oauth/acme/login")).await;
        assert!(site.sessions.list(&site.ada).await.unwrap().is_empty());
        assert!(site.session().is_none());
        let mut body = json!({ "code": code(1), "mode": mode });
        let mut cookie = String::new();
        match page.status().as_u16() {
            200 => {
                assert_eq!(
                    page.url().as_str(),
                    site.at("/cart"),
                    "the challenge is in no URL"
                );
                let challenge = site.browser.cookie(&site.url, "__Host-challenge").unwrap();
                cookie = format!("__Host-challenge={challenge}");
            }
            status => {
                assert_eq!(status, 401);
                let problem = json(page).await;
                assert_eq!(problem["error"], "otp_required");
                body["challenge"] = problem["challenge"].clone();
            }
        }
        let post = async |body: &Value| {
            let client = reqwest::Client::new();
            let request = client
                .post(site.at("/auth/login/otp"))
                .header("cookie", &cookie);
            let request = request.header("content-type", "application/json");
            request.body(body.to_string()).send().await.unwrap()
        };
        let answer = post(&body).await;
        let cookies = answer.headers().get_all("set-cookie").iter();
        let cookies: Vec<_> = cookies.map(|it| it.to_str().unwrap().to_owned()).collect();
        let has = |name: &str| cookies.iter().any(|line| line.starts_with(name));
        match mode {
            "session" => {
                assert_eq!(answer.status(), 204);
                assert!(has("__Host-sid="), "{cookies:?}");
                let sessions = site.sessions.list(&site.ada).await.unwrap();
                let factors: Vec<_> = sessions[0]
                    .factors()
                    .iter()
                    .map(|it| it.0.as_amr())
                    .collect();
                assert_eq!(factors, ["fed", "otp"]);
            }
            _ => {
                assert_eq!(answer.status(), 200);
                assert!(has("__Host-refresh="), "{cookies:?}");
            }
        }
        if !cookie.is_empty() {
            assert!(has("__Host-challenge=; "), "it is cleared: {cookies:?}");
        }
        assert_eq!(
            post(&body).await.status(),
            401,
            "a challenge is accepted once"
        );
    }
}

/// A provider may send an unlocked browser back without a prompt. Unless the provider states when
/// the user authenticated, the age of the login is unknown.
#[tokio::test]
async fn a_login_of_unknown_age_is_never_fresh() {
    let enroll = async |site: &Site| {
        let client = reqwest::Client::new();
        let cookie = site.browser.cookie(&site.url, "__Host-refresh").unwrap();
        let refresh = client
            .post(site.at("/auth/refresh"))
            .header("cookie", format!("__Host-refresh={cookie}"));
        let pair = json(
            refresh
                .header("content-type", "application/json")
                .body("{}")
                .send()
                .await
                .unwrap(),
        )
        .await;
        let enroll = client
            .post(site.at("/auth/otp/enroll"))
            .bearer_auth(pair["access_token"].as_str().unwrap());
        enroll
            .header("content-type", "application/json")
            .body("{}")
            .send()
            .await
            .unwrap()
    };
    let pair: fn(ProviderRoutes<Claims>) -> ProviderRoutes<Claims> = |it| it.refresh_cookie();
    let world = site(SiteOptions {
        routes: pair,
        ..DEFAULTS
    })
    .await;
    let without_auth_time = json!({ "auth_time": null });
    world.provider.change(|it| {
        it.claims = Some(without_auth_time.clone());
        // The user info is not signed, so its `auth_time` is ignored.
        it.user = Some(json!({ "sub": "user-1", "auth_time": 4_000_000_000_u64 }));
    });
    world.browser.visit(&world.at("/oauth/acme/login")).await;
    let stepped = enroll(&world).await;
    assert_eq!(stepped.status(), 401);
    let challenge = header(&stepped, "www-authenticate");
    assert!(
        challenge.contains("insufficient_user_authentication")
            && challenge.contains(r#"acr_values="fed""#),
        "{challenge}"
    );
    // A claim that the challenge requests.
    world.provider.change(|it| it.claims = None);
    let again = world.at("/oauth/acme/login?max_age=300");
    world.browser.visit(&again).await;
    let sent = world.provider.seen("/authorize");
    assert!(sent[1].uri.contains("max_age=300"), "{}", sent[1].uri);
    assert_eq!(enroll(&world).await.status(), 200);
    let nonsense = world.at("/oauth/acme/login?max_age=soon");
    assert_eq!(world.browser.get(&nonsense).await.status(), 400);

    let trusting = site(SiteOptions {
        routes: |it| it.refresh_cookie().dangerous_login_is_proof(),
        ..DEFAULTS
    })
    .await;
    trusting
        .provider
        .change(|it| it.claims = Some(without_auth_time.clone()));
    trusting
        .browser
        .visit(&trusting.at("/oauth/acme/login"))
        .await;
    assert_eq!(enroll(&trusting).await.status(), 200);
}

#[tokio::test]
async fn every_step_is_a_303_that_is_not_cached() {
    let site = site(DEFAULTS).await;
    let begun = site.browser.get(&site.at("/oauth/acme/login")).await;
    let back = before_callback(&site, "/oauth/acme/login").await;
    let ended = site.browser.get(back.as_str()).await;
    for answer in [begun, ended] {
        assert_eq!(answer.status(), 303);
        assert_eq!(header(&answer, "cache-control"), "no-store");
        assert_eq!(header(&answer, "referrer-policy"), "no-referrer");
        assert!(answer.headers().contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn a_login_can_end_in_a_refresh_token_in_a_cookie() {
    let site = site(SiteOptions {
        routes: |it| it.refresh_cookie(),
        ..DEFAULTS
    })
    .await;
    let page = site
        .browser
        .visit(&site.at("/oauth/acme/login?return_to=/cart"))
        .await;
    assert_eq!(
        page.url().as_str(),
        site.at("/cart"),
        "no token is in the URL"
    );
    assert!(site.session().is_none());
    let token = site.browser.cookie(&site.url, "__Host-refresh").unwrap();
    let visited = site.browser.visited.lock().unwrap().join("\n");
    assert!(!visited.contains(&token));
    let pair = site
        .browser
        .post(&site.at("/auth/refresh"), &HashMap::new())
        .await;
    assert_eq!(pair.status(), 200);
    assert!(json(pair).await["access_token"].is_string());
}

#[tokio::test]
async fn a_form_that_the_provider_posts_completes_a_login() {
    let site = site(SiteOptions {
        provider: |it| it.post_form(),
        ..DEFAULTS
    })
    .await;
    let begun = site
        .browser
        .get(&site.at("/oauth/acme/login?return_to=/cart"))
        .await;
    let page = json(site.browser.get(&location(&begun).unwrap()).await).await;
    let mut fields: HashMap<String, String> =
        serde_json::from_value(page["fields"].clone()).unwrap();
    fields.insert("user".to_owned(), json!({ "name": {} }).to_string());
    let action = page["action"].as_str().unwrap();
    // A form of another browser finds no pending login, and uses nothing up.
    let foreign = Browser::new().post(action, &fields).await;
    assert_eq!(foreign.status(), 400);
    let ended = site.browser.post(action, &fields).await;
    assert_eq!(
        (ended.status().as_u16(), location(&ended).unwrap().as_str()),
        (303, "/cart")
    );
    assert_eq!(site.browser.get(&site.at("/me")).await.status(), 200);
}

#[tokio::test]
async fn an_invalid_callback_is_a_400_and_creates_no_session() {
    let site = site(DEFAULTS).await;
    let good = before_callback(&site, "/oauth/acme/login").await;
    let with = |name: &str, value: Option<&str>| {
        let kept: Vec<(String, String)> = good
            .query_pairs()
            .into_owned()
            .filter(|(known, _)| known != name)
            .collect();
        let mut url = good.clone();
        url.query_pairs_mut().clear().extend_pairs(kept);
        if let Some(value) = value {
            url.query_pairs_mut().append_pair(name, value);
        }
        url
    };
    let mut twice = good.clone();
    twice.query_pairs_mut().append_pair("state", "a");
    for url in [
        with("state", None),
        with("state", Some("")),
        with("state", Some(&"a".repeat(43))),
        twice,
    ] {
        let refused = site.browser.get(url.as_str()).await;
        assert_eq!(refused.status(), 400, "{url}");
        assert_eq!(header(&refused, "content-type"), "application/problem+json");
        assert_eq!(header(&refused, "cache-control"), "no-store");
    }
    // Another browser, with the victim's callback address.
    assert_eq!(Browser::new().get(good.as_str()).await.status(), 400);
    assert!(site.is_untouched().await);
    assert!(site.session().is_none());
    // The requests above have used nothing up; these do.
    for (name, value) in [
        ("error", Some("access_denied")),
        ("code", None),
        ("code", Some("")),
        ("code", Some(&*"a".repeat(4097))),
        ("iss", Some("https://evil.dev")),
    ] {
        let back = before_callback(&site, "/oauth/acme/login").await;
        let changed = with(name, value);
        let state = back
            .query_pairs()
            .find(|(name, _)| name == "state")
            .unwrap()
            .1
            .into_owned();
        let kept: Vec<(String, String)> = changed
            .query_pairs()
            .into_owned()
            .map(|(name, value)| match &*name {
                "state" => (name, state.clone()),
                _ => (name, value),
            })
            .collect();
        let mut url = back.clone();
        url.query_pairs_mut().clear().extend_pairs(kept);
        let refused = site.browser.get(url.as_str()).await;
        assert_eq!(refused.status(), 400, "{name}");
        let again = site.browser.get(back.as_str()).await;
        assert_eq!(again.status(), 400, "{name}: the state is used up");
    }
    assert!(site.is_untouched().await);
    assert_eq!(site.browser.visit(good.as_str()).await.status(), 200);
}

#[tokio::test]
async fn a_browser_is_never_sent_to_another_origin() {
    let site = site(DEFAULTS).await;
    for page in [
        "//evil.dev",
        "/\\evil.dev",
        "https://evil.dev",
        "/%0d%0aevil",
        "%09//evil.dev",
        "/%5Cevil.dev",
        "/%255Cevil.dev",
        "/%252Fevil.dev",
        "/%25252Fevil.dev",
        "/.//evil.dev",
        "",
        "/cart&return_to=/cart",
    ] {
        let back = before_callback(&site, &format!("/oauth/acme/login?return_to={page}")).await;
        let ended = site.browser.get(back.as_str()).await;
        assert_eq!(location(&ended).as_deref(), Some("/me"), "{page:?}");
    }
    // The redirect URI is not taken from the request.
    let begun = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let begun = begun.build().unwrap().get(site.at("/oauth/acme/login"));
    let begun = begun
        .header("host", "evil.dev")
        .header("x-forwarded-host", "evil.dev");
    let to = location(&begun.send().await.unwrap()).unwrap();
    assert!(!to.contains("evil"), "{to}");
}

#[tokio::test]
async fn a_user_without_an_account_or_disabled_gets_no_session() {
    let site = site(DEFAULTS).await;
    // Another subject with the same e-mail address is another person.
    site.provider.change(|it| {
        it.claims = Some(json!({ "sub": "user-2", "email": "ada@acme.dev" }));
        it.user = Some(json!({ "sub": "user-2" }));
    });
    let refused = site.browser.visit(&site.at("/oauth/acme/login")).await;
    assert_eq!(refused.status(), 403);
    assert!(site.session().is_none());
    site.provider.heal();
    assert!(site.users.set_disabled(&site.ada, true).await.unwrap());
    let refused = site.browser.visit(&site.at("/oauth/acme/login")).await;
    assert_eq!(refused.status(), 403);
    assert!(site.session().is_none() && site.sessions.list(&site.ada).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_failure_can_have_a_page() {
    let site = site(SiteOptions {
        routes: |it| it.failure_page("/sign-in?by=acme"),
        ..DEFAULTS
    })
    .await;
    let refused = site
        .browser
        .get(&site.at("/oauth/acme/callback?state=a"))
        .await;
    assert_eq!(refused.status(), 303);
    assert_eq!(
        location(&refused).as_deref(),
        Some("/sign-in?by=acme&error=state")
    );
    site.provider
        .change(|it| it.error = Some("access_denied".to_owned()));
    let back = before_callback(&site, "/oauth/acme/login").await;
    let refused = site.browser.get(back.as_str()).await;
    assert_eq!(
        location(&refused).as_deref(),
        Some("/sign-in?by=acme&error=denied")
    );
    // The provider has answered; the first store call after the state fails.
    site.provider.change(|it| it.error = None);
    let back = before_callback(&site, "/oauth/acme/login").await;
    site.store.fail_at(2, false);
    let failed = site.browser.get(back.as_str()).await;
    assert_eq!(
        location(&failed).as_deref(),
        Some("/sign-in?by=acme&error=unavailable")
    );
}

/// Regression: the page said that the service was unavailable, although the login had been revoked.
#[tokio::test]
async fn a_login_that_was_revoked_on_the_way_is_not_called_an_outage() {
    let site = site(SiteOptions {
        routes: |it| it.failure_page("/sign-in"),
        ..DEFAULTS
    })
    .await;
    let back = before_callback(&site, "/oauth/acme/login").await;
    site.accounts.revoke_all(&site.ada).await.unwrap();
    let refused = site.browser.get(back.as_str()).await;
    assert_eq!(
        location(&refused).as_deref(),
        Some("/sign-in?error=revoked")
    );
    assert!(site.session().is_none());
}

#[tokio::test]
async fn an_unavailable_provider_or_store_is_a_503() {
    let site = site(DEFAULTS).await;
    site.provider
        .fail("/token", crate::provider::Fault::Status(500));
    let failed = site.browser.visit(&site.at("/oauth/acme/login")).await;
    assert_eq!(
        (failed.status().as_u16(), header(&failed, "retry-after")),
        (503, "5")
    );
    let back = before_callback(&site, "/oauth/acme/login").await;
    site.store.set_down(true);
    let failed = site.browser.get(back.as_str()).await;
    assert_eq!(failed.status(), 503);
    assert!(failed.headers().contains_key("retry-after"));
    // A login begins without the store.
    let begun = site.browser.get(&site.at("/oauth/acme/login")).await;
    assert_eq!(begun.status(), 303);
    site.store.set_down(false);
    assert!(site.sessions.list(&site.ada).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_unknown_provider_or_method_is_not_found() {
    let site = site(DEFAULTS).await;
    for path in [
        "/oauth/other/login",
        "/oauth/other/callback?state=a",
        "/oauth/ACME/login",
    ] {
        assert_eq!(
            site.browser.get(&site.at(path)).await.status(),
            404,
            "{path}"
        );
    }
    let form = HashMap::new();
    for path in ["/oauth/acme/login", "/oauth/acme/callback"] {
        assert_eq!(
            site.browser.post(&site.at(path), &form).await.status(),
            405,
            "{path}"
        );
    }
}
