//! The store fails at each call of each operation, executed or not.

use std::time::Duration;

use tower_jam::{Rejection, event::EventKind};

use super::world::{App, WRONG, verify};

/// A read and a write.
const CALLS: usize = 2;

#[tokio::test]
async fn a_failure_of_any_call_is_503_and_costs_nothing() {
    for n in 1..=CALLS {
        let app = App::new();
        let (probe, otp) = app.probed();
        let (secret, codes) = app.enrolled(&otp, "alice").await;
        let code = app.code(&secret);
        let recovery = codes.iter().next().unwrap();
        // Guesses that were not counted got no result either.
        for _ in 0..10 {
            probe.fail_at(n, false);
            assert_eq!(verify(&otp, "alice", WRONG).await, 503);
        }
        probe.fail_at(n, false);
        assert_eq!(verify(&otp, "alice", &code).await, 503);
        assert_eq!(verify(&otp, "alice", &code).await, 200, "call {n}");
        probe.fail_at(n, false);
        let refusal = otp.use_recovery_code("alice", recovery).await.unwrap_err();
        assert_eq!(refusal.status(), 503);
        assert!(otp.use_recovery_code("alice", recovery).await.is_ok());

        let caller = app.caller("alice", Duration::ZERO);
        probe.fail_at(n, false);
        status_503(otp.new_recovery_codes(&caller).await);
        probe.fail_at(n, false);
        status_503(otp.enroll("alice").replacing(&caller).await);
        probe.fail_at(n, false);
        status_503(otp.enroll("bob").await);
        let secret = otp.enroll("bob").await.unwrap().secret().clone();
        probe.fail_at(n, false);
        status_503(otp.confirm("bob", &app.code(&secret)).await);
        assert!(otp.confirm("bob", &app.code(&secret)).await.is_ok());
        probe.fail_at(1, false);
        status_503(otp.disable(&caller).await);
        assert!(otp.is_enrolled("alice").await.unwrap());
        assert_eq!(app.count(EventKind::OtpRefused), 0);
        assert_eq!(app.count(EventKind::OtpReplayed), 0);
    }
}

/// A write whose answer is lost is recognised by its version: the code is accepted, and once.
#[tokio::test]
async fn a_lost_answer_neither_repeats_a_use_nor_counts_twice() {
    let app = App::new();
    let (probe, otp) = app.probed();
    let (secret, codes) = app.enrolled(&otp, "alice").await;
    let code = app.code(&secret);
    probe.fail_at(2, true);
    assert_eq!(verify(&otp, "alice", &code).await, 200);
    assert_eq!(verify(&otp, "alice", &code).await, 401);
    assert_eq!(app.count(EventKind::OtpAccepted), 1);
    probe.fail_at(2, true);
    let recovery = codes.iter().next().unwrap();
    let (_, left) = otp.use_recovery_code("alice", recovery).await.unwrap();
    assert_eq!(left, 9);
    for n in 1..=5 {
        probe.fail_at(2, true);
        assert_eq!(verify(&otp, "alice", WRONG).await, 401, "guess {n}");
    }
    assert_eq!(verify(&otp, "alice", WRONG).await, 429);
    assert_eq!(app.count(EventKind::OtpRefused), 5);
}

#[tokio::test]
async fn with_an_unavailable_store_no_code_is_accepted_and_no_user_unenrolled() {
    let app = App::new();
    let (probe, otp) = app.probed();
    let (secret, _) = app.enrolled(&otp, "alice").await;
    probe.set_down(true);
    assert_eq!(verify(&otp, "alice", &app.code(&secret)).await, 503);
    assert!(otp.is_enrolled("alice").await.is_err());
    assert!(otp.dangerous_disable("alice").await.is_err());
    status_503(otp.enroll("alice").await);
    probe.set_down(false);
    assert_eq!(verify(&otp, "alice", &app.code(&secret)).await, 200);
}

fn status_503<T>(outcome: Result<T, Rejection>) {
    assert_eq!(outcome.err().unwrap().status(), 503);
}
