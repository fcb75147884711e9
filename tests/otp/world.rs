//! One application with one-time codes, whose clock and events a test can control and read.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_jam::{
    Clock, Env, Factor, Identity, MasterSecret, Otp, Subject, SystemClock,
    event::{Event, EventKind, Events},
    otp::{OtpBuilder, OtpSecret, RecoveryCodes, Totp},
    store::{MemoryStore, Store},
    testing::ManualClock,
};

use super::support::{ProbeStore, shared};

pub const ISSUER: &str = "https://auth.acme.dev";

/// What all nodes of the application share, except the store.
#[derive(Clone)]
pub struct App {
    pub clock: Arc<ManualClock>,
    pub secret: MasterSecret,
    pub events: Arc<Mutex<Vec<Event>>>,
}

impl App {
    pub fn new() -> Self {
        // Servers use the real time. The clock is at the beginning of a period, so that a test
        // knows where its window ends.
        let now = SystemClock.now();
        let clock = ManualClock::at(now);
        let odd = now.as_millis() % 30_000;
        clock.advance(Duration::from_millis(30_000 - odd));
        Self {
            clock: Arc::new(clock),
            secret: MasterSecret::generate(),
            events: Arc::default(),
        }
    }

    /// A node's engine, with settings of its own.
    pub fn node(&self, store: &Arc<dyn Store>, set: impl FnOnce(OtpBuilder) -> OtpBuilder) -> Otp {
        let events = Arc::clone(&self.events);
        let hook = move |event: &Event| events.lock().unwrap().push(event.clone());
        let otp = Otp::builder(
            &Env::new(ISSUER, Arc::clone(store), &self.secret)
                .with_clock(self.clock.clone())
                .with_events(Events::to(hook)),
            "Acme",
        );
        set(otp).build().unwrap()
    }

    /// An engine on a memory store of its own that can be inspected and made to fail.
    pub fn probed(&self) -> (Arc<ProbeStore>, Otp) {
        let (probe, store) = shared(ProbeStore::new(self.memory()));
        (probe, self.node(&store, |otp| otp))
    }

    pub fn memory(&self) -> MemoryStore {
        MemoryStore::new().with_clock(self.clock.clone())
    }

    pub fn code(&self, secret: &OtpSecret) -> String {
        let code = Totp::new().code(secret, self.clock.now());
        code.expose().clone()
    }

    /// Advances to the next codes, which were never shown.
    pub fn next_code(&self, secret: &OtpSecret) -> String {
        self.clock.advance(Duration::from_secs(90));
        self.code(secret)
    }

    /// A user with a confirmed authenticator, whose next code is unused.
    pub async fn enrolled(&self, otp: &Otp, subject: &str) -> (OtpSecret, RecoveryCodes) {
        let secret = otp.enroll(subject).await.unwrap().secret().clone();
        let codes = otp.confirm(subject, &self.code(&secret)).await.unwrap();
        self.clock.advance(Duration::from_secs(90));
        (secret, codes)
    }

    /// A caller who gave a code `ago`.
    pub fn caller(&self, subject: &str, ago: Duration) -> Identity {
        let now = self.clock.now();
        Identity::new(Subject::new(ISSUER, subject), now).with_factor(Factor::Otp, now.before(ago))
    }

    /// How often this event occurred.
    pub fn count(&self, kind: EventKind) -> usize {
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event.kind == kind).count()
    }
}

/// The status of a verification.
pub async fn verify(otp: &Otp, subject: &str, code: &str) -> u16 {
    match otp.verify(subject, code).await {
        Ok(_) => 200,
        Err(rejection) => rejection.status().as_u16(),
    }
}

/// A text that is never a code.
pub const WRONG: &str = "00000x";
