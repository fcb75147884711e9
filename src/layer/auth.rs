//! The authentication layer: the path from a request to a user, on one screen.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;
use tracing::Instrument;

use super::{
    check::AuthTrace,
    presence,
    respond::{HttpResponder, RequestContext, Respond},
};
use crate::{
    authenticate::{Authenticate, OnResponse, Verified},
    identity::Identity,
    rejection::{Rejection, RejectionKind},
    request::{
        credential::{Credential, CredentialSource},
        cross_site,
    },
};

/// Turns the credential of each request into a typed user. See the [module](super) for the rules.
#[doc(alias("middleware", "login required"))]
#[derive(Clone, Debug)]
#[must_use]
pub struct AuthLayer<A, R = HttpResponder> {
    engine: A,
    responder: R,
    policy: Arc<Policy>,
}

#[derive(Clone, Debug)]
struct Policy {
    source: CredentialSource,
    is_optional: bool,
    allows_cross_site: bool,
}

impl<A: Authenticate> AuthLayer<A> {
    /// Creates a layer that requires a credential that `engine` accepts, in the engine's own place.
    pub fn new(engine: A) -> Self {
        let policy = Policy {
            source: engine.source(),
            is_optional: false,
            allows_cross_site: false,
        };
        Self {
            engine,
            responder: HttpResponder::new(),
            policy: Arc::new(policy),
        }
    }
}

impl<A: Authenticate, R> AuthLayer<A, R> {
    /// Admits requests without a credential. A bad credential is still rejected.
    pub fn optional(self) -> Self {
        self.with_policy(|policy| policy.is_optional = true)
    }

    /// Looks for the credential in `source` instead of the engine's own place.
    pub fn read_from(self, source: CredentialSource) -> Self {
        self.with_policy(|policy| policy.source = source)
    }

    /// Answers rejections with `responder`: [`HttpResponder`],
    /// [`GrpcResponder`](super::GrpcResponder) or a closure.
    pub fn respond_with<S>(self, responder: S) -> AuthLayer<A, S> {
        AuthLayer {
            engine: self.engine,
            responder,
            policy: self.policy,
        }
    }

    /// Accepts cookies that another site may have caused the browser to send. Use it only for
    /// routes that check a CSRF token.
    #[doc(alias("csrf", "cors"))]
    pub fn dangerous_allow_cross_site(self) -> Self {
        self.with_policy(|policy| policy.allows_cross_site = true)
    }

    /// Replaces the engine with another one of its type.
    #[cfg(feature = "otp")]
    pub(super) fn map_engine(mut self, change: impl FnOnce(A) -> A) -> Self {
        self.engine = change(self.engine);
        self
    }

    fn with_policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(Arc::make_mut(&mut self.policy));
        self
    }
}

impl<S, A: Clone, R: Clone> Layer<S> for AuthLayer<A, R> {
    type Service = AuthService<S, A, R>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService {
            inner,
            layer: Arc::new(self.clone()),
        }
    }
}

/// The service of [`AuthLayer`].
#[derive(Debug)]
pub struct AuthService<S, A, R = HttpResponder> {
    inner: S,
    layer: Arc<AuthLayer<A, R>>,
}

impl<S: Clone, A, R> Clone for AuthService<S, A, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            layer: Arc::clone(&self.layer),
        }
    }
}

impl<S, A, R, B, ResB> Service<Request<B>> for AuthService<S, A, R>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone + Send + 'static,
    S::Future: Send,
    A: Authenticate,
    R: Respond<ResB>,
    B: Send + 'static,
    ResB: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Call the service that was polled ready; its clone waits for the next poll.
        let clone = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, clone);
        let layer = Arc::clone(&self.layer);
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let asked = RequestContext::of(&parts);
            let mut trace = AuthTrace::begin();
            let span = trace.span();
            let hook = match layer.admit(&mut parts, &mut trace).instrument(span).await {
                Ok(hook) => hook,
                Err(rejection) => {
                    trace.rejected(&rejection);
                    return Ok(layer.responder.respond(&rejection, &asked));
                }
            };
            let mut response = ready.call(Request::from_parts(parts, body)).await?;
            let pending = hook
                .and_then(|hook| hook.on_response(&layer.policy.source, response.headers_mut()));
            if let Some(pending) = pending {
                pending.await;
            }
            Ok(response)
        })
    }
}

type Hook = Option<Arc<dyn OnResponse>>;

impl<A: Authenticate, R> AuthLayer<A, R> {
    /// Authenticates a request and inserts the result into it, or rejects it.
    async fn admit(
        &self,
        request: &mut http::request::Parts,
        trace: &mut AuthTrace,
    ) -> Result<Hook, Rejection> {
        let outer = request.extensions.get::<Identity>().cloned();
        let is_anonymous = outer.is_none() && presence::is_anonymous(&request.extensions);
        if is_anonymous && self.engine.builds_on_outer() {
            return Err(Rejection::missing());
        }
        let mut presented = self.policy.source.find(request)?;
        if let Some(credential) = &presented
            && credential.is_ambient()
            && !self.policy.allows_cross_site
        {
            cross_site::check(request)?;
        }
        if let Some(credential) = &mut presented {
            credential.proof_recorder = presence::proof_recorder(&request.extensions);
        }
        trace.set_engine(self.engine.name(presented.as_ref()));
        let verified = self.verify(presented, outer).await?;
        trace.accepted(verified.identity().is_some());
        Ok(presence::insert(verified, &mut request.extensions))
    }

    /// Calls the engine. A request needs an identity, unless the layer is optional.
    async fn verify(
        &self,
        presented: Option<Credential>,
        outer: Option<Identity>,
    ) -> Result<Verified<A::User>, Rejection> {
        let decision = match presented {
            Some(credential) => self.engine.authenticate(credential.with_outer(outer)).await,
            None => match self.engine.absent(outer.as_ref()) {
                Err(rejection) if self.allows(&rejection) => Ok(Verified::anonymous()),
                decision => decision,
            },
        };
        let verified = decision?;
        if verified.identity().is_none() && !self.policy.is_optional {
            return Err(Rejection::missing());
        }
        Ok(verified)
    }

    fn allows(&self, rejection: &Rejection) -> bool {
        self.policy.is_optional && *rejection.kind() == RejectionKind::Missing
    }
}
