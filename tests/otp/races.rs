//! Many operations at once, on every store, half of them on another node if the store is shared.

use std::sync::Arc;

use tower_jam::{Otp, SystemClock, event::EventKind};

use super::{
    support::{
        race::race,
        stores::{self, Backend},
    },
    world::{App, verify},
};

const ROUNDS: usize = 10;

fn nodes(app: &App, backend: &Backend) -> [Otp; 2] {
    [0, 1].map(|node| app.node(&backend.nodes[node], |otp| otp))
}

fn of(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|it| **it == status).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_submissions_of_one_correct_code_one_succeeds() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let app = App::new();
        let nodes = nodes(&app, &backend);
        let (secret, _) = app.enrolled(&nodes[0], "alice").await;
        for round in 0..ROUNDS {
            let code = app.next_code(&secret);
            let racers = (0..50).map(|number| {
                let (otp, code) = (nodes[number % 2].clone(), code.clone());
                async move { verify(&otp, "alice", &code).await }
            });
            let statuses = race(racers).await;
            assert_eq!(of(&statuses, 200), 1, "{} round {round}", backend.name);
            assert_eq!(of(&statuses, 401), 49, "{} round {round}", backend.name);
            assert_eq!(app.count(EventKind::OtpAccepted), round + 1);
        }
        assert_eq!(app.count(EventKind::OtpRefused), 0, "no replay counts");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_wrong_codes_at_once_five_are_compared() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let app = App::new();
        let nodes = nodes(&app, &backend);
        let (secret, _) = app.enrolled(&nodes[0], "alice").await;
        for round in 0..ROUNDS {
            let racers = (0..100).map(|number| {
                let otp = nodes[number % 2].clone();
                let guess = format!("{number:05}x");
                async move { verify(&otp, "alice", &guess).await }
            });
            let statuses = race(racers).await;
            assert_eq!(of(&statuses, 401), 5, "{} round {round}", backend.name);
            assert_eq!(of(&statuses, 429), 95, "{} round {round}", backend.name);
            assert_eq!(app.count(EventKind::OtpRefused), 5 * (round + 1));
            assert_eq!(app.count(EventKind::OtpLocked), round + 1);
            let code = app.code(&secret);
            assert_eq!(verify(&nodes[1], "alice", &code).await, 429);
            app.clock.advance(std::time::Duration::from_secs(900));
            let code = app.code(&secret);
            assert_eq!(verify(&nodes[1], "alice", &code).await, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_uses_of_one_recovery_code_one_succeeds() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let app = App::new();
        let nodes = nodes(&app, &backend);
        let (secret, codes) = app.enrolled(&nodes[0], "alice").await;
        for (round, code) in codes.iter().enumerate() {
            let racers = (0..20).map(|number| {
                let (otp, code) = (nodes[number % 2].clone(), code.to_owned());
                async move { otp.use_recovery_code("alice", &code).await.ok() }
            });
            let used: Vec<_> = race(racers).await.into_iter().flatten().collect();
            let left: Vec<_> = used.iter().map(|(_, left)| *left).collect();
            assert_eq!(left, [9 - round], "{} round {round}", backend.name);
            // A used code counts as wrong, so the others have locked the user.
            app.clock.advance(std::time::Duration::from_secs(900));
            let code = app.code(&secret);
            assert_eq!(verify(&nodes[1], "alice", &code).await, 200);
        }
    }
}

/// No use of a code undoes another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_recovery_codes_at_once_are_all_used_up() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let app = App::new();
        let nodes = nodes(&app, &backend);
        let (_, codes) = app.enrolled(&nodes[0], "alice").await;
        let racers = codes.iter().enumerate().map(|(number, code)| {
            let (otp, code) = (nodes[number % 2].clone(), code.to_owned());
            async move {
                otp.use_recovery_code("alice", &code)
                    .await
                    .map(|(_, left)| left)
                    .ok()
            }
        });
        let mut left: Vec<_> = race(racers).await.into_iter().flatten().collect();
        left.sort_unstable();
        assert_eq!(left, (0..10).collect::<Vec<_>>(), "{}", backend.name);
        for code in codes.iter().take(4) {
            assert!(nodes[0].use_recovery_code("alice", code).await.is_err());
        }
    }
}

/// A removal and a use race: once the factor is removed, a code is rejected.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_factor_removed_while_codes_arrive_stays_removed() {
    for backend in stores::each(Arc::new(SystemClock)).await {
        let app = App::new();
        let nodes = nodes(&app, &backend);
        for round in 0..ROUNDS {
            let (secret, _) = app.enrolled(&nodes[0], "alice").await;
            let code = app.code(&secret);
            let racers = (0..8).map(|number| {
                let (otp, code) = (nodes[number % 2].clone(), code.clone());
                async move {
                    match number {
                        0 => u16::from(otp.dangerous_disable("alice").await.unwrap()),
                        1..4 => verify(&otp, "alice", "wrong!").await,
                        _ => verify(&otp, "alice", &code).await,
                    }
                }
            });
            let statuses = race(racers).await;
            assert!(of(&statuses, 200) <= 1, "{} round {round}", backend.name);
            assert!(!nodes[1].is_enrolled("alice").await.unwrap());
            assert_eq!(
                verify(&nodes[1], "alice", &app.next_code(&secret)).await,
                401
            );
        }
    }
}
