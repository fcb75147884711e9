//! A store that fails at each of its calls, executed or not: no token is accepted because of it, no
//! revocation is reported that was not made, and a retry succeeds.

use std::sync::Arc;

use tower_jam::{Claims, Grant, IssueError, Jwt, store::Store};

use super::{
    support::{ProbeStore, shared},
    world::{App, BOTH, Mode, is_good, issue, verdict},
};

struct World {
    app: App,
    probe: Arc<ProbeStore>,
    store: Arc<dyn Store>,
    jwt: Jwt,
}

impl World {
    fn new(mode: Mode) -> Self {
        let app = App::new();
        let (probe, store) = shared(ProbeStore::new(app.memory()));
        let jwt = app.node(mode, &store);
        Self {
            app,
            probe,
            store,
            jwt,
        }
    }
}

/// Every call that fails, and whether its answer was lost. An operation makes fewer calls.
fn faults() -> impl Iterator<Item = (Mode, usize, bool)> {
    let calls = (1..=8).flat_map(|at| [(at, false), (at, true)]);
    calls.flat_map(|(at, loses)| BOTH.map(|mode| (mode, at, loses)))
}

#[tokio::test]
async fn an_unavailable_list_is_503_and_neither_accepts_nor_revokes() {
    for mode in BOTH {
        let World { probe, jwt, .. } = World::new(mode);
        let (good, bad) = (issue(&jwt, "alice").await, issue(&jwt, "alice").await);
        jwt.revoke_token(&bad).await.unwrap();
        probe.set_down(true);
        for token in [&good, &bad] {
            assert_eq!(jwt.verify(token).await.unwrap_err().status(), 503);
            assert_eq!(jwt.revoke_token(token).await.unwrap_err().status(), 503);
        }
        assert!(jwt.issue(Grant::new("alice", Claims::new())).await.is_err());
        let garbage = verdict(&jwt, "garbage").await;
        assert!(
            garbage.starts_with("401"),
            "it is rejected without reading the list"
        );
        probe.set_down(false);
        assert!(is_good(&jwt, &good).await);
        assert!(!is_good(&jwt, &bad).await);
    }
}

#[tokio::test]
async fn a_failure_of_any_call_of_a_check_is_503() {
    let mut failed = 0;
    for (mode, at, loses) in faults() {
        let World { probe, jwt, .. } = World::new(mode);
        let (good, bad, ended) = (
            issue(&jwt, "alice").await,
            issue(&jwt, "alice").await,
            issue(&jwt, "bob").await,
        );
        jwt.revoke_token(&bad).await.unwrap();
        jwt.list().unwrap().revoke_all("bob").await.unwrap();
        for (token, otherwise) in [(&good, "good"), (&bad, "401"), (&ended, "401")] {
            probe.fail_at(at, loses);
            let verdict = verdict(&jwt, token).await;
            failed += usize::from(verdict.starts_with("503"));
            assert!(
                verdict.starts_with("503") || verdict.starts_with(otherwise),
                "{verdict}"
            );
            // A call beyond those of a check would fail in the next one.
            probe.fail_at(0, false);
        }
        assert!(is_good(&jwt, &good).await);
    }
    // Id and mark are read at the same time, and the birth of a deny list after them.
    assert_eq!(failed, 2 * ((3 + 2 + 2) + (2 + 2 + 2)));
}

/// The list was lost, and creating it again fails: an old token is never accepted.
#[tokio::test]
async fn a_failure_of_any_call_of_creating_a_list_accepts_no_old_token() {
    let mut failed = 0;
    for (_, at, loses) in faults() {
        let app = App::new();
        let old = issue(&app.engine().build().unwrap(), "alice").await;
        let (probe, store) = shared(ProbeStore::new(app.memory()));
        let jwt = app.node(Mode::Black, &store);
        probe.fail_at(at, loses);
        let first = verdict(&jwt, &old).await;
        probe.fail_at(0, false);
        failed += usize::from(first.starts_with("503"));
        assert_ne!(first, "good");
        assert!(!is_good(&jwt, &old).await);
        assert!(is_good(&jwt, &issue(&jwt, "alice").await).await);
    }
    assert!(failed >= 8, "{failed}");
}

#[tokio::test]
async fn a_token_whose_list_did_not_answer_is_not_issued() {
    let mut failed = 0;
    for (mode, at, loses) in faults() {
        let World { probe, jwt, .. } = World::new(mode);
        probe.fail_at(at, loses);
        match jwt.issue(Grant::new("alice", Claims::new())).await {
            Ok(token) => {
                probe.fail_at(0, false);
                assert!(is_good(&jwt, token.expose()).await);
            }
            Err(IssueError::Store(_)) => failed += 1,
            Err(error) => panic!("{error}"),
        }
        probe.fail_at(0, false);
        assert!(is_good(&jwt, &issue(&jwt, "alice").await).await);
    }
    assert!(failed >= 8, "{failed}");
}

#[tokio::test]
async fn an_acknowledged_revocation_holds_and_a_failed_one_is_retried() {
    let (mut failed, mut lost_and_done) = (0, 0);
    for (mode, at, loses) in faults() {
        for all in [false, true] {
            let World {
                probe,
                jwt,
                app,
                store,
            } = World::new(mode);
            let list = jwt.list().unwrap();
            let token = issue(&jwt, "alice").await;
            let revoke = async || {
                if all {
                    list.revoke_all("alice").await.map_err(Into::into)
                } else {
                    jwt.revoke_token(&token).await
                }
            };
            probe.fail_at(at, loses);
            let first = revoke().await;
            let was_called = probe.calls();
            probe.fail_at(0, false);
            if let Err(rejection) = &first {
                assert_eq!(rejection.status(), 503);
                failed += 1;
                lost_and_done += usize::from(loses && !is_good(&jwt, &token).await);
                revoke().await.unwrap();
            }
            assert!(was_called > 0);
            assert!(!is_good(&jwt, &token).await, "{mode:?}, call {at}, {loses}");
            assert!(!is_good(&app.node(mode, &store), &token).await);
            assert!(is_good(&jwt, &issue(&jwt, "alice").await).await);
        }
    }
    assert!(failed >= 8, "{failed}");
    assert!(lost_and_done >= 1, "{lost_and_done}");
}
