//! The same layer on a plain hyper server over TCP.
//!
//! `cargo run -p example-hyper`, then run the curl lines that it prints.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example talks to its reader"
)]

use std::{convert::Infallible, error::Error};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, service_fn};
use tower_jam::{
    Algorithm, AuthUser, Claims, Grant, Identity, Jwt, JwtLayer, Key, KeyRing, guard::role,
    layer::GuardLayer,
};

async fn greet(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let user = request
        .extensions()
        .get::<AuthUser<Claims>>()
        .and_then(|user| user.get::<String>("name").ok().flatten());
    let identity = request
        .extensions()
        .get::<Identity>()
        .map(|identity| identity.subject().id().to_owned());
    let text = format!(
        "hello, {} ({})\n",
        user.unwrap_or_default(),
        identity.unwrap_or_default()
    );
    Ok(Response::new(Full::from(text)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let keys = KeyRing::new(Key::generate(Algorithm::Es256)?);
    let jwt = Jwt::<Claims>::builder(keys)
        .issuer("https://auth.acme.dev")
        .audience("api")
        .build()?;
    let name = Claims::new().with("name", "Alice")?;
    let editor = jwt
        .issue(Grant::new("42", name.clone()).roles(["editor"]))
        .await?;
    let reader = jwt.issue(Grant::new("42", name)).await?;

    let service = ServiceBuilder::new()
        .layer(JwtLayer::new(jwt))
        .layer(GuardLayer::new(role("editor")))
        .service(service_fn(greet));

    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!(
        "curl -i -H 'authorization: Bearer {}' http://127.0.0.1:3000/",
        editor.expose()
    );
    println!("\nand, without the role:\n");
    println!(
        "curl -i -H 'authorization: Bearer {}' http://127.0.0.1:3000/",
        reader.expose()
    );
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                eprintln!("connection: {error}");
            }
        });
    }
}
