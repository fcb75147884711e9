//! Engines without async: they work on plain threads, return an error inside a runtime, and leave
//! no thread behind.

use std::{
    cell::RefCell,
    error::Error,
    sync::{Arc, mpsc},
    thread,
};

use tower_jam::{
    Algorithm, Claims, Env, Grant, Jwt, Key, KeyRing, MasterSecret, Otp, Sessions, StoreError,
    TokenList, TokenPairs,
    blocking::{Blocking, BlockingError, Worker},
    otp::Totp,
    store::MemoryStore,
    testing::{FailingStore, Failure},
};

fn alice() -> Grant<Claims> {
    Grant::new("alice", Claims::new())
}

fn sessions(worker: &Worker) -> Blocking<Sessions<Claims>> {
    let store = Arc::new(MemoryStore::new());
    let sessions = Sessions::builder(&Env::new("self", store, &MasterSecret::generate()));
    Blocking::on(worker, sessions.build().unwrap())
}

fn jwt() -> tower_jam::token::JwtBuilder<Claims> {
    Jwt::builder(KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap()))
        .issuer("https://auth.acme.dev")
        .audience("api")
}

#[test]
fn every_engine_works_without_a_runtime() {
    let worker = Worker::start().unwrap();
    let (store, secret) = (Arc::new(MemoryStore::new()), MasterSecret::generate());

    let sessions = sessions(&worker);
    let token = sessions.create(alice()).unwrap().token;
    sessions
        .update(token.expose(), |data| {
            data.values.insert("a".into(), 1.into())
        })
        .unwrap();
    let renewed = sessions.cycle_id(token.expose()).unwrap().unwrap();
    let (info, data) = sessions.get(renewed.expose()).unwrap().unwrap();
    assert_eq!(data.values["a"], 1);
    assert_eq!(sessions.list("alice").unwrap().len(), 1);
    assert!(!sessions.revoke_token("none").unwrap());
    assert!(sessions.revoke("alice", &info.id).unwrap());
    assert_eq!(sessions.revoke_all("alice").unwrap(), 0);

    let list = TokenList::deny(&Env::new(
        "https://auth.acme.dev",
        store.clone(),
        &MasterSecret::generate(),
    ));
    let list = Blocking::on(&worker, list.build().unwrap());
    let tokens = Blocking::on(&worker, jwt().list(list.engine().clone()).build().unwrap());
    let token = tokens.issue(alice()).unwrap();
    let id = tokens.engine().token_id(token.expose()).unwrap();
    assert!(list.check(&id).unwrap());
    assert!(tokens.verify(token.expose()).is_ok());
    tokens.revoke_token(token.expose()).unwrap();
    assert!(list.remove(&id).unwrap());
    list.add(&id).unwrap();
    assert!(matches!(
        tokens.verify(token.expose()),
        Err(BlockingError::Engine(_))
    ));
    list.revoke_all("alice").unwrap();

    let read = |subject: String| async move { Ok(Some(Grant::new(subject, Claims::new()))) };
    let pairs = TokenPairs::builder(
        &Env::new("https://auth.acme.dev", store.clone(), &secret),
        jwt().build().unwrap(),
        read,
    );
    let pairs = Blocking::on(&worker, pairs.build().unwrap());
    let pair = pairs.issue(alice()).unwrap();
    let next = pairs.refresh(pair.refresh_token.expose()).unwrap();
    assert!(pairs.verify(next.access_token.expose()).is_ok());
    assert_eq!(pairs.list("alice").unwrap().len(), 1);
    assert!(pairs.logout(next.refresh_token.expose()).unwrap());
    assert_eq!(pairs.revoke_all("alice").unwrap(), 0);

    let otp = Blocking::on(
        &worker,
        Otp::builder(&Env::new("self", store, &secret), "Acme")
            .build()
            .unwrap(),
    );
    let enrollment = otp.enroll("alice").unwrap();
    let now = tower_jam::Clock::now(&tower_jam::SystemClock);
    let code = Totp::new().code(enrollment.secret(), now);
    let recovery = otp.confirm("alice", code.expose()).unwrap();
    assert!(otp.is_enrolled("alice").unwrap());
    assert!(otp.verify("alice", code.expose()).is_err(), "it is used up");
    let first = recovery.iter().next().unwrap();
    assert_eq!(otp.use_recovery_code("alice", first).unwrap().1, 9);
}

#[test]
fn inside_a_runtime_a_call_is_an_error_and_does_nothing() {
    let sessions = sessions(&Worker::start().unwrap());
    for runtime in [
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap(),
        tokio::runtime::Builder::new_multi_thread().build().unwrap(),
    ] {
        let error = runtime.block_on(async { sessions.create(alice()).unwrap_err() });
        assert!(matches!(error, BlockingError::InsideRuntime));
        assert!(
            error.to_string().contains("inside a tokio runtime"),
            "{error}"
        );
    }
    assert!(sessions.list("alice").unwrap().is_empty());
}

#[test]
fn a_call_from_within_a_call_is_an_error_rather_than_a_deadlock() {
    let sessions = sessions(&Worker::start().unwrap());
    let same = sessions.clone();
    let inner = sessions.run(async move |_| Ok::<_, StoreError>(same.revoke_all("alice")));
    assert!(matches!(inner.unwrap(), Err(BlockingError::InsideRuntime)));
}

#[test]
fn many_threads_share_one_handle() {
    let sessions = sessions(&Worker::start().unwrap());
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let session = sessions.create(alice()).unwrap();
                    assert!(sessions.get(session.token.expose()).unwrap().is_some());
                }
            });
        }
    });
    assert_eq!(sessions.revoke_all("alice").unwrap(), 16 * 20);
}

/// The first call waits for something that only the second call does.
#[test]
fn a_call_that_waits_does_not_delay_others() {
    let worker = Worker::start().unwrap();
    let (open, opened) = tokio::sync::oneshot::channel::<()>();
    thread::scope(|scope| {
        let first = scope.spawn(|| worker.run(async || opened.await));
        worker.run(async || open.send(())).unwrap();
        assert!(first.join().unwrap().is_ok());
    });
}

#[test]
fn a_panic_is_the_error_of_its_own_call() {
    let sessions = sessions(&Worker::start().unwrap());
    let outcome = sessions.run(async |_| -> Result<(), StoreError> { panic!("on purpose") });
    assert!(matches!(outcome, Err(BlockingError::Panicked)));
    assert_eq!(outcome.unwrap_err().to_string(), "the call panicked");
    assert!(sessions.create(alice()).is_ok());
}

#[test]
fn the_thread_ends_with_the_last_handle() {
    /// Sends a message when the thread that owns it ends.
    struct EndSignal(mpsc::Sender<()>);
    impl Drop for EndSignal {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    thread_local! {
        static KEPT: RefCell<Option<EndSignal>> = const { RefCell::new(None) };
    }
    let (sender, receiver) = mpsc::channel();
    let sessions = sessions(&Worker::start().unwrap());
    sessions
        .run(async move |_| {
            KEPT.set(Some(EndSignal(sender)));
            // A task that nothing awaits must not keep the thread alive either.
            tokio::spawn(std::future::pending::<()>());
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let other = sessions.clone();
    drop(sessions);
    assert!(receiver.try_recv().is_err(), "a handle remains");
    drop(other);
    assert!(
        receiver.try_recv().is_ok(),
        "the drop waited for the thread to end"
    );
}

#[test]
fn a_handle_may_be_dropped_on_its_own_thread() {
    let worker = Worker::start().unwrap();
    let (give, given) = mpsc::channel::<Worker>();
    let (sender, receiver) = mpsc::channel();
    worker
        .run(async move || {
            tokio::task::spawn_local(async move {
                // This is the last handle: the one outside has been dropped.
                drop(given.recv());
                sender.send(()).unwrap();
            });
            Ok::<_, StoreError>(())
        })
        .unwrap();
    give.send(worker).unwrap();
    receiver.recv().unwrap();
}

#[test]
fn the_error_of_the_engine_is_returned_with_its_cause() {
    let store = Arc::new(FailingStore::new(Arc::new(MemoryStore::new())));
    let sessions =
        Sessions::<Claims>::builder(&Env::new("self", store.clone(), &MasterSecret::generate()));
    let sessions = Blocking::new(sessions.build().unwrap()).unwrap();
    store.fail(Failure::Away);
    let error = sessions.revoke_all("alice").unwrap_err();
    assert_eq!(error.to_string(), "the store is unavailable");
    assert_eq!(error.source().unwrap().to_string(), "set to be unavailable");
    store.recover();
    assert_eq!(sessions.revoke_all("alice").unwrap(), 0);
}
