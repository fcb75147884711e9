//! Sends a request with a credential through the layer to a service that counts its calls.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;

use tower_jam::{AuthUser, Claims, JwtLayer};

type Body = Full<Bytes>;

/// The response to a request with these header fields, and how often the inner service was called.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) challenge: Option<String>,
    pub(crate) head: String,
    pub(crate) body: String,
    pub(crate) calls: usize,
}

pub(crate) async fn ask(
    layer: JwtLayer<Claims>,
    fields: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
) -> Answer {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let service = layer.layer(service_fn(move |request: Request<Body>| {
        counted.fetch_add(1, Ordering::SeqCst);
        let is_known = request.extensions().get::<AuthUser<Claims>>().is_some();
        async move { Ok::<_, Infallible>(Response::new(Body::from(is_known.to_string()))) }
    }));
    let mut request = Request::new(Body::default());
    for (name, value) in fields {
        request.headers_mut().append(name, value);
    }
    let response = service.oneshot(request).await.unwrap();
    let challenge = response.headers().get(header::WWW_AUTHENTICATE);
    let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
    let (status, head) = (response.status(), format!("{:?}", response.headers()));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Answer {
        status,
        challenge,
        head,
        body,
        calls: calls.load(Ordering::SeqCst),
    }
}

/// A token as a Bearer credential, if a header field can carry it at all.
pub(crate) fn bearer(token: &str) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).ok()?;
    Some((header::AUTHORIZATION, value))
}
