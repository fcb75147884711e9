//! A network between the store and Redis that can be cut at the worst moment.

use std::{
    io::{Read, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// Forwards every connection to a server.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The remaining bytes of the server's answer before the connection is cut; none for no cut.
    answer: AtomicUsize,
    /// How many answers come through before the one that is cut.
    skips: AtomicUsize,
    cuts: AtomicBool,
    /// Requests are cut before the server sees them.
    swallows: AtomicBool,
    has_cut: AtomicBool,
}

impl Proxy {
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        // Ends with the process.
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) =
                    (client, TcpStream::connect((Ipv4Addr::LOCALHOST, port)))
                else {
                    continue;
                };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (from_client, to_server) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap());
                let requests = Arc::clone(&shared);
                thread::spawn(move || forward(from_client, to_server, &requests, true));
                let answers = Arc::clone(&shared);
                thread::spawn(move || forward(server, client, &answers, false));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Forwards that many requests and their answers, and that many bytes of the next answer.
    pub(crate) fn cut_later_answer(&self, skips: usize, bytes: usize) {
        self.state.skips.store(skips, Ordering::SeqCst);
        self.cut_answer_after(bytes);
    }

    /// Forwards the next request, and that many bytes of its answer.
    pub(crate) fn cut_answer_after(&self, bytes: usize) {
        self.state.answer.store(bytes, Ordering::SeqCst);
        self.state.has_cut.store(false, Ordering::SeqCst);
        self.state.cuts.store(true, Ordering::SeqCst);
    }

    /// Cuts the connection when the next request arrives.
    pub(crate) fn swallow_request(&self) {
        self.state.has_cut.store(false, Ordering::SeqCst);
        self.state.swallows.store(true, Ordering::SeqCst);
    }

    pub(crate) fn has_cut(&self) -> bool {
        self.state.has_cut.load(Ordering::SeqCst)
    }
}

impl State {
    /// How many bytes of an answer pass, if it is the one to be cut.
    fn bytes_of_answer(&self) -> Option<usize> {
        if !self.cuts.load(Ordering::SeqCst) {
            return None;
        }
        let skips = self.skips.load(Ordering::SeqCst);
        if skips > 0 {
            self.skips.store(skips - 1, Ordering::SeqCst);
            return None;
        }
        let is_first = self.cuts.swap(false, Ordering::SeqCst);
        is_first.then(|| self.answer.load(Ordering::SeqCst))
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, state: &State, is_request: bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let cut = if is_request {
            state.swallows.swap(false, Ordering::SeqCst).then_some(0)
        } else {
            state.bytes_of_answer()
        };
        if let Some(bytes) = cut {
            to.write_all(&buffer[..bytes.min(length)]).ok();
            state.has_cut.store(true, Ordering::SeqCst);
            break;
        }
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}
