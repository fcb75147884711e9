//! Runs the command `jam`.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "tests load it as a module of their own, and not each needs all of it"
)]

use std::{
    env, fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;

pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

pub fn jam(arguments: &[&str], input: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_jam"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads no input may have exited before this is written.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn done(arguments: &[&str], input: &str) -> Ran {
    let ran = jam(arguments, input);
    assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
    ran
}

pub fn folder(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("tower-jam-cli-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}
