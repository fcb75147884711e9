//! The events of logins with a provider.

use std::sync::{Arc, Mutex};

use tower_jam::{
    Env, MasterSecret, OAuth2,
    event::{Event, Events},
    store::MemoryStore,
};

use crate::world::{CALLBACK, settings, world};

#[tokio::test]
async fn each_end_of_a_login_has_one_event_without_a_secret() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let seen = Arc::clone(&seen);
        move |event: &Event| seen.lock().unwrap().push(event.clone())
    };
    let mut world = world().await;
    let known = settings(&world.provider).build().unwrap();
    let store = Arc::new(MemoryStore::new());
    let oauth = OAuth2::builder(
        &Env::new("self", store, &MasterSecret::generate()).with_events(Events::to(hook)),
        known,
    )
    .redirect_url(CALLBACK);
    world.oauth = oauth.build().unwrap();

    let returned = world.visit_provider().await;
    let cookie = Some(returned.cookie.as_str());
    let again = returned.callback.clone();
    world.oauth.finish(returned.callback, cookie).await.unwrap();
    world.oauth.finish(again, cookie).await.unwrap_err();
    let rows: Vec<_> = seen
        .lock()
        .unwrap()
        .iter()
        .map(|event| {
            (
                event.kind.code(),
                event.subject.clone(),
                event.session_id.clone(),
            )
        })
        .collect();
    let user = Some("user-1".to_owned());
    assert_eq!(
        rows,
        [
            ("provider_login_succeeded", user, None),
            ("provider_login_failed", None, None)
        ]
    );
}
