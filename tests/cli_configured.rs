//! The command `jam` with a configuration: tokens, sessions, the output of `check`, and a server.

#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tower_jam::{Claims, Grant, Jam};

#[path = "support/command.rs"]
mod command;

use command::{Ran, done, folder, jam};

/// A folder with keys and a configuration.
struct Fixture {
    folder: PathBuf,
    config: String,
}

impl Fixture {
    fn new(name: &str) -> Self {
        let folder = folder(name);
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        done(&["keys", "ed25519", "--out", &path("key.pem")], "");
        done(&["keys", "symmetric", "--out", &path("secret")], "");
        done(&["keys", "symmetric", "--out", &path("sessions")], "");
        let config = path("jam.toml");
        fs::write(&config, TEXT).unwrap();
        Self { folder, config }
    }

    fn run(&self, arguments: &[&str], input: &str) -> Ran {
        let mut all = arguments.to_vec();
        all.extend(["--config", &self.config, "--json"]);
        jam(&all, input)
    }

    async fn jam(&self) -> Jam {
        Jam::from_file(&self.config).unwrap().build().await.unwrap()
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

const TEXT: &str = "[jam]
issuer = 'https://auth.acme.dev'
audience = 'api'
secret_file = 'secret'
[jam.store]
type = 'file'
path = 'store.redb'
[jam.jwt]
alg = 'EdDSA'
private_key_file = 'key.pem'
[jam.refresh]
[jam.session]
secret_file = 'sessions'
[jam.passwords]
[jam.otp]
";

#[test]
fn passwords_are_hashed_as_a_configuration_says() {
    let fixture = Fixture::new("passwords");
    let peppered = TEXT.replace("[jam.passwords]", "[jam.passwords]\npepper = true");
    fs::write(&fixture.config, peppered).unwrap();
    let with = ["--config", &fixture.config];
    let hash = done(
        &[&["password", "hash"][..], &with].concat(),
        "correct horse\n",
    )
    .out;
    let verify = [&["password", "verify", hash.trim()][..], &with].concat();
    done(&verify, "correct horse\n");
    assert_eq!(jam(&verify, "battery staple\n").code, 1);
    for hash in [hash.trim(), "no hash"] {
        let refused = jam(&["password", "verify", hash], "correct horse\n");
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains("pepper"), "{}", refused.err);
    }
    // No file was created for it: the store is not opened.
    assert!(!fixture.folder.join("store.redb").exists());
    // Sessions in memory are not those of the server.
    let memory = TEXT.replace("type = 'file'\npath = 'store.redb'", "");
    fs::write(&fixture.config, memory).unwrap();
    for arguments in [
        &["sessions", "list", "alice"],
        &["sessions", "clear", "alice"],
    ] {
        let refused = fixture.run(arguments, "");
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains("in memory"), "{}", refused.err);
    }
}

#[test]
fn tokens_are_issued_verified_and_inspected() {
    let fixture = Fixture::new("tokens");
    let minted = fixture
        .run(
            &["token", "mint", "alice", "--role", "admin", "--ttl", "60"],
            "",
        )
        .json();
    let token = minted["token"].as_str().unwrap();
    let verified = fixture.run(&["token", "verify"], token).json();
    assert_eq!(
        (&verified["verified"], &verified["claims"]["sub"]),
        (&true.into(), &"alice".into())
    );
    let (head, rest) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", rest.chars().rev().collect::<String>());
    let refused = fixture.run(&["token", "verify"], &forged);
    assert_eq!(refused.code, 1);
    assert!(!refused.err.contains(head));
    let seen = done(&["token", "inspect", "--json"], &forged);
    assert!(seen.err.contains("NOTHING WAS VERIFIED"));
    assert_eq!(
        (&seen.json()["verified"], &seen.json()["claims"]["sub"]),
        (&false.into(), &"alice".into())
    );
    assert_eq!(jam(&["token", "inspect"], "no token").code, 2);
}

/// One process at a time opens the file of the store: both ends of a pipe need it, one after the
/// other.
#[cfg(unix)]
#[test]
fn a_token_goes_through_a_pipe() {
    let fixture = Fixture::new("pipe");
    let line = format!(
        "{0} token mint alice -c {1} | {0} token verify -c {1} --json",
        env!("CARGO_BIN_EXE_jam"),
        fixture.config
    );
    for _ in 0..10 {
        let output = Command::new("sh").args(["-c", &line]).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{text}");
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(value["claims"]["sub"], "alice");
    }
    // The reader of the output may stop before its end.
    let line = format!(
        "{} keys rsa 2>/dev/null | head -c 1",
        env!("CARGO_BIN_EXE_jam")
    );
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert_eq!((output.stdout, output.stderr), (b"-".to_vec(), Vec::new()));
}

/// A check reports each of these weak settings.
fn weak_settings_are_reported(fixture: &Fixture) {
    let weak = TEXT
        .replace(
            "private_key_file = 'key.pem'",
            "private_key_file = 'key.pem'\nttl = '36500d'\ntyp = ['JWT']",
        )
        .replace(
            "[jam.refresh]",
            "[jam.refresh]\nrotate = false\nabsolute = '36500d'\nidle = '36500d'",
        )
        .replace("[jam.passwords]", "[jam.passwords]\nmin_length = 1\n[jam.throttle]\n[jam.throttle.account]\nattempts = 1000000\nwindow = '1s'");
    fs::write(&fixture.config, weak).unwrap();
    let ran = done(&["check", "--offline", "--json", &fixture.config], "");
    let value = ran.json();
    let warned = value["warnings"].as_array().unwrap().iter();
    let warned: Vec<_> = warned.map(|it| it["setting"].as_str().unwrap()).collect();
    assert_eq!(
        warned,
        [
            "jwt.typ",
            "jwt.ttl",
            "refresh.absolute",
            "refresh.idle",
            "refresh.rotate",
            "passwords.min_length",
            "throttle.account.attempts",
            "throttle.account.window",
        ]
    );
    let reason = value["warnings"][1]["reason"].as_str().unwrap();
    assert!(reason.ends_with("at most 1h is recommended"), "{reason}");
    fs::write(&fixture.config, TEXT).unwrap();
    let ran = done(&["check", "--offline", "--json", &fixture.config], "");
    assert_eq!(ran.json()["warnings"], serde_json::json!([]));
}

#[tokio::test]
async fn a_check_before_a_secret_is_retired_lists_the_users_who_need_it() {
    let fixture = Fixture::new("rotation");
    let enroll = async |jam: Jam, user: &str| {
        let begun = jam.otp().unwrap().enroll(user).await.unwrap();
        let code = jam.otp_code(begun.secret(), None).unwrap();
        let confirmed = jam.otp().unwrap().confirm(user, code.expose()).await;
        drop(confirmed.unwrap());
    };
    enroll(fixture.jam().await, "alice").await;
    let check = ["secret", "rotate", "--check"];
    let ran = fixture.run(&check, "");
    assert_eq!(
        (ran.code, &ran.json()["would_be_lost"]),
        (0, &serde_json::json!([]))
    );

    let new = fixture.folder.join("new");
    done(&["keys", "symmetric", "--out", new.to_str().unwrap()], "");
    let text = TEXT.replace("secret_file = 'secret'", "secret_file = ['new', 'secret']");
    fs::write(&fixture.config, text).unwrap();
    enroll(fixture.jam().await, "bob").await;
    let ran = fixture.run(&check, "");
    let report = ran.json();
    assert_eq!(
        (ran.code, &report["would_be_lost"]),
        (1, &serde_json::json!(["alice"]))
    );
    assert_eq!(
        (&report["secrets"][0]["records"], &report["unreadable"]),
        (&1.into(), &0.into())
    );
    assert!(
        ran.err.contains("a user needs a secret behind the first"),
        "{}",
        ran.err
    );

    let text = TEXT.replace("secret_file = 'secret'", "secret_file = 'new'");
    fs::write(&fixture.config, text).unwrap();
    let ran = fixture.run(&check, "");
    assert_eq!((ran.code, &ran.json()["unreadable"]), (0, &1.into()));
    assert_eq!(
        fixture.run(&check[..2], "").code,
        2,
        "an option is required"
    );
}

#[tokio::test]
async fn the_sessions_of_one_user_or_of_all_are_revoked() {
    let fixture = Fixture::new("sessions");
    let grant = |user: &str| Grant::new(user, Claims::new());
    let one = fixture.jam().await;
    // Users that no longer exist have no sessions.
    let mut ids = Vec::new();
    for name in ["alice", "bob"] {
        let added = one
            .store_users()
            .unwrap()
            .add(name, "", [""; 0], Claims::new());
        ids.push(added.await.unwrap().unwrap());
    }
    let (alice, bob) = (ids[0].as_str(), ids[1].as_str());
    for user in [alice, alice, bob] {
        one.session_create(grant(user)).await.unwrap();
    }
    let session = one.session_create(grant(bob)).await.unwrap();
    // The file is open in one process at a time.
    let refused = fixture.run(&["sessions", "list", alice], "");
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("in use by another process"),
        "{}",
        refused.err
    );
    drop(one);

    let list = fixture.run(&["sessions", "list", alice], "").json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(
        fixture.run(&["sessions", "clear", alice], "").json()["ended"],
        2
    );
    assert_eq!(
        fixture.run(&["sessions", "list", alice], "").json(),
        Value::Array(Vec::new())
    );
    let is_live = async |token: &str| {
        let jam = fixture.jam().await;
        jam.session_get(token).await.unwrap().is_some()
    };
    assert!(is_live(session.token.expose()).await);

    // Neither or both of the options do not say whose sessions are meant.
    for wrong in [
        &["sessions", "clear"][..],
        &["sessions", "clear", bob, "--all"],
    ] {
        assert_eq!(fixture.run(wrong, "").code, 2);
    }
    let file = fixture.folder.join("sessions");
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};
        // The server's group may read the file, and it is reached through a symbolic link.
        let real = fixture.folder.join("real");
        fs::rename(&file, &real).unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&real, &file).unwrap();
    }
    let before = fs::read(&file).unwrap();
    let ended = fixture.run(&["sessions", "clear", "--all"], "").json();
    assert_eq!(ended["ended"], "all");
    assert!(!is_live(session.token.expose()).await);
    assert_ne!(fs::read(&file).unwrap(), before);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }
    // If sessions have no secret of their own, nothing is replaced.
    let shared = TEXT.replace("secret_file = 'sessions'", "");
    fs::write(&fixture.config, shared).unwrap();
    let refused = fixture.run(&["sessions", "clear", "--all"], "");
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("`session.secret_file` is not set"),
        "{}",
        refused.err
    );
}

#[tokio::test]
async fn a_check_says_what_a_configuration_would_do() {
    let fixture = Fixture::new("check");
    let inline = format!(
        "{}[jam.store]\ntype = 'redis'\nurl = 'redis://:hunter2@127.0.0.1:1'\n",
        TEXT.replace("[jam.store]\ntype = 'file'\npath = 'store.redb'\n", "")
            .replace(
                "secret_file = 'secret'",
                "secret = 'correct horse battery staple, and more'"
            )
            .replace("[jam.refresh]", "[jam.refresh]\nrotate = false")
    );
    let printed = done(&["check", &fixture.config], "").out;
    let words: Vec<String> = printed
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for line in [
        "issuer = https://auth.acme.dev",
        "jwt: mints and verifies EdDSA with the key",
        "private_key_file = key.pem",
        "ttl 15m",
        "refresh: access tokens with refresh tokens, for each device",
        "rotate true",
        "passwords: logins with passwords",
        "otp: time-based codes, each accepted once",
    ] {
        assert!(
            words.iter().any(|printed| printed.starts_with(line)),
            "{printed}"
        );
    }
    // While the file is open elsewhere, and while a server is unavailable.
    let running = fixture.jam().await;
    assert_eq!(jam(&["check", &fixture.config], "").code, 2);
    done(&["check", "--offline", &fixture.config], "");
    // A provider is not discovered either.
    let provider = "[jam.oauth2.providers.acme]\nissuer = 'https://127.0.0.1:1'\nclient_id = 'x'\n";
    fs::write(&fixture.config, format!("{TEXT}{provider}")).unwrap();
    done(&["check", "--offline", &fixture.config], "");
    drop(running);
    let away = jam(&["check", &fixture.config], "");
    assert_eq!(away.code, 2);
    assert!(
        away.err.contains("`jam.oauth2.providers.acme.issuer`"),
        "{}",
        away.err
    );
    fs::write(&fixture.config, inline).unwrap();
    let away = jam(&["check", &fixture.config], "");
    assert_eq!(away.code, 2);
    assert!(away.err.contains("`jam.store.url`"), "{}", away.err);
    let ran = done(&["check", "--offline", "--json", &fixture.config], "");
    for secret in ["hunter2", "battery"] {
        assert!(!format!("{} {} {}", ran.out, ran.err, away.err).contains(secret));
    }
    let value = ran.json();
    let store = &value["tables"]["store"];
    assert_eq!(store["url"]["value"], "(not shown)");
    assert_eq!(store["command_timeout"]["stated"], false);
    assert_eq!(value["tables"][""]["secret"]["value"], "(not shown)");
    assert_eq!(value["warnings"][0]["setting"], "refresh.rotate");
    assert!(
        ran.err.contains("warning: `refresh.rotate`: "),
        "{}",
        ran.err
    );

    weak_settings_are_reported(&fixture);
    for (text, words) in [
        (
            TEXT.replace("alg =", "algo ="),
            "`jam.jwt.algo`: unknown setting; did you mean `alg`?",
        ),
        (
            TEXT.replace("type = 'file'", "type = 'redis'"),
            "`jam.store.path`: conflicts with `type`, which is redis",
        ),
        (
            TEXT.replace("path = 'store.redb'", ""),
            "`jam.store.path`: is not set",
        ),
    ] {
        fs::write(&fixture.config, text).unwrap();
        for arguments in [&["check"][..], &["check", "--offline"]] {
            let mut arguments = arguments.to_vec();
            arguments.push(&fixture.config);
            let wrong = jam(&arguments, "");
            let words = format!("jam: {}: {words}", fixture.config);
            assert_eq!((wrong.code, wrong.err.trim()), (2, &*words));
        }
    }
}

/// A server that is killed when it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[cfg(unix)]
#[test]
fn the_example_application_is_served() {
    let fixture = Fixture::new("serve");
    let mut server = Server(
        Command::new(env!("CARGO_BIN_EXE_jam"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "root"])
            .args(["--config", &fixture.config])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    let mut greeting = BufReader::new(server.0.stdout.take().unwrap());
    greeting.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap();
    let ask = |head: &str, body: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(stream, "{head} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().to_owned();
        (status, body.to_owned())
    };
    let root = r#"{"username":"root","password":"correct horse"}"#;
    assert_eq!(ask("POST /register", root).0, "201");
    let (status, body) = ask("POST /login", root);
    assert_eq!(status, "200");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["token_type"], "Bearer");
    for (path, status) in [
        ("/readyz", "200"),
        ("/.well-known/jwks.json", "200"),
        ("/admin", "401"),
        ("/vault", "401"),
        ("/session/me", "401"),
    ] {
        assert_eq!(ask(&format!("GET {path}"), "").0, status, "{path}");
    }
    let pid = server.0.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(killed.success() && server.0.wait().unwrap().success());

    // Without logins there is nothing to serve.
    fs::write(&fixture.config, TEXT.replace("[jam.passwords]", "")).unwrap();
    let refused = jam(&["serve", "--config", &fixture.config], "");
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("`jam.refresh`") && refused.err.contains("`passwords`"),
        "{}",
        refused.err
    );
    // The other commands accept such a configuration, whose users are the application's own.
    done(&["check", "--offline", &fixture.config], "");
    assert_eq!(fixture.run(&["serve"], "").code, 2);
}
