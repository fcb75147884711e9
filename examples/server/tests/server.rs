//! Runs the example server as a new user does: the binary, its printed lines, and its HTTP
//! contract.
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tower_jam::{
    Claims, Clock, Jwt, KeyRing, SystemClock, Timestamp,
    otp::{OtpSecret, Totp},
};

/// The directory of a test, removed when it is dropped.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "server-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::SeqCst)
        );
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The process of the example. It is killed when it is dropped.
struct Process {
    child: Child,
    /// Everything that was written before the output was closed, on stdout and stderr.
    rest: [Receiver<String>; 2],
}

impl Process {
    fn start(words: &[&str]) -> (Self, BufReader<std::process::ChildStdout>) {
        let mut child = Command::new(binary())
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let errors = read_all(child.stderr.take().unwrap());
        let (_, nothing_yet) = channel();
        let process = Self {
            child,
            rest: [nothing_yet, errors],
        };
        (process, stdout)
    }

    /// Waits until the process exits, and returns what it wrote meanwhile.
    fn ended(&mut self) -> (ExitStatus, String, String) {
        let patience = Duration::from_secs(20);
        let [stdout, stderr] = &self.rest;
        let stdout = stdout.recv_timeout(patience).expect("the server stops");
        let stderr = stderr.recv_timeout(patience).expect("the server stops");
        (self.child.wait().unwrap(), stdout, stderr)
    }

    fn terminate(&self) {
        let status = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn read_all(mut output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).ok();
        sender.send(text).ok();
    });
    receiver
}

/// Cargo builds examples beside the tests.
fn binary() -> PathBuf {
    let test = env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let path = target
        .join("examples")
        .join(format!("server{}", env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --example server`",
        path.display()
    );
    path
}

/// A running server with the administrator `root`.
struct Server {
    process: Process,
    address: SocketAddr,
    greeting: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Server {
    fn start(data: &Dir) -> Self {
        let data = data.0.to_str().unwrap();
        let words = ["--listen", "127.0.0.1:0", "--data", data, "--admin", "root"];
        let (mut process, mut stdout) = Process::start(&words);
        let mut greeting = String::new();
        while !greeting.contains("/admin\n") {
            let read = stdout.read_line(&mut greeting).unwrap();
            if read == 0 {
                process.rest[0] = read_all(stdout);
                panic!("no greeting: {:?}", process.ended());
            }
        }
        process.rest[0] = read_all(stdout);
        let (line, _) = greeting.split_once('\n').unwrap();
        let address = line.strip_prefix("listening on http://").unwrap();
        Self {
            process,
            address: address.parse().unwrap(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            greeting,
        }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Full::from(body.to_owned());
        let response = self
            .client
            .request(request.body(body).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers, "").await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/json"));
        self.send("POST", path, &headers, &body.to_string()).await
    }

    async fn register(&self, name: &str) {
        let answer = self.post("/register", &[], &credentials(name)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    }

    /// Registers, logs in, and returns the value of the `Authorization` header.
    async fn bearer(&self, name: &str) -> String {
        self.register(name).await;
        let answer = self.post("/login", &[], &credentials(name)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        format!("Bearer {}", answer.json()["access_token"].as_str().unwrap())
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }

    fn is_problem(&self) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.text
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["type"], "about:blank");
    }

    /// Returns `name=value` of the session's cookie, which is set exactly once.
    fn cookie(&self) -> String {
        let lines = self.headers.get_all("set-cookie").iter();
        let mut lines = lines.map(|line| line.to_str().unwrap());
        let mut lines = lines
            .by_ref()
            .filter(|line| line.starts_with("__Host-sid="));
        let line = lines.next().expect("a session's cookie is set");
        assert!(lines.next().is_none());
        for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
            assert!(line.contains(attribute), "{line}");
        }
        line.split_once(';').unwrap().0.to_owned()
    }
}

fn credentials(name: &str) -> Value {
    json!({ "username": name, "password": PASSWORD })
}

const PASSWORD: &str = "correct horse, battery";

#[tokio::test]
async fn registration_reports_what_it_requires() {
    let data = Dir::new();
    let server = Server::start(&data);
    let answer = server.post("/register", &[], &credentials("alice")).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.json(), json!({ "id": id }));
    assert!(!id.is_empty() && id != "alice");

    let answer = server.post("/register", &[], &credentials("alice")).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    answer.is_problem();

    for (name, password) in [
        ("", PASSWORD),
        (&*"a".repeat(65), PASSWORD),
        ("al ice", PASSWORD),
        ("alice\n", PASSWORD),
        ("álice", PASSWORD),
        ("<b>", PASSWORD),
        ("bob", "short"),
        ("bob", ""),
        ("bob", "12345678"),
        ("robert", "Robert1985"),
        ("bob", &*"a".repeat(1025)),
    ] {
        let body = json!({ "username": name, "password": password });
        let answer = server.post("/register", &[], &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?}");
        answer.is_problem();
    }
    let answer = server
        .post(
            "/register",
            &[],
            &json!({ "username": "A.b_c-d@e+f", "password": "eight ch" }),
        )
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);

    let json_type = [("content-type", "application/json")];
    for (what, headers, body, status) in [
        ("not JSON", &json_type[..], "{", 400),
        ("empty", &json_type, "", 400),
        ("no password", &json_type, r#"{"username":"carol"}"#, 422),
        (
            "a number",
            &json_type,
            r#"{"username":"carol","password":12345678}"#,
            422,
        ),
        (
            "twice",
            &json_type,
            r#"{"username":"a","username":"b","password":"12345678"}"#,
            422,
        ),
        (
            "no type",
            &[],
            r#"{"username":"carol","password":"12345678"}"#,
            415,
        ),
    ] {
        for path in ["/register", "/login", "/session/login"] {
            let answer = server.send("POST", path, headers, body).await;
            assert_eq!(
                answer.status.as_u16(),
                status,
                "{what} at {path}: {}",
                answer.text
            );
            answer.is_problem();
            assert!(!answer.text.contains("12345678"), "{}", answer.text);
        }
    }
    let long = json!({ "username": "carol", "password": "a".repeat(17 * 1024) });
    for path in ["/register", "/login", "/session/login"] {
        let answer = server.post(path, &[], &long).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
}

#[tokio::test]
async fn a_login_returns_a_token_for_the_pages_of_its_user() {
    let data = Dir::new();
    let server = Server::start(&data);
    server.register("alice").await;
    let answer = server.post("/login", &[], &credentials("alice")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let device = answer.header("set-cookie").unwrap();
    assert!(device.starts_with("__Host-device="), "{device}");
    let body = answer.json();
    let token = body["access_token"].as_str().unwrap();
    let refresh = body["refresh_token"].as_str().unwrap();
    assert_eq!(
        body,
        json!({ "access_token": token, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 900 })
    );
    let alice = format!("Bearer {token}");
    let root = server.bearer("root").await;

    let me = server.get("/me", &[("authorization", &alice)]).await;
    assert_eq!(me.status, StatusCode::OK);
    let claims = me.json();
    assert_eq!(claims["username"], "alice");
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!("http://localhost"), &json!("example"))
    );
    for name in ["sub", "exp", "iat", "jti", "sid"] {
        assert!(!claims[name].is_null(), "{name}");
    }
    let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(lifetime, 900);

    let refused = server.get("/admin", &[("authorization", &alice)]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    refused.is_problem();
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(
        challenge.contains(r#"error="insufficient_scope""#),
        "{challenge}"
    );
    let welcome = server.get("/admin", &[("authorization", &root)]).await;
    assert_eq!(
        (welcome.status, welcome.json()),
        (StatusCode::OK, json!({ "welcome": "root" }))
    );

    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("Bearer {signed}.{first}{}", &signature[1..]);
    let plain = r#"Bearer realm="api""#;
    let invalid = r#"Bearer realm="api", error="invalid_token""#;
    let malformed = r#"Bearer realm="api", error="invalid_request""#;
    for (value, status, challenge) in [
        (None, 401, plain),
        (Some("Basic YTpi"), 401, plain),
        (Some(&*forged), 401, invalid),
        (Some("Bearer garbage"), 401, invalid),
        (Some("Bearer"), 400, malformed),
        (Some("Bearer a b"), 400, malformed),
    ] {
        let headers: Vec<_> = value
            .map(|value| ("authorization", value))
            .into_iter()
            .collect();
        for path in ["/me", "/admin"] {
            let answer = server.get(path, &headers).await;
            assert_eq!(answer.status.as_u16(), status, "{value:?} at {path}");
            assert_eq!(
                answer.header("www-authenticate"),
                Some(challenge),
                "{value:?}"
            );
            answer.is_problem();
        }
    }
    let twice = [("authorization", &*alice), ("authorization", &*alice)];
    assert_eq!(
        server.get("/me", &twice).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_have_the_same_response() {
    let data = Dir::new();
    let server = Server::start(&data);
    server.register("alice").await;
    for path in ["/login", "/session/login"] {
        let mut answers = Vec::new();
        for (name, password) in [
            ("alice", "a wrong password"),
            ("nobody", "a wrong password"),
            ("nobody", PASSWORD),
            ("", ""),
            ("ALICE", PASSWORD),
        ] {
            let body = json!({ "username": name, "password": password });
            let answer = server.post(path, &[], &body).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name} at {path}");
            answer.is_problem();
            let mut headers = answer.headers;
            headers.remove("date");
            answers.push((headers, answer.text));
        }
        assert!(
            answers.windows(2).all(|pair| pair[0] == pair[1]),
            "{answers:?}"
        );
    }
}

#[tokio::test]
async fn a_session_lasts_from_login_to_logout_and_a_stale_cookie_locks_no_user_out() {
    let data = Dir::new();
    let server = Server::start(&data);
    server.register("alice").await;
    assert_eq!(
        server.get("/session/me", &[]).await.status,
        StatusCode::UNAUTHORIZED
    );

    let answer = server
        .post("/session/login", &[], &credentials("alice"))
        .await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let cookie = answer.cookie();
    let me = server.get("/session/me", &[("cookie", &cookie)]).await;
    assert_eq!(
        (me.status, me.json()),
        (StatusCode::OK, json!({ "username": "alice" }))
    );
    assert_eq!(me.header("set-cookie"), None);

    // A session is not accepted as a token, and a token is not accepted as a session.
    let (_, value) = cookie.split_once('=').unwrap();
    let as_bearer = format!("Bearer {value}");
    let answer = server.get("/me", &[("authorization", &as_bearer)]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);

    // The same browser logs in again: the old id is invalid.
    let answer = server
        .post(
            "/session/login",
            &[("cookie", &cookie)],
            &credentials("alice"),
        )
        .await;
    let second = answer.cookie();
    assert_ne!(second, cookie);
    let answer = server.get("/session/me", &[("cookie", &cookie)]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);

    let out = server
        .send("POST", "/session/logout", &[("cookie", &second)], "")
        .await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!(out.cookie(), "__Host-sid=");
    for (method, path) in [("GET", "/session/me"), ("POST", "/session/logout")] {
        let answer = server.send(method, path, &[("cookie", &second)], "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(
            answer.header("set-cookie"),
            None,
            "only a logout clears the cookie"
        );
    }
    for stale in [&*second, "__Host-sid=garbage", "__Host-sid="] {
        let answer = server
            .post(
                "/session/login",
                &[("cookie", stale)],
                &credentials("alice"),
            )
            .await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{stale}");
        let me = server
            .get("/session/me", &[("cookie", &answer.cookie())])
            .await;
        assert_eq!(me.status, StatusCode::OK);
    }
}

/// Enrolment, the second step of a login, and the page that requires a code, as a client sees them.
#[tokio::test]
async fn the_vault_requires_a_code_and_a_login_takes_two_steps() {
    let data = Dir::new();
    let server = Server::start(&data);
    let bearer = server.bearer("alice").await;
    let authorized = [("authorization", bearer.as_str())];
    let vault = server.get("/vault", &authorized).await;
    assert_eq!(vault.status, 401);
    let challenge = vault.header("www-authenticate").unwrap();
    assert!(
        challenge.contains("insufficient_user_authentication"),
        "{challenge}"
    );
    assert!(challenge.contains("max_age=300"), "{challenge}");

    let begun = server.post("/otp/enroll", &authorized, &json!({})).await;
    assert_eq!(begun.status, 200, "{}", begun.text);
    let secret = OtpSecret::from_base32(begun.json()["secret"].as_str().unwrap()).unwrap();
    // The codes of three periods are accepted at any time, each of them once. These are of this
    // period and the next one: a code computed now is still valid if the period ends meanwhile.
    let code = |offset: u64| {
        let now = SystemClock.now().as_secs() + 30 * offset;
        Totp::new()
            .code(&secret, Timestamp::from_secs(now))
            .expose()
            .clone()
    };
    let first = json!({ "code": code(0) });
    let confirmed = server.post("/otp/confirm", &authorized, &first).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text);
    let recovery: Vec<String> =
        serde_json::from_value(confirmed.json()["recovery_codes"].clone()).unwrap();

    let second = code(1);
    let with_code = [authorized[0], ("x-otp", second.as_str())];
    let vault = server.get("/vault", &with_code).await;
    assert_eq!(vault.status, 200, "{}", vault.text);
    assert_eq!(vault.json()["gold"], 79);
    assert_eq!(
        server.get("/vault", &with_code).await.status,
        401,
        "a code works once"
    );

    for (path, mode, status) in [
        ("/login", "tokens", 200),
        ("/session/login", "session", 204),
    ] {
        let first_step = server.post(path, &[], &credentials("alice")).await;
        assert_eq!(first_step.status, 401, "{}", first_step.text);
        assert_eq!(first_step.json()["error"], "otp_required");
        let code = &recovery[usize::from(mode == "session")];
        let step =
            json!({ "challenge": first_step.json()["challenge"], "code": code, "mode": mode });
        let answer = server.post("/login/otp", &[], &step).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        let again = server.post("/login/otp", &[], &step).await;
        assert_eq!(again.json()["error"], "challenge_over");
    }
}

#[tokio::test]
async fn a_cross_site_request_can_neither_log_in_nor_out() {
    let data = Dir::new();
    let server = Server::start(&data);
    server.register("alice").await;
    let cookie = server
        .post("/session/login", &[], &credentials("alice"))
        .await
        .cookie();
    for foreign in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.dev"),
        ("origin", "null"),
    ] {
        for path in ["/login", "/session/login", "/register"] {
            let answer = server.post(path, &[foreign], &credentials("alice")).await;
            assert_eq!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{foreign:?} at {path}"
            );
            assert_eq!(answer.header("set-cookie"), None);
        }
        let headers = [foreign, ("cookie", &*cookie)];
        let answer = server.send("POST", "/session/logout", &headers, "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{foreign:?}");
    }
    let me = server.get("/session/me", &[("cookie", &cookie)]).await;
    assert_eq!(me.status, StatusCode::OK);

    let own = format!("http://{}", server.address);
    for own in [("sec-fetch-site", "same-origin"), ("origin", &*own)] {
        let answer = server
            .post("/session/login", &[own], &credentials("alice"))
            .await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{own:?}");
    }
}

#[tokio::test]
async fn anyone_can_verify_a_token_with_the_published_keys() {
    let data = Dir::new();
    let server = Server::start(&data);
    let bearer = server.bearer("alice").await;
    let answer = server.get("/.well-known/jwks.json", &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
    for member in ["\"d\"", "\"k\"", "PRIVATE"] {
        assert!(!answer.text.contains(member), "{}", answer.text);
    }
    let verifier = Jwt::<Claims>::builder(KeyRing::from_jwks(&answer.text).unwrap());
    let verifier = verifier
        .issuer("http://localhost")
        .audience("example")
        .build()
        .unwrap();
    let verified = verifier
        .verify(bearer.strip_prefix("Bearer ").unwrap())
        .await
        .unwrap();
    assert_eq!(
        verified.user().unwrap().claim("username"),
        Some(&json!("alice"))
    );
}

#[tokio::test]
async fn unknown_paths_are_404_and_unknown_methods_are_405() {
    let data = Dir::new();
    let server = Server::start(&data);
    let answer = server.get("/healthz", &[]).await;
    assert_eq!((answer.status, &*answer.text), (StatusCode::OK, "ok"));
    for path in [
        "/",
        "/nothing",
        "/me/",
        "/me/you",
        "/Me",
        "/session",
        "/.well-known",
        "//me",
    ] {
        assert_eq!(
            server.get(path, &[]).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    for (method, path) in [
        ("GET", "/login"),
        ("GET", "/register"),
        ("GET", "/session/login"),
        ("PUT", "/login"),
        ("POST", "/healthz"),
        ("DELETE", "/.well-known/jwks.json"),
    ] {
        let answer = server.send(method, path, &[], "").await;
        assert_eq!(
            answer.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn too_many_logins_at_once_are_throttled() {
    let data = Dir::new();
    let server = Server::start(&data);
    let body = credentials("nobody");
    let client = &server;
    let all: Vec<_> = (0..60)
        .map(|_| Box::pin(client.post("/login", &[], &body)))
        .collect();
    let mut evaluated = 0;
    for answer in join_all(all).await {
        match answer.status {
            StatusCode::TOO_MANY_REQUESTS => {
                let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                assert!((1..=900).contains(&wait), "{wait}");
            }
            status => {
                assert_eq!(status, StatusCode::UNAUTHORIZED);
                evaluated += 1;
            }
        }
        answer.is_problem();
    }
    assert!((1..=10).contains(&evaluated), "{evaluated}");
    let other = server
        .post("/login", &[], &credentials("somebody else"))
        .await;
    assert_eq!(
        other.status,
        StatusCode::UNAUTHORIZED,
        "the account has a budget of its own"
    );
}

/// Polls all of the futures until each is ready.
async fn join_all<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut answers = Vec::new();
    std::future::poll_fn(|cx| {
        futures.retain_mut(|future| match std::pin::Pin::new(future).poll(cx) {
            std::task::Poll::Ready(answer) => {
                answers.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        if futures.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    answers
}

#[tokio::test]
async fn it_stops_on_a_signal_and_its_keys_survive() {
    let data = Dir::new();
    let mut server = Server::start(&data);
    let bearer = server.bearer("alice").await;
    let jwks = server.get("/.well-known/jwks.json", &[]).await.text;

    let names = ["ed25519.pem", "secret"];
    let read = || names.map(|name| fs::read(data.0.join(name)).unwrap());
    let kept = read();
    #[cfg(unix)]
    for name in names {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(data.0.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }

    // The client keeps its connection open, a second client has sent nothing, and a third only half
    // of a request.
    let _silent = TcpStream::connect(server.address).unwrap();
    let mut slow = TcpStream::connect(server.address).unwrap();
    slow.write_all(b"GET /me HTTP/1.1\r\nhost:").unwrap();
    assert_eq!(
        raw(server.address, HEALTH, Then::Listen),
        [200],
        "all connections are accepted"
    );
    server.process.terminate();
    let (status, _, errors) = server.process.ended();
    assert_eq!(status.code(), Some(0), "{errors}");
    for secret in [
        PASSWORD,
        "correct horse",
        bearer.strip_prefix("Bearer ").unwrap(),
        "PRIVATE",
    ] {
        assert!(!errors.contains(secret), "{errors}");
    }

    let server = Server::start(&data);
    assert_eq!(read(), kept);
    assert_eq!(server.get("/.well-known/jwks.json", &[]).await.text, jwks);
    let me = server.get("/me", &[("authorization", &bearer)]).await;
    assert_eq!(
        (me.status, &me.json()["username"]),
        (StatusCode::OK, &json!("alice"))
    );

    // A server with other keys.
    let elsewhere = Dir::new();
    let other = Server::start(&elsewhere);
    let me = other.get("/me", &[("authorization", &bearer)]).await;
    assert_eq!(me.status, StatusCode::UNAUTHORIZED);
}

#[test]
fn a_start_that_fails_says_why() {
    let data = Dir::new();
    let directory = data.0.to_str().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let spoilt = Dir::new();
    fs::create_dir_all(&spoilt.0).unwrap();
    fs::write(spoilt.0.join("ed25519.pem"), "not a key: hunter2").unwrap();
    let file = spoilt.0.join("ed25519.pem");
    let cases: [(&[&str], &[&str]); 9] = [
        (
            &["--listen", &taken, "--data", directory],
            &["cannot listen on", &taken],
        ),
        (
            &["--listen", "here", "--data", directory],
            &["--listen here"],
        ),
        (
            &["--listen", "127.0.0.1", "--data", directory],
            &["--listen 127.0.0.1"],
        ),
        (&["--listen"], &["--listen needs a value"]),
        (
            &["--frobnicate"],
            &[
                "--frobnicate is not an option",
                "--listen ADDR",
                "--data DIR",
                "--admin NAME",
            ],
        ),
        (&["--frobnicate", "x"], &["--frobnicate is not an option"]),
        (&["serve"], &["serve is not an option"]),
        (
            &[
                "--data",
                spoilt.0.to_str().unwrap(),
                "--listen",
                "127.0.0.1:0",
            ],
            &["ed25519.pem", "PEM"],
        ),
        (
            &["--data", file.to_str().unwrap(), "--listen", "127.0.0.1:0"],
            &["ed25519.pem"],
        ),
    ];
    for (words, texts) in cases {
        let (mut process, stdout) = Process::start(words);
        process.rest[0] = read_all(stdout);
        let (status, output, errors) = process.ended();
        assert_eq!(status.code(), Some(1), "{words:?}: {errors}");
        assert_eq!(output, "", "{words:?}");
        for text in texts {
            assert!(errors.contains(text), "{words:?}: {errors}");
        }
        assert!(
            !errors.contains("panicked") && !errors.contains("hunter2"),
            "{errors}"
        );
    }
}

#[test]
fn the_printed_lines_do_what_they_promise() {
    let curl = Command::new("curl").arg("--version").output();
    assert!(
        curl.is_ok_and(|output| output.status.success()),
        "curl is missing: install it, on Debian with `apt-get install curl`"
    );
    let data = Dir::new();
    let server = Server::start(&data);
    let lines: Vec<_> = server
        .greeting
        .lines()
        .filter(|line| line.starts_with("  "))
        .collect();
    let [register, login, me, admin] = lines[..] else {
        panic!("{lines:#?}");
    };
    for line in lines {
        assert!(
            line.contains("curl ") && line.contains(&server.address.to_string()),
            "{line}"
        );
    }
    // One shell, as a reader copies one line after the other.
    let script = format!("{register}\necho\n{login}\n{me}\necho\n{admin}\n");
    let output = Command::new("sh").arg("-c").arg(&script).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let (registered, rest) = text.split_once('\n').unwrap();
    assert!(
        serde_json::from_str::<Value>(registered).unwrap()["id"].is_string(),
        "{registered}"
    );
    let answers: Vec<_> = rest.split("HTTP/1.1 ").collect();
    let ["", me, admin] = answers[..] else {
        panic!("{answers:#?}");
    };
    assert!(
        me.starts_with("200 OK") && me.contains(r#""username":"alice""#),
        "{me}"
    );
    assert!(admin.starts_with("403 Forbidden"), "{admin}");
    assert!(admin.contains(r#"error="insufficient_scope""#), "{admin}");
}

/// Sends `bytes` unchanged and returns the statuses of the responses, none if the server closes the
/// connection.
fn raw(address: SocketAddr, bytes: &[u8], then: Then) -> Vec<u16> {
    let mut stream = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    // The server may respond before it has read everything.
    stream.write_all(bytes).ok();
    if then == Then::HangUp {
        stream.shutdown(Shutdown::Write).ok();
    }
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        let sent = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]);
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::ConnectionReset,
            "{sent:?}"
        );
    }
    let answer = String::from_utf8_lossy(&answer);
    answer
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|rest| rest.get(..3).unwrap_or_default().parse().unwrap())
        .collect()
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

#[derive(Clone, Copy, PartialEq)]
enum Then {
    Listen,
    /// The request is incomplete, and nothing more is sent.
    HangUp,
}

#[test]
fn no_malformed_request_causes_a_5xx_or_a_crash() {
    let data = Dir::new();
    let mut server = Server::start(&data);
    let long = "a".repeat(9 * 1024);
    let huge = "a".repeat(700 * 1024);
    let many = "x-a: b\r\n".repeat(200);
    let cookies = "cookie: __Host-sid=a\r\n".repeat(50);
    // Headers of `GET /me`, unless the item is a whole request.
    let headers: Vec<Vec<u8>> = [
        "authorization: Bearer\r\n",
        "authorization: Bearer \r\n",
        "authorization:\r\n",
        "authorization: \r\n",
        "authorization: Bearer a b\r\n",
        "authorization: bearer\ta\r\n",
        "authorization: Bearer ...\r\n",
        "authorization: Bearer a.b.c\r\n",
        "authorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n",
        "authorization: Bearer eyJhbGciOiJub25lIn0..\r\n",
        "authorization: Bearer {}.{}.{}\r\n",
        "authorization: Bearer ====\r\n",
        "authorization: Bearer a\r\nauthorization: Bearer b\r\n",
        "authorization: Basic YTpi\r\nauthorization: Bearer b\r\n",
        "authorization : Bearer a\r\n",
        "authorization: Bearer a\r\n b\r\n",
        "AUTHORIZATION: BEARER A\r\n",
        "authorization: \"Bearer\" a\r\n",
        "authorization: Bearer a, Bearer b\r\n",
        "cookie: __Host-sid\r\n",
        "cookie: __Host-sid=\r\n",
        "cookie: __Host-sid=a; __Host-sid=b\r\n",
        "cookie: ;;;===;;\r\n",
        "cookie: __Host-sid=\"a\"\r\n",
        "origin: null\r\n",
        "origin: ://\r\n",
        "host:\r\n",
        "host: a\r\nhost: b\r\n",
        "host: user@a:99999\r\n",
        "content-length: -1\r\n",
        "content-length: 1\r\ncontent-length: 2\r\n",
        "content-length: 99999999999999999999\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
        "transfer-encoding: nonsense\r\n",
        "expect: 200-maybe\r\n",
        "upgrade: websocket\r\nconnection: upgrade\r\n",
        "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAA\r\n",
        "range: bytes=0-18446744073709551615\r\n",
        ": no name\r\n",
        "no colon\r\n",
        "x-\u{0}: a\r\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([
        b"authorization: Bearer \xff\xfe\r\n".to_vec(),
        b"cookie: __Host-sid=\xff\xfe\r\n".to_vec(),
        b"origin: \x80\r\n".to_vec(),
        b"authorization: Bearer a\x00b\r\n".to_vec(),
        format!("authorization: Bearer {long}\r\n").into_bytes(),
        format!("authorization: Bearer {huge}\r\n").into_bytes(),
        format!("cookie: __Host-sid={long}\r\n").into_bytes(),
        many.into_bytes(),
        cookies.into_bytes(),
    ])
    .collect();
    let mut requests = Vec::new();
    for form in headers {
        for line in [
            "GET /me",
            "GET /session/me",
            "POST /session/logout",
            "POST /session/login",
            "POST /login",
        ] {
            let mut request = format!("{line} HTTP/1.1\r\nconnection: close\r\n").into_bytes();
            if !form.starts_with(b"host") {
                request.extend_from_slice(b"host: localhost\r\n");
            }
            request.extend_from_slice(&form);
            request.extend_from_slice(b"\r\n");
            requests.push(request);
        }
    }
    for whole in [
        "GET /me\r\n\r\n",
        "GET /me HTTP/0.9\r\n\r\n",
        "GET /me HTTP/1.0\r\n\r\n",
        "GET /me HTTP/9.9\r\n\r\n",
        "GET http://elsewhere/me HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "GET me HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "GET /../../etc HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\nconnection: close\r\n\r\n",
        "TRACE /me HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "BREW /me HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "get /me HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
        "POST /login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "POST /login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json; charset=x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
        "\u{16}\u{3}\u{1}\u{2}\u{0}",
    ] {
        requests.push(whole.as_bytes().to_vec());
    }
    let mut answered = 0;
    for request in &requests {
        let statuses = raw(server.address, request, Then::Listen);
        answered += usize::from(!statuses.is_empty());
        for status in statuses {
            let text = String::from_utf8_lossy(&request[..request.len().min(300)]);
            assert!((400..500).contains(&status), "{status} for {text:?}");
        }
    }
    assert!(
        answered > requests.len() * 9 / 10,
        "{answered} of {}",
        requests.len()
    );
    for begun in [
        "",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /me HTTP/1.1\r\nhost: a\r\n\r\r\n",
        "\r\n\r\n",
        "GET /me HTTP/1.1\r\nhost: a\r\nauthorization: Bearer a",
        "POST /login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{\"user",
        "POST /login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{",
    ] {
        for status in raw(server.address, begun.as_bytes(), Then::HangUp) {
            assert!((400..500).contains(&status), "{status} for {begun:?}");
        }
    }
    assert_eq!(raw(server.address, HEALTH, Then::Listen), [200]);
    server.process.terminate();
    let (status, _, errors) = server.process.ended();
    assert_eq!(status.code(), Some(0));
    assert!(
        !errors.contains("panicked") && !errors.contains("ERROR"),
        "{errors}"
    );
}
