//! The caller is cancelled at each await of each operation, and the operation is repeated.

use std::future::IntoFuture;

use tower_jam::{event::EventKind, store::MemoryStore};

use super::{
    support::{ProbeStore, abandon_after, shared},
    world::{App, Pairs, refresh},
};

fn world() -> (App, Pairs) {
    let app = App::new();
    let (_, store) = shared(ProbeStore::pausing(
        MemoryStore::new().with_clock(app.clock.clone()),
    ));
    let pairs = app.node(&store, |pairs| pairs.max_devices(2));
    (app, pairs)
}

#[tokio::test]
async fn a_cancelled_and_repeated_refresh_gives_one_successor() {
    let mut dropped = 0;
    for polls in 0..20 {
        let (app, pairs) = world();
        let token = pairs.issue(app.alice()).await.unwrap().refresh_token;
        let first = abandon_after(polls, pairs.refresh(token.expose(), None));
        dropped += usize::from(first.is_none());
        let again = refresh(&pairs, token.expose()).await.unwrap();
        if let Some(first) = first {
            assert_eq!(*first.unwrap().refresh_token.expose(), again);
        }
        assert!(refresh(&pairs, &again).await.is_ok());
        assert_eq!(pairs.list("alice").await.unwrap().len(), 1);
        assert_eq!(app.count(EventKind::ReuseDetected), 0);
    }
    assert!(
        (3..20).contains(&dropped),
        "{dropped} were cancelled midway"
    );
}

#[tokio::test]
async fn a_cancelled_and_repeated_logout_revokes_the_device() {
    for polls in 0..20 {
        let (app, pairs) = world();
        let pair = pairs.issue(app.alice()).await.unwrap();
        drop(abandon_after(
            polls,
            pairs.logout(pair.refresh_token.expose()),
        ));
        drop(abandon_after(polls, pairs.revoke_all("alice")));
        let is_alive = pairs.verify(pair.access_token.expose()).await.is_ok();
        assert_eq!(
            is_alive,
            refresh(&pairs, pair.refresh_token.expose()).await.is_ok()
        );
        pairs.logout(pair.refresh_token.expose()).await.unwrap();
        assert!(pairs.verify(pair.access_token.expose()).await.is_err());
        assert!(app.count(EventKind::DeviceRevoked) <= 1);
    }
}

#[tokio::test]
async fn a_cancelled_login_is_a_device_or_none_and_the_limit_holds() {
    for polls in 0..20 {
        let (app, pairs) = world();
        for _ in 0..3 {
            drop(abandon_after(polls, pairs.issue(app.alice()).into_future()));
            assert!(pairs.list("alice").await.unwrap().len() <= 2);
        }
        let other = pairs.issue(app.alice()).await.unwrap();
        let pair = pairs.issue(app.alice()).await.unwrap();
        assert_eq!(pairs.list("alice").await.unwrap().len(), 2);
        let revoked = abandon_after(polls, pairs.revoke("alice", &other.session_id));
        let is_alive = pairs.verify(other.access_token.expose()).await.is_ok();
        assert!(revoked.is_none() || !is_alive, "{polls}");
        pairs.revoke("alice", &other.session_id).await.unwrap();
        assert!(pairs.verify(other.access_token.expose()).await.is_err());
        let caller = pairs.verify(pair.access_token.expose()).await.unwrap();
        let caller = caller.identity().unwrap();
        drop(abandon_after(
            polls,
            pairs.revoke_others(caller, pair.refresh_token.expose()),
        ));
        drop(abandon_after(polls, pairs.revoke("alice", "nothing")));
        pairs
            .revoke_others(caller, pair.refresh_token.expose())
            .await
            .unwrap();
        let left = pairs.list("alice").await.unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].id, pair.session_id);
    }
}
