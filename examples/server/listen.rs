//! From routes to a listening process, and its end: what has begun is answered, and nobody waits for ever.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use axum::Router;
use tokio::net::TcpListener;

/// Serves `router` at `address` until the process is told to stop.
pub(crate) async fn listen(address: SocketAddr, router: Router) -> io::Result<()> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })?;
    greet(listener.local_addr()?)?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(stopped());
    // Whoever has sent half a request by then is not waited for any longer.
    let overdue = async {
        stopped().await;
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        outcome = server => outcome,
        () = overdue => Ok(()),
    }
}

fn greet(address: SocketAddr) -> io::Result<()> {
    writeln!(
        io::stdout(),
        "\
listening on http://{address}

Try it in another terminal:

  curl -H 'content-type: application/json' -d '{{\"username\":\"alice\",\"password\":\"correct horse\"}}' http://{address}/register
  TOKEN=$(curl -s -H 'content-type: application/json' -d '{{\"username\":\"alice\",\"password\":\"correct horse\"}}' http://{address}/login | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')
  curl -i -H \"authorization: Bearer $TOKEN\" http://{address}/me

and a refusal:

  curl -i -H \"authorization: Bearer $TOKEN\" http://{address}/admin
"
    )
}

async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            return;
        };
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    interrupt.await.ok();
}

/// Many times as long as a login takes.
const PATIENCE: Duration = Duration::from_secs(3);
