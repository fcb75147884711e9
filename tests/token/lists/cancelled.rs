//! The caller is cancelled at each await of each operation, and the operation is repeated.

use std::{future::IntoFuture, sync::Arc};

use tower_jam::{Claims, Grant, Jwt, store::Store};

use super::{
    support::{ProbeStore, abandon_after, shared},
    world::{App, BOTH, Mode, is_good, issue},
};

fn world(mode: Mode) -> (App, Arc<dyn Store>, Jwt) {
    let app = App::new();
    let (_, store) = shared(ProbeStore::pausing(app.memory()));
    let jwt = app.node(mode, &store);
    (app, store, jwt)
}

const POLLS: usize = 12;

#[tokio::test]
async fn a_cancelled_issue_leaves_the_next_token_valid_and_revocable() {
    for mode in BOTH {
        let mut dropped = 0;
        for polls in 0..POLLS {
            let (_app, _, jwt) = world(mode);
            let list = jwt.list().unwrap();
            list.revoke_all("alice").await.unwrap();
            let first = jwt.issue(Grant::new("alice", Claims::new())).into_future();
            let first = abandon_after(polls, first);
            dropped += usize::from(first.is_none());
            let second = issue(&jwt, "alice").await;
            assert!(is_good(&jwt, &second).await);
            list.revoke_all("alice").await.unwrap();
            assert!(!is_good(&jwt, &second).await);
            if let Some(first) = first {
                assert!(!is_good(&jwt, first.unwrap().expose()).await);
            }
        }
        assert!(
            (3..POLLS).contains(&dropped),
            "{dropped} were cancelled midway"
        );
    }
}

#[tokio::test]
async fn a_cancelled_revocation_is_made_or_not_and_a_retry_makes_it() {
    for mode in BOTH {
        let mut dropped = 0;
        for polls in 0..POLLS {
            let (app, store, jwt) = world(mode);
            let list = jwt.list().unwrap();
            let (one, all) = (issue(&jwt, "alice").await, issue(&jwt, "bob").await);
            let first = abandon_after(polls, jwt.revoke_token(&one));
            let marked = abandon_after(polls, list.revoke_all("bob"));
            dropped += usize::from(first.is_none());
            if first.is_some() {
                assert!(!is_good(&jwt, &one).await);
            }
            if marked.is_some() {
                assert!(!is_good(&jwt, &all).await);
            }
            // Both nodes see the same state.
            let other = app.node(mode, &store);
            for token in [&one, &all] {
                assert_eq!(is_good(&jwt, token).await, is_good(&other, token).await);
            }
            jwt.revoke_token(&one).await.unwrap();
            list.revoke_all("bob").await.unwrap();
            assert!(!is_good(&other, &one).await && !is_good(&other, &all).await);
        }
        assert!(
            (1..POLLS).contains(&dropped),
            "{dropped} were cancelled midway"
        );
    }
}

/// Of many revocations some are made and others are not; a retry makes the rest, and nothing else
/// is affected.
#[tokio::test]
async fn a_cancelled_revocation_of_many_is_finished_by_a_retry() {
    for mode in BOTH {
        let mut dropped = 0;
        for polls in 0..POLLS {
            let (app, store, jwt) = world(mode);
            let mut tokens = Vec::new();
            for _ in 0..5 {
                tokens.push(issue(&jwt, "alice").await);
            }
            let kept = issue(&jwt, "alice").await;
            let first = abandon_after(polls, jwt.revoke_tokens(&tokens));
            dropped += usize::from(first.is_none());
            if first.is_none() {
                // A token that was not reached is still valid, and can be revoked; the revoked ones
                // are no longer listed.
                let mut left = Vec::new();
                for token in &tokens {
                    if is_good(&jwt, token).await {
                        left.push(token.clone());
                    }
                }
                drop(abandon_after(polls, jwt.revoke_tokens(&left)));
                for token in &left {
                    if is_good(&jwt, token).await {
                        jwt.revoke_token(token).await.unwrap();
                    }
                }
            }
            let other = app.node(mode, &store);
            for token in &tokens {
                assert!(!is_good(&other, token).await, "{polls}");
            }
            assert!(is_good(&other, &kept).await, "{polls}");
        }
        assert!(
            (1..POLLS).contains(&dropped),
            "{dropped} were cancelled midway"
        );
    }
}

#[tokio::test]
async fn a_cancelled_check_changes_no_later_one() {
    for mode in BOTH {
        for polls in 0..POLLS {
            let (app, store, jwt) = world(mode);
            let old = issue(&app.engine().build().unwrap(), "alice").await;
            drop(abandon_after(polls, jwt.verify(&old)));
            assert!(!is_good(&jwt, &old).await, "a list that a check created");
            let (good, bad) = (issue(&jwt, "alice").await, issue(&jwt, "alice").await);
            jwt.revoke_token(&bad).await.unwrap();
            for token in [&good, &bad] {
                drop(abandon_after(polls, jwt.verify(token)));
            }
            assert!(is_good(&jwt, &good).await && !is_good(&jwt, &bad).await);
            assert!(is_good(&app.node(mode, &store), &good).await);
        }
    }
}
