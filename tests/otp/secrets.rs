//! What the store holds, and how secrets are displayed.

use std::time::Duration;

use super::world::{App, WRONG, verify};

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let mut windows = haystack.windows(needle.len());
    windows.any(|window| window == needle)
}

#[tokio::test]
async fn the_store_holds_no_secret_and_no_recovery_code() {
    let app = App::new();
    let (probe, otp) = app.probed();
    let (secret, mut codes) = app.enrolled(&otp, "alice").await;
    let mut needles: Vec<Vec<u8>> = Vec::new();
    let caller = app.caller("alice", Duration::ZERO);
    let second = otp.enroll("alice").replacing(&caller).await.unwrap();
    for secret in [&secret, second.secret()] {
        let hex = |byte: &u8| format!("{byte:02x}").into_bytes();
        needles.push(secret.expose().to_vec());
        needles.push(secret.expose()[..8].to_vec());
        needles.push(secret.to_base32().expose().clone().into_bytes());
        needles.push(secret.expose().iter().flat_map(hex).collect());
    }
    for _ in 0..2 {
        needles.extend(codes.iter().map(|code| code.as_bytes().to_vec()));
        needles.extend(codes.iter().map(|code| code.as_bytes()[..8].to_vec()));
        codes = otp.new_recovery_codes(&caller).await.unwrap();
    }
    let code = app.code(&secret);
    assert_eq!(verify(&otp, "alice", &code).await, 200);
    assert_eq!(verify(&otp, "alice", WRONG).await, 401);
    needles.extend([code.into_bytes(), b"alice".to_vec(), b"Acme".to_vec()]);
    let written = probe.written();
    assert!(written.len() >= 7);
    for value in &written {
        for needle in &needles {
            assert!(
                !contains(value, needle),
                "{}",
                String::from_utf8_lossy(needle)
            );
        }
    }
}

#[tokio::test]
async fn debug_shows_no_secret_uri_or_code() {
    let app = App::new();
    let (_, otp) = app.probed();
    let new = otp.enroll("alice");
    let mut shown = format!("{new:?}");
    let enrollment = new.await.unwrap();
    let secret = enrollment.secret().clone();
    let code = app.code(&secret);
    let codes = otp.confirm("alice", &code).await.unwrap();
    let refusal = otp.verify("alice", &code).await.unwrap_err();
    shown += &format!(
        "{enrollment:?} {secret:?} {:?} {:?} {codes:?} {otp:?} {refusal:?} {refusal} {:?}",
        enrollment.uri(),
        enrollment.qr_svg(),
        app.events.lock().unwrap(),
    );
    let base32 = secret.to_base32().expose().clone();
    let mut hidden = vec![
        base32,
        code,
        "otpauth".to_owned(),
        "alice".to_owned(),
        "<svg".to_owned(),
    ];
    hidden.extend(codes.iter().map(str::to_owned));
    for hidden in hidden {
        assert!(!shown.contains(&hidden), "{hidden} in {shown}");
    }
}
