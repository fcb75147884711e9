//! Settings that would weaken codes, or have no meaning, are refused when the engine is built.

use std::{sync::Arc, time::Duration};

use tower_jam::{
    Env, MasterSecret, Otp,
    otp::{Hotp, OtpBuilder, Totp},
    store::MemoryStore,
};

fn builder(service: &str) -> OtpBuilder {
    Otp::builder(
        &Env::new(
            "self",
            Arc::new(MemoryStore::new()),
            &MasterSecret::generate(),
        ),
        service,
    )
}

#[test]
fn a_setting_out_of_its_range_is_named() {
    let second = Duration::from_secs(1);
    let day = Duration::from_secs(24 * 60 * 60);
    for (otp, setting) in [
        (builder(""), "service"),
        (builder("Acme: the shop"), "service"),
        (builder(&"A".repeat(65)), "service"),
        (
            Otp::builder(
                &Env::new("", Arc::new(MemoryStore::new()), &MasterSecret::generate()),
                "Acme",
            ),
            "issuer",
        ),
        (builder("Acme").secret_bits(120), "secret_bits"),
        (builder("Acme").secret_bits(129), "secret_bits"),
        (builder("Acme").secret_bits(1032), "secret_bits"),
        (builder("Acme").window(6), "window"),
        (builder("Acme").look_ahead(21), "look_ahead"),
        (builder("Acme").resync_window(1001), "resync_window"),
        (builder("Acme").max_failures(0), "max_failures"),
        (builder("Acme").max_failures(11), "max_failures"),
        (
            builder("Acme").lock_duration(Duration::ZERO),
            "lock_duration",
        ),
        (builder("Acme").lock_duration(day + second), "lock_duration"),
        (builder("Acme").pending_ttl(second), "pending_ttl"),
        (builder("Acme").fresh(Duration::ZERO), "fresh"),
    ] {
        assert_eq!(otp.build().unwrap_err().setting(), setting);
    }
    assert!(builder("Acme").secret_bits(128).window(0).build().is_ok());
}

#[test]
fn codes_have_six_to_eight_digits_and_a_period() {
    for digits in [0, 5, 9, 255] {
        assert_eq!(
            Totp::new().with_digits(digits).unwrap_err().setting(),
            "digits"
        );
        assert!(Hotp::new().with_digits(digits).is_err());
    }
    for millis in [0, 999, 1_500, 86_401_000, u64::MAX] {
        let period = Totp::new().with_period(Duration::from_millis(millis));
        assert_eq!(period.unwrap_err().setting(), "period");
    }
    for seconds in [1, 30, 45, 86_400] {
        assert!(
            Totp::new()
                .with_period(Duration::from_secs(seconds))
                .is_ok()
        );
    }
}
