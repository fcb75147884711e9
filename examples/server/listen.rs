//! The listening socket and the graceful shutdown: requests that have begun are answered, within a
//! time limit.

use std::{
    io::{self, Write},
    net::SocketAddr,
    time::Duration,
};

use axum::Router;
use tokio::net::TcpListener;

/// Serves `router` at `address` until the process receives a signal to stop.
pub(crate) async fn listen(address: SocketAddr, router: Router) -> io::Result<()> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"))
    })?;
    print_greeting(listener.local_addr()?)?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(stop_signal());
    // A client that has sent only half a request by then is cut off.
    let deadline = async {
        stop_signal().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        outcome = server => outcome,
        () = deadline => Ok(()),
    }
}

fn print_greeting(address: SocketAddr) -> io::Result<()> {
    writeln!(
        io::stdout(),
        "\
listening on http://{address}

Try it in another terminal:

  curl -H 'content-type: application/json' -d '{{\"username\":\"alice\",\"password\":\"correct horse\"}}' http://{address}/register
  TOKEN=$(curl -s -H 'content-type: application/json' -d '{{\"username\":\"alice\",\"password\":\"correct horse\"}}' http://{address}/login | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')
  curl -i -H \"authorization: Bearer $TOKEN\" http://{address}/me

and a request that is rejected:

  curl -i -H \"authorization: Bearer $TOKEN\" http://{address}/admin
"
    )
}

async fn stop_signal() {
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

/// Many times the duration of a login.
const GRACE: Duration = Duration::from_secs(3);
