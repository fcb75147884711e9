//! Runs the example as a reader does: a login with the provider in its process.
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]
#![cfg(unix)]

mod support;

use std::{
    collections::HashMap,
    fs,
    process::Command,
    time::{Duration, Instant},
};

use support::{
    browser::Browser,
    process::{Folder, Process},
};
use url::Url;

#[tokio::test]
async fn a_reader_logs_in_with_the_examples_own_provider() {
    let folder = Folder::new("oauth-login");
    let log = folder.path().join("log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_example-oauth-login"));
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
    let login_page = browser.visit(&format!("{url}oauth/login")).await;
    let provider = login_page.url().clone();
    let page = login_page.text().await.unwrap();
    let yes = page.split('"').nth(1).unwrap().replace("&amp;", "&");
    let page = browser.visit(provider.join(&yes).unwrap().as_str()).await;
    assert_eq!(*page.url(), Url::parse(&url).unwrap());
    let page = page.text().await.unwrap();
    assert!(page.contains("Hello, Ada Lovelace."), "{page}");
    browser.post(&format!("{url}logout"), &HashMap::new()).await;
    let page = browser.get(&url).await.text().await.unwrap();
    assert!(page.contains("Log in"), "{page}");
}
