//! The layer that asks a guard.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Extensions, Request, Response};
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    check,
    respond::{Asked, HttpResponder, Respond},
};
use crate::{
    guard::Guard,
    identity::{Anonymous, Identity},
    rejection::Rejection,
};

/// Lets requests pass whose identity satisfies a [`Guard`]. It goes inside an [`AuthLayer`](super::AuthLayer).
///
/// The guard decides before the service inside is called, so before a body is read.
#[derive(Debug)]
#[must_use]
pub struct GuardLayer<G, R = HttpResponder> {
    guard: Arc<G>,
    responder: R,
}

impl<G: Guard> GuardLayer<G> {
    /// A layer that asks `guard`.
    pub fn new(guard: G) -> Self {
        Self {
            guard: Arc::new(guard),
            responder: HttpResponder::new(),
        }
    }
}

impl<G, R> GuardLayer<G, R> {
    /// Answers refusals with `responder`.
    pub fn respond_with<S>(self, responder: S) -> GuardLayer<G, S> {
        GuardLayer {
            guard: self.guard,
            responder,
        }
    }
}

impl<G, R: Clone> Clone for GuardLayer<G, R> {
    fn clone(&self) -> Self {
        Self {
            guard: Arc::clone(&self.guard),
            responder: self.responder.clone(),
        }
    }
}

impl<S, G, R: Clone> Layer<S> for GuardLayer<G, R> {
    type Service = GuardService<S, G, R>;

    fn layer(&self, inner: S) -> Self::Service {
        GuardService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that [`GuardLayer`] makes.
#[derive(Debug)]
pub struct GuardService<S, G, R = HttpResponder> {
    inner: S,
    layer: GuardLayer<G, R>,
}

impl<S: Clone, G, R: Clone> Clone for GuardService<S, G, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: self.layer.clone(),
        }
    }
}

impl<S, G, R, B, ResB> Service<Request<B>> for GuardService<S, G, R>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    G: Guard,
    R: Respond<ResB>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = GuardFuture<S::Future, ResB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Err(rejection) = decide(&*self.layer.guard, request.extensions()) else {
            return GuardFuture(Step::Inner(self.inner.call(request)));
        };
        check::refused_by_guard(&rejection);
        let asked = Asked::of_request(&request);
        GuardFuture(Step::Refused(Some(
            self.layer.responder.respond(&rejection, &asked),
        )))
    }
}

fn decide(guard: &impl Guard, extensions: &Extensions) -> Result<(), Rejection> {
    match extensions.get::<Identity>() {
        Some(identity) => guard.check(identity),
        None if extensions.get::<Anonymous>().is_some() => Err(Rejection::missing()),
        None => Err(Rejection::misconfigured(
            "a GuardLayer has no authentication outside it: add a JwtLayer or SessionLayer after it with `.layer()` or `.route_layer()`, or before it in a ServiceBuilder",
        )),
    }
}

/// The future of [`GuardService`].
#[pin_project]
#[derive(Debug)]
pub struct GuardFuture<F, ResB>(#[pin] Step<F, ResB>);

#[pin_project(project = StepProjection)]
#[derive(Debug)]
enum Step<F, ResB> {
    Inner(#[pin] F),
    Refused(Option<Response<ResB>>),
}

impl<F, ResB, E> Future for GuardFuture<F, ResB>
where
    F: Future<Output = Result<Response<ResB>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().0.project() {
            StepProjection::Inner(future) => future.poll(cx),
            StepProjection::Refused(response) => Poll::Ready(Ok(response
                .take()
                .expect("a future is not polled after it is done"))),
        }
    }
}
