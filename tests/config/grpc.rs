//! The facade in tonic: its layers around a server, and the facade itself in the methods.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{Router, body::Body, routing::get};
use http::{Request, Response, StatusCode};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Status, server::NamedService, transport::Server};
use tonic_prost::ProstCodec;
use tower::{ServiceExt, service_fn};
use tower_jam::{Identity, Jam, layer::GrpcResponder};

use crate::world::{SECRET, alice, built, instance};

/// A method that uses the facade in its request to issue a token for its caller.
async fn renew(request: tonic::Request<()>) -> Result<tonic::Response<String>, Status> {
    let jam = request.extensions().get::<Jam>();
    let jam = jam.ok_or_else(|| Status::internal("no facade"))?;
    let identity = request.extensions().get::<Identity>();
    let identity = identity.ok_or_else(|| Status::internal("no identity"))?;
    let grant = tower_jam::Grant::new(identity.subject().id(), tower_jam::Claims::new());
    let token = jam.jwt_create_token(grant).await;
    let token = token.map_err(|error| Status::internal(error.to_string()))?;
    Ok(tonic::Response::new(token.expose().clone()))
}

#[tokio::test]
async fn a_method_finds_the_facade_behind_its_layers() {
    let jwt = json!({ "alg": "HS256", "secret_key": *SECRET });
    let jam = built(&instance(json!({ "jwt": jwt }))).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .layer(jam.extension())
        .layer(jam.jwt_layer().unwrap().respond_with(GrpcResponder::new()))
        .add_service(Renewer)
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);

    let channel = tonic::transport::Channel::from_shared(format!("http://{address}"));
    let channel = channel.unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    let mut ask = async |token: Option<&str>| {
        let mut request = tonic::Request::new(());
        if let Some(token) = token {
            let bearer = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", bearer);
        }
        client.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/test.Renewer/Renew");
        let codec = ProstCodec::<(), String>::default();
        client.unary(request, path, codec).await
    };
    let refused = ask(None).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let token = jam.jwt_create_token(alice()).await.unwrap();
    let renewed = ask(Some(token.expose())).await.unwrap().into_inner();
    let verified = jam.jwt_verify_token(&renewed).await.unwrap();
    assert_eq!(verified.identity().unwrap().subject().id(), "alice");
    server.abort();
}

/// The same layer in axum, where a handler takes the facade as an argument.
#[tokio::test]
async fn a_handler_extracts_the_facade_behind_its_layer() {
    let jam = built(&instance(json!({}))).await;
    let begin = async |jam: Jam| jam.session_create(alice()).await.map(|session| session.id);
    let app: Router = Router::new().route("/", get(begin));
    let ask = async |app: Router| {
        let request = Request::get("/").body(Body::empty()).unwrap();
        app.oneshot(request).await.unwrap().status()
    };
    assert_eq!(
        ask(app.clone().layer(jam.extension())).await,
        StatusCode::OK
    );
    assert_eq!(ask(app).await, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!format!("{:?}", jam.extension()).contains(SECRET.as_str()));
}

/// A gRPC service of one method, as `tonic-build` would generate it.
#[derive(Clone)]
struct Renewer;

impl NamedService for Renewer {
    const NAME: &'static str = "test.Renewer";
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl tower::Service<Request<tonic::body::Body>> for Renewer {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<String, ()>::default());
            Ok(grpc.unary(service_fn(renew), request).await)
        })
    }
}
