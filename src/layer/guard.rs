//! The layer that applies a guard to every request.

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
    check, presence,
    respond::{HttpResponder, RequestContext, Respond},
};
use crate::{guard::Guard, identity::Identity, rejection::Rejection};

/// Admits requests whose identity satisfies a [`Guard`]. It goes inside an
/// [`AuthLayer`](super::AuthLayer).
///
/// The guard decides before the inner service is called, and therefore before a body is read.
#[doc(alias("permission", "authorization", "rbac"))]
#[derive(Debug)]
#[must_use]
pub struct GuardLayer<G, R = HttpResponder> {
    guard: Arc<G>,
    responder: R,
}

impl<G: Guard> GuardLayer<G> {
    /// Creates a layer that applies `guard`.
    pub fn new(guard: G) -> Self {
        Self {
            guard: Arc::new(guard),
            responder: HttpResponder::new(),
        }
    }
}

impl<G, R> GuardLayer<G, R> {
    /// Answers rejections with `responder`.
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

/// The service of [`GuardLayer`].
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
            return GuardFuture(GuardFutureState::Inner(self.inner.call(request)));
        };
        check::rejected_by_guard(&rejection);
        let asked = RequestContext::of_request(&request);
        GuardFuture(GuardFutureState::Rejected(Some(
            self.layer.responder.respond(&rejection, &asked),
        )))
    }
}

fn decide(guard: &impl Guard, extensions: &Extensions) -> Result<(), Rejection> {
    match extensions.get::<Identity>() {
        Some(identity) => guard.check(identity),
        None if presence::is_anonymous(extensions) => Err(Rejection::missing()),
        None => Err(Rejection::misconfigured(
            "a GuardLayer has no authentication outside it: add a JwtLayer or SessionLayer after it with `.layer()` or `.route_layer()`, or before it in a ServiceBuilder",
        )),
    }
}

/// The future of [`GuardService`].
#[pin_project]
#[derive(Debug)]
pub struct GuardFuture<F, ResB>(#[pin] GuardFutureState<F, ResB>);

#[pin_project(project = GuardFutureStateProjection)]
#[derive(Debug)]
enum GuardFutureState<F, ResB> {
    Inner(#[pin] F),
    Rejected(Option<Response<ResB>>),
}

impl<F, ResB, E> Future for GuardFuture<F, ResB>
where
    F: Future<Output = Result<Response<ResB>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().0.project() {
            GuardFutureStateProjection::Inner(future) => future.poll(cx),
            GuardFutureStateProjection::Rejected(response) => Poll::Ready(Ok(response
                .take()
                .expect("a future is not polled after completion"))),
        }
    }
}
