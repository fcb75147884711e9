//! The same flows against an independent server: `oidc-provider`, which is certified by the OpenID
//! Foundation.

use std::{
    collections::HashMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::sync::OnceCell;
use tower_jam::{
    Algorithm, Env, Key, MasterSecret, OAuth2,
    oauth2::{OAuthError, Provider, ProviderBuilder, ProviderLogin},
    store::MemoryStore,
};
use url::Url;

use crate::{
    browser::{Browser, location},
    support::process::{Folder, Process, end_with_this_process},
    world::{callback, cookie_value},
};

const CALLBACK: &str = "http://127.0.0.1:1/oauth/acme/callback";
const SECRET: &str = "the client secret: swordfish, at least 32 bytes";

struct Server {
    url: String,
    _process: Process,
    _folder: Folder,
}

/// Where `tests/run` installs the npm packages: in cargo's target directory.
fn packages() -> PathBuf {
    let test = env::current_exe().unwrap();
    let mut folders = test.ancestors().map(|folder| folder.join("oidc-provider"));
    let found = folders.find(|folder| folder.join("node_modules").exists());
    found.expect(
        "oidc-provider is missing: run tests/run, which installs it beside what cargo builds",
    )
}

fn client_key() -> Key {
    let key = Key::from_pem(Algorithm::Es256, crate::provider::OWN.as_bytes());
    key.unwrap().with_kid("client").unwrap()
}

/// The one server of these tests. It ends with this process.
async fn server() -> &'static Server {
    static SHARED: OnceCell<Server> = OnceCell::const_new();
    SHARED.get_or_init(start).await
}

async fn start() -> Server {
    let folder = Folder::new("certified");
    let log = folder.path().join("log");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oauth/server.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(packages());
    let jwks = json!({ "keys": [client_key().public_jwk().unwrap()] });
    command.env("CLIENT_JWKS", jwks.to_string());
    let process = Process::spawn(&mut command, &log);
    end_with_this_process(process.id(), folder.path());
    let began = Instant::now();
    let url = loop {
        let text = fs::read_to_string(&log).unwrap();
        let url_line = text
            .lines()
            .find_map(|line| line.strip_prefix("listening at "));
        // The line is complete.
        if let Some(url) = url_line.filter(|_| text.ends_with('\n')) {
            break url.to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    Server {
        url,
        _process: process,
        _folder: folder,
    }
}

impl Server {
    async fn known(&self, client: &str) -> ProviderBuilder {
        let found = Provider::discover("acme", &self.url, client).dangerous_http_on_loopback();
        found.await.unwrap().scopes(["openid", "profile", "email"])
    }

    async fn client(&self, client: &str) -> OAuth2 {
        let known = self.known(client).await;
        let known = match client {
            "basic" => known.client_secret(SECRET),
            "post" => known.client_secret(SECRET).secret_in_body(),
            _ => known.private_key(client_key()),
        };
        oauth(known)
    }
}

fn oauth(known: ProviderBuilder) -> OAuth2 {
    let (store, secret) = (Arc::new(MemoryStore::new()), MasterSecret::generate());
    let oauth = OAuth2::builder(&Env::new("self", store, &secret), known.build().unwrap());
    oauth.redirect_url(CALLBACK).build().unwrap()
}

/// Walks from page to page until the application's own.
async fn walk(browser: &Browser, from: &str) -> Url {
    let mut url = Url::parse(from).unwrap();
    for _ in 0..10 {
        let answer = browser.get(url.as_str()).await;
        let Some(to) = location(&answer) else {
            let status = answer.status();
            panic!("{status} {}", answer.text().await.unwrap())
        };
        url = url.join(&to).unwrap();
        if url.as_str().starts_with(CALLBACK) {
            return url;
        }
    }
    panic!("too many redirects")
}

async fn log_in(oauth: &OAuth2, browser: &Browser) -> Result<ProviderLogin, OAuthError> {
    let started = oauth
        .authorize()
        .max_age(Duration::from_secs(60))
        .await
        .unwrap();
    let back = walk(browser, &started.url).await;
    let cookie = cookie_value(&started.set_cookie);
    oauth.finish(callback(&back), Some(&cookie)).await
}

#[tokio::test]
async fn a_certified_server_logs_users_in_with_each_client_authentication() {
    let server = server().await;
    for client in ["basic", "post", "signed"] {
        let oauth = server.client(client).await;
        let login = log_in(&oauth, &Browser::new()).await.unwrap();
        assert_eq!(login.profile.key(), (&*server.url, "ada"), "{client}");
        assert_eq!(login.profile.name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(login.profile.email.as_deref(), Some("ada@acme.dev"));
        assert!(login.profile.email_verified && login.profile.authenticated_at().is_some());

        let token = login.tokens.refresh_token.unwrap();
        let new = oauth.refresh(&token).await.unwrap();
        assert_ne!(new.access_token, login.tokens.access_token);
        let newest = new.refresh_token.unwrap();
        oauth.revoke(&newest).await.unwrap();
        let ended = oauth.refresh(&newest).await.unwrap_err();
        assert!(matches!(&ended, OAuthError::Refused { code } if code == "invalid_grant"));

        let own = oauth.client_credentials(["api:read"]).await.unwrap();
        assert_eq!(own.scopes, ["api:read"]);
        assert_eq!(
            oauth
                .client_credentials(["api:read"])
                .await
                .unwrap()
                .access_token,
            own.access_token
        );
    }
}

#[tokio::test]
async fn a_certified_server_rejects_other_clients_and_used_codes() {
    let server = server().await;
    let stranger = oauth(server.known("basic").await.client_secret("another"));
    let refused = log_in(&stranger, &Browser::new()).await.unwrap_err();
    assert!(
        matches!(&refused, OAuthError::Refused { code } if code == "invalid_client"),
        "{refused:?}"
    );

    let oauth = server.client("basic").await;
    let browser = Browser::new();
    let started = oauth.authorize().await.unwrap();
    let code = callback(&walk(&browser, &started.url).await).code;
    // A code of another login, as an attacker injects it: the verifier does not match.
    let second = oauth.authorize().await.unwrap();
    let cookie = cookie_value(&second.set_cookie);
    let mut injected = callback(&walk(&browser, &second.url).await);
    injected.code = code;
    let refused = oauth.finish(injected, Some(&cookie)).await.unwrap_err();
    assert!(
        matches!(&refused, OAuthError::Refused { code } if code == "invalid_grant"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_certified_server_logs_a_device_in() {
    let server = server().await;
    let oauth = server.client("basic").await;
    let device = oauth.device().await.unwrap();
    let user_code = device.user_code.clone();
    let page = device.verification_uri.clone();
    let browser = Browser::new();
    let typed = async {
        // The form of the page, with its token against cross-site requests, twice: for the code,
        // and for the confirmation.
        let mut answer = browser.visit(&page).await;
        for confirms in [false, true] {
            let action = answer.url().clone();
            let text = answer.text().await.unwrap();
            let field = |name: &str| {
                let (_, rest) = text.split_once(&format!("name=\"{name}\" value=\""))?;
                Some(rest.split('"').next()?.to_owned())
            };
            let mut form = HashMap::from([("user_code".to_owned(), user_code.clone())]);
            form.insert(
                "xsrf".to_owned(),
                field("xsrf").unwrap_or_else(|| panic!("{text}")),
            );
            if confirms {
                form.insert("confirm".to_owned(), "yes".to_owned());
            }
            answer = browser.post(action.as_str(), &form).await;
            while let Some(to) = location(&answer) {
                let to = answer.url().join(&to).unwrap();
                answer = browser.get(to.as_str()).await;
            }
        }
        assert_eq!(answer.status(), 200);
    };
    typed.await;
    let login = device.poll().await.unwrap();
    assert_eq!(login.profile.key(), (&*server.url, "ada"));
}
