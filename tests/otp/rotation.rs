//! The rotation of the master secret.

use std::{sync::Arc, time::Duration};

use tower_jam::{MasterSecret, Otp, RejectionKind, event::EventKind, store::Store};

use super::world::{App, WRONG, verify};

/// Nodes of one application on one store, by the secret of each.
struct Nodes {
    app: App,
    store: Arc<dyn Store>,
    old: MasterSecret,
    new: MasterSecret,
}

impl Nodes {
    fn new() -> Self {
        let app = App::new();
        Self {
            store: Arc::new(app.memory()),
            old: app.secret.clone(),
            new: MasterSecret::generate(),
            app,
        }
    }

    fn with(&self, secret: MasterSecret) -> Otp {
        let app = App {
            secret,
            ..self.app.clone()
        };
        app.node(&self.store, |otp| otp)
    }

    fn first(&self) -> Otp {
        self.with(self.old.clone())
    }

    fn accepting(&self) -> Otp {
        self.with(self.old.clone().accept(&self.new))
    }

    fn activated(&self) -> Otp {
        self.with(self.new.clone().accept(&self.old))
    }

    fn retired(&self) -> Otp {
        self.with(self.new.clone())
    }
}

/// Nodes never change at the same time: in this order each pair of neighbours reads what the other
/// wrote.
#[tokio::test]
async fn in_the_documented_order_each_code_is_accepted_on_every_node() {
    let nodes = Nodes::new();
    let app = &nodes.app;
    let (secret, codes) = app.enrolled(&nodes.first(), "alice").await;
    for pair in [
        [nodes.first(), nodes.accepting()],
        [nodes.accepting(), nodes.activated()],
        [nodes.activated(), nodes.retired()],
        [nodes.retired(), nodes.retired()],
    ] {
        for otp in &pair {
            assert_eq!(verify(otp, "alice", &app.next_code(&secret)).await, 200);
            assert_eq!(verify(otp, "alice", WRONG).await, 401);
        }
    }
    let code = codes.iter().next().unwrap();
    assert!(
        nodes
            .retired()
            .use_recovery_code("alice", code)
            .await
            .is_ok()
    );
    assert_eq!(app.count(EventKind::OtpUnreadable), 0);
}

#[tokio::test]
async fn a_record_under_a_retired_secret_is_reported_and_accepts_no_code() {
    let nodes = Nodes::new();
    let app = &nodes.app;
    let (secret, codes) = app.enrolled(&nodes.first(), "alice").await;
    let (otp, caller) = (nodes.retired(), app.caller("alice", Duration::ZERO));
    let recovery = codes.iter().next().unwrap();
    let refusals = [
        otp.verify("alice", &app.code(&secret)).await.err(),
        otp.verify("alice", WRONG).await.err(),
        otp.use_recovery_code("alice", recovery).await.err(),
        otp.confirm("alice", WRONG).await.err(),
        otp.new_recovery_codes(&caller).await.err(),
        otp.enroll("alice").await.err(),
        otp.enroll("alice").replacing(&caller).await.err(),
    ];
    for (at, refusal) in refusals.into_iter().enumerate() {
        let refusal = refusal.unwrap();
        assert_eq!(*refusal.kind(), RejectionKind::FactorLost, "{at}");
        assert_eq!(refusal.status(), 403);
        assert!(refusal.reason().contains("retired secret"), "{refusal}");
    }
    assert_eq!(app.count(EventKind::OtpUnreadable), 7);
    assert!(otp.is_enrolled("alice").await.unwrap(), "the record exists");
    // Nothing was overwritten: with the old secret the record is unchanged.
    assert_eq!(
        verify(&nodes.activated(), "alice", &app.code(&secret)).await,
        200
    );
    assert_eq!(verify(&otp, "alice", &app.next_code(&secret)).await, 200);
}

#[tokio::test]
async fn a_user_whose_record_is_lost_enrols_again_once_an_operator_has_removed_it() {
    let nodes = Nodes::new();
    let app = &nodes.app;
    drop(app.enrolled(&nodes.first(), "alice").await);
    let otp = nodes.retired();
    assert!(otp.dangerous_disable("alice").await.unwrap());
    assert!(!otp.is_enrolled("alice").await.unwrap());
    let (secret, _) = app.enrolled(&otp, "alice").await;
    assert_eq!(verify(&otp, "alice", &app.next_code(&secret)).await, 200);
}

#[tokio::test]
async fn a_damaged_record_is_no_503_either() {
    let nodes = Nodes::new();
    let app = &nodes.app;
    let otp = nodes.first();
    let (secret, _) = app.enrolled(&otp, "alice").await;
    let mut damaged = false;
    for part in 0..=u8::MAX {
        let parts: [&[u8]; 3] = [b"records", super::world::ISSUER.as_bytes(), &[part]];
        let group = tower_jam::store::StoreKey::new("otp", &parts);
        for (key, entry) in nodes.store.list(&group).await.unwrap() {
            let mut value = entry.value.to_vec();
            *value.last_mut().unwrap() ^= 1;
            let write =
                tower_jam::store::Write::new(value, entry.expires_at).in_group(group.clone());
            let always = tower_jam::store::When::Always;
            damaged |= nodes.store.put(&key, write, always).await.unwrap();
        }
    }
    assert!(damaged);
    let refusal = otp.verify("alice", &app.code(&secret)).await.unwrap_err();
    assert_eq!(*refusal.kind(), RejectionKind::FactorLost);
    assert!(refusal.reason().contains("damaged"), "{refusal}");
    assert!(otp.is_enrolled("alice").await.unwrap());
}

#[tokio::test]
async fn the_audit_lists_which_records_need_which_secret() {
    let nodes = Nodes::new();
    let app = &nodes.app;
    let mut secrets = Vec::new();
    for user in ["alice", "bob", "carol"] {
        secrets.push(app.enrolled(&nodes.first(), user).await.0);
    }
    let subjects = async |otp: &Otp| {
        let seals = otp.seals().await.unwrap();
        let subjects = seals.secrets.iter().map(|it| it.subjects.join(" "));
        (subjects.collect::<Vec<_>>(), seals.unreadable)
    };
    let otp = nodes.activated();
    let audit = subjects(&otp).await;
    assert_eq!(
        audit,
        (vec![String::new(), "alice bob carol".to_owned()], 0)
    );
    assert_eq!(verify(&otp, "bob", &app.next_code(&secrets[1])).await, 200);
    let audit = subjects(&otp).await;
    assert_eq!(audit, (vec!["bob".to_owned(), "alice carol".to_owned()], 0));
    assert_eq!(
        subjects(&nodes.retired()).await,
        (vec!["bob".to_owned()], 2)
    );
    let seals = otp.seals().await.unwrap();
    assert_ne!(seals.secrets[0].key_id, seals.secrets[1].key_id);
    assert!(!format!("{seals:?}").contains("alice"), "{seals:?}");
    assert!(otp.dangerous_disable("alice").await.unwrap());
    assert_eq!(
        subjects(&nodes.retired()).await,
        (vec!["bob".to_owned()], 1)
    );
}

/// A user without the authenticator tries the recovery codes from the top of the list, and must not
/// be locked out by that.
#[tokio::test]
async fn a_used_recovery_code_locks_no_user_out() {
    let app = App::new();
    let (_, otp) = app.probed();
    let (secret, codes) = app.enrolled(&otp, "alice").await;
    let codes: Vec<&str> = codes.iter().collect();
    otp.use_recovery_code("alice", codes[0]).await.unwrap();
    for _ in 0..10 {
        let refusal = otp.use_recovery_code("alice", codes[0]).await.unwrap_err();
        assert_eq!(refusal.status(), 401);
    }
    // A used code of a replaced list is no guess either.
    let caller = app.caller("alice", Duration::ZERO);
    let fresh = otp.new_recovery_codes(&caller).await.unwrap();
    for _ in 0..10 {
        let refusal = otp.use_recovery_code("alice", codes[0]).await.unwrap_err();
        assert_eq!(refusal.status(), 401);
    }
    assert_eq!(app.count(EventKind::OtpLocked), 0);
    assert_eq!(app.count(EventKind::OtpReplayed), 20);
    let next = fresh.iter().next().unwrap();
    otp.use_recovery_code("alice", next).await.unwrap();
    assert_eq!(verify(&otp, "alice", &app.next_code(&secret)).await, 200);
}
