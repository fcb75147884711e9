//! Runs the example as a reader does: two processes of one application, and one Redis.
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]
#![cfg(unix)]

mod support;

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use support::{
    process::{Folder, Process},
    redis,
};

/// A process of the example and the lines that it printed.
struct Node {
    _process: Process,
    lines: Vec<String>,
}

impl Node {
    fn start(folder: &Folder, name: &str, redis: &str, secret: &str) -> Self {
        let log = folder.path().join(name);
        let process = Process::spawn(
            Command::new(env!("CARGO_BIN_EXE_example-cluster"))
                .args(["--listen", "127.0.0.1:0", "--redis", redis])
                .env("JAM_SECRET", secret),
            &log,
        );
        let began = Instant::now();
        loop {
            let text = fs::read_to_string(&log).unwrap();
            if text.lines().count() >= 4 {
                let lines = text.lines().map(|line| line.trim().to_owned()).collect();
                return Self {
                    _process: process,
                    lines,
                };
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{name}: {text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn address(&self) -> &str {
        self.lines[0].strip_prefix("listening on http://").unwrap()
    }
}

/// Runs a line in a shell and returns the status of the response.
fn run(folder: &Folder, line: &str) -> u16 {
    timed(folder, line).0
}

/// Returns the status, and the seconds measured by curl: on a busy machine, the shell itself starts
/// slowly.
fn timed(folder: &Folder, line: &str) -> (u16, f64) {
    let output = Command::new("sh")
        .args(["-c", &format!("{line} -s -w ' %{{time_total}}'")])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut words = text.split_whitespace();
    let status = words.nth(1).and_then(|status| status.parse().ok());
    let seconds = words.next_back().and_then(|seconds| seconds.parse().ok());
    status
        .zip(seconds)
        .unwrap_or_else(|| panic!("{line}: {text}"))
}

#[test]
fn a_logout_on_one_process_is_a_logout_on_the_other() {
    let server = redis::Server::start();
    let folder = Folder::new("cluster");
    let secret = "0123456789abcdef0123456789abcdef";
    let [one, two] = ["one", "two"].map(|name| Node::start(&folder, name, &server.url(), secret));
    let [login, me, logout] = [1, 2, 3].map(|line| one.lines[line].clone());
    let on_two = |line: &str| line.replace(one.address(), two.address());

    assert_eq!(run(&folder, &on_two(&me.replace("-b jar ", ""))), 401);
    assert_eq!(run(&folder, &login), 204);
    for _ in 0..3 {
        assert_eq!(run(&folder, &me), 200);
        assert_eq!(run(&folder, &on_two(&me)), 200);
    }
    // The first process has cached the session. The logout invalidates it.
    assert_eq!(run(&folder, &on_two(&logout)), 204);
    assert_eq!(run(&folder, &me), 401);
    assert_eq!(run(&folder, &on_two(&me)), 401);
}

#[test]
fn an_outage_of_redis_is_503_and_the_session_survives_it() {
    let server = redis::Server::start();
    let folder = Folder::new("cluster-away");
    let node = Node::start(
        &folder,
        "node",
        &server.url(),
        "0123456789abcdef0123456789abcdef",
    );
    let [login, me] = [1, 2].map(|line| node.lines[line].clone());
    assert_eq!(run(&folder, &login), 204);
    assert_eq!(run(&folder, &me), 200);

    server.signal("STOP");
    let began = Instant::now();
    loop {
        let (status, seconds) = timed(&folder, &me);
        assert!(seconds < 2.0, "{status}: {seconds}");
        if status == 503 {
            break;
        }
        assert_eq!(status, 200);
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "the cache outlives its limit"
        );
    }
    // Routes without authentication are not affected.
    let open = format!("curl -i http://{}/healthz", node.address());
    let responses = [(); 3].map(|()| timed(&folder, &open));
    assert!(
        responses.iter().all(|(status, _)| *status == 200),
        "{responses:?}"
    );
    assert!(
        responses.iter().any(|(_, seconds)| *seconds < 0.5),
        "{responses:?}"
    );
    server.signal("CONT");
    let began = Instant::now();
    while run(&folder, &me) != 200 {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "the node does not recover"
        );
    }
}
