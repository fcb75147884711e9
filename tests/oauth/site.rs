//! A site with accounts, at its own address, whose users log in with the provider.

use std::{collections::HashMap, sync::Arc};

use axum::{Router, routing::get};
use tower_jam::{
    Accounts, Algorithm, AuthUser, Claims, Env, Jwt, Key, KeyRing, MasterSecret, OAuth2, Otp,
    Passwords, Secret, SessionLayer, Sessions, StoreError, Throttle, TokenPairs, account,
    account::{StoreUsers, Users},
    oauth2::{ProviderBuilder, ProviderLogin},
    routes::{AccountRoutes, ProviderRoutes},
    store::MemoryStore,
};

use crate::{browser::Browser, provider::Provider, support::ProbeStore, world::settings};

pub struct Site {
    pub url: String,
    pub provider: Provider,
    pub store: Arc<ProbeStore>,
    pub sessions: Sessions<Claims>,
    pub accounts: Accounts<Claims>,
    pub users: Arc<StoreUsers<Claims>>,
    pub otp: Otp,
    /// Ada's id on this site.
    pub ada: String,
    pub browser: Browser,
}

/// How a site differs from the default one.
pub struct SiteOptions {
    pub provider: fn(ProviderBuilder) -> ProviderBuilder,
    pub routes: fn(ProviderRoutes<Claims>) -> ProviderRoutes<Claims>,
}

pub const DEFAULTS: SiteOptions = SiteOptions {
    provider: |it| it,
    routes: |it| it,
};

const ISSUER: &str = "https://auth.acme.dev";

pub async fn site(options: SiteOptions) -> Site {
    let provider = Provider::start().await;
    let store = Arc::new(ProbeStore::new(MemoryStore::new()));
    let secret = MasterSecret::generate();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());

    let users = Arc::new(StoreUsers::new(&Env::new(ISSUER, store.clone(), &secret)));
    let claims = Claims::new().with("name", "Ada").unwrap();
    let ada = users
        .add("ada", "", ["editor"], claims)
        .await
        .unwrap()
        .unwrap();
    // An identity is known by its issuer and subject.
    let known = HashMap::from([((provider.url.clone(), "user-1".to_owned()), ada.clone())]);
    let link = move |login: ProviderLogin| {
        let (issuer, subject) = login.profile.key();
        let user = known.get(&(issuer.to_owned(), subject.to_owned())).cloned();
        async move { Ok::<_, StoreError>(user) }
    };

    let found: Arc<dyn Users<Claims>> = users.clone();
    let ring = KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap());
    let jwt = Jwt::builder(ring).issuer(ISSUER).audience("api");
    let reread = account::user_reader(found.clone());
    let pairs = TokenPairs::builder(
        &Env::new(ISSUER, store.clone(), &secret),
        jwt.build().unwrap(),
        reread,
    );
    let sessions = Sessions::builder(&Env::new(ISSUER, store.clone(), &secret));
    let sessions = sessions.users(account::user_reader(found.clone()));
    let sessions = sessions.build().unwrap();
    let throttle = Throttle::builder(&Env::new(ISSUER, store.clone(), &secret)).build();
    let otp = Otp::builder(&Env::new(ISSUER, store.clone(), &secret), "Acme")
        .build()
        .unwrap();
    let passwords = Passwords::builder().build().unwrap();
    let accounts = Accounts::builder(
        &Env::new(ISSUER, store.clone(), &secret),
        found,
        passwords,
        throttle,
        pairs.build().unwrap(),
    )
    .sessions(sessions.clone())
    .otp(otp.clone())
    .build()
    .unwrap();

    let oauth = (options.provider)(settings(&provider)).build().unwrap();
    let oauth = OAuth2::builder(&Env::new(ISSUER, store.clone(), &secret), oauth)
        .redirect_url(&format!("{url}/oauth/acme/callback"))
        .default_page("/me")
        .build()
        .unwrap();
    let me = get(|user: AuthUser<Claims>| async { axum::Json(user) });
    let routes = ProviderRoutes::builder(accounts.clone(), [oauth], link);
    let app = Router::new()
        .route("/me", me)
        .route_layer(SessionLayer::new(sessions.clone()))
        .route("/cart", get(|| async { "the cart" }))
        .merge((options.routes)(routes).build().unwrap())
        .nest(
            "/auth",
            AccountRoutes::builder(accounts.clone())
                .refresh_cookie()
                .build(),
        );
    let app = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    Site {
        url,
        provider,
        store,
        sessions,
        accounts,
        users,
        otp,
        ada,
        browser: Browser::new(),
    }
}

impl Site {
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub fn session(&self) -> Option<Secret<String>> {
        self.browser
            .cookie(&self.url, "__Host-sid")
            .map(Secret::new)
    }

    /// Whether no user is logged in and the provider received no token request.
    pub async fn is_untouched(&self) -> bool {
        let sessions = self.sessions.list(&self.ada).await.unwrap();
        sessions.is_empty() && self.provider.seen("/token").is_empty()
    }
}
