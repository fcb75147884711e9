//! A network that can stall: nothing passes, and neither side is informed.

use std::{
    io::{Read, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// Forwards every connection to a server on this machine.
pub struct Proxy {
    pub address: SocketAddr,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    is_frozen: Mutex<bool>,
    changed: Condvar,
}

impl Proxy {
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(Gate::default());
        let shared = Arc::clone(&gate);
        // Ends with the process.
        thread::spawn(move || {
            for client in listener.incoming() {
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
                let (Ok(client), Ok(server)) = (client, server) else {
                    continue;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    from.set_nodelay(true).unwrap();
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let gate = Arc::clone(&shared);
                    thread::spawn(move || forward(from, to, &gate));
                }
            }
        });
        Self { address, gate }
    }

    /// Whether everything waits, in both directions.
    pub fn freeze(&self, is_frozen: bool) {
        *self.gate.is_frozen.lock().unwrap() = is_frozen;
        self.gate.changed.notify_all();
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, gate: &Gate) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let frozen = gate.is_frozen.lock().unwrap();
        drop(
            gate.changed
                .wait_while(frozen, |is_frozen| *is_frozen)
                .unwrap(),
        );
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}
