//! The life of token pairs as one client after the other sees it.

use std::{sync::Arc, time::Duration};

use tower_jam::{
    Claims, Clock, Env, Factor, Grant, IssueError, MasterSecret,
    event::EventKind,
    refresh::{DeviceLimitPolicy, Fingerprint, FingerprintPolicy, RevocationCheck},
    store::{MemoryStore, Store},
};

use super::world::{App, Pairs, refresh};

fn world() -> (App, Arc<dyn Store>, Pairs) {
    let app = App::new();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new().with_clock(app.clock.clone()));
    let pairs = app.node(&store, |pairs| pairs);
    (app, store, pairs)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test]
async fn a_pair_is_issued_refreshed_and_revoked() {
    let (app, _store, pairs) = world();
    let first = pairs
        .issue(app.alice())
        .device_name("Firefox")
        .await
        .unwrap();
    let verified = pairs.verify(first.access_token.expose()).await.unwrap();
    let identity = verified.identity().unwrap();
    assert_eq!(identity.subject().id(), "alice");
    assert_eq!(identity.session_id(), Some(first.session_id.as_str()));
    assert_eq!(verified.user().unwrap().claim("name").unwrap(), "Alice");
    assert!(identity.has_role("editor"));

    let second = pairs
        .refresh(first.refresh_token.expose(), None)
        .await
        .unwrap();
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_eq!(second.session_id, first.session_id);
    assert!(pairs.verify(second.access_token.expose()).await.is_ok());

    // Any token of the device revokes it, also a replaced one.
    assert!(pairs.logout(first.refresh_token.expose()).await.unwrap());
    assert!(!pairs.logout(second.refresh_token.expose()).await.unwrap());
    for pair in [&first, &second] {
        assert_eq!(refresh(&pairs, pair.refresh_token.expose()).await, Err(401));
        assert!(pairs.verify(pair.access_token.expose()).await.is_err());
    }
    assert_eq!(app.count(EventKind::LoginSucceeded), 1);
    assert_eq!(app.count(EventKind::Refreshed), 1);
    assert_eq!(app.count(EventKind::DeviceRevoked), 1);
}

#[tokio::test]
async fn proofs_are_as_old_as_the_login_whatever_is_refreshed() {
    let (app, _store, pairs) = world();
    let login = app.clock.now();
    let mut token = pairs.issue(app.alice()).await.unwrap().refresh_token;
    for _ in 0..5 {
        app.clock.advance(seconds(3_600));
        let pair = pairs.refresh(token.expose(), None).await.unwrap();
        let verified = pairs.verify(pair.access_token.expose()).await.unwrap();
        let proved_at = verified.identity().unwrap().proved_at(&Factor::Password);
        assert_eq!(proved_at.unwrap().as_secs(), login.as_secs());
        token = pair.refresh_token;
    }
}

#[tokio::test]
async fn a_refresh_reads_the_user_again() {
    let (app, _store, pairs) = world();
    let pair = pairs.issue(app.alice()).await.unwrap();
    let changed = Grant::new("alice", Claims::new()).roles(["reader"]);
    app.users.lock().unwrap().insert("alice".into(), changed);
    let pair = pairs
        .refresh(pair.refresh_token.expose(), None)
        .await
        .unwrap();
    let verified = pairs.verify(pair.access_token.expose()).await.unwrap();
    assert!(verified.identity().unwrap().has_role("reader"));
    assert!(!verified.identity().unwrap().has_role("editor"));

    let alice = app.users.lock().unwrap().remove("alice").unwrap();
    assert_eq!(refresh(&pairs, pair.refresh_token.expose()).await, Err(401));
    // Nothing was used up: when the user is enabled again, so is the device.
    app.users.lock().unwrap().insert("alice".into(), alice);
    assert!(refresh(&pairs, pair.refresh_token.expose()).await.is_ok());
}

/// A lookup by the wrong column would give one user the permissions of another.
#[tokio::test]
async fn a_user_read_under_another_id_is_an_error_and_gets_nothing() {
    let (app, _store, pairs) = world();
    let pair = pairs.issue(app.alice()).await.unwrap();
    let bob = Grant::new("bob", Claims::new()).roles(["admin"]);
    let alice = app
        .users
        .lock()
        .unwrap()
        .insert("alice".into(), bob)
        .unwrap();
    assert_eq!(refresh(&pairs, pair.refresh_token.expose()).await, Err(500));
    app.users.lock().unwrap().insert("alice".into(), alice);
    assert!(refresh(&pairs, pair.refresh_token.expose()).await.is_ok());
}

#[tokio::test]
async fn a_device_expires_when_idle_and_at_its_absolute_end() {
    let (app, _store, pairs) = world();
    let idle = pairs.issue(app.alice()).await.unwrap();
    let mut used = pairs.issue(app.alice()).await.unwrap().refresh_token;
    let day = seconds(86_400);
    for _ in 0..2 {
        app.clock.advance(day);
        used = pairs
            .refresh(used.expose(), None)
            .await
            .unwrap()
            .refresh_token;
    }
    app.clock.advance(day);
    assert_eq!(refresh(&pairs, idle.refresh_token.expose()).await, Err(401));
    for _ in 3..7 {
        used = pairs
            .refresh(used.expose(), None)
            .await
            .unwrap()
            .refresh_token;
        app.clock.advance(day);
    }
    assert_eq!(refresh(&pairs, used.expose()).await, Err(401));
    assert!(pairs.list("alice").await.unwrap().is_empty());
}

#[tokio::test]
async fn no_access_token_outlives_the_login() {
    let (app, store, _) = world();
    let pairs = app.node(&store, |pairs| {
        pairs
            .idle_timeout(seconds(1_000))
            .absolute_timeout(seconds(1_000))
    });
    let pair = pairs.issue(app.alice()).await.unwrap();
    assert_eq!(pair.expires_in, seconds(900));
    app.clock.advance(seconds(600));
    let next = pairs
        .refresh(pair.refresh_token.expose(), None)
        .await
        .unwrap();
    assert_eq!(next.expires_in, seconds(400));
    app.clock.advance(seconds(399));
    assert!(pairs.verify(next.access_token.expose()).await.is_ok());
    // Only the leeway is left.
    app.clock.advance(seconds(31));
    assert!(pairs.verify(next.access_token.expose()).await.is_err());
}

/// While a secret is being rotated, a node may not have it yet: it cannot reissue a token that was
/// made with it.
#[tokio::test]
async fn a_node_without_the_new_secret_says_so_and_revokes_nothing() {
    let (app, store, old) = world();
    let new = App {
        secret: MasterSecret::generate().accept(&app.secret),
        ..app.clone()
    };
    let new = new.node(&store, |pairs| pairs);
    let token = old.issue(app.alice()).await.unwrap().refresh_token;
    let next = refresh(&new, token.expose()).await.unwrap();
    assert_eq!(refresh(&old, token.expose()).await, Err(503));
    assert_eq!(refresh(&new, token.expose()).await, Ok(next.clone()));
    assert!(refresh(&new, &next).await.is_ok());
}

/// Replacing a secret without a transition ends every login, and prevents none afterwards.
#[tokio::test]
async fn under_a_retired_secret_a_device_is_logged_out_and_logs_in_again() {
    let (app, store, old) = world();
    let pair = old.issue(app.alice()).await.unwrap();
    let replaced = App {
        secret: MasterSecret::generate(),
        ..app.clone()
    };
    let new = replaced.node(&store, |pairs| pairs);
    assert_eq!(refresh(&new, pair.refresh_token.expose()).await, Err(401));
    let refused = new.verify(pair.access_token.expose()).await.unwrap_err();
    assert_eq!(refused.status().as_u16(), 401);
    assert_eq!(app.count(EventKind::RecordUnreadable), 1);
    // The node cannot tell whether the secret is retired or not here yet, so it reports an error.
    assert!(new.list("alice").await.is_err());
    assert!(new.revoke("alice", &pair.session_id).await.is_err());

    let again = new.issue(app.alice()).await.unwrap();
    assert!(new.verify(again.access_token.expose()).await.is_ok());
    assert!(refresh(&new, again.refresh_token.expose()).await.is_ok());
    assert_eq!(new.list("alice").await.unwrap().len(), 1);
    assert_eq!(refresh(&new, pair.refresh_token.expose()).await, Err(401));
}

#[tokio::test]
async fn a_thousand_rotations_leave_one_record_of_one_device() {
    let (app, _store, pairs) = world();
    let mut token = pairs.issue(app.alice()).await.unwrap().refresh_token;
    let absolute_at = pairs.list("alice").await.unwrap()[0].absolute_at;
    for _ in 0..1_000 {
        app.clock.advance(seconds(60));
        token = pairs
            .refresh(token.expose(), None)
            .await
            .unwrap()
            .refresh_token;
    }
    let sessions = pairs.list("alice").await.unwrap();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].absolute_at, absolute_at);
}

#[tokio::test]
async fn devices_are_listed_and_revoked_one_by_one_and_all_but_one() {
    let (app, _store, pairs) = world();
    let mut all = Vec::new();
    for name in ["phone", "laptop", "tablet"] {
        app.clock.advance(seconds(1));
        all.push(
            pairs
                .issue(app.alice())
                .device_name(name)
                .user_agent("Mozilla/5.0")
                .await
                .unwrap(),
        );
    }
    let listed = pairs.list("alice").await.unwrap();
    let names: Vec<_> = listed
        .iter()
        .map(|it| it.device_name.clone().unwrap())
        .collect();
    assert_eq!(names, ["tablet", "laptop", "phone"]);
    assert_eq!(listed[0].user_agent.as_deref(), Some("Mozilla/5.0"));

    assert!(
        !pairs.revoke("bob", &all[0].session_id).await.unwrap(),
        "another user's"
    );
    assert!(pairs.revoke("alice", &all[0].session_id).await.unwrap());
    assert!(!pairs.revoke("alice", &all[0].session_id).await.unwrap());
    assert!(pairs.verify(all[0].access_token.expose()).await.is_err());

    let caller = pairs.verify(all[1].access_token.expose()).await.unwrap();
    let caller = caller.identity().unwrap();
    for wrong in [
        all[2].refresh_token.expose().as_str(),
        all[0].refresh_token.expose(),
        "garbage",
        "",
    ] {
        assert!(pairs.revoke_others(caller, wrong).await.is_err());
    }
    assert_eq!(pairs.list("alice").await.unwrap().len(), 2);
    assert_eq!(
        pairs
            .revoke_others(caller, all[1].refresh_token.expose())
            .await
            .unwrap(),
        1
    );
    assert!(pairs.verify(all[2].access_token.expose()).await.is_err());
    assert!(pairs.verify(all[1].access_token.expose()).await.is_ok());

    assert_eq!(pairs.revoke_all("alice").await.unwrap(), 1);
    assert!(pairs.verify(all[1].access_token.expose()).await.is_err());
    assert_eq!(pairs.revoke_all("nobody").await.unwrap(), 0);
}

#[tokio::test]
async fn a_login_that_began_before_logout_all_is_rejected() {
    let (app, _store, pairs) = world();
    let epoch = pairs.epoch("alice").await.unwrap();
    // Another login in between does not matter.
    pairs.issue(app.alice()).await.unwrap();
    assert!(pairs.issue(app.alice()).since(epoch).await.is_ok());
    pairs.revoke_all("alice").await.unwrap();
    let late = pairs.issue(app.alice()).since(epoch).await;
    assert!(matches!(late, Err(IssueError::Withdrawn)));
    let epoch = pairs.epoch("alice").await.unwrap();
    assert!(pairs.issue(app.alice()).since(epoch).await.is_ok());
}

#[tokio::test]
async fn with_blacklist_refresh_an_access_token_stays_valid_until_it_expires() {
    let (app, store, _) = world();
    let pairs = app.node(&store, |pairs| pairs.blacklist(RevocationCheck::Refresh));
    let pair = pairs.issue(app.alice()).await.unwrap();
    pairs.logout(pair.refresh_token.expose()).await.unwrap();
    assert!(pairs.verify(pair.access_token.expose()).await.is_ok());
    assert_eq!(refresh(&pairs, pair.refresh_token.expose()).await, Err(401));
}

#[tokio::test]
async fn with_no_blacklist_a_logout_is_the_clients_own_and_an_administrators_is_not() {
    let (app, store, _) = world();
    let pairs = app.node(&store, |pairs| {
        pairs.blacklist(RevocationCheck::DangerousNone)
    });
    let pair = pairs.issue(app.alice()).await.unwrap();
    assert!(pairs.logout(pair.refresh_token.expose()).await.unwrap());
    let token = refresh(&pairs, pair.refresh_token.expose()).await.unwrap();
    pairs.revoke_all("alice").await.unwrap();
    assert_eq!(refresh(&pairs, &token).await, Err(401));
}

#[tokio::test]
async fn a_secret_rotated_inside_the_window_changes_nothing() {
    let (mut app, store, before) = world();
    let pair = before.issue(app.alice()).await.unwrap();
    let successor = refresh(&before, pair.refresh_token.expose()).await.unwrap();
    app.secret = MasterSecret::generate().accept(&app.secret);
    let after = app.node(&store, |pairs| pairs);
    assert_eq!(
        refresh(&after, pair.refresh_token.expose()).await.unwrap(),
        successor
    );
    let next = refresh(&after, &successor).await.unwrap();
    // The next token is made with the new secret, which the other node cannot read yet.
    assert_eq!(refresh(&before, &next).await, Err(401));
    assert!(refresh(&after, &next).await.is_ok());
    assert_eq!(app.count(EventKind::ReuseDetected), 0);
}

#[tokio::test]
async fn a_generation_that_was_never_recorded_revokes_the_device_with_its_own_event() {
    let (app, store, pairs) = world();
    let first = pairs.issue(app.alice()).await.unwrap();
    let other = pairs.issue(app.alice()).await.unwrap();
    // The store as restored from a backup.
    let listed = super::secrets::snapshot(&store, "alice").await;
    let second = refresh(&pairs, first.refresh_token.expose()).await.unwrap();
    super::secrets::restore(&store, "alice", listed).await;
    assert_eq!(refresh(&pairs, &second).await, Err(401));
    assert_eq!(app.count(EventKind::StateLost), 1);
    assert_eq!(app.count(EventKind::ReuseDetected), 0);
    assert!(pairs.verify(first.access_token.expose()).await.is_err());
    assert!(refresh(&pairs, other.refresh_token.expose()).await.is_ok());
}

#[tokio::test]
async fn reuse_revokes_the_device_once_with_one_event_and_no_other_device() {
    let (app, _store, pairs) = world();
    let stolen = pairs.issue(app.alice()).await.unwrap().refresh_token;
    let other = pairs.issue(app.alice()).await.unwrap().refresh_token;
    let honest = refresh(&pairs, stolen.expose()).await.unwrap();
    // Retrying does not extend the window.
    for _ in 0..10 {
        app.clock.advance(seconds(1));
        assert_eq!(refresh(&pairs, stolen.expose()).await.unwrap(), honest);
    }
    app.clock.advance(Duration::from_millis(1));
    for token in [stolen.expose().as_str(), stolen.expose(), &honest] {
        assert_eq!(refresh(&pairs, token).await, Err(401));
    }
    assert_eq!(app.count(EventKind::ReuseDetected), 1);
    assert!(refresh(&pairs, other.expose()).await.is_ok());
}

#[tokio::test]
async fn a_tab_that_is_late_inside_the_window_changes_nothing() {
    let (app, _store, pairs) = world();
    let first = pairs.issue(app.alice()).await.unwrap().refresh_token;
    let second = refresh(&pairs, first.expose()).await.unwrap();
    let third = refresh(&pairs, &second).await.unwrap();
    app.clock.advance(seconds(9));
    assert_eq!(refresh(&pairs, first.expose()).await, Err(401));
    assert!(refresh(&pairs, &third).await.is_ok());
    assert_eq!(app.count(EventKind::ReuseDetected), 0);
}

#[tokio::test]
async fn fingerprints_are_equal_however_they_are_written_and_policies_hold() {
    let (app, store, _) = world();
    let print = |json: &str| Fingerprint::new(&serde_json::from_str(json).unwrap()).unwrap();
    let known = || print(r#"{"tz":"UTC","lang":"de","screen":[1920,1080]}"#);
    let same = print("{\"screen\": [1920, 1080.0],\n \"lang\": \"de\", \"tz\": \"UTC\"}");
    let other = print(r#"{"tz":"UTC","lang":"en","screen":[1920,1080]}"#);
    for (bind, is_refused, events) in [
        (FingerprintPolicy::Ignore, false, 0),
        (FingerprintPolicy::Event, false, 1),
        (FingerprintPolicy::Refuse, true, 1),
    ] {
        app.events.lock().unwrap().clear();
        let pairs = app.node(&store, |pairs| pairs.bind(bind));
        let pair = pairs.issue(app.alice()).fingerprint(known()).await.unwrap();
        let pair = pairs
            .refresh(pair.refresh_token.expose(), Some(&same))
            .await
            .unwrap();
        assert_eq!(app.count(EventKind::FingerprintChanged), 0, "{bind:?}");
        let answer = pairs
            .refresh(pair.refresh_token.expose(), Some(&other))
            .await;
        assert_eq!(answer.is_err(), is_refused, "{bind:?}");
        assert_eq!(app.count(EventKind::FingerprintChanged), events, "{bind:?}");
        if is_refused {
            let token = pair.refresh_token.expose();
            assert!(
                pairs.refresh(token, Some(&same)).await.is_ok(),
                "it stays logged in"
            );
        }
    }
    // Values concatenated without names would collide; these do not.
    for (one, two) in [
        (r#"{"a":"bc"}"#, r#"{"ab":"c"}"#),
        (r#""ab""#, r#"{"ab":""}"#),
    ] {
        let pairs = app.node(&store, |pairs| pairs.bind(FingerprintPolicy::Refuse));
        let pair = pairs
            .issue(app.alice())
            .fingerprint(print(one))
            .await
            .unwrap();
        assert!(
            pairs
                .refresh(pair.refresh_token.expose(), Some(&print(two)))
                .await
                .is_err()
        );
    }
    for odd in ["1", "null", "[1]", "true"] {
        assert!(
            Fingerprint::new(&serde_json::from_str(odd).unwrap()).is_err(),
            "{odd}"
        );
    }
    assert!(Fingerprint::new(&"x".repeat(4_094).into()).is_ok());
    assert!(Fingerprint::new(&"x".repeat(4_095).into()).is_err());
}

#[tokio::test]
async fn too_many_devices_are_evicted_with_an_event_or_refused() {
    let (app, store, _) = world();
    let pairs = app.node(&store, |pairs| {
        pairs
            .max_devices(2)
            .on_limit(DeviceLimitPolicy::EvictOldest)
    });
    let first = pairs.issue(app.alice()).await.unwrap();
    for _ in 0..2 {
        app.clock.advance(seconds(1));
        pairs.issue(app.alice()).await.unwrap();
    }
    assert_eq!(app.count(EventKind::DeviceEvicted), 1);
    assert_eq!(
        refresh(&pairs, first.refresh_token.expose()).await,
        Err(401)
    );
    assert!(pairs.verify(first.access_token.expose()).await.is_err());
    let strict = app.node(&store, |pairs| {
        pairs.max_devices(2).on_limit(DeviceLimitPolicy::Reject)
    });
    let refused = strict.issue(app.alice()).await;
    assert!(matches!(refused, Err(IssueError::TooManyDevices)));
    assert_eq!(app.count(EventKind::TooManyDevices), 1);
}

#[tokio::test]
async fn invalid_settings_are_refused() {
    let (app, store, _) = world();
    let jwt = || {
        let key = tower_jam::Key::generate(tower_jam::Algorithm::EdDsa).unwrap();
        tower_jam::Jwt::<Claims>::builder(tower_jam::KeyRing::new(key)).audience("api")
    };
    let users = |_: String| async { Ok(None) };
    let build = |jwt: tower_jam::Jwt<Claims>| {
        tower_jam::TokenPairs::builder(&Env::new("i", store.clone(), &app.secret), jwt, users)
    };
    let any_issuer = jwt().dangerous_any_issuer().build().unwrap();
    assert_eq!(build(any_issuer).build().unwrap_err().setting(), "issuer");
    let jwt = jwt().issuer("i").build().unwrap();
    let builder = || build(jwt.clone());
    for (built, setting) in [
        (
            builder().idle_timeout(Duration::ZERO).build(),
            "idle_timeout",
        ),
        (
            builder()
                .idle_timeout(seconds(60))
                .absolute_timeout(seconds(59))
                .build(),
            "absolute_timeout",
        ),
        (builder().grace(seconds(61)).build(), "grace"),
        (builder().max_devices(0).build(), "max_devices"),
        (builder().max_devices(101).build(), "max_devices"),
    ] {
        assert_eq!(built.unwrap_err().setting(), setting);
    }
}
