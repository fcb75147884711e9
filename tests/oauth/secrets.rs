//! Secrets of logins with a provider appear nowhere.

use std::time::Duration;

use tower_jam::{Env, Secret, oauth2::Provider};

use crate::{
    provider::{Fault, SECRET},
    support::log::Log,
    world::{world, world_with},
};

#[tokio::test]
async fn no_secret_is_in_a_log_an_error_a_debug_or_the_store() {
    let log = Log::default();
    let _guard = log.listen(tracing::Level::TRACE);

    let world = world_with(|it| it.request_timeout(Duration::from_secs(2))).await;
    let mut shown = String::new();
    let started = world.oauth.authorize().return_to("/cart").await.unwrap();
    shown.push_str(&format!(
        "{started:?} {:?} {:?}",
        world.oauth,
        world.oauth.authorize()
    ));
    let returned = world.visit_provider_from(started).await;
    shown.push_str(&format!("{:?}", returned.callback));
    let login = world
        .oauth
        .finish(returned.callback.clone(), Some(&returned.cookie));
    let login = login.await.unwrap();
    shown.push_str(&format!("{login:?}"));
    let token = login.tokens.refresh_token.clone().unwrap();
    world.oauth.refresh(&token).await.unwrap();
    world.oauth.client_credentials(["a"]).await.unwrap();
    world.oauth.revoke(&token).await.unwrap();
    for fault in [
        Fault::Status(400),
        Fault::Body("swordfish"),
        Fault::Hang,
        Fault::Cut,
    ] {
        world.provider.fail("/token", fault);
        let failed = world.log_in().await.unwrap_err();
        shown.push_str(&format!("{failed} {failed:?}"));
        let failed = world
            .oauth
            .refresh(&Secret::new("swordfish".to_owned()))
            .await;
        shown.push_str(&format!("{:?}", failed.unwrap_err()));
    }
    shown.push_str(&format!("{:?}", crate::world::settings(&world.provider)));

    let verifiers = world.provider.seen("/token");
    let verifiers = verifiers
        .iter()
        .filter_map(|seen| seen.form.get("code_verifier"));
    let mut secrets: Vec<String> = verifiers.cloned().collect();
    secrets.push(returned.cookie.clone());
    secrets.extend([
        returned.callback.state.unwrap(),
        "swordfish".to_owned(),
        SECRET.to_owned(),
    ]);
    let log = log.text();
    assert!(log.contains("TRACE"), "there is a log");
    for secret in &secrets {
        assert!(!shown.contains(secret), "{secret} is shown");
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    for value in world.store.written() {
        let text = String::from_utf8_lossy(&value);
        for secret in secrets.iter().chain([&"/cart".to_owned()]) {
            assert!(!text.contains(secret), "{secret} is in the store");
        }
    }
    // No requested address contains a token or the client's secret.
    for seen in world.provider.all_seen() {
        let is_hidden = !seen.uri.contains("swordfish") && !seen.uri.contains("code=");
        assert!(is_hidden, "{}", seen.uri);
    }
}

#[tokio::test]
async fn insecure_settings_are_refused() {
    let world = world().await;
    let good = || crate::world::settings(&world.provider);
    for (setting, builder) in [
        ("token_url", good().token_url("http://id.acme.dev/token")),
        (
            "authorize_url",
            good().authorize_url("http://id.acme.dev/authorize"),
        ),
        (
            "userinfo_url",
            good().userinfo_url("ftp://id.acme.dev/user"),
        ),
        (
            "jwks_url",
            good().jwks_url("https://user:password@id.acme.dev/keys"),
        ),
        ("client_secret", good().client_secret("")),
        (
            "request_timeout",
            good().request_timeout(Duration::from_secs(31)),
        ),
        ("request_timeout", good().request_timeout(Duration::ZERO)),
        // Number 42 of another GitHub would be number 42 of this one.
        (
            "issuer",
            Provider::github("id", "secret").userinfo_url("https://git.acme.dev/api/v3/user"),
        ),
        (
            "issuer",
            Provider::yandex("id", "secret").token_url("https://id.acme.dev/token"),
        ),
        ("tenant", Provider::microsoft("common", "id", "secret")),
        (
            "tenant",
            Provider::microsoft("acme.onmicrosoft.com", "id", "secret"),
        ),
    ] {
        assert_eq!(builder.build().unwrap_err().setting(), setting);
    }
    let own = Provider::github("id", "secret").userinfo_url("https://git.acme.dev/api/v3/user");
    let own = own.issuer("https://git.acme.dev").name("acme").build();
    assert_eq!(own.unwrap().issuer(), "https://git.acme.dev");
    let tenant = "72F988BF-86F1-41AF-91AB-2D7CD011DB47";
    let microsoft = Provider::microsoft(tenant, "id", "secret").build().unwrap();
    let small = tenant.to_ascii_lowercase();
    assert!(microsoft.issuer().contains(&small), "as in its tokens");
    let secret = tower_jam::MasterSecret::generate();
    let client = || {
        tower_jam::OAuth2::builder(
            &Env::new("self", world.store.clone(), &secret),
            good().build().unwrap(),
        )
    };
    for url in [
        "http://acme.dev/callback",
        "/callback",
        "https://acme.dev/#a",
        "javascript:a",
    ] {
        let refused = client().redirect_url(url).build().unwrap_err();
        assert_eq!(refused.setting(), "redirect_url", "{url}");
    }
    assert_eq!(client().build().unwrap_err().setting(), "redirect_url");
    let refused = client()
        .redirect_url(crate::world::CALLBACK)
        .default_page("//evil.dev");
    assert_eq!(refused.build().unwrap_err().setting(), "default_page");
}
