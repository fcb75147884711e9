//! Throwaway servers: a child process on a free loopback port, with a folder of its own, ended with
//! the test.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A child process that is killed, and waited for, when it is dropped.
pub struct Process(Child);

impl Process {
    /// Starts `command` without a terminal; its output goes to `log`.
    pub fn spawn(command: &mut Command, log: &Path) -> Self {
        let out = fs::File::create(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self(child)
    }

    /// Sends a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.0.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success(), "kill -{name}");
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL ends a suspended process too.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Kills the child process `id` and removes `folder` when this process has ended, however it ends.
/// For children in a `static`, which is never dropped.
pub fn end_with_this_process(id: u32, folder: &Path) {
    // The write ends of the pipes. The system closes them.
    static PIPES: Mutex<Vec<Child>> = Mutex::new(Vec::new());
    let watcher = Command::new("sh")
        .args(["-c", WATCHER, "watcher"])
        .arg(id.to_string())
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    PIPES.lock().unwrap().push(watcher.unwrap());
}

/// `cat` returns when the other end of its input is closed. An interrupt of the terminal reaches
/// the shell, too.
const WATCHER: &str = r#"
trap '' HUP INT TERM
cat >/dev/null
kill -KILL "$1"
rm -rf "$2"
"#;

/// A new folder that is removed when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id();
        let path = std::env::temp_dir().join(format!("tower-jam-{name}-{id}-{count}"));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A port that was free a moment ago. Another process may take it, so a caller that starts a server
/// checks whether it came up, and tries another port if not.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The path of a program that the tests require; `package` installs it.
pub fn program(name: &str, folders: &[&str], package: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(folders.iter().copied())
        .map(|folder| Path::new(folder).join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("{name} is missing: run tests/run, which installs it, or `apt-get install {package}`")
        })
}

/// Blocks this thread until the condition holds.
///
/// # Panics
///
/// After 20 seconds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "timed out: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
