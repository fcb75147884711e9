//! Throwaway Redis: one server, a cluster, or one behind a Sentinel.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use super::process::{Folder, Process, end_with_this_process, free_port, program, until};

/// How a server differs from the default.
#[derive(Clone, Default)]
pub struct Shape {
    pub program: Option<PathBuf>,
    pub password: Option<&'static str>,
    pub arguments: Vec<String>,
    /// The port speaks TLS only.
    pub certificate: Option<Certificate>,
}

/// One server on a port of its own.
pub struct Server {
    pub port: u16,
    process: Option<Process>,
    folder: Folder,
    shape: Shape,
    mode: &'static [&'static str],
}

impl Server {
    pub fn start() -> Self {
        Self::with(&Shape::default())
    }

    pub fn with(shape: &Shape) -> Self {
        Self::launch(shape, &[])
    }

    /// The server that all tests of a binary may use, each under a [`prefix`] or in a
    /// [`Server::database`] of its own. It ends with the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| {
            let server = Self::with(&Shape {
                arguments: ["--databases", "1000"].map(str::to_owned).to_vec(),
                ..Shape::default()
            });
            server.end_with_this_process();
            server
        })
    }

    /// The URL of a database of a shared server that no other test uses.
    pub fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        format!("{}/{}", self.url(), COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// As [`Server::shared`], for Valkey, if it is installed.
    pub fn shared_valkey() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        let start = || {
            let program = Some(valkey_server()?);
            let server = Self::with(&Shape {
                program,
                ..Shape::default()
            });
            server.end_with_this_process();
            Some(server)
        };
        SHARED.get_or_init(start).as_ref()
    }

    /// For a server in a `static`, which is never dropped.
    fn end_with_this_process(&self) {
        let process = self.process.as_ref().unwrap();
        end_with_this_process(process.id(), self.folder.path());
    }

    fn launch(shape: &Shape, mode: &'static [&'static str]) -> Self {
        for _ in 0..10 {
            // The cluster bus takes the port ten thousand above.
            let port = free_port();
            if mode == CLUSTER && port > 55_000 {
                continue;
            }
            let mut server = Self {
                port,
                process: None,
                folder: Folder::new("redis"),
                shape: shape.clone(),
                mode,
            };
            if server.run() {
                return server;
            }
        }
        panic!("no Redis started on any of ten ports");
    }

    /// Starts the process, on the same port as before. Returns whether it answers.
    pub fn run(&mut self) -> bool {
        let program = self.shape.program.clone().unwrap_or_else(redis_server);
        let mut command = Command::new(program);
        let port = self.port.to_string();
        if self.mode == SENTINEL {
            command
                .arg(self.folder.path().join("sentinel.conf"))
                .arg("--sentinel");
            let file = self.folder.path().join("sentinel.conf");
            if !file.exists() {
                fs::write(file, "").unwrap();
            }
        } else {
            command
                .args(["--save", "", "--appendonly", "no"])
                .args(self.mode);
        }
        match &self.shape.certificate {
            Some(certificate) => command
                .args([
                    "--port",
                    "0",
                    "--tls-port",
                    &port,
                    "--tls-auth-clients",
                    "no",
                ])
                .arg("--tls-cert-file")
                .arg(certificate.folder().join("server.pem"))
                .arg("--tls-key-file")
                .arg(certificate.folder().join("server.key"))
                .arg("--tls-ca-cert-file")
                .arg(certificate.folder().join("ca.pem")),
            None => command.args(["--port", &port]),
        };
        command
            .args(["--bind", "127.0.0.1", "--daemonize", "no", "--dir"])
            .arg(self.folder.path())
            .args(&self.shape.arguments);
        if let Some(password) = self.shape.password {
            command.args(["--requirepass", password]);
        }
        let log = self.folder.path().join("log");
        let process = self.process.insert(Process::spawn(&mut command, &log));
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if process.has_ended() {
                return false;
            }
            let is_up = match self.shape.certificate {
                Some(_) => TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok(),
                None => {
                    self.shape.password.is_some() && reply(self.port, &["PING"]).is_some()
                        || reply(self.port, &["INFO", "server"]).is_some_and(|info| {
                            // Another test may have started its own server on this port.
                            info.contains(&format!("\r\nprocess_id:{}\r\n", process.id()))
                        })
                }
            };
            if is_up {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!(
            "Redis on port {} does not answer: {}",
            self.port,
            self.log()
        );
    }

    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Whether the process has exited, by itself or by a signal.
    pub fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_none_or(Process::has_ended)
    }

    pub fn signal(&self, name: &str) {
        self.process.as_ref().unwrap().signal(name);
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sends one command on a connection of its own, and returns the reply as Redis wrote it.
    pub fn command(&self, words: &[&str]) -> String {
        reply(self.port, words).unwrap_or_else(|| panic!("{words:?} was not answered"))
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Three primaries, each with a replica.
pub struct Cluster {
    pub nodes: Vec<Server>,
}

impl Cluster {
    /// The cluster that all tests of a binary may use, each under a [`prefix`] of its own. It ends
    /// with the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Self::start();
            cluster.nodes.iter().for_each(Server::end_with_this_process);
            cluster
        })
    }

    pub fn start() -> Self {
        let nodes: Vec<_> = (0..6)
            .map(|_| Server::launch(&Shape::default(), CLUSTER))
            .collect();
        let cluster = Self { nodes };
        for (number, [first, last]) in [[0, 5460], [5461, 10922], [10923, 16383]]
            .iter()
            .enumerate()
        {
            let slots = [&first.to_string()[..], &last.to_string()];
            let response =
                cluster.nodes[number].command(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]);
            assert!(response.starts_with("+OK"), "{response}");
            let epoch = (number + 1).to_string();
            cluster.nodes[number].command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]);
        }
        let knows_all =
            |node: &Server| node.command(&["CLUSTER", "INFO"]).contains("known_nodes:6");
        let mut last_meet = None::<Instant>;
        until("the nodes know each other", || {
            // A handshake that takes longer than the timeout of a node is given up.
            if last_meet.is_none_or(|last| last.elapsed() > Duration::from_secs(2)) {
                for node in &cluster.nodes[1..] {
                    let port = node.port.to_string();
                    cluster.nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port]);
                }
                last_meet = Some(Instant::now());
            }
            cluster.nodes.iter().all(knows_all)
        });
        for number in 0..3 {
            let id = cluster.id(number);
            until("a replica is one", || {
                cluster.nodes[number + 3]
                    .command(&["CLUSTER", "REPLICATE", &id])
                    .starts_with("+OK")
            });
        }
        until("the cluster is whole", || {
            cluster.nodes.iter().all(|node| {
                node.command(&["CLUSTER", "INFO"])
                    .contains("cluster_state:ok")
            }) && (0..3).all(|number| {
                let info = cluster.nodes[number].command(&["INFO", "replication"]);
                info.contains("connected_slaves:1") && info.contains("state=online")
            }) && cluster.nodes[0]
                .command(&["CLUSTER", "NODES"])
                .matches(" slave ")
                .count()
                == 3
        });
        cluster.misses_after("15000");
        cluster
    }

    /// How many milliseconds a node may be silent before a replica takes over. The default is so
    /// long that a busy machine does not move a primary.
    pub fn misses_after(&self, millis: &str) {
        for node in &self.nodes {
            let response = node.command(&["CONFIG", "SET", "cluster-node-timeout", millis]);
            assert!(response.starts_with("+OK"), "{response}");
        }
    }

    /// Names the first node only; the others are discovered.
    pub fn url(&self) -> String {
        format!("redis-cluster://127.0.0.1:{}", self.nodes[0].port)
    }

    /// The id of a node in the cluster.
    pub fn id(&self, number: usize) -> String {
        let reply = self.nodes[number].command(&["CLUSTER", "MYID"]);
        reply.lines().nth(1).unwrap().to_owned()
    }
}

/// A primary, its replica and one Sentinel.
pub struct Guarded {
    pub servers: [Server; 2],
    pub sentinel: Server,
}

impl Guarded {
    /// The servers that all tests of a binary may use, each under a [`prefix`] of its own. They end
    /// with the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Guarded> = OnceLock::new();
        SHARED.get_or_init(|| {
            let guarded = Self::start();
            let servers = guarded.servers.iter().chain([&guarded.sentinel]);
            servers.for_each(Server::end_with_this_process);
            guarded
        })
    }

    pub fn start() -> Self {
        let shape = Shape {
            arguments: ["--repl-diskless-sync-delay", "0"]
                .map(str::to_owned)
                .to_vec(),
            ..Shape::default()
        };
        let primary = Server::with(&shape);
        let replica = Server::with(&shape);
        let port = primary.port.to_string();
        assert!(
            replica
                .command(&["REPLICAOF", "127.0.0.1", &port])
                .starts_with("+OK")
        );
        let sentinel = Server::launch(&Shape::default(), SENTINEL);
        let monitor = ["SENTINEL", "MONITOR", "main", "127.0.0.1", &port, "1"];
        assert!(sentinel.command(&monitor).starts_with("+OK"));
        let guarded = Self {
            servers: [primary, replica],
            sentinel,
        };
        // So long that a busy machine does not move the primary.
        guarded.set("down-after-milliseconds", "30000");
        guarded.set("failover-timeout", "3000");
        let [primary, _] = &guarded.servers;
        until("the replica follows", || {
            primary
                .command(&["INFO", "replication"])
                .contains("state=online")
                && guarded
                    .sentinel
                    .command(&["SENTINEL", "REPLICAS", "main"])
                    .contains("role-reported")
        });
        guarded
    }

    fn set(&self, name: &str, millis: &str) {
        let set = ["SENTINEL", "SET", "main", name, millis];
        let response = self.sentinel.command(&set);
        assert!(response.starts_with("+OK"), "{response}");
    }

    /// From now on, half a second of silence makes the replica the primary.
    pub fn fails_over(&self) {
        self.set("down-after-milliseconds", "500");
    }

    pub fn url(&self) -> String {
        format!(
            "redis-sentinel://127.0.0.1:{}?sentinelServiceName=main",
            self.sentinel.port
        )
    }
}

/// A certificate for 127.0.0.1 and the authority that signed it.
#[derive(Clone)]
pub struct Certificate(std::sync::Arc<Folder>);

impl Default for Certificate {
    fn default() -> Self {
        Self::new()
    }
}

impl Certificate {
    pub fn new() -> Self {
        let folder = Folder::new("certificate");
        let openssl = program("openssl", &["/usr/bin"], "openssl");
        let run = |arguments: &str| {
            let output = Command::new(&openssl)
                .args(arguments.split(' '))
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        run(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"
        ));
        run(&format!(
            "req {key} -keyout server.key -out server.csr -subj /CN=server"
        ));
        fs::write(folder.path().join("names"), "subjectAltName=IP:127.0.0.1\n").unwrap();
        run(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names",
        );
        Self(folder.into())
    }

    pub fn folder(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

/// A prefix for the keys of one test on a shared server.
pub fn prefix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub fn redis_server() -> PathBuf {
    program("redis-server", FOLDERS, "redis-server")
}

/// Valkey, if it is installed.
pub fn valkey_server() -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(FOLDERS.iter().copied())
        .map(|folder| PathBuf::from(folder).join("valkey-server"))
        .find(|file| file.is_file())
}

/// Sends one command on a connection of its own. Returns `None` if the server does not answer; a
/// reply is read as far as it has arrived.
pub fn reply(port: u16, words: &[&str]) -> Option<String> {
    let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
    reply_to(port, &words).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

pub fn reply_to(port: u16, words: &[&[u8]]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let mut request = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        request.extend(format!("${}\r\n", word.len()).into_bytes());
        request.extend(*word);
        request.extend(b"\r\n");
    }
    // After QUIT the server closes the connection, and the reply is complete.
    request.extend(b"*1\r\n$4\r\nQUIT\r\n");
    stream.write_all(&request).ok()?;
    let mut bytes = Vec::new();
    drop(stream.read_to_end(&mut bytes));
    let whole = bytes.strip_suffix(b"+OK\r\n").unwrap_or(&bytes);
    (!whole.is_empty()).then(|| whole.to_vec())
}

const FOLDERS: &[&str] = &[
    "/usr/bin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
];

const CLUSTER: &[&str] = &[
    "--cluster-enabled",
    "yes",
    "--cluster-node-timeout",
    "1000",
    "--repl-diskless-sync-delay",
    "0",
];

const SENTINEL: &[&str] = &["--sentinel"];
