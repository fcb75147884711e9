//! Refreshes of one token from two processes at once.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::task::JoinSet;
use tower_jam::{
    Algorithm, Key, MasterSecret,
    event::EventKind,
    store::{PostgresStore, RedisStore, Store},
};

use super::{
    support::{postgres, redis},
    world::{App, refresh},
};

const ROUNDS: usize = 50;
const AT_ONCE: usize = 32;
const SECRET: &[u8] = b"thirty-two bytes that all processes share";

/// The application as every process builds it.
fn app(pem: &str) -> App {
    App {
        secret: MasterSecret::new(SECRET).unwrap(),
        key: Arc::new(Key::from_pem(Algorithm::EdDsa, pem.as_bytes()).unwrap()),
        ..App::new()
    }
}

async fn connect(url: &str) -> Arc<dyn Store> {
    // The longest timeout that is allowed: two processes on a busy machine are slow.
    let longest = Duration::from_secs(2);
    match url.starts_with("redis") {
        true => {
            let builder = RedisStore::builder(url).connect_timeout(longest);
            Arc::new(builder.command_timeout(longest).connect().await.unwrap())
        }
        false => {
            let builder = PostgresStore::builder(url).command_timeout(longest);
            Arc::new(builder.connect().await.unwrap())
        }
    }
}

/// No test by itself: a process that [`race`] starts. It refreshes each token that it reads many
/// times at once, and writes the results.
#[test]
#[ignore = "the body of a child process"]
fn child() {
    let url = std::env::var("JAM_TEST_URL").unwrap();
    let pem = std::env::var("JAM_TEST_KEY").unwrap();
    let grace = std::env::var("JAM_TEST_GRACE").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let pairs = app(&pem).node(&connect(&url).await, |pairs| {
            pairs.grace(Duration::from_secs(grace))
        });
        // The output of the test runner comes before.
        println!("\nready");
        for token in std::io::stdin().lines().map(Result::unwrap) {
            let mut running = JoinSet::new();
            for _ in 0..AT_ONCE {
                let (pairs, token) = (pairs.clone(), token.clone());
                running.spawn(async move {
                    refresh(&pairs, &token)
                        .await
                        .unwrap_or_else(|status| status.to_string())
                });
            }
            println!("{}", running.join_all().await.join(" "));
        }
    });
}

/// A child process with its pipes. It ends when they are closed.
struct Node {
    child: Child,
    input: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Node {
    fn start(url: &str, pem: &str, grace: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::child", "--ignored", "--nocapture"])
            .env("JAM_TEST_URL", url)
            .env("JAM_TEST_KEY", pem)
            .env("JAM_TEST_GRACE", grace.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, answers) = (
            child.stdin.take(),
            BufReader::new(child.stdout.take().unwrap()),
        );
        let mut node = Self {
            child,
            input,
            answers,
        };
        while node.line() != "ready" {}
        node
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(
            self.answers.read_line(&mut line).unwrap() > 0,
            "the child has ended"
        );
        line.trim().to_owned()
    }

    fn ask(&mut self, token: &str) {
        writeln!(self.input.as_mut().unwrap(), "{token}").unwrap();
    }

    fn answers(&mut self) -> Vec<String> {
        self.line().split(' ').map(str::to_owned).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.input.take());
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Sends both processes the same token, and returns the results of all refreshes.
fn race(nodes: &mut [Node; 2], token: &str) -> Vec<String> {
    for node in nodes.iter_mut() {
        node.ask(token);
    }
    nodes.iter_mut().flat_map(Node::answers).collect()
}

async fn on(url: &str) {
    let pem = App::new().key.to_pkcs8_pem().unwrap().expose().clone();
    let app = app(&pem);
    let here = app.node(&connect(url).await, |pairs| pairs);
    let mut nodes = [0, 1].map(|_| Node::start(url, &pem, 10));
    for round in 0..ROUNDS {
        let token = here.issue(app.alice()).await.unwrap().refresh_token;
        let answers = race(&mut nodes, token.expose());
        assert_eq!(answers.len(), 2 * AT_ONCE);
        let successors: BTreeSet<_> = answers.iter().collect();
        assert_eq!(successors.len(), 1, "round {round}: {successors:?}");
        let successor = successors.first().unwrap();
        assert!(
            refresh(&here, successor).await.is_ok(),
            "round {round}: {successor}"
        );
    }
    assert_eq!(app.count(EventKind::ReuseDetected), 0);

    let mut nodes = [0, 1].map(|_| Node::start(url, &pem, 0));
    for round in 0..ROUNDS {
        let token = here.issue(app.alice()).await.unwrap().refresh_token;
        let answers = race(&mut nodes, token.expose());
        let granted: Vec<_> = answers.iter().filter(|answer| *answer != "401").collect();
        assert_eq!(granted.len(), 1, "round {round}: {granted:?}");
        assert_eq!(refresh(&here, granted[0]).await, Err(401), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_redis_give_one_successor() {
    on(&redis::Server::shared().database()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_postgres_give_one_successor() {
    on(&postgres::Server::shared().database().await).await;
}
