//! The caller is cancelled at each await of each operation, and the operation is repeated.

use std::{future::IntoFuture, time::Duration};

use tower_jam::{Otp, event::EventKind};

use super::{
    support::{ProbeStore, abandon_after, shared},
    world::{App, WRONG, verify},
};

const MOST_POLLS: usize = 12;

fn world() -> (App, Otp) {
    let app = App::new();
    let (_, store) = shared(ProbeStore::pausing(app.memory()));
    let otp = app.node(&store, |otp| otp);
    (app, otp)
}

#[tokio::test]
async fn a_cancelled_code_works_once_or_never() {
    let mut outcomes = [0, 0];
    for polls in 0..MOST_POLLS {
        let (app, otp) = world();
        let (secret, codes) = app.enrolled(&otp, "alice").await;
        let code = app.code(&secret);
        let first = abandon_after(polls, otp.verify("alice", &code));
        let first = usize::from(matches!(first, Some(Ok(_))));
        let again = usize::from(verify(&otp, "alice", &code).await == 200);
        assert!(first + again <= 1, "{polls}");
        assert_eq!(verify(&otp, "alice", &code).await, 401);
        outcomes[again] += 1;

        let recovery = codes.iter().next().unwrap();
        let first = abandon_after(polls, otp.use_recovery_code("alice", recovery));
        let first = usize::from(matches!(first, Some(Ok(_))));
        let again = otp.use_recovery_code("alice", recovery).await;
        assert!(first + usize::from(again.is_ok()) <= 1, "{polls}");
        assert_eq!(verify(&otp, "alice", &app.next_code(&secret)).await, 200);
    }
    assert!(outcomes[0] > 0 && outcomes[1] > 0, "{outcomes:?}");
}

/// Guesses whose caller is cancelled before the result count all the same, or get no result.
#[tokio::test]
async fn cancelling_guesses_gains_no_more_of_them() {
    for polls in 0..MOST_POLLS {
        let (app, otp) = world();
        let (secret, _) = app.enrolled(&otp, "alice").await;
        let mut verdicts = 0;
        for _ in 0..20 {
            let verdict = abandon_after(polls, otp.verify("alice", WRONG));
            let status = verdict.map(|verdict| verdict.unwrap_err().status().as_u16());
            verdicts += usize::from(status == Some(401));
        }
        assert!(verdicts <= 5, "{verdicts} after {polls} polls");
        let is_locked = verify(&otp, "alice", &app.code(&secret)).await == 429;
        assert_eq!(app.count(EventKind::OtpLocked) > 0, verdicts == 5);
        assert!(is_locked || verdicts == 0, "{polls}");
    }
}

#[tokio::test]
async fn a_cancelled_enrolment_can_be_started_again() {
    for polls in 0..MOST_POLLS {
        let (app, otp) = world();
        drop(abandon_after(polls, otp.enroll("alice").into_future()));
        assert!(!otp.is_enrolled("alice").await.unwrap());
        let secret = otp.enroll("alice").await.unwrap().secret().clone();
        let code = app.code(&secret);
        let codes = abandon_after(polls, otp.confirm("alice", &code));
        let codes = codes.map(Result::unwrap);
        match otp.is_enrolled("alice").await.unwrap() {
            true => assert_eq!(verify(&otp, "alice", &app.next_code(&secret)).await, 200),
            false => {
                assert!(codes.is_none());
                assert!(otp.confirm("alice", &code).await.is_ok());
            }
        }
        // A caller that did not receive the recovery codes gets new ones.
        let caller = app.caller("alice", Duration::ZERO);
        drop(abandon_after(polls, otp.new_recovery_codes(&caller)));
        let codes = otp.new_recovery_codes(&caller).await.unwrap();
        let code = codes.iter().next().unwrap();
        assert!(otp.use_recovery_code("alice", code).await.is_ok());
        drop(abandon_after(
            polls,
            otp.enroll("alice").replacing(&caller).into_future(),
        ));
        assert_eq!(verify(&otp, "alice", &app.next_code(&secret)).await, 200);
        drop(abandon_after(polls, otp.disable(&caller)));
        otp.disable(&app.caller("alice", Duration::ZERO))
            .await
            .unwrap();
        assert!(!otp.is_enrolled("alice").await.unwrap());
    }
}
