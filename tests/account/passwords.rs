//! Passwords through the public API: policy, rotation of schemes and peppers, the pool, and timing.

use std::time::{Duration, Instant};

use proptest::{prelude::*, test_runner::TestRunner};
use tower_jam::{
    MasterSecret, Passwords, RejectionKind, Secret,
    password::{Cost, NewPasswordError, Outcome, PasswordScheme, PasswordsBuilder},
};

const CHEAP: Cost = Cost::Argon2id {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};

/// A builder that accepts any password a test uses.
fn cheap() -> PasswordsBuilder {
    strict().dangerous_allow_common()
}

fn strict() -> PasswordsBuilder {
    Passwords::builder().dangerous_cost(CHEAP)
}

async fn hash(passwords: &Passwords, password: &str) -> Secret<String> {
    let new = passwords.check_new(password).await.unwrap();
    passwords.hash(&new).await.unwrap()
}

async fn verify(passwords: &Passwords, password: &str, stored: &Secret<String>) -> Outcome {
    passwords
        .verify(password, Some(stored.expose()))
        .await
        .unwrap()
}

const RIGHT: Outcome = Outcome::Verified { new_hash: None };

/// Verifies a correct password that is rehashed, and checks the new hash.
async fn renewed(passwords: &Passwords, password: &str, stored: &Secret<String>) -> Secret<String> {
    let Outcome::Verified { new_hash } = verify(passwords, password, stored).await else {
        panic!("wrong");
    };
    let new_hash = new_hash.unwrap();
    assert_eq!(verify(passwords, password, &new_hash).await, RIGHT);
    new_hash
}

/// A suffix of the password that must not be ignored. For HMAC, and so for scrypt and PBKDF2, a key
/// and the same key with trailing zero bytes are equal (RFC 2104 section 2).
fn behind(scheme: PasswordScheme) -> &'static str {
    match scheme {
        PasswordScheme::Argon2id | PasswordScheme::Bcrypt => "\0",
        _ => "\u{1}",
    }
}

#[test]
fn a_password_verifies_and_no_other_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let strategy = ("\\PC{8,80}", "\\PC{0,80}", any::<prop::sample::Index>());
    let each = [
        CHEAP,
        Cost::Bcrypt { log_rounds: 4 },
        Cost::Scrypt {
            log_n: 2,
            block_size: 8,
            parallelism: 1,
        },
        Cost::Pbkdf2Sha256 { iterations: 2 },
        Cost::Pbkdf2Sha512 { iterations: 2 },
    ];
    for cost in each {
        let builder = Passwords::builder().schemes([cost.scheme()]);
        let passwords = builder.dangerous_cost(cost).build().unwrap();
        let mut runner = TestRunner::new(ProptestConfig {
            cases: 32,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        runner
            .run(&strategy, |(password, other, cut)| {
                runtime.block_on(async {
                    let stored = hash(&passwords, &password).await;
                    assert_eq!(verify(&passwords, &password, &stored).await, RIGHT);
                    let near =
                        password.replacen(*cut.get(&password.chars().collect::<Vec<_>>()), "", 1);
                    let longer = format!("{password}{}", behind(cost.scheme()));
                    for wrong in [&other, &near, &longer, &format!(" {password}")] {
                        let is_wrong = verify(&passwords, wrong, &stored).await == Outcome::Wrong;
                        assert!(is_wrong || *wrong == password);
                    }
                });
                Ok(())
            })
            .unwrap();
    }
}

#[tokio::test]
async fn a_password_is_used_whole_and_unchanged() {
    let long = "é".repeat(512);
    for scheme in PasswordScheme::ALL {
        let cheap = [
            CHEAP,
            Cost::Bcrypt { log_rounds: 4 },
            Cost::Scrypt {
                log_n: 2,
                block_size: 8,
                parallelism: 1,
            },
            Cost::Pbkdf2Sha256 { iterations: 2 },
            Cost::Pbkdf2Sha512 { iterations: 2 },
        ];
        let builder = cheap
            .into_iter()
            .fold(Passwords::builder(), PasswordsBuilder::dangerous_cost);
        let passwords = builder.schemes([scheme]).build().unwrap();
        for password in [
            long.as_str(),
            "  spaces  ",
            &format!("\0\0\0\0\0\0\0{}", behind(scheme)),
            "nul\0inside",
            "Ａｎｇｓｔröm",
        ] {
            let stored = hash(&passwords, password).await;
            assert_eq!(verify(&passwords, password, &stored).await, RIGHT);
            let mut shorter = password.to_owned();
            shorter.pop();
            for wrong in [
                shorter.as_str(),
                password.trim(),
                &format!("{password}x"),
                &password.replace('\0', ""),
            ] {
                let outcome = verify(&passwords, wrong, &stored).await;
                assert!(
                    outcome == Outcome::Wrong || wrong == password,
                    "{scheme:?} {wrong:?}"
                );
            }
        }
    }
    // One letter, composed and decomposed: two different passwords.
    let passwords = cheap().build().unwrap();
    let stored = hash(&passwords, "caf\u{e9} au lait").await;
    assert_eq!(
        verify(&passwords, "cafe\u{301} au lait", &stored).await,
        Outcome::Wrong
    );
}

#[tokio::test]
async fn new_passwords_have_a_minimum_length_and_old_ones_do_not() {
    let passwords = cheap().build().unwrap();
    let too_short = passwords.check_new("ééééééé").await.unwrap_err();
    assert!(matches!(too_short, NewPasswordError::TooShort(8)));
    assert!(passwords.check_new("éééééééé").await.is_ok());
    assert!(passwords.check_new(&"x".repeat(1024)).await.is_ok());
    let too_long = passwords.check_new(&"x".repeat(1025)).await.unwrap_err();
    assert!(matches!(too_long, NewPasswordError::TooLong(1024)));
    assert_eq!(
        too_long.to_string(),
        "the password has more than 1024 bytes"
    );

    // bcrypt of "", by jBCrypt: an imported password may be anything, and is rehashed all the same.
    let foreign = "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.";
    let new_hash = renewed(&passwords, "", &Secret::new(foreign.to_owned())).await;
    assert!(new_hash.expose().starts_with("$argon2id$"));

    let endless = "x".repeat(1_000_000);
    assert_eq!(
        passwords.verify(&endless, Some(foreign)).await.unwrap(),
        Outcome::Wrong
    );
    assert_eq!(
        passwords.verify(&endless, None).await.unwrap(),
        Outcome::Wrong
    );
}

#[tokio::test]
async fn common_guesses_are_rejected_as_new_passwords() {
    let passwords = strict()
        .context("https://auth.acme.dev")
        .context("Tower Jam")
        .build()
        .unwrap();
    for common in [
        "password1",
        "PassWord1",
        "qwertyuiop",
        "iloveyou",
        "12345678",
    ] {
        let refused = passwords.check_new(common).await.unwrap_err();
        assert!(
            matches!(refused, NewPasswordError::Common),
            "{common}: {refused}"
        );
    }
    let user = ["alice", "alice@example.org"];
    for made in [
        "acme-acme",
        "ACME 2026!",
        "acme.dev",
        "tower jam",
        "towertower1",
        "alicealice",
        "Alice1985",
        "alice@example.org",
        "acme password1",
    ] {
        let refused = passwords.check_new_for(made, user).await.unwrap_err();
        assert!(
            matches!(refused, NewPasswordError::Context),
            "{made}: {refused}"
        );
    }
    for good in [
        "correct horse, battery",
        "alice likes the acme towers",
        "a tower of eight words",
    ] {
        assert!(passwords.check_new_for(good, user).await.is_ok(), "{good}");
    }
    let lax = cheap().build().unwrap();
    assert!(lax.check_new("password1").await.is_ok());
    assert!(
        lax.check_new("acme 2026!").await.is_ok(),
        "no context was given"
    );
}

#[tokio::test]
async fn a_breached_password_is_refused_and_a_hook_that_fails_refuses_too() {
    let builder =
        cheap().breached(
            async |password: Secret<String>| match password.expose().as_str() {
                "known to thieves" => Ok(true),
                "unknowable" => Err("connection refused".into()),
                _ => Ok(false),
            },
        );
    let passwords = builder.build().unwrap();
    let refused = passwords.check_new("known to thieves").await.unwrap_err();
    assert!(matches!(refused, NewPasswordError::Breached));
    let refused = passwords.check_new("unknowable").await.unwrap_err();
    assert!(matches!(refused, NewPasswordError::Unchecked(_)));
    assert!(!refused.to_string().contains("refused"), "{refused}");
    assert!(passwords.check_new("something else").await.is_ok());
}

#[tokio::test]
async fn old_hashes_are_replaced_when_their_owner_logs_in() {
    let old = cheap().schemes([PasswordScheme::Bcrypt]);
    let old = old
        .dangerous_cost(Cost::Bcrypt { log_rounds: 4 })
        .build()
        .unwrap();
    let stored = hash(&old, "swordfish").await;
    assert!(stored.expose().starts_with("$bcrypt-sha256$v=2,t=2b,r=4$"));

    let new = cheap().build().unwrap();
    assert_eq!(verify(&new, "swordfisH", &stored).await, Outcome::Wrong);
    let stored = renewed(&new, "swordfish", &stored).await;
    assert!(stored.expose().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));

    let cost = Cost::Argon2id {
        memory_kib: 72,
        passes: 1,
        lanes: 1,
    };
    let dearer = Passwords::builder().dangerous_cost(cost).build().unwrap();
    assert!(
        renewed(&dearer, "swordfish", &stored)
            .await
            .expose()
            .contains("m=72")
    );
    let still = cheap().dangerous_cost(cost).rehash(false).build().unwrap();
    assert_eq!(verify(&still, "swordfish", &stored).await, RIGHT);

    // Older versions of Argon2id are not what is written now.
    let v10 =
        "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$2gcOV25Q8vOKPIl8vdxsf7QCjocJcf+erntOGHkpXm4";
    let cost = Cost::Argon2id {
        memory_kib: 256,
        passes: 2,
        lanes: 1,
    };
    let same = Passwords::builder().dangerous_cost(cost).build().unwrap();
    renewed(&same, "password", &Secret::new(v10.to_owned())).await;
}

#[tokio::test]
async fn a_scheme_that_is_no_longer_listed_is_rejected() {
    let bcrypt = "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.";
    let passwords = cheap()
        .schemes([PasswordScheme::Argon2id, PasswordScheme::Scrypt])
        .build()
        .unwrap();
    assert_eq!(
        passwords.verify("", Some(bcrypt)).await.unwrap(),
        Outcome::Wrong
    );
}

#[tokio::test]
async fn a_pepper_is_required_and_can_be_rotated() {
    let (first, second) = (MasterSecret::generate(), MasterSecret::generate());
    let plain = cheap().build().unwrap();
    let peppered = cheap().pepper(&first).build().unwrap();
    let rotated = cheap()
        .pepper(&second.clone().accept(&first))
        .build()
        .unwrap();
    let moved_on = cheap().pepper(&second).build().unwrap();

    // One hash from before there was a pepper, one under the first, one under the second.
    let stored = hash(&plain, "swordfish").await;
    let stored = renewed(&peppered, "swordfish", &stored).await;
    assert!(stored.expose().starts_with("$pepper$"));
    assert!(stored.expose().contains("$argon2id$v=19$"));
    let newer = renewed(&rotated, "swordfish", &stored).await;
    assert_eq!(verify(&moved_on, "swordfish", &newer).await, RIGHT);
    assert_eq!(verify(&moved_on, "swordfisH", &newer).await, Outcome::Wrong);

    // Without its pepper a hash is neither right nor wrong, even if the name of the pepper is
    // removed.
    for stranger in [&plain, &moved_on] {
        let refused = stranger
            .verify("swordfish", Some(stored.expose()))
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), &RejectionKind::Unavailable);
    }
    let (_, bare) = stored.expose().split_once("$argon2id").unwrap();
    let bare = format!("$argon2id{bare}");
    assert_eq!(
        plain.verify("swordfish", Some(&bare)).await.unwrap(),
        Outcome::Wrong
    );
}

#[tokio::test]
async fn a_damaged_hash_is_unavailable_and_quoted_nowhere() {
    let passwords = cheap().build().unwrap();
    for stored in [
        "",
        "swordfish",
        "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$c3dvcmRmaXNoc3dvcmRmaXNo",
    ] {
        let refused = passwords
            .verify("swordfish", Some(stored))
            .await
            .unwrap_err();
        assert_eq!(refused.status(), 503);
        let shown = format!("{refused:?} {refused}");
        assert!(
            !shown.contains("swordfish") && !shown.contains("c29tZ"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let passwords = cheap().pepper(&MasterSecret::generate()).build().unwrap();
    let new = passwords.check_new("sea swordfish").await.unwrap();
    let stored = passwords.hash(&new).await.unwrap();
    let other = cheap().pepper(&MasterSecret::generate());
    let outcome = verify(
        &cheap().build().unwrap(),
        "",
        &Secret::new("$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.".to_owned()),
    )
    .await;
    let shown = format!("{new:?} {stored:?} {passwords:?} {other:?} {outcome:?}");
    assert!(
        !shown.contains("swordfish") && !shown.contains('$'),
        "{shown}"
    );
}

#[test]
fn settings_that_weaken_are_refused() {
    let setting = |builder: PasswordsBuilder| builder.build().unwrap_err().setting().to_owned();
    assert_eq!(setting(Passwords::builder().cost(CHEAP)), "cost");
    let weak = [
        Cost::Bcrypt { log_rounds: 9 },
        Cost::Scrypt {
            log_n: 16,
            block_size: 8,
            parallelism: 1,
        },
        Cost::Pbkdf2Sha256 {
            iterations: 599_999,
        },
        Cost::Pbkdf2Sha512 {
            iterations: 209_999,
        },
        Cost::Argon2id {
            memory_kib: 19_455,
            passes: 2,
            lanes: 1,
        },
    ];
    for cost in weak {
        assert_eq!(setting(cheap().cost(cost)), "cost");
    }
    let absurd = Cost::Bcrypt { log_rounds: 31 };
    assert_eq!(setting(cheap().dangerous_cost(absurd)), "cost");
    assert_eq!(setting(cheap().schemes([])), "schemes");
    assert_eq!(setting(cheap().min_length(0)), "min_length");
    assert_eq!(setting(cheap().max_length(255)), "max_length");
    assert_eq!(setting(cheap().max_running(0)), "max_running");
    for scheme in PasswordScheme::ALL {
        assert!(cheap().cost(scheme.cost()).build().is_ok(), "{scheme:?}");
    }
}

/// A hash that takes long enough to be observed while it runs.
const SLOW: Cost = Cost::Argon2id {
    memory_kib: 4096,
    passes: 8,
    lanes: 1,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_throttled_at_once() {
    let builder = Passwords::builder().dangerous_cost(SLOW);
    let passwords = builder.max_running(1).max_waiting(2).build().unwrap();
    let calls = (0..20).map(|_| {
        let passwords = passwords.clone();
        tokio::spawn(async move { passwords.verify("wrong", None).await })
    });
    let (mut wrong, mut refused) = (0, 0);
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(outcome) => {
                assert_eq!(outcome, Outcome::Wrong);
                wrong += 1;
            }
            Err(rejection) => {
                assert_eq!(rejection.status(), 429);
                assert_eq!(rejection.retry_after(), Some(2));
                refused += 1;
            }
        }
    }
    assert!(wrong >= 3 && refused >= 1, "{wrong} and {refused}");
    assert!(
        passwords.verify("wrong", None).await.is_ok(),
        "every slot was freed"
    );
}

/// Callers that are cancelled while they wait, or while their hash runs, free their slots. The unit
/// tests of the pool count what runs meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_callers_free_their_slots() {
    let builder = Passwords::builder().dangerous_cost(SLOW);
    let passwords = builder.max_running(1).max_waiting(3).build().unwrap();
    for _ in 0..10 {
        let calls = (0..8).map(|_| {
            let passwords = passwords.clone();
            tokio::spawn(async move { passwords.verify("wrong", None).await })
        });
        let calls: Vec<_> = calls.collect();
        tokio::task::yield_now().await;
        for call in calls {
            call.abort();
            let _ = call.await;
        }
    }
    // A running hash is not stopped, and nothing waits: three more fit behind it.
    let [a, b, c] = [(); 3].map(|()| passwords.verify("wrong", None));
    let (a, b, c) = tokio::join!(a, b, c);
    assert!(
        [a, b, c]
            .into_iter()
            .all(|answer| answer.unwrap() == Outcome::Wrong)
    );
}

/// A caller must wait equally long whether or not the user exists.
///
/// Each round takes 200 interleaved samples of both and compares the fastest tenth. The quietest of
/// at most ten rounds counts, since other tests run at the same time. `TOWER_JAM_TIMING=full` uses
/// OWASP's cost instead of a tenth of it.
#[tokio::test]
async fn an_unknown_user_takes_as_long_as_a_wrong_password() {
    let is_full = std::env::var_os("TOWER_JAM_TIMING").is_some_and(|value| value == "full");
    let cost = match is_full {
        true => PasswordScheme::Argon2id.cost(),
        false => Cost::Argon2id {
            memory_kib: 4096,
            passes: 1,
            lanes: 1,
        },
    };
    let builder = Passwords::builder().dangerous_cost(cost);
    let passwords = builder.pepper(&MasterSecret::generate()).build().unwrap();
    let stored = hash(&passwords, "sea swordfish").await;
    let time = async |stored| {
        let began = Instant::now();
        let outcome = passwords.verify("swordfisH", stored).await.unwrap();
        assert_eq!(outcome, Outcome::Wrong);
        began.elapsed()
    };
    let (mut least, mut measured) = (f64::MAX, Vec::new());
    for _ in 0..10 {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for _ in 0..200 {
            known.push(time(Some(stored.expose().as_str())).await);
            unknown.push(time(None).await);
        }
        let (known, unknown) = (fastest_tenth(known), fastest_tenth(unknown));
        let difference = known.abs_diff(unknown).as_secs_f64() / known.as_secs_f64();
        measured.push((known, unknown));
        least = least.min(difference);
        if least <= 0.05 {
            break;
        }
    }
    assert!(least <= 0.05, "known and unknown: {measured:?}");
}

/// The time that a tenth of the samples stay below: those that nothing delayed.
fn fastest_tenth(mut samples: Vec<Duration>) -> Duration {
    samples.sort();
    samples[samples.len() / 10]
}
