//! Runs the example as a reader does: the lines that it prints, one after the other.
#![allow(clippy::unwrap_used, reason = "in a test it is an assertion")]
#![cfg(unix)]

mod support;

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use support::process::{Folder, Process};
use tower_jam::{
    Clock, SystemClock, Timestamp,
    otp::{OtpSecret, Totp},
};

#[test]
fn a_payment_requires_a_code_and_a_page_does_not() {
    let folder = Folder::new("step-up");
    let log = folder.path().join("log");
    let binary = env!("CARGO_BIN_EXE_example-step-up");
    let _process = Process::spawn(Command::new(binary).arg("127.0.0.1:0"), &log);
    let began = Instant::now();
    let text = loop {
        let text = fs::read_to_string(&log).unwrap();
        if text.matches("curl ").count() == 6 && text.ends_with('\n') {
            break text;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{text}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut lines = text.lines().map(str::trim);
    let secret = lines
        .find_map(|line| line.strip_prefix("secret: "))
        .unwrap();
    let secret = OtpSecret::from_base32(secret).unwrap();
    let curls: Vec<_> = lines.filter(|line| line.starts_with("curl ")).collect();
    let run = |line: &str, at: Timestamp| {
        let code = Totp::new().code(&secret, at);
        let output = Command::new("sh")
            .args(["-c", line])
            .env("CODE", code.expose())
            .current_dir(folder.path())
            .output()
            .unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();
        let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        (status, answer)
    };
    let now = SystemClock.now();
    // The next code is already within the window, so the test does not have to wait for it.
    let next = now.after(Duration::from_secs(30));
    for (line, at, status, part) in [
        (curls[0], now, "204", "set-cookie"),
        (curls[1], now, "200", "Alice"),
        (curls[2], now, "401", "insufficient_user_authentication"),
        (curls[5], now, "401", "insufficient_user_authentication"),
        (curls[3], now, "200", "recovery_codes"),
        (curls[4], now, "200", "\"paid\":true"),
        (curls[5], now, "401", "insufficient_user_authentication"),
        (curls[5], next, "200", "set-cookie"),
        (curls[1], now, "200", "Alice"),
    ] {
        let (answered, answer) = run(line, at);
        assert_eq!(answered, status, "{line}: {answer}");
        assert!(answer.contains(part), "{line}: {answer}");
    }
}
