//! What is rejected before the provider receives a request.

use std::sync::Arc;

use tower_jam::{
    Clock, Env, MasterSecret, OAuth2, SystemClock,
    oauth2::{Callback, OAuthError},
    store::{MemoryStore, Store},
    testing::ManualClock,
};

use crate::{
    provider::Provider,
    world::{CALLBACK, Returned, World, cookie_value, settings, world, world_with},
};

async fn refused(world: &World, callback: Callback, cookie: Option<&str>) -> OAuthError {
    let before = world.token_requests();
    let refused = world.oauth.finish(callback, cookie).await.unwrap_err();
    assert_eq!(
        world.token_requests(),
        before,
        "the token endpoint is not called"
    );
    refused
}

#[tokio::test]
async fn a_state_that_is_wrong_missing_or_foreign_is_refused_and_uses_nothing_up() {
    let world = world().await;
    let Returned { callback, cookie } = world.visit_provider().await;
    let other = world.visit_provider().await;
    let with = |state: Option<&str>| {
        let mut changed = callback.clone();
        changed.state = state.map(str::to_owned);
        changed
    };
    let state = callback.state.clone().unwrap();
    let swapped: String = state.chars().rev().collect();
    for wrong in [
        None,
        Some(""),
        Some("x"),
        Some(&*swapped),
        Some(&state[1..]),
        other.callback.state.as_deref(),
    ] {
        let refused = refused(&world, with(wrong), Some(&cookie)).await;
        assert!(
            matches!(refused, OAuthError::UnknownState),
            "{wrong:?}: {refused}"
        );
        assert_eq!((refused.status().as_u16(), refused.code()), (400, "state"));
    }
    // The state of this browser in another one, as with an attacker who sends a link.
    for foreign in [None, Some(""), Some(&*other.cookie), Some("a; b")] {
        let refused = refused(&world, callback.clone(), foreign).await;
        assert!(
            matches!(refused, OAuthError::UnknownState),
            "{foreign:?}: {refused}"
        );
    }
    world.oauth.finish(callback, Some(&cookie)).await.unwrap();
    let theirs = Some(other.cookie.as_str());
    world.oauth.finish(other.callback, theirs).await.unwrap();
}

/// Any visitor can begin logins and come back with an error. What is recorded of them must not keep
/// others from logging in.
#[tokio::test]
async fn abandoned_logins_do_not_fill_the_store() {
    let provider = Provider::start().await;
    let store = Arc::new(MemoryStore::new().with_capacity(16));
    let known = settings(&provider).build().unwrap();
    let oauth = OAuth2::builder(&Env::new("self", store, &MasterSecret::generate()), known);
    let oauth = oauth.redirect_url(CALLBACK).build().unwrap();
    for _ in 0..200 {
        let started = oauth.authorize().await.unwrap();
        let url = url::Url::parse(&started.url).unwrap();
        let state = url.query_pairs().find(|(name, _)| name == "state");
        let parameters = [
            ("state".to_owned(), state.unwrap().1.into_owned()),
            ("error".to_owned(), "access_denied".to_owned()),
        ];
        let callback = Callback::read(parameters).unwrap();
        let cookie = cookie_value(&started.set_cookie);
        let refused = oauth.finish(callback, Some(&cookie)).await.unwrap_err();
        assert_eq!(refused.status().as_u16(), 400, "{refused}");
    }
}

#[tokio::test]
async fn a_state_is_accepted_once_whatever_the_outcome() {
    let world = world().await;
    let Returned { callback, cookie } = world.visit_provider().await;
    let cookie = Some(cookie.as_str());
    world.oauth.finish(callback.clone(), cookie).await.unwrap();
    let again = refused(&world, callback, cookie).await;
    assert!(matches!(again, OAuthError::UnknownState));

    let Returned { callback, cookie } = world.visit_provider().await;
    let cookie = Some(cookie.as_str());
    let finish = || world.oauth.finish(callback.clone(), cookie);
    let (a, b, c) = tokio::join!(finish(), finish(), finish());
    let ended = [a, b, c].iter().filter(|ended| ended.is_ok()).count();
    assert_eq!(ended, 1);
}

/// Two clients with one secret and one store: neither finishes a login that the other began,
/// whether the name or the issuer distinguishes them.
#[tokio::test]
async fn a_login_with_one_provider_cannot_be_finished_with_another() {
    let world = world().await;
    let secret = MasterSecret::generate();
    let client = |name: &str, issuer: &str| {
        let known = settings(&world.provider).name(name).issuer(issuer);
        let store: Arc<dyn Store> = world.store.clone();
        let client = OAuth2::builder(&Env::new(issuer, store, &secret), known.build().unwrap());
        client.redirect_url(CALLBACK).build().unwrap()
    };
    let own = world.provider.url.as_str();
    let began = client("acme", own);
    for other in [client("other", own), client("acme", "https://id.acme.dev")] {
        let started = began.authorize().await.unwrap();
        let Returned { callback, cookie } = world.visit_provider_from(started).await;
        let mixed_up = other.finish(callback.clone(), Some(&cookie)).await;
        assert!(matches!(mixed_up, Err(OAuthError::UnknownState)));
        began.finish(callback, Some(&cookie)).await.unwrap();
    }
}

#[tokio::test]
async fn a_user_who_denies_consent_is_not_logged_in() {
    let world = world().await;
    for (error, expected) in [
        ("access_denied", "access_denied"),
        ("Swordfish <b>", "unknown"),
    ] {
        world
            .provider
            .change(|it| it.error = Some(error.to_owned()));
        let Returned {
            mut callback,
            cookie,
        } = world.visit_provider().await;
        // An error beside a code is an error.
        callback.code = Some("code".to_owned());
        let refused = refused(&world, callback.clone(), Some(&cookie)).await;
        assert!(
            matches!(&refused, OAuthError::Denied { code } if code == expected),
            "{refused}"
        );
        assert_eq!((refused.status().as_u16(), refused.code()), (400, "denied"));
        let again = world.oauth.finish(callback, Some(&cookie)).await;
        assert!(matches!(again, Err(OAuthError::UnknownState)));
    }
}

#[tokio::test]
async fn an_absurd_code_is_never_sent() {
    let world = world().await;
    let long = "a".repeat(4097);
    for code in [None, Some(""), Some(&*long)] {
        let Returned {
            mut callback,
            cookie,
        } = world.visit_provider().await;
        callback.code = code.map(str::to_owned);
        let refused = refused(&world, callback, Some(&cookie)).await;
        assert_eq!(
            (refused.status().as_u16(), refused.code()),
            (400, "malformed")
        );
    }
}

#[tokio::test]
async fn a_callback_of_another_issuer_is_rejected() {
    let world = world_with(|it| it.require_issuer()).await;
    for iss in [
        None,
        Some(""),
        Some("https://evil.dev"),
        Some("http://127.0.0.1"),
    ] {
        let Returned {
            mut callback,
            cookie,
        } = world.visit_provider().await;
        callback.iss = iss.map(str::to_owned);
        let refused = refused(&world, callback, Some(&cookie)).await;
        assert_eq!(
            (refused.status().as_u16(), refused.code()),
            (400, "issuer"),
            "{iss:?}"
        );
    }
    world.log_in().await.unwrap();
    // A missing issuer is accepted if none is required, and a wrong one never is.
    let world = crate::world::world().await;
    let Returned {
        mut callback,
        cookie,
    } = world.visit_provider().await;
    callback.iss = None;
    world.oauth.finish(callback, Some(&cookie)).await.unwrap();
    let Returned {
        mut callback,
        cookie,
    } = world.visit_provider().await;
    callback.iss = Some("https://evil.dev".to_owned());
    assert_eq!(
        refused(&world, callback, Some(&cookie)).await.code(),
        "issuer"
    );
}

#[tokio::test]
async fn a_page_of_another_origin_becomes_the_default_page() {
    let world = world().await;
    for (requested, page) in [
        ("/cart?a=b#c", "/cart?a=b#c"),
        ("//evil.dev", "/"),
        ("/\\evil.dev", "/"),
        ("https://evil.dev/", "/"),
        ("/\t/evil.dev", "/"),
        ("/a\r\nset-cookie: a=b", "/"),
        ("/%5Cevil.dev", "/"),
        ("/%2Fevil.dev", "/"),
        ("/%252Fevil.dev", "/"),
        ("/.//evil.dev", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ] {
        let started = world.oauth.authorize().return_to(requested).await.unwrap();
        assert!(!started.url.contains("evil"), "{}", started.url);
        let Returned { callback, cookie } = world.visit_provider_from(started).await;
        let login = world.oauth.finish(callback, Some(&cookie)).await.unwrap();
        assert_eq!(login.return_to, page, "{requested:?}");
    }
}

#[tokio::test]
async fn a_login_completes_within_ten_minutes_on_any_node_and_across_a_new_secret() {
    let provider = Provider::start().await;
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let old = MasterSecret::generate();
    let new = MasterSecret::generate().accept(&old);
    let known = settings(&provider).build().unwrap();
    let node = |secret: &MasterSecret, store: &Arc<dyn Store>| {
        let env = Env::new("self", store.clone(), secret).with_clock(clock.clone());
        let builder = OAuth2::builder(&env, known.clone());
        builder.redirect_url(CALLBACK).build().unwrap()
    };
    let world = |oauth: OAuth2| World {
        provider: provider.clone(),
        store: Arc::new(crate::support::ProbeStore::new(MemoryStore::new())),
        oauth,
        browser: crate::browser::Browser::new(),
    };
    let first = world(node(&old, &store));
    let Returned { callback, cookie } = first.visit_provider().await;
    let finish = |node: OAuth2| {
        let (callback, cookie) = (callback.clone(), cookie.clone());
        async move { node.finish(callback, Some(&cookie)).await }
    };
    finish(node(&new, &store)).await.unwrap();
    for again in [node(&new, &store), node(&old, &store)] {
        let refused = finish(again).await.unwrap_err();
        assert!(matches!(refused, OAuthError::UnknownState));
    }
    // Another secret opens nothing, even with access to the store.
    let Returned { callback, cookie } = first.visit_provider().await;
    let stranger = node(&MasterSecret::generate(), &store);
    let refused = stranger.finish(callback, Some(&cookie)).await.unwrap_err();
    assert!(matches!(refused, OAuthError::UnknownState));
    // The store's clock stands still: the deadline is in the cookie.
    let Returned { callback, cookie } = first.visit_provider().await;
    clock.advance(std::time::Duration::from_secs(600));
    let late = node(&old, &store).finish(callback, Some(&cookie)).await;
    assert!(matches!(late, Err(OAuthError::UnknownState)));
}

/// The record that a login was used remains until no node accepts its state any more, whichever
/// clock is ahead.
#[tokio::test]
async fn a_used_login_is_used_for_a_node_whose_clock_is_behind() {
    let provider = Provider::start().await;
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let behind = Arc::new(ManualClock::at(SystemClock.now()));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    let secret = MasterSecret::generate();
    let known = settings(&provider).build().unwrap();
    let node = |clock: Arc<ManualClock>| {
        let env = Env::new("self", store.clone(), &secret).with_clock(clock);
        let builder = OAuth2::builder(&env, known.clone());
        builder.redirect_url(CALLBACK).build().unwrap()
    };
    let world = World {
        provider: provider.clone(),
        store: Arc::new(crate::support::ProbeStore::new(MemoryStore::new())),
        oauth: node(clock.clone()),
        browser: crate::browser::Browser::new(),
    };
    let Returned { callback, cookie } = world.visit_provider().await;
    let login = world.oauth.finish(callback.clone(), Some(&cookie)).await;
    login.unwrap();
    clock.advance(std::time::Duration::from_secs(629));
    behind.advance(std::time::Duration::from_secs(599));
    let again = node(behind).finish(callback, Some(&cookie)).await;
    assert!(matches!(again, Err(OAuthError::UnknownState)));
}

#[tokio::test]
async fn an_unavailable_store_accepts_no_login() {
    let world = world().await;
    let Returned { callback, cookie } = world.visit_provider().await;
    world.store.set_down(true);
    let refused = refused(&world, callback.clone(), Some(&cookie)).await;
    assert_eq!(
        (refused.status().as_u16(), refused.code()),
        (503, "unavailable")
    );
    // A login begins without the store.
    world.oauth.authorize().await.unwrap();
    world.store.set_down(false);
    world.oauth.finish(callback, Some(&cookie)).await.unwrap();
}
