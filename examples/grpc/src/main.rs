//! A tonic server with a login and a protected method, and a client that calls both.
//!
//! `cargo run -p example-grpc`. The module `wire` is like the code that `tonic-build` generates for
//! two services of one method each. It is written out so that the example needs no protocol
//! compiler.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{error::Error, net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    metadata::AsciiMetadataValue,
    service::Routes,
    transport::{Server, server::TcpConnectInfo},
};
use tower::ServiceBuilder;
use tower_jam::{
    Accounts, Algorithm, AuthUser, Claims, Env, Jwt, Key, KeyRing, MasterSecret, Passwords, Secret,
    Throttle, TokenPairs,
    account::{self, Credentials, LoginError, NewDevice, Origin, StoreUsers, Users},
    guard::role,
    layer::{AuthLayer, GrpcResponder, GuardLayer},
    store::MemoryStore,
};

/// Issues tokens for a name and a password. The operations behind the routes are plain methods.
struct Login(Accounts<Claims>);

impl wire::Method for Login {
    const PATH: &'static str = "/demo.Login/Login";
    type Input = wire::Credentials;
    type Answer = wire::Tokens;

    async fn call(
        &self,
        request: Request<wire::Credentials>,
    ) -> Result<Response<wire::Tokens>, Status> {
        let peer = request.extensions().get::<TcpConnectInfo>();
        let peer: Option<SocketAddr> = peer.and_then(TcpConnectInfo::remote_addr);
        let peer = peer.ok_or_else(|| Status::internal("the address of the caller is unknown"))?;
        let origin = Origin::new(peer.ip());
        let credentials = request.into_inner();
        let credentials = Credentials {
            name: credentials.name,
            password: Secret::new(credentials.password),
        };
        let pair = self
            .0
            .login(&credentials, &origin, NewDevice::default())
            .await
            .map_err(login_status)?;
        Ok(Response::new(wire::Tokens {
            access: pair.access_token.expose().clone(),
            refresh: pair.refresh_token.expose().clone(),
        }))
    }
}

/// Converts the error of a login to a gRPC status.
fn login_status(error: LoginError) -> Status {
    match error {
        LoginError::Rejected(rejection) => {
            Status::new(i32::from(rejection.grpc_code()).into(), rejection.message())
        }
        _ => Status::unauthenticated("wrong name or password"),
    }
}

/// Greets the authenticated user.
struct Greeter;

impl wire::Method for Greeter {
    const PATH: &'static str = "/demo.Greeter/Greet";
    type Input = wire::Empty;
    type Answer = wire::Greeting;

    async fn call(
        &self,
        request: Request<wire::Empty>,
    ) -> Result<Response<wire::Greeting>, Status> {
        let user = request.extensions().get::<AuthUser<Claims>>();
        let user = user.ok_or_else(|| Status::internal("no layer around this service"))?;
        let name = user.get::<String>("name");
        let name = name.map_err(|_| Status::internal("the name is not text"))?;
        let name = name.unwrap_or_default();
        Ok(Response::new(wire::Greeting {
            text: format!("hello, {name}"),
        }))
    }
}

/// Returns the accounts of Alice, who has the role `greeter`, and Bob, who does not.
async fn accounts() -> Result<Accounts<Claims>, Box<dyn Error>> {
    let (store, secret) = (Arc::new(MemoryStore::new()), MasterSecret::generate());
    let passwords = Passwords::builder().build()?;
    let env = Env::new(ISSUER, store, &secret);
    let users = StoreUsers::new(&env);
    let hash = passwords
        .hash(&passwords.check_new("correct horse").await?)
        .await?;
    for (name, roles) in [("alice", vec!["greeter"]), ("bob", vec![])] {
        let claims = Claims::new().with("name", name)?;
        users.add(name, hash.expose(), roles, claims).await?;
    }
    let users: Arc<dyn Users<Claims>> = Arc::new(users);
    let jwt = Jwt::builder(KeyRing::new(Key::generate(Algorithm::EdDsa)?))
        .env(&env)
        .audience("greeter")
        .build()?;
    let reread = account::user_reader(users.clone());
    let pairs = TokenPairs::builder(&env, jwt, reread).build()?;
    let throttle = Throttle::builder(&env).build();
    Ok(Accounts::builder(&env, users, passwords, throttle, pairs).build()?)
}

const ISSUER: &str = "https://auth.acme.dev";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let accounts = accounts().await?;
    let greeter = ServiceBuilder::new()
        .layer(AuthLayer::new(accounts.pairs().clone()).respond_with(GrpcResponder::new()))
        .layer(GuardLayer::new(role("greeter")).respond_with(GrpcResponder::new()))
        .service(wire::Served::new(Greeter));
    let router = axum::Router::new()
        .route_service(
            <Login as wire::Method>::PATH,
            wire::Served::new(Login(accounts)),
        )
        .route_service(<Greeter as wire::Method>::PATH, greeter);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let server = Server::builder()
        .add_routes(Routes::from(router))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);

    let mut client = wire::Client::connect(address).await?;
    for (name, password) in [
        ("alice", "wrong horse"),
        ("bob", "correct horse"),
        ("alice", "correct horse"),
    ] {
        let credentials = wire::Credentials {
            name: name.to_owned(),
            password: password.to_owned(),
        };
        let tokens: wire::Tokens = match client.call::<Login>(Request::new(credentials)).await {
            Ok(tokens) => tokens.into_inner(),
            Err(status) => {
                println!(
                    "{name} with {password:?}: {:?}, {}",
                    status.code(),
                    status.message()
                );
                wire::Tokens::default()
            }
        };
        let mut request = Request::new(wire::Empty {});
        if !tokens.access.is_empty() {
            let value = AsciiMetadataValue::try_from(format!("Bearer {}", tokens.access))?;
            request.metadata_mut().insert("authorization", value);
        }
        match client.call::<Greeter>(request).await {
            Ok(response) => println!("{name}: {}", response.into_inner().text),
            Err(status) => println!("{name}: {:?}, {}", status.code(), status.message()),
        }
    }
    server.abort();
    Ok(())
}

/// Services with one method each, and a client.
mod wire {
    #![allow(unreachable_pub, reason = "the module stands for generated code")]

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
        server::{Grpc as ServerGrpc, UnaryService},
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

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Credentials {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(string, tag = "2")]
        pub password: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Tokens {
        #[prost(string, tag = "1")]
        pub access: String,
        #[prost(string, tag = "2")]
        pub refresh: String,
    }

    pub trait Method: Send + Sync + 'static {
        const PATH: &'static str;
        type Input: prost::Message + Default + 'static;
        type Answer: prost::Message + Default + 'static;

        fn call(
            &self,
            request: Request<Self::Input>,
        ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;
    }

    pub struct Served<M>(Arc<M>);

    impl<M> Served<M> {
        pub fn new(method: M) -> Self {
            Self(Arc::new(method))
        }
    }

    impl<M> Clone for Served<M> {
        fn clone(&self) -> Self {
            Self(Arc::clone(&self.0))
        }
    }

    type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

    impl<M: Method> UnaryService<M::Input> for Served<M> {
        type Response = M::Answer;
        type Future = BoxFuture<Result<Response<M::Answer>, Status>>;

        fn call(&mut self, request: Request<M::Input>) -> Self::Future {
            let method = Arc::clone(&self.0);
            Box::pin(async move { method.call(request).await })
        }
    }

    impl<M: Method> tower::Service<http::Request<axum::body::Body>> for Served<M> {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<Result<http::Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<axum::body::Body>) -> Self::Future {
            let served = self.clone();
            Box::pin(async move {
                let codec = ProstCodec::<M::Answer, M::Input>::default();
                Ok(ServerGrpc::new(codec).unary(served, request).await)
            })
        }
    }

    pub struct Client(ClientGrpc<Channel>);

    impl Client {
        pub async fn connect(address: String) -> Result<Self, Error> {
            let channel = Channel::from_shared(address).expect("a URI");
            Ok(Self(ClientGrpc::new(channel.connect().await?)))
        }

        pub async fn call<M: Method>(
            &mut self,
            request: Request<M::Input>,
        ) -> Result<Response<M::Answer>, Status> {
            let ready = self.0.ready().await;
            ready.map_err(|error| Status::unavailable(error.to_string()))?;
            let codec = ProstCodec::<M::Input, M::Answer>::default();
            self.0
                .unary(request, PathAndQuery::from_static(M::PATH), codec)
                .await
        }
    }
}
