//! A log that a test can read.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "tests load it as a module of their own, and not each needs all of it"
)]

use std::{
    io,
    sync::{Arc, Mutex, Once},
};

use tracing::{
    Level,
    subscriber::{DefaultGuard, set_default, set_global_default},
};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Hears what this thread says from now on, up to `level`.
    ///
    /// Other threads of the process get a log that nobody reads: one without any that comes to a line of code first would
    /// silence that line for all.
    #[must_use]
    pub fn listen(&self, level: Level) -> DefaultGuard {
        static EVERY_THREAD: Once = Once::new();
        EVERY_THREAD.call_once(|| {
            let nowhere = tracing_subscriber::fmt()
                .with_max_level(level)
                .with_writer(io::sink)
                .finish();
            set_global_default(nowhere).unwrap();
        });
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(self.clone())
            .finish();
        set_default(subscriber)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
