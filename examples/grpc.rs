//! The same layer in front of a tonic server, and a client that meets it. `cargo run --example grpc`.
//!
//! The module `greeter` is what `tonic-build` would make of one method; it stands here so that the example
//! needs no protocol compiler.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to its reader"
)]

use std::error::Error;

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, metadata::AsciiMetadataValue, transport::Server};
use tower_jam::{
    Algorithm, AuthUser, Claims, Grant, Jwt, JwtLayer, Key, KeyRing,
    guard::scope,
    layer::{GrpcResponder, GuardLayer},
};

#[derive(Clone)]
struct Service;

impl greeter::Greeter for Service {
    async fn greet(
        &self,
        request: Request<greeter::Empty>,
    ) -> Result<Response<greeter::Greeting>, Status> {
        let user = request.extensions().get::<AuthUser<Claims>>();
        let user = user.ok_or_else(|| Status::internal("no JwtLayer around this service"))?;
        let name: String = user.read("name").unwrap_or_default();
        Ok(Response::new(greeter::Greeting {
            text: format!("hello, {name}"),
        }))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let keys = KeyRing::new(Key::generate(Algorithm::EdDsa)?);
    let jwt = Jwt::<Claims>::builder(keys)
        .issuer("https://auth.acme.dev")
        .audience("greeter")
        .build()?;
    let alice = Grant::new("42", Claims::new().with("name", "Alice")?);
    let granted = jwt.issue(alice.clone().scopes(["greet"])).await?;
    let lesser = jwt.issue(alice).await?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let server = Server::builder()
        .layer(JwtLayer::new(jwt).respond_with(GrpcResponder::new()))
        .layer(GuardLayer::new(scope("greet")).respond_with(GrpcResponder::new()))
        .add_service(greeter::GreeterServer::new(Service))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);

    let mut client = greeter::GreeterClient::connect(address).await?;
    for (what, token) in [
        ("no token", None),
        ("a token without the scope", Some(&lesser)),
        ("a good token", Some(&granted)),
    ] {
        let mut request = Request::new(greeter::Empty {});
        if let Some(token) = token {
            let value = AsciiMetadataValue::try_from(format!("Bearer {}", token.expose()))?;
            request.metadata_mut().insert("authorization", value);
        }
        match client.greet(request).await {
            Ok(response) => println!("{what}: {}", response.into_inner().text),
            Err(status) => println!("{what}: {:?}, {}", status.code(), status.message()),
        }
    }
    server.abort();
    Ok(())
}

/// A service with one method.
mod greeter {
    #![allow(
        unreachable_pub,
        reason = "generated code is written as if its module were public"
    )]

    use std::{
        convert::Infallible,
        future::Future,
        pin::Pin,
        sync::Arc,
        task::{Context, Poll},
    };

    use tonic::{
        Request, Response, Status,
        body::Body,
        client::Grpc as ClientGrpc,
        codegen::http::{self, uri::PathAndQuery},
        server::{Grpc as ServerGrpc, NamedService, UnaryService},
        transport::{Channel, Error},
    };
    use tonic_prost::ProstCodec;

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Empty {}

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Greeting {
        #[prost(string, tag = "1")]
        pub text: String,
    }

    pub trait Greeter: Clone + Send + Sync + 'static {
        fn greet(
            &self,
            request: Request<Empty>,
        ) -> impl Future<Output = Result<Response<Greeting>, Status>> + Send;
    }

    #[derive(Clone)]
    pub struct GreeterServer<G>(Arc<G>);

    impl<G> GreeterServer<G> {
        pub fn new(greeter: G) -> Self {
            Self(Arc::new(greeter))
        }
    }

    impl<G> NamedService for GreeterServer<G> {
        const NAME: &'static str = "demo.Greeter";
    }

    type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

    struct Greet<G>(Arc<G>);

    impl<G: Greeter> UnaryService<Empty> for Greet<G> {
        type Response = Greeting;
        type Future = BoxFuture<Result<Response<Greeting>, Status>>;

        fn call(&mut self, request: Request<Empty>) -> Self::Future {
            let greeter = Arc::clone(&self.0);
            Box::pin(async move { greeter.greet(request).await })
        }
    }

    impl<G: Greeter> tower::Service<http::Request<Body>> for GreeterServer<G> {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<Result<http::Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Body>) -> Self::Future {
            let greeter = Arc::clone(&self.0);
            Box::pin(async move {
                if request.uri().path() != "/demo.Greeter/Greet" {
                    return Ok(Status::unimplemented("no such method").into_http());
                }
                let mut grpc = ServerGrpc::new(ProstCodec::<Greeting, Empty>::default());
                Ok(grpc.unary(Greet(greeter), request).await)
            })
        }
    }

    pub struct GreeterClient(ClientGrpc<Channel>);

    impl GreeterClient {
        pub async fn connect(address: String) -> Result<Self, Error> {
            Ok(Self(ClientGrpc::new(
                Channel::from_shared(address)
                    .expect("a URI")
                    .connect()
                    .await?,
            )))
        }

        pub async fn greet(
            &mut self,
            request: Request<Empty>,
        ) -> Result<Response<Greeting>, Status> {
            self.0
                .ready()
                .await
                .map_err(|error| Status::unavailable(error.to_string()))?;
            let path = PathAndQuery::from_static("/demo.Greeter/Greet");
            self.0
                .unary(request, path, ProstCodec::<Empty, Greeting>::default())
                .await
        }
    }
}
