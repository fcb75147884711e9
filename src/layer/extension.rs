//! The layer that provides a value to handlers.

use std::{
    fmt,
    task::{Context, Poll},
};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

/// Inserts a clone of a handle into the extensions of every request, on any stack. axum's
/// `Extension` and `tonic::Request::extensions` read it there.
#[derive(Clone)]
#[must_use]
pub struct ExtensionLayer<T>(T);

impl<T> ExtensionLayer<T> {
    /// Creates a layer that inserts `handle`. Its clones should be cheap.
    pub const fn new(handle: T) -> Self {
        Self(handle)
    }
}

impl<S, T: Clone> Layer<S> for ExtensionLayer<T> {
    type Service = ExtensionService<S, T>;

    fn layer(&self, inner: S) -> Self::Service {
        ExtensionService {
            inner,
            handle: self.0.clone(),
        }
    }
}

/// The handle may contain secrets.
impl<T> fmt::Debug for ExtensionLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ExtensionLayer")
            .field(&std::any::type_name::<T>())
            .finish()
    }
}

/// The service of [`ExtensionLayer`].
#[derive(Clone)]
pub struct ExtensionService<S, T> {
    inner: S,
    handle: T,
}

impl<S, T, B> Service<Request<B>> for ExtensionService<S, T>
where
    S: Service<Request<B>>,
    T: Clone + Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        request.extensions_mut().insert(self.handle.clone());
        self.inner.call(request)
    }
}

impl<S: fmt::Debug, T> fmt::Debug for ExtensionService<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtensionService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
