//! A password that was guessed a hundred times in a row.

use std::{net::IpAddr, time::Duration};

use tower_jam::{
    Claims, Secret,
    account::{LoginError, Origin, Proved},
    event::EventKind,
};

use super::world::{PASSWORD, WRONG, World, world};

/// A login from an address of its own, by a known or an unknown device.
async fn attempt_login(
    world: &World,
    password: &str,
    device: Option<&Secret<String>>,
) -> Result<Proved<Claims>, LoginError> {
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    let mut origin = Origin::new(address);
    origin.device = device.cloned();
    world
        .accounts
        .prove(&world.credentials(password), &origin)
        .await
}

/// The throttle admits few guesses at a time, so its window is advanced.
async fn guesses(world: &World, times: usize, device: Option<&Secret<String>>) {
    for guess in 0..times {
        if guess % 10 == 0 {
            world.clock.advance(Duration::from_secs(15 * 60 + 1));
        }
        let wrong = attempt_login(world, WRONG, device).await.unwrap_err();
        assert!(matches!(wrong, LoginError::WrongCredentials), "{wrong}");
    }
    world.clock.advance(Duration::from_secs(15 * 60 + 1));
}

async fn is_right(world: &World, device: Option<&Secret<String>>) -> bool {
    match attempt_login(world, PASSWORD, device).await {
        Ok(_) => true,
        Err(LoginError::WrongCredentials) => false,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_hundred_wrong_passwords_in_a_row_block_unknown_devices_only() {
    let world = world().await;
    let proved = attempt_login(&world, PASSWORD, None).await.unwrap();
    let device = world.accounts.device_token(&proved);
    guesses(&world, 99, None).await;
    assert!(is_right(&world, None).await, "and the count starts again");
    guesses(&world, 100, None).await;
    assert_eq!(world.count(EventKind::PasswordCapped), 1);
    // The response is that of a wrong password, so that it does not reveal who has an account.
    for _ in 0..3 {
        assert!(!is_right(&world, None).await);
    }
    // A known device can still log in, and that resets the count of the others.
    assert!(is_right(&world, Some(&device)).await);
    assert!(is_right(&world, None).await);
    // A stolen device has a count of its own.
    guesses(&world, 100, Some(&device)).await;
    assert!(!is_right(&world, Some(&device)).await);
    assert!(is_right(&world, None).await);
    assert_eq!(world.count(EventKind::PasswordCapped), 2);
}

#[tokio::test]
async fn another_factor_or_another_password_accepts_it_again() {
    let world = world().await;
    guesses(&world, 100, None).await;
    assert!(!is_right(&world, None).await);
    let accepted = world.accounts.accept_password_again(&world.alice);
    accepted.await.unwrap();
    assert!(is_right(&world, None).await);

    guesses(&world, 100, None).await;
    let new = "another horse, another battery";
    let hash = world.passwords.check_new(new).await.unwrap();
    let hash = world.passwords.hash(&hash).await.unwrap();
    let user = tower_jam::account::Users::read(&*world.users, &world.alice);
    let old = user.await.unwrap().unwrap().password_hash;
    let replaced = tower_jam::account::Users::replace_hash(
        &*world.users,
        &world.alice,
        old.expose(),
        hash.expose(),
    );
    assert!(replaced.await.unwrap());
    assert!(attempt_login(&world, new, None).await.is_ok());
}

/// An unknown name has no count, and its responses are the same.
#[tokio::test]
async fn an_unknown_name_is_never_distinguishable() {
    let world = world().await;
    for guess in 0..120 {
        if guess % 10 == 0 {
            world.clock.advance(Duration::from_secs(15 * 60 + 1));
        }
        let mut credentials = world.credentials(WRONG);
        credentials.name = "nobody".to_owned();
        let origin = Origin::new("192.0.2.1".parse().unwrap());
        let wrong = world
            .accounts
            .prove(&credentials, &origin)
            .await
            .unwrap_err();
        assert!(matches!(wrong, LoginError::WrongCredentials));
    }
    assert_eq!(world.count(EventKind::PasswordCapped), 0);
}

/// Neither the first guesses about this user nor common passwords are accepted as a password.
#[tokio::test]
async fn a_new_password_is_neither_common_nor_derived_from_names() {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::world::post;

    let world = world().await;
    for new in [
        "password1",
        "PASSWORD1",
        "acme2026acme",
        &world.alice.repeat(2),
    ] {
        let pair = world.login().await;
        let body = json!({ "current": PASSWORD, "new": new });
        let answer = post(&world.app(), "/password", &pair.authorization(), body).await;
        let status = StatusCode::UNPROCESSABLE_ENTITY.as_u16();
        assert_eq!(answer.status, status, "{new}: {}", answer.text);
    }
}
