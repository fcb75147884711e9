//! Tasks that start together.

use std::{future::Future, sync::Arc};

use tokio::{sync::Barrier, task::JoinSet};

/// Runs the futures on tasks that start together. The outcomes are in the order in which the tasks
/// ended.
pub async fn race<T: Send + 'static, F>(racers: impl IntoIterator<Item = F>) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let racers: Vec<_> = racers.into_iter().collect();
    let start = Arc::new(Barrier::new(racers.len()));
    let mut running = JoinSet::new();
    for racer in racers {
        let start = Arc::clone(&start);
        running.spawn(async move {
            start.wait().await;
            racer.await
        });
    }
    running.join_all().await
}

/// Runs two futures of different types that start together.
pub async fn race_both<A: Send + 'static, B: Send + 'static>(
    one: impl Future<Output = A> + Send + 'static,
    other: impl Future<Output = B> + Send + 'static,
) -> (A, B) {
    let barrier = Arc::new(Barrier::new(2));
    let start = Arc::clone(&barrier);
    let one = tokio::spawn(async move {
        start.wait().await;
        one.await
    });
    let other = tokio::spawn(async move {
        barrier.wait().await;
        other.await
    });
    (one.await.unwrap(), other.await.unwrap())
}
