//! The events of the engines: one for each fact, after it happened, without any credential.

use std::{
    convert::Infallible,
    mem,
    sync::{Arc, Mutex},
};

use http::{Request, Response, header};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_jam::{
    Algorithm, Claims, Env, Factor, Grant, Jwt, Key, KeyRing, Session, SessionLayer, Sessions,
    TokenList,
    event::{Event, EventKind, Events},
    testing::{Failure, TestJam},
};

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Event>>>);

impl Seen {
    fn events(&self) -> Events {
        let Self(seen) = self.clone();
        Events::to(move |event: &Event| seen.lock().unwrap().push(event.clone()))
    }

    /// The events since the last call: code, subject, and whether the event names a session.
    fn take(&self) -> Vec<(&'static str, Option<String>, bool)> {
        let seen = mem::take(&mut *self.0.lock().unwrap());
        let row = |event: Event| {
            let is_named = event.session_id.is_some();
            (event.kind.code(), event.subject, is_named)
        };
        seen.into_iter().map(row).collect()
    }
}

fn alice() -> Grant<Claims> {
    Grant::new("alice", Claims::new())
}

fn row(code: &'static str, is_named: bool) -> (&'static str, Option<String>, bool) {
    (code, Some("alice".to_owned()), is_named)
}

fn sessions(jam: &TestJam, seen: &Seen) -> Sessions<Claims> {
    let env = Env::new("self", jam.store().clone(), jam.secret()).with_clock(jam.clock().clone());
    Sessions::builder(&env.with_events(seen.events()))
        .build()
        .unwrap()
}

#[tokio::test]
async fn sessions_send_each_event_once() {
    let (jam, seen) = (TestJam::<Claims>::new(), Seen::default());
    let sessions = sessions(&jam, &seen);

    let first = sessions.create(alice()).await.unwrap();
    assert_eq!(seen.take(), [row("session_started", true)]);
    let renewed = sessions
        .cycle_id(first.token.expose())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(seen.take(), [row("session_renewed", true)]);
    assert!(sessions.revoke_token(renewed.expose()).await.unwrap());
    assert_eq!(seen.take(), [row("session_logged_out", true)]);
    assert!(!sessions.revoke_token(renewed.expose()).await.unwrap());
    assert!(sessions.cycle_id(renewed.expose()).await.unwrap().is_none());
    assert_eq!(seen.take(), [], "nothing was done");

    let [one, _two, three] = [
        sessions.create(alice()).await.unwrap(),
        sessions.create(alice()).await.unwrap(),
        sessions.create(alice()).await.unwrap(),
    ];
    seen.take();
    assert!(sessions.revoke("alice", &one.id).await.unwrap());
    assert!(!sessions.revoke("alice", &one.id).await.unwrap());
    assert_eq!(seen.take(), [row("session_revoked", true)]);
    assert_eq!(sessions.revoke_others("alice", &three.id).await.unwrap(), 1);
    assert_eq!(seen.take(), [row("session_revoked", true)]);
    assert_eq!(sessions.revoke_all("alice").await.unwrap(), 1);
    assert_eq!(seen.take(), [row("sessions_cleared", false)]);

    jam.store().fail(Failure::Away);
    assert!(sessions.create(alice()).await.is_err());
    assert!(sessions.revoke_all("alice").await.is_err());
    assert_eq!(seen.take(), [], "no event without an effect");
}

#[tokio::test]
async fn a_handle_sends_the_same_events_and_guests_send_none() {
    let (jam, seen) = (TestJam::<Claims>::new(), Seen::default());
    let handler = service_fn(async |request: Request<()>| {
        let session = request.extensions().get::<Session>().unwrap();
        match request.uri().path() {
            "/guest" => session.insert("a", &1).await.unwrap(),
            "/login" => drop(session.login(alice()).await.unwrap()),
            "/other" => drop(
                session
                    .login(Grant::new("bob", Claims::new()))
                    .await
                    .unwrap(),
            ),
            "/prove" => drop(session.prove(Factor::Otp).await.unwrap()),
            _ => session.logout().await.unwrap(),
        }
        Ok::<_, Infallible>(Response::new(Vec::<u8>::new()))
    });
    let service = ServiceBuilder::new()
        .layer(SessionLayer::new(sessions(&jam, &seen)).optional())
        .service(handler);
    let cookie = Mutex::new(String::new());
    let go = async |path: &str| {
        let sent = cookie.lock().unwrap().clone();
        let request = Request::post(path).header(header::COOKIE, sent);
        let answer = service.clone().oneshot(request.body(()).unwrap()).await;
        if let Some(set) = answer.unwrap().headers().get(header::SET_COOKIE) {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            pair.clone_into(&mut cookie.lock().unwrap());
        }
        seen.take()
    };
    assert_eq!(go("/guest").await, []);
    assert_eq!(go("/login").await, [row("session_started", true)]);
    assert_eq!(go("/login").await, [row("session_started", true)]);
    assert_eq!(go("/prove").await, [row("session_renewed", true)]);
    let bob = ("session_started", Some("bob".to_owned()), true);
    assert_eq!(go("/other").await, [row("session_logged_out", true), bob]);
    let bob = ("session_logged_out", Some("bob".to_owned()), true);
    assert_eq!(go("/logout").await, [bob]);
    assert_eq!(go("/logout").await, []);
    assert_eq!(go("/guest").await, []);
    assert_eq!(go("/logout").await, [], "a guest has no logout event");
}

#[tokio::test]
async fn lists_send_an_event_for_each_revocation() {
    for is_black in [true, false] {
        let (jam, seen) = (TestJam::<Claims>::new(), Seen::default());
        let env = Env::new("i", jam.store().clone(), jam.secret())
            .with_clock(jam.clock().clone())
            .with_events(seen.events());
        let list = if is_black {
            TokenList::deny(&env)
        } else {
            TokenList::allow(&env)
        };
        let list = list.build().unwrap();
        let jwt = Jwt::<Claims>::builder(KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap()))
            .issuer("i")
            .audience("a")
            .clock(jam.clock().clone())
            .list(list.clone());
        let jwt = jwt.build().unwrap();
        let token = jwt.issue(alice()).await.unwrap();
        assert_eq!(seen.take(), [], "issuing revokes nothing");
        jwt.revoke_token(token.expose()).await.unwrap();
        jwt.revoke_token(token.expose()).await.unwrap();
        assert_eq!(seen.take(), [("token_revoked", None, false)]);
        list.revoke_all("alice").await.unwrap();
        assert_eq!(seen.take(), [row("subject_revoked", false)]);
    }
}

#[tokio::test]
async fn no_event_has_a_credential_in_it() {
    let (jam, seen) = (TestJam::<Claims>::new(), Seen::default());
    let sessions = sessions(&jam, &seen);
    let session = sessions.create(alice()).await.unwrap();
    sessions.revoke_token(session.token.expose()).await.unwrap();
    for event in seen.0.lock().unwrap().iter() {
        let id = event.session_id.as_deref().unwrap();
        assert_eq!(id, session.id);
        assert!(
            !session.token.expose().contains(id),
            "no event contains a part of the token"
        );
        assert!(!format!("{event:?}").contains("alice"));
        assert_ne!(event.kind, EventKind::SessionRevoked);
    }
}
