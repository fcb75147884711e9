//! Throwaway PostgreSQL servers: a cluster in a folder of its own, which ends with the process that
//! created it.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::process::{Folder, free_port, program};

/// A server of its own. Dropping it kills it.
pub struct Server {
    folder: Folder,
    port: u16,
    settings: Vec<String>,
    keeper: Option<Child>,
}

impl Server {
    /// Starts a server with `settings` such as `max_connections=20`, on a port that was free.
    pub fn start(settings: &[&str]) -> Self {
        let folder = Folder::new("postgres");
        if let Some((user, group)) = unprivileged(folder.path()) {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let mut server = Self {
            folder,
            port: 0,
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            keeper: None,
        };
        server.make_cluster();
        for _ in 0..5 {
            server.port = free_port();
            if server.run() {
                return server;
            }
        }
        panic!("no server started: {}", server.log());
    }

    /// The server that all tests of a binary may use, each in a database of its own. It ends with
    /// the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&["max_connections=300", "deadlock_timeout=300ms"]))
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Creates a database and returns its URL.
    pub async fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let url = self.url("postgres");
        execute(&url, &format!("CREATE DATABASE {name}")).await;
        self.url(&name)
    }

    /// Kills every process of the server, as a crash of its machine does.
    pub fn kill(&mut self) {
        let Some(mut keeper) = self.keeper.take() else {
            return;
        };
        fs::write(self.folder.path().join("keep"), "").unwrap();
        // A suspended process does not notice that the others ended.
        self.signal("CONT");
        drop(keeper.stdin.take());
        keeper.wait().unwrap();
    }

    /// Starts it again, on its port. Meanwhile the system may have lent the port to a client: even
    /// to one that tried to reach the server, and connected to itself.
    pub fn restart(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.run() {
            assert!(Instant::now() < deadline, "{}", self.log());
        }
    }

    /// Sends a signal to the server and all its processes.
    pub fn signal(&self, name: &str) {
        let Some(pid) = self.pid() else { return };
        let table = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
        let table = String::from_utf8(table.unwrap().stdout).unwrap();
        let mut pids = vec![pid.clone()];
        for line in table.lines() {
            let mut words = line.split_whitespace();
            let (child, parent) = (words.next().unwrap(), words.next().unwrap());
            if parent == pid {
                pids.push(child.to_owned());
            }
        }
        // One of them may have exited by now.
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}")).args(pids);
        drop(kill.stderr(Stdio::null()).status());
    }

    fn make_cluster(&self) {
        let data = self.data();
        let mut initdb = command("initdb", self.folder.path());
        initdb.args(["-U", "postgres", "-E", "UTF8", "--locale=C", "-N", "-D"]);
        let made = initdb.arg(&data).arg("--auth=trust").output().unwrap();
        assert!(made.status.success(), "initdb: {made:?}");
        let rules = "host all guarded 127.0.0.1/32 scram-sha-256\n\
                     host all all 127.0.0.1/32 trust\n";
        fs::write(data.join("pg_hba.conf"), rules).unwrap();
    }

    /// Whether it started.
    fn run(&mut self) -> bool {
        for leftover in ["data/postmaster.pid", "keep"] {
            drop(fs::remove_file(self.folder.path().join(leftover)));
        }
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut keeper = command("sh", self.folder.path());
        keeper.args(["-c", KEEPER, "keeper"]);
        keeper.arg(binary("postgres")).arg("-D").arg(self.data());
        keeper.args(["-c", &format!("port={}", self.port)]);
        keeper.args(["-c", "listen_addresses=127.0.0.1"]);
        let folder = self.folder.path().display();
        keeper.args(["-c", &format!("unix_socket_directories={folder}")]);
        let quick = ["fsync=off", "full_page_writes=off", "shared_buffers=32MB"];
        let settings = self.settings.iter().map(String::as_str);
        for setting in quick.into_iter().chain(settings) {
            keeper.args(["-c", setting]);
        }
        let keeper = keeper
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.keeper = Some(keeper.unwrap());
        let deadline = Instant::now() + Duration::from_secs(20);
        // Waiting clients are rejected while the server starts, which is no failure.
        let has_failed = |log: String| {
            let mut lines = log.lines();
            lines.any(|line| line.contains("FATAL") && !line.contains("the database system is"))
        };
        while Instant::now() < deadline && !has_failed(self.log()) {
            let state = fs::read_to_string(self.data().join("postmaster.pid"));
            if state.is_ok_and(|state| {
                state
                    .lines()
                    .nth(7)
                    .is_some_and(|line| line.trim() == "ready")
            }) {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        false
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn pid(&self) -> Option<String> {
        let state = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        Some(state.lines().next()?.to_owned())
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs statements on a connection of their own.
pub async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let sql = AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Kills the server and removes its folder when the process of the test is gone, however it ended:
/// the shell then reads the end of its input. Statics are not dropped.
const KEEPER: &str = r#"
trap : HUP INT TERM
"$@" </dev/null &
cat >/dev/null
kill -CONT $! 2>/dev/null
kill -QUIT $! 2>/dev/null
wait
test -e keep || rm -rf "$PWD"
"#;

fn command(name: &str, folder: &Path) -> Command {
    let mut command = match name {
        "sh" => Command::new(name),
        name => Command::new(binary(name)),
    };
    command.current_dir(folder);
    if let Some((user, group)) = unprivileged(folder) {
        command.uid(user).gid(group);
    }
    command
}

/// PostgreSQL refuses to run as root, so there it runs as another user.
fn unprivileged(folder: &Path) -> Option<(u32, u32)> {
    static ROOT: OnceLock<bool> = OnceLock::new();
    // The owner of a folder that was just created is the user of this process.
    let is_root = *ROOT.get_or_init(|| fs::metadata(folder).unwrap().uid() == 0);
    if !is_root {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut words = line.split(':').skip(2);
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    Some(find("postgres").or_else(|| find("nobody")).unwrap())
}

fn binary(name: &str) -> PathBuf {
    let mut folders = vec![
        "/opt/homebrew/bin".to_owned(),
        "/opt/homebrew/opt/postgresql/bin".to_owned(),
        "/usr/local/opt/postgresql/bin".to_owned(),
        "/usr/local/pgsql/bin".to_owned(),
    ];
    for parent in ["/usr/lib/postgresql", "/usr/pgsql"] {
        let versions = fs::read_dir(parent).into_iter().flatten().flatten();
        folders.extend(versions.map(|version| format!("{}/bin", version.path().display())));
    }
    let folders: Vec<_> = folders.iter().map(String::as_str).collect();
    program(name, &folders, "postgresql")
}
