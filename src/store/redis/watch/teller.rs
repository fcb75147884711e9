//! Tells what the server announces, in order.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use fred::types::{ClusterStateChange, client::Invalidation};
use tokio::sync::{
    broadcast::{
        Receiver,
        error::{RecvError, TryRecvError},
    },
    mpsc, oneshot,
};

use crate::store::{Key, redis::format::Names};

pub(super) enum Told<'a> {
    Changed(&'a Key),
    Anything,
}

pub(super) type Tell = Box<dyn Fn(Told<'_>) + Send + Sync>;

/// The task between a connection and whoever wants to know.
pub(super) struct Teller {
    pub(super) heard: Receiver<Invalidation>,
    pub(super) moved: Receiver<Vec<ClusterStateChange>>,
    pub(super) asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    pub(super) names: Names,
    pub(super) tell: Arc<Tell>,
    pub(super) is_over: Arc<AtomicBool>,
}

enum Next {
    Heard(Result<Invalidation, RecvError>),
    Moved,
    Asked(Option<oneshot::Sender<()>>),
}

impl Teller {
    pub(super) async fn run(mut self) {
        loop {
            match self.next().await {
                Next::Heard(Ok(invalidation)) => self.changed(&invalidation),
                Next::Heard(Err(RecvError::Lagged(_))) => (self.tell)(Told::Anything),
                Next::Moved => {
                    self.is_over.store(true, Ordering::Release);
                    (self.tell)(Told::Anything);
                }
                Next::Asked(Some(reply)) => {
                    self.catch_up();
                    // Whoever asked may be gone.
                    let _ = reply.send(());
                }
                Next::Heard(Err(RecvError::Closed)) | Next::Asked(None) => return,
            }
        }
    }

    async fn next(&mut self) -> Next {
        let (mut heard, mut moved) = (pin!(self.heard.recv()), pin!(self.moved.recv()));
        let asked = &mut self.asked;
        poll_fn(move |cx| {
            if let Poll::Ready(heard) = heard.as_mut().poll(cx) {
                return Poll::Ready(Next::Heard(heard));
            }
            if moved.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Next::Moved);
            }
            asked.poll_recv(cx).map(Next::Asked)
        })
        .await
    }

    fn catch_up(&mut self) {
        loop {
            match self.heard.try_recv() {
                Ok(invalidation) => self.changed(&invalidation),
                Err(TryRecvError::Lagged(_)) => (self.tell)(Told::Anything),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn changed(&self, invalidation: &Invalidation) {
        for name in &invalidation.keys {
            if let Some(key) = self.names.key(name.as_bytes()) {
                (self.tell)(Told::Changed(&key));
            }
        }
    }
}
