//! A log that a test can read.

use std::{
    io, mem,
    sync::{Arc, Mutex, Once},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    level_filters::LevelFilter,
    span,
    subscriber::{DefaultGuard, Interest, set_default, set_global_default},
};
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Records what this thread logs from now on, up to `level`.
    #[must_use]
    pub fn listen(&self, level: Level) -> DefaultGuard {
        self.listen_with(level, FmtSpan::NONE)
    }

    /// As [`Log::listen`], with these span events.
    #[must_use]
    pub fn listen_with(&self, level: Level, spans: FmtSpan) -> DefaultGuard {
        static EVERY_THREAD: Once = Once::new();
        EVERY_THREAD.call_once(|| set_global_default(Nowhere).unwrap());
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_span_events(spans)
            .with_ansi(false)
            .with_writer(self.clone())
            .finish();
        set_default(subscriber)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Returns what was logged since the last call.
    pub fn take(&self) -> String {
        String::from_utf8(mem::take(&mut *self.0.lock().unwrap())).unwrap()
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

/// The subscriber of the threads that do not listen. Without it, the first thread that reaches a
/// callsite would disable it for the whole process: while there is a single subscriber, tracing
/// asks only that of the thread.
struct Nowhere;

impl Subscriber for Nowhere {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
