//! An application that logs users in with the test's provider.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use tower_jam::{
    Clock, Env, MasterSecret, OAuth2, SystemClock,
    oauth2::{Callback, OAuthError, ProviderBuilder, ProviderLogin, Started},
    store::MemoryStore,
};
use url::Url;

use crate::{
    browser::{Browser, location},
    provider::{CLIENT, Provider, SECRET},
    support::ProbeStore,
};

pub const CALLBACK: &str = "https://app.acme.dev/oauth/acme/callback";

pub struct World {
    pub provider: Provider,
    pub store: Arc<ProbeStore>,
    pub oauth: OAuth2,
    pub browser: Browser,
}

/// The provider's settings in the application.
pub fn settings(provider: &Provider) -> ProviderBuilder {
    tower_jam::oauth2::Provider::builder("acme", &provider.url, CLIENT)
        .client_secret(SECRET)
        .scopes(["openid", "profile"])
        .authorize_url(&provider.at("/authorize"))
        .token_url(&provider.at("/token"))
        .userinfo_url(&provider.at("/user"))
        .jwks_url(&provider.at("/keys"))
        .device_url(&provider.at("/device"))
        .revoke_url(&provider.at("/revoke"))
        .request_timeout(Duration::from_secs(5))
        .dangerous_http_on_loopback()
}

pub async fn world() -> World {
    world_with(|it| it).await
}

pub async fn world_with(change: impl FnOnce(ProviderBuilder) -> ProviderBuilder) -> World {
    world_of(change, Arc::new(SystemClock)).await
}

pub async fn world_by(clock: Arc<dyn Clock>) -> World {
    world_of(|it| it, clock).await
}

async fn world_of(
    change: impl FnOnce(ProviderBuilder) -> ProviderBuilder,
    clock: Arc<dyn Clock>,
) -> World {
    let provider = Provider::start().await;
    // It pauses at each call, so that concurrent operations interleave.
    let store = Arc::new(ProbeStore::pausing(MemoryStore::new()));
    let known = change(settings(&provider)).build().unwrap();
    let oauth = OAuth2::builder(
        &Env::new("self", store.clone(), &MasterSecret::generate()).with_clock(clock),
        known,
    )
    .redirect_url(CALLBACK)
    .build()
    .unwrap();
    World {
        provider,
        store,
        oauth,
        browser: Browser::new(),
    }
}

/// A login whose browser is back from the provider.
pub struct Returned {
    pub callback: Callback,
    pub cookie: String,
}

impl World {
    /// Goes to the provider and back.
    pub async fn visit_provider(&self) -> Returned {
        self.visit_provider_from(self.oauth.authorize().await.unwrap())
            .await
    }

    pub async fn visit_provider_from(&self, started: Started) -> Returned {
        let answer = self.browser.get(&started.url).await;
        let to = Url::parse(&location(&answer).expect("the provider redirects the browser back"));
        Returned {
            callback: callback(&to.unwrap()),
            cookie: cookie_value(&started.set_cookie),
        }
    }

    pub async fn log_in(&self) -> Result<ProviderLogin, OAuthError> {
        let Returned { callback, cookie } = self.visit_provider().await;
        self.oauth.finish(callback, Some(&cookie)).await
    }

    pub fn token_requests(&self) -> usize {
        self.provider.seen("/token").len()
    }
}

pub fn callback(url: &Url) -> Callback {
    Callback::read(url.query_pairs().into_owned()).unwrap()
}

/// Name and value, as a browser sends them.
pub fn pair(line: &HeaderValue) -> HeaderValue {
    let line = line.to_str().unwrap();
    HeaderValue::from_str(line.split(';').next().unwrap()).unwrap()
}

pub fn cookie_name(line: &HeaderValue) -> String {
    let pair = pair(line);
    pair.to_str().unwrap().split_once('=').unwrap().0.to_owned()
}

pub fn cookie_value(line: &HeaderValue) -> String {
    let pair = pair(line);
    pair.to_str().unwrap().split_once('=').unwrap().1.to_owned()
}
