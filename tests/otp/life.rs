//! An authenticator from its first code to its last.

use std::{sync::Arc, time::Duration};

use tower_jam::{
    Clock, Factor, Identity, MasterSecret, Rejection, RejectionKind, Subject,
    event::EventKind,
    otp::{Hotp, OtpSecret, Totp},
    store::Store,
};

use super::world::{App, ISSUER, WRONG, verify};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_authenticator_is_enrolled_used_and_removed() {
    let app = App::new();
    let (_, otp) = app.probed();
    assert!(!otp.is_enrolled("alice").await.unwrap());
    let enrollment = otp.enroll("alice").account("alice@acme.dev").await.unwrap();
    let shown = serde_json::to_value(&enrollment).unwrap();
    assert_eq!(
        shown["secret"],
        enrollment.secret().to_base32().expose().as_str()
    );
    assert!(shown["uri"].as_str().unwrap().contains("alice%40acme.dev"));
    assert!(shown["qr_svg"].as_str().unwrap().contains("<svg"));
    assert!(!otp.is_enrolled("alice").await.unwrap(), "not confirmed");
    let secret = enrollment.secret().clone();
    assert_eq!(verify(&otp, "alice", &app.code(&secret)).await, 401);

    let codes = otp.confirm("alice", &app.code(&secret)).await.unwrap();
    assert!(otp.is_enrolled("alice").await.unwrap());
    assert_eq!(verify(&otp, "alice", &app.code(&secret)).await, 401, "used");
    let code = app.next_code(&secret);
    assert_eq!(verify(&otp, "bob", &code).await, 401);
    assert_eq!(verify(&otp, "alice", &code).await, 200);
    assert_eq!(verify(&otp, "alice", &code).await, 401);

    let first = codes.iter().next().unwrap();
    let (_, left) = otp.use_recovery_code("alice", first).await.unwrap();
    assert_eq!(left, 9);
    assert!(otp.use_recovery_code("alice", first).await.is_err());

    let caller = app.caller("alice", MINUTE);
    assert!(otp.disable(&caller).await.unwrap());
    assert!(!otp.disable(&caller).await.unwrap());
    assert!(!otp.is_enrolled("alice").await.unwrap());
    assert_eq!(verify(&otp, "alice", &app.next_code(&secret)).await, 401);
    for (kind, times) in [
        (EventKind::OtpEnrolled, 1),
        (EventKind::OtpAccepted, 1),
        (EventKind::OtpReplayed, 3),
        (EventKind::OtpRefused, 0),
        (EventKind::RecoveryCodeUsed, 1),
        (EventKind::OtpDisabled, 1),
        (EventKind::OtpLocked, 0),
    ] {
        assert_eq!(app.count(kind), times, "{kind:?}");
    }
}

#[tokio::test]
async fn enrolling_again_requires_a_fresh_code_and_keeps_the_old_secret_until_it_is_confirmed() {
    let app = App::new();
    let (_, otp) = app.probed();
    let (old, old_codes) = app.enrolled(&otp, "alice").await;
    // An identity that the application holds does not stay fresh.
    let kept = app.caller("alice", Duration::ZERO);
    app.clock.advance(6 * MINUTE);
    let now = app.clock.now();
    let of = |issuer| Identity::new(Subject::new(issuer, "alice"), now);
    let is_step_up = |refusal: Rejection| matches!(refusal.kind(), RejectionKind::StepUp { .. });
    assert!(is_step_up(otp.enroll("alice").await.unwrap_err()));
    for caller in [
        app.caller("alice", 5 * MINUTE),
        of("https://elsewhere").with_factor(Factor::Otp, now),
        of(ISSUER).with_factor(Factor::Password, now),
        kept,
    ] {
        let enrolling = otp.enroll("alice").replacing(&caller);
        assert!(is_step_up(enrolling.await.unwrap_err()));
        assert!(is_step_up(
            otp.new_recovery_codes(&caller).await.unwrap_err()
        ));
        assert!(is_step_up(otp.disable(&caller).await.unwrap_err()));
    }
    let bob = app.caller("bob", MINUTE);
    assert!(is_step_up(
        otp.enroll("alice").replacing(&bob).await.unwrap_err()
    ));

    let caller = app.caller("alice", 4 * MINUTE);
    let new = otp.enroll("alice").replacing(&caller).await.unwrap();
    let new = new.secret().clone();
    assert_eq!(verify(&otp, "alice", &app.code(&new)).await, 401);
    assert_eq!(verify(&otp, "alice", &app.code(&old)).await, 200);

    app.clock.advance(MINUTE);
    drop(otp.confirm("alice", &app.code(&new)).await.unwrap());
    app.clock.advance(2 * MINUTE);
    assert_eq!(verify(&otp, "alice", &app.code(&old)).await, 401);
    assert_eq!(verify(&otp, "alice", &app.code(&new)).await, 200);
    let old_code = old_codes.iter().next().unwrap();
    assert!(otp.use_recovery_code("alice", old_code).await.is_err());
}

#[tokio::test]
async fn an_unconfirmed_enrolment_expires() {
    let app = App::new();
    let (_, otp) = app.probed();
    let secret = otp.enroll("alice").await.unwrap().secret().clone();
    app.clock.advance(15 * MINUTE);
    assert!(otp.confirm("alice", &app.code(&secret)).await.is_err());
    let again = otp.enroll("alice").await.unwrap().secret().clone();
    assert!(again != secret);
    assert!(otp.confirm("alice", &app.code(&again)).await.is_ok());
}

/// A lost record accepts nothing: neither a code nor a recovery code is correct.
#[tokio::test]
async fn a_lost_record_accepts_no_code() {
    let app = App::new();
    let (_, otp) = app.probed();
    let (secret, codes) = app.enrolled(&otp, "alice").await;
    assert!(otp.dangerous_disable("alice").await.unwrap());
    assert_eq!(verify(&otp, "alice", &app.code(&secret)).await, 401);
    let code = codes.iter().next().unwrap();
    let refusal = otp.use_recovery_code("alice", code).await.unwrap_err();
    assert_eq!(refusal.status(), 401);
    let caller = app.caller("alice", MINUTE);
    assert_eq!(
        otp.new_recovery_codes(&caller).await.unwrap_err().status(),
        401
    );
}

#[tokio::test]
async fn five_failures_lock_for_fifteen_minutes_and_say_when_to_come_back() {
    let app = App::new();
    let (probe, otp) = app.probed();
    let (secret, codes) = app.enrolled(&otp, "alice").await;
    for _ in 0..5 {
        assert_eq!(verify(&otp, "alice", WRONG).await, 401);
    }
    assert_eq!(app.count(EventKind::OtpLocked), 1);
    let written = probe.written().len();
    for (waited, next) in [(0, 10), (10, 14), (14, 15)] {
        let refusal = otp.verify("alice", &app.code(&secret)).await.unwrap_err();
        assert_eq!(refusal.status(), 429);
        assert_eq!(refusal.retry_after(), Some(60 * (15 - u64::from(waited))));
        let code = codes.iter().next().unwrap();
        let refusal = otp.use_recovery_code("alice", code).await.unwrap_err();
        assert_eq!(refusal.status(), 429);
        app.clock.advance((next - waited) * MINUTE);
    }
    assert_eq!(probe.written().len(), written, "nothing extends it");
    assert_eq!(verify(&otp, "alice", &app.code(&secret)).await, 200);
    assert_eq!(app.count(EventKind::Throttled), 6);
}

#[tokio::test]
async fn wrong_used_malformed_and_unknown_codes_have_the_same_response() {
    let app = App::new();
    let (_, otp) = app.probed();
    let (secret, _) = app.enrolled(&otp, "alice").await;
    let code = app.code(&secret);
    assert_eq!(verify(&otp, "alice", &code).await, 200);
    for (subject, code) in [
        ("alice", WRONG),
        ("alice", &*code),
        ("alice", ""),
        ("alice", "١٢٣٤٥٦"),
        ("bob", "123456"),
    ] {
        let refusal = otp.verify(subject, code).await.unwrap_err();
        assert_eq!(*refusal.kind(), RejectionKind::Invalid);
        assert_eq!(refusal.message(), "the credential is not valid");
    }
}

#[tokio::test]
async fn a_counter_based_token_is_enrolled_used_and_found_again() {
    let app = App::new();
    let store: Arc<dyn Store> = Arc::new(app.memory());
    let otp = app.node(&store, |otp| otp.scheme(Hotp::new()));
    let enrollment = otp.enroll("alice").await.unwrap();
    assert!(enrollment.uri().expose().starts_with("otpauth://hotp/"));
    let code = |counter| {
        Hotp::new()
            .code(enrollment.secret(), counter)
            .expose()
            .clone()
    };
    drop(otp.confirm("alice", &code(0)).await.unwrap());
    assert_eq!(verify(&otp, "alice", &code(0)).await, 401);
    assert_eq!(verify(&otp, "alice", &code(3)).await, 200);
    assert_eq!(verify(&otp, "alice", &code(2)).await, 401);
    assert_eq!(verify(&otp, "alice", &code(60)).await, 401, "too far ahead");
    otp.resynchronize("alice", [&code(60), &code(61)])
        .await
        .unwrap();
    assert_eq!(verify(&otp, "alice", &code(61)).await, 401);
    assert_eq!(verify(&otp, "alice", &code(62)).await, 200);
}

#[tokio::test]
async fn an_enrolment_keeps_its_scheme_when_the_settings_change() {
    let app = App::new();
    let store: Arc<dyn Store> = Arc::new(app.memory());
    let six = app.node(&store, |otp| otp);
    let (secret, _) = app.enrolled(&six, "alice").await;
    let eight = Totp::new().with_digits(8).unwrap();
    let otp = app.node(&store, |otp| otp.scheme(eight));
    assert_eq!(verify(&otp, "alice", &app.code(&secret)).await, 200);
    let secret = otp.enroll("bob").await.unwrap().secret().clone();
    assert!(otp.confirm("bob", &app.code(&secret)).await.is_err());
    let code = eight.code(&secret, app.clock.now());
    assert!(otp.confirm("bob", code.expose()).await.is_ok());
}

#[tokio::test]
async fn a_secret_of_another_system_is_imported() {
    let app = App::new();
    let (_, otp) = app.probed();
    let secret = OtpSecret::from_base32("gezd gnbv gy3t qojq gezd gnbv gy3t qojq").unwrap();
    let enrollment = otp.enroll("alice").secret(secret.clone()).await.unwrap();
    assert!(*enrollment.secret() == secret);
    drop(otp.confirm("alice", &app.code(&secret)).await.unwrap());
    assert_eq!(verify(&otp, "alice", &app.next_code(&secret)).await, 200);
}

#[tokio::test]
async fn new_recovery_codes_replace_the_old_ones() {
    let app = App::new();
    let (_, otp) = app.probed();
    let (_, old) = app.enrolled(&otp, "alice").await;
    let caller = app.caller("alice", MINUTE);
    let new = otp.new_recovery_codes(&caller).await.unwrap();
    for code in old.iter().take(4) {
        assert!(otp.use_recovery_code("alice", code).await.is_err());
    }
    for (used, code) in new.iter().enumerate() {
        let (_, left) = otp.use_recovery_code("alice", code).await.unwrap();
        assert_eq!(left, 9 - used);
    }
    assert_eq!(app.count(EventKind::RecoveryCodesReplaced), 1);
}

#[tokio::test]
async fn a_retired_secret_opens_no_record_and_an_accepted_one_does() {
    let app = App::new();
    let store: Arc<dyn Store> = Arc::new(app.memory());
    let (secret, _) = app.enrolled(&app.node(&store, |otp| otp), "alice").await;
    let mut next = app.clone();
    next.secret = MasterSecret::generate();
    let alone = next.node(&store, |otp| otp);
    assert_eq!(verify(&alone, "alice", &app.code(&secret)).await, 403);
    let mut both = next.clone();
    both.secret = next.secret.clone().accept(&app.secret);
    let both = both.node(&store, |otp| otp);
    assert_eq!(verify(&both, "alice", &app.code(&secret)).await, 200);
    // After its next change, the record is sealed with the active secret.
    assert_eq!(verify(&alone, "alice", &app.next_code(&secret)).await, 200);
}

/// The clock is set back: codes of the time before were used or could have been seen.
#[tokio::test]
async fn setting_the_clock_back_revives_no_code() {
    let app = App::new();
    let (_, otp) = app.probed();
    let (secret, _) = app.enrolled(&otp, "alice").await;
    let now = app.clock.now();
    let code = app.code(&secret);
    assert_eq!(verify(&otp, "alice", &code).await, 200);
    for back in [30, 60, 3_600] {
        app.clock.set(now.before(Duration::from_secs(back)));
        assert_eq!(verify(&otp, "alice", &code).await, 401);
        assert_eq!(verify(&otp, "alice", &app.code(&secret)).await, 401);
    }
    app.clock.set(now);
    assert_eq!(verify(&otp, "alice", &app.next_code(&secret)).await, 200);
}
