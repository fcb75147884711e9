//! The example of a login with a provider, as a reader runs it.
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]
#![cfg(all(unix, feature = "oauth2", feature = "account"))]

#[path = "oauth/browser.rs"]
#[allow(dead_code, unreachable_pub, reason = "it belongs to other tests")]
mod browser;
#[path = "support/process.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses a part of it"
)]
mod process;

use std::{
    collections::HashMap,
    env, fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use browser::Browser;
use process::{Folder, Process};
use url::Url;

#[tokio::test]
async fn a_reader_logs_in_with_the_examples_own_provider() {
    let folder = Folder::new("oauth-login");
    let log = folder.path().join("log");
    // Cargo builds examples beside the tests.
    let test = env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let binary = target.join("examples").join("oauth_login");
    assert!(binary.exists(), "cargo builds it");
    let mut command = Command::new(binary);
    command.arg("127.0.0.1:0").env_remove("GITHUB_ID");
    let _process = Process::spawn(&mut command, &log);
    let began = Instant::now();
    let url = loop {
        let text = fs::read_to_string(&log).unwrap();
        if let Some((_, url)) = text.split_once("open ")
            && url.ends_with('\n')
        {
            break url.trim().to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };

    let browser = Browser::new();
    let page = browser.get(&url).await.text().await.unwrap();
    assert!(page.contains("Log in"), "{page}");
    let asked = browser.visit(&format!("{url}oauth/login")).await;
    let provider = asked.url().clone();
    let page = asked.text().await.unwrap();
    let yes = page.split('"').nth(1).unwrap().replace("&amp;", "&");
    let page = browser.visit(provider.join(&yes).unwrap().as_str()).await;
    assert_eq!(*page.url(), Url::parse(&url).unwrap());
    let page = page.text().await.unwrap();
    assert!(page.contains("Hello, Ada Lovelace."), "{page}");
    browser.post(&format!("{url}logout"), &HashMap::new()).await;
    let page = browser.get(&url).await.text().await.unwrap();
    assert!(page.contains("Log in"), "{page}");
}
