//! What is told of logins with a provider.

use std::sync::{Arc, Mutex};

use tower_jam::{
    Env, MasterSecret, OAuth2,
    event::{Event, Events},
    store::MemoryStore,
};

use crate::world::{CALLBACK, settings, world};

#[tokio::test]
async fn each_end_of_a_login_is_told_once_and_names_no_secret() {
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

    let returned = world.goes().await;
    let cookie = Some(returned.cookie.as_str());
    let again = returned.callback.clone();
    world.oauth.finish(returned.callback, cookie).await.unwrap();
    world.oauth.finish(again, cookie).await.unwrap_err();
    let told: Vec<_> = seen
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
        told,
        [
            ("provider_login_succeeded", user, None),
            ("provider_login_failed", None, None)
        ]
    );
}
