//! Conditional writes under contention.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Barrier;
use tower_jam::{Env, Grant, MasterSecret, Sessions};

use super::{support::redis::Server, world::shared};

/// A hundred requests of one browser at once, each of which changes the session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_writers_of_one_session_are_done_in_a_fraction_of_their_time() {
    let store = shared(&Server::shared().database()).await;
    let sessions = Sessions::<String>::builder(&Env::new("self", store, &MasterSecret::generate()));
    let sessions = sessions.build().unwrap();
    let grant = Grant::new("alice", "Alice".to_owned());
    let token = Arc::new(sessions.create(grant).await.unwrap().token);
    let start = Arc::new(Barrier::new(100));
    let writers: Vec<_> = (0..100)
        .map(|number| {
            let (sessions, token, start) = (sessions.clone(), token.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                let began = Instant::now();
                let updated = sessions.update(token.expose(), |data| {
                    data.values.insert(format!("{number}"), number.into());
                });
                updated.await.unwrap().unwrap();
                began.elapsed()
            })
        })
        .collect();
    let mut longest = Duration::ZERO;
    for writer in writers {
        longest = longest.max(writer.await.unwrap());
    }
    let (_, data) = sessions.get(token.expose()).await.unwrap().unwrap();
    assert_eq!(data.values.len(), 100);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}
