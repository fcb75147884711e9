//! A login from its beginning to its end.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, header};
use serde_json::json;
use tower_jam::{
    Algorithm, Clock, Key, SystemClock,
    oauth2::{GitHubUser, OAuthError, Provider},
    testing::ManualClock,
};
use url::Url;

use crate::{
    browser::location,
    provider::{CLIENT, Fault, OWN, SECRET},
    world::{
        self, Returned, callback, cookie_name, cookie_value, pair, world, world_by, world_with,
    },
};

#[tokio::test]
async fn a_user_logs_in_with_a_provider() {
    let world = world().await;
    let started = world.oauth.authorize().return_to("/cart").await.unwrap();
    let returned = world.visit_provider_from(started).await;
    let cookie = Some(returned.cookie.as_str());
    let login = world.oauth.finish(returned.callback, cookie).await.unwrap();
    assert_eq!(login.return_to, "/cart");
    assert_eq!(login.profile.key(), (world.provider.url.as_str(), "user-1"));
    assert_eq!(login.profile.name.as_deref(), Some("Ada"));
    assert_eq!(login.profile.username.as_deref(), Some("ada"));
    assert_eq!(login.profile.email.as_deref(), Some("ada@acme.dev"));
    assert!(login.profile.email_verified);
    assert!(login.profile.authenticated_at().is_some());
    assert_eq!(login.tokens.scopes, ["openid", "profile"]);
    assert!(login.tokens.expires_at.is_some() && login.tokens.refresh_token.is_some());

    let sent = &world.provider.seen("/token")[0];
    assert_eq!(sent.method, "POST");
    assert_eq!(sent.uri, "/token", "the URL has no query");
    assert_eq!(sent.form["redirect_uri"], world::CALLBACK);
    assert!(
        !sent.form.contains_key("client_secret"),
        "it is in the header"
    );
}

#[tokio::test]
async fn only_the_code_flow_with_s256_is_used() {
    let world = world().await;
    let url = Url::parse(&world.oauth.authorize().await.unwrap().url).unwrap();
    let get = |name: &str| {
        let mut all = url.query_pairs().filter(|(known, _)| known == name);
        let value = all.next().map(|(_, value)| value.into_owned());
        assert!(all.next().is_none(), "{name} occurs once");
        value
    };
    assert_eq!(get("response_type").as_deref(), Some("code"));
    assert_eq!(get("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(get("scope").as_deref(), Some("openid profile"));
    assert_eq!(get("client_id").as_deref(), Some(CLIENT));
    assert_eq!(get("redirect_uri").as_deref(), Some(world::CALLBACK));
    for name in ["state", "nonce", "code_challenge"] {
        assert_eq!(get(name).map(|value| value.len()), Some(43), "{name}");
    }
    for name in ["client_secret", "code_verifier", "max_age", "response_mode"] {
        assert_eq!(get(name), None);
    }
    // The parameters of the protocol cannot be overridden.
    for name in [
        "response_type",
        "code_challenge_method",
        "state",
        "redirect_uri",
    ] {
        let settings = world::settings(&world.provider).parameter(name, "token");
        assert!(settings.build().is_err(), "{name}");
    }
}

#[tokio::test]
async fn a_thousand_logins_repeat_neither_state_nor_verifier() {
    let world = world().await;
    let mut seen = std::collections::HashSet::new();
    let mut urls = Vec::new();
    for _ in 0..1_000 {
        let started = world.oauth.authorize().await.unwrap();
        let url = Url::parse(&started.url).unwrap();
        let answer = world.browser.get(&started.url).await;
        let back = Url::parse(&location(&answer).unwrap()).unwrap();
        for (name, value) in url.query_pairs() {
            if ["state", "nonce", "code_challenge"].contains(&&*name) {
                assert!(seen.insert(value.into_owned()), "{name} is repeated");
            }
        }
        let cookie = cookie_value(&started.set_cookie);
        assert!(seen.insert(cookie.clone()), "a cookie is repeated");
        urls.extend([started.url, back.to_string()]);
        let login = world.oauth.finish(callback(&back), Some(&cookie)).await;
        login.unwrap();
    }
    let sent = world.provider.seen("/token");
    assert_eq!(sent.len(), 1_000);
    urls.extend(world.provider.all_seen().into_iter().map(|seen| seen.uri));
    let urls = urls.join("\n");
    for sent in sent {
        let verifier = &sent.form["code_verifier"];
        assert_eq!(verifier.len(), 43);
        assert!(seen.insert(verifier.clone()), "a verifier is repeated");
        assert!(!urls.contains(verifier), "a verifier is in a URL");
    }
    assert!(!urls.contains("swordfish:") && !urls.contains(SECRET));
}

#[tokio::test]
async fn tabs_of_a_browser_log_in_side_by_side() {
    let world = world().await;
    let mut headers = HeaderMap::new();
    let mut tabs = Vec::new();
    for page in ["/a", "/b", "/c"] {
        let started = world.oauth.authorize().return_to(page).cookies(&headers);
        let started = started.await.unwrap();
        assert!(started.clear_cookies.is_empty());
        headers.append(header::COOKIE, pair(&started.set_cookie));
        tabs.push((started, page));
    }
    let mut names = std::collections::HashSet::new();
    for (started, page) in tabs {
        let name = cookie_name(&started.set_cookie);
        let Returned { callback, cookie } = world.visit_provider_from(started).await;
        let state = callback.state.as_deref().unwrap();
        assert_eq!(world.oauth.cookie_name(state), name);
        let cleared = world.oauth.clear_cookie(state);
        assert!(cleared.to_str().unwrap().starts_with(&format!("{name}=;")));
        assert!(names.insert(name));
        let login = world.oauth.finish(callback, Some(&cookie)).await;
        assert_eq!(login.unwrap().return_to, page);
    }
}

/// A browser that begins many logins must not make its requests too long for the server.
#[tokio::test]
async fn a_browser_keeps_only_the_newest_pending_logins() {
    for page in ["/cart".to_owned(), format!("/{}", "\"".repeat(2047))] {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let world = world_by(clock.clone()).await;
        let mut jar: Vec<(String, String)> = vec![("sid".to_owned(), "a".to_owned())];
        for round in 0..30 {
            clock.advance(Duration::from_secs(1));
            let mut headers = HeaderMap::new();
            let all: Vec<_> = jar
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            headers.insert(header::COOKIE, all.join("; ").parse().unwrap());
            let started = world.oauth.authorize().return_to(&page).cookies(&headers);
            let started = started.await.unwrap();
            for line in &started.clear_cookies {
                let cleared = cookie_name(line);
                assert!(line.to_str().unwrap().contains("Max-Age=0"));
                jar.retain(|(name, _)| *name != cleared);
            }
            let newest = cookie_name(&started.set_cookie);
            jar.push((newest, cookie_value(&started.set_cookie)));
            let bytes: usize = jar
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum();
            assert!(
                jar.len() <= 9 && bytes <= 6 * 1024,
                "{} of {bytes}",
                jar.len()
            );
            assert!(jar.len() > 1 + usize::from(round > 0 && page.len() < 100));
            assert_eq!(jar[0].0, "sid", "a foreign cookie stays");
            let returned = world.visit_provider_from(started).await;
            if round == 29 {
                let login = world
                    .oauth
                    .finish(returned.callback, Some(&returned.cookie));
                assert_eq!(login.await.unwrap().return_to, page);
            }
        }
    }
}

/// A stranger can begin any number of logins, and finish any number that never began.
#[tokio::test]
async fn neither_beginning_a_login_nor_finishing_an_unknown_one_writes() {
    let world = world().await;
    let mut last = None;
    for _ in 0..100 {
        last = Some(world.oauth.authorize().return_to("/cart").await.unwrap());
    }
    let Returned { callback, cookie } = world.visit_provider_from(last.unwrap()).await;
    let mut changed = cookie.clone().into_bytes();
    changed[20] ^= 1;
    let changed = String::from_utf8(changed).unwrap();
    for foreign in [None, Some(""), Some("a"), Some(&*changed)] {
        let refused = world.oauth.finish(callback.clone(), foreign).await;
        assert!(matches!(refused, Err(OAuthError::UnknownState)));
    }
    assert_eq!(world.store.calls(), 0, "the store is not called either");
    world.oauth.finish(callback, Some(&cookie)).await.unwrap();
    assert_eq!(world.store.calls(), 1);
    assert_eq!(world.store.written(), [Vec::<u8>::new()], "an empty record");
}

#[tokio::test]
async fn a_login_states_when_it_began() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let world = world_by(clock.clone()).await;
    let began = clock.now();
    let started = world.oauth.authorize().await.unwrap();
    clock.advance(Duration::from_secs(5));
    let Returned { callback, cookie } = world.visit_provider_from(started).await;
    let login = world.oauth.finish(callback, Some(&cookie)).await.unwrap();
    assert_eq!(login.started_at, began);
}

#[tokio::test]
async fn the_cookie_is_for_this_host_and_for_no_script() {
    let line =
        |started: tower_jam::oauth2::Started| started.set_cookie.to_str().unwrap().to_owned();
    let lax = line(world().await.oauth.authorize().await.unwrap());
    let attributes = "; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure";
    assert!(
        lax.starts_with("__Host-oauth-") && lax.ends_with(attributes),
        "{lax}"
    );
    // A form that the provider's page posts is a cross-site request.
    let posting = world_with(|it| it.post_form()).await;
    let started = posting.oauth.authorize().await.unwrap();
    assert!(started.url.contains("response_mode=form_post"));
    let none = line(started);
    let attributes = attributes.replace("Lax", "None");
    assert!(
        none.starts_with("__Host-oauth-post-") && none.ends_with(&attributes),
        "{none}"
    );
}

#[tokio::test]
async fn a_client_authenticates_by_body_or_by_a_signed_assertion() {
    let world = world_with(|it| it.secret_in_body()).await;
    world.log_in().await.unwrap();
    let sent = &world.provider.seen("/token")[0];
    assert_eq!(sent.form["client_secret"], SECRET);
    assert!(!sent.headers.contains_key("authorization"));

    let key = Key::from_pem(Algorithm::Es256, OWN.as_bytes()).unwrap();
    let world = world_with(|it| it.private_key(key)).await;
    world.log_in().await.unwrap();
    world.log_in().await.unwrap();
    let sent = world.provider.seen("/token");
    let assertion = |at: usize| sent[at].form["client_assertion"].clone();
    assert_ne!(assertion(0), assertion(1));
    assert_eq!(
        sent[0].form["client_assertion_type"],
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    assert!(claims(&assertion(0), &world.provider.url)["jti"].is_string());
}

/// Checks that the audience of the assertion is `audience` and its issuer is this client. Returns
/// its claims.
fn claims(assertion: &str, audience: &str) -> serde_json::Value {
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    rules.set_audience(&[audience]);
    rules.set_issuer(&[CLIENT]);
    rules.sub = Some(CLIENT.to_owned());
    rules.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    let public = std::fs::read("tests/keys/p256.spki.pem").unwrap();
    let public = jsonwebtoken::DecodingKey::from_ec_pem(&public).unwrap();
    let read = jsonwebtoken::decode::<serde_json::Value>(assertion, &public, &rules);
    read.unwrap().claims
}

#[tokio::test]
async fn a_signed_proof_is_for_the_issuer_alone_at_every_endpoint() {
    let key = || Key::from_pem(Algorithm::Es256, OWN.as_bytes()).unwrap();
    let world = world_with(|it| it.private_key(key())).await;
    let login = world.log_in().await.unwrap();
    let token = login.tokens.refresh_token.unwrap();
    world.oauth.refresh(&token).await.unwrap();
    world.oauth.client_credentials(["a"]).await.unwrap();
    world.oauth.device().await.unwrap();
    world.oauth.revoke(&token).await.unwrap();
    for (path, requests) in [("/token", 3), ("/device", 1), ("/revoke", 1)] {
        let sent = world.provider.seen(path);
        assert_eq!(sent.len(), requests, "{path}");
        for seen in sent {
            let claims = claims(&seen.form["client_assertion"], &world.provider.url);
            assert_eq!(
                claims["aud"], world.provider.url,
                "a string and not a list: {path}"
            );
        }
    }
    // Another audience requires the setting whose name warns about it.
    let other = world.provider.at("/token");
    let world = world_with(|it| it.private_key(key()).dangerous_assertion_audience(&other)).await;
    world.log_in().await.unwrap();
    let sent = &world.provider.seen("/token")[0].form["client_assertion"];
    assert_eq!(claims(sent, &other)["aud"], other);
    let keyless = Provider::builder("acme", "https://id.acme.dev", CLIENT);
    let keyless = keyless.dangerous_assertion_audience("https://id.acme.dev/token");
    let refused = keyless.build().unwrap_err();
    assert_eq!(refused.setting(), "dangerous_assertion_audience");
}

#[tokio::test]
async fn a_provider_publishes_its_own_addresses() {
    let world = world().await;
    let url = &world.provider.url;
    let sent = Provider::discover("acme", url, CLIENT).dangerous_http_on_loopback();
    let found = sent.await.unwrap().client_secret(SECRET).build().unwrap();
    assert_eq!(found.issuer(), url);
    // The issuer must be exactly the same, even if the address is.
    for other in [format!("{url}/"), url.replace("127.0.0.1", "localhost")] {
        let sent = Provider::discover("acme", &other, CLIENT).dangerous_http_on_loopback();
        let refused = sent.await.unwrap_err().to_string();
        assert!(refused.contains("names another issuer"), "{refused}");
    }
    let sent = Provider::discover("acme", url, CLIENT).await;
    assert_eq!(
        sent.unwrap_err().setting(),
        "issuer",
        "plain HTTP needs its own setting"
    );
}

#[tokio::test]
async fn a_provider_without_id_tokens_is_asked_for_the_user_info() {
    let world = world_with(|it| it.scopes(["read:user"])).await;
    world.provider.change(|it| {
        it.tokens = Some(json!({
            "access_token": "access-token-swordfish", "token_type": "bearer", "scope": "read:user,user:email",
        }));
    });
    let login = world.log_in().await.unwrap();
    assert_eq!(login.profile.subject, "user-1");
    assert_eq!(login.tokens.scopes, ["read:user", "user:email"]);
    assert!(login.tokens.expires_at.is_none());
    assert!(
        login.profile.details::<GitHubUser>().is_none(),
        "it has no `login`"
    );
    // The provider does not state the age of the login.
    let started = world.oauth.authorize().max_age(Duration::from_secs(60));
    assert!(started.await.is_err());
}

#[tokio::test]
async fn a_user_of_github_has_the_address_that_github_has_verified() {
    let world = world_with(|known| {
        let own = known.build().unwrap();
        let at = |path: &str| format!("{}{path}", own.issuer());
        let github = Provider::github(CLIENT, SECRET).authorize_url(&at("/authorize"));
        let github = github.token_url(&at("/token")).userinfo_url(&at("/user"));
        let preset = Provider::github(CLIENT, SECRET).build().unwrap();
        github
            .issuer(preset.issuer())
            .emails_url(&at("/emails"))
            .dangerous_http_on_loopback()
    })
    .await;
    world.provider.change(|it| {
        // As its discovery documentation says.
        it.iss = Some("https://github.com/login/oauth".to_owned());
        it.user = Some(json!({
            "id": 583_231, "login": "octocat", "name": "Octo Cat", "email": "shown@acme.dev", "type": "User",
        }));
        it.emails = Some(json!([
            { "email": "old@acme.dev", "primary": false, "verified": true, "visibility": null },
            { "email": "octo@acme.dev", "primary": true, "verified": true, "visibility": "private" },
        ]));
    });
    let login = world.log_in().await.unwrap();
    assert_eq!(
        login.profile.key(),
        ("https://github.com/login/oauth", "583231")
    );
    assert_eq!(login.profile.username.as_deref(), Some("octocat"));
    assert_eq!(login.profile.email.as_deref(), Some("octo@acme.dev"));
    assert!(login.profile.email_verified);
    let user: GitHubUser = login.profile.details().unwrap();
    assert_eq!((user.id, user.kind.as_deref()), (583_231, Some("User")));
    assert!(
        world.provider.seen("/user")[0]
            .headers
            .contains_key("user-agent")
    );
    assert!(!world.provider.seen("/token")[0].form.contains_key("nonce"));
    // Without `user:email` there is no address to report.
    world.provider.fail("/emails", Fault::Status(404));
    assert_eq!(world.log_in().await.unwrap().profile.email, None);
}
