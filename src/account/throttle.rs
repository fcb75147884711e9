//! How often a password may be guessed.

mod address;
mod budget;
mod builder;
pub(super) mod device;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use http::HeaderMap;

pub(super) use self::address::site;
pub use self::{address::TrustedProxies, budget::Budget, builder::ThrottleBuilder};
use self::{address::networks, device::DeviceTokens};
use crate::{
    clock::{Clock, Timestamp},
    error::StoreError,
    event::{Event, EventKind, EventSource, Events},
    rejection::Rejection,
    secret::{MasterSecret, Secret},
    store::{self, Key, Namespace, Store},
};

/// Counts attempts per account, address and device, on all nodes together.
///
/// It is a handle: cloning it is cheap. See the [module](super) for the rules.
#[derive(Clone)]
pub struct Throttle(Arc<ThrottleInner>);

struct ThrottleInner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    events: Events,
    purpose: &'static str,
    account: Budget,
    account_network: Budget,
    address: Budget,
    device: Budget,
    work: Budget,
    proxies: TrustedProxies,
    devices: DeviceTokens,
}

impl Throttle {
    /// A throttle whose counters are in `store`, and whose device tokens are made with a key from `secret`.
    pub fn builder(store: Arc<dyn Store>, secret: &MasterSecret) -> ThrottleBuilder {
        ThrottleBuilder::new(store, secret)
    }

    /// The client's address, of a request with these headers that `peer` has sent: its own, or what the
    /// [trusted proxies](ThrottleBuilder::trusted_proxies) say.
    #[must_use]
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.0.proxies.client_address(peer, headers)
    }

    /// Takes one attempt from every budget it falls under, before the password is looked at.
    ///
    /// `account` is the login name as the user is looked up by, whether or not there is such a user. `device` is the
    /// token that came in the device's cookie; one that is not of this account, too old or made up counts as absent.
    ///
    /// # Errors
    ///
    /// A throttled [`Rejection`], with nothing taken, when a budget is used up: it says when the budget's window
    /// ends. An unavailable one when the store does not answer.
    pub async fn attempt(
        &self,
        account: &str,
        address: IpAddr,
        device: Option<&str>,
    ) -> Result<Attempt, Rejection> {
        let source = EventSource::of_address(address);
        self.attempt_with_source(account, address, device, &source)
            .await
    }

    /// The same for an attempt whose source is told of.
    pub(super) async fn attempt_with_source(
        &self,
        account: &str,
        address: IpAddr,
        device: Option<&str>,
        source: &EventSource,
    ) -> Result<Attempt, Rejection> {
        let now = self.0.clock.now();
        let device = device.and_then(|token| self.0.devices.verify(token, account, now));
        let counters = match device {
            Some(id) => vec![self.0.device_counter(account, &id)],
            None => {
                let mut counters = vec![self.0.account_network_counter(account, address)];
                counters.extend(self.0.address_counters(address));
                counters.push(self.0.account_counter(account));
                counters
            }
        };
        let work = Some(self.0.work_counter(account));
        self.take(counters, work, source).await
    }

    /// The same for what is about no account yet, such as a registration: only the address counts.
    ///
    /// # Errors
    ///
    /// As for [`attempt`](Self::attempt).
    pub async fn attempt_from(&self, address: IpAddr) -> Result<Attempt, Rejection> {
        let source = EventSource::of_address(address);
        self.take(self.0.address_counters(address), None, &source)
            .await
    }

    /// The token of a device on which `account` has just logged in, to be set as a cookie (`__Host-`, HttpOnly, Secure,
    /// SameSite=Strict). It opens nothing: it only says which budget the next attempt falls under.
    #[must_use]
    pub fn device_token(&self, account: &str) -> Secret<String> {
        self.0.devices.issue(account, self.0.clock.now())
    }

    /// How long a device token counts, for the cookie's Max-Age.
    #[must_use]
    pub fn device_life(&self) -> Duration {
        self.0.devices.life()
    }

    /// Whether `device` is the token of a device on which `account` has logged in before.
    pub(super) fn is_known_device(&self, account: &str, device: Option<&str>) -> bool {
        let now = self.0.clock.now();
        device.is_some_and(|token| self.0.devices.verify(token, account, now).is_some())
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    async fn take(
        &self,
        mut counters: Vec<Counter>,
        mut work: Option<Counter>,
        source: &EventSource,
    ) -> Result<Attempt, Rejection> {
        // Who is over a budget already costs a read and changes nothing.
        let mut wait = None;
        for counter in counters.iter_mut().chain(&mut work) {
            wait = wait.max(self.remaining_wait(counter).await?);
        }
        if let Some(wait) = wait {
            return Err(self.refuse(wait, source));
        }
        for at in 0..counters.len() {
            let sum = match self.increment(&mut counters[at]).await {
                Ok(sum) => sum,
                Err(error) => {
                    self.refund_all(&counters[..at]).await;
                    return Err(error.into());
                }
            };
            if sum > i64::from(counters[at].budget.attempts()) {
                for counter in &counters[..=at] {
                    self.refund(counter).await?;
                }
                let wait = self.remaining_wait(&mut counters[at]).await?;
                return Err(self.refuse(wait.unwrap_or_default(), source));
            }
        }
        Ok(Attempt {
            throttle: self.clone(),
            counters,
            work,
        })
    }

    /// How long the budget stays used up, if it is. Notes when the window ends that the counter is in.
    async fn remaining_wait(&self, counter: &mut Counter) -> Result<Option<Duration>, StoreError> {
        let now = self.0.clock.now();
        counter.ends_at = now.after(counter.budget.window());
        let entry = self.0.store.get(&counter.key).await?;
        let Some(entry) = entry.filter(|entry| entry.is_live(now)) else {
            return Ok(None);
        };
        counter.ends_at = entry.expires_at;
        let is_used_up = store::number(&entry.value)? >= i64::from(counter.budget.attempts());
        Ok(is_used_up.then(|| entry.expires_at.since(now)))
    }

    /// Adds one, with an expiry that has not passed: the window that was looked at may have ended meanwhile, and an
    /// addition to it would count nothing. If others have begun the next window, its end was not read: `ends_at` has
    /// passed then, and nothing will be given back.
    async fn increment(&self, counter: &mut Counter) -> Result<i64, StoreError> {
        let ends_at = self.0.clock.now().after(counter.budget.window());
        let sum = self.0.store.add(&counter.key, 1, ends_at).await?;
        if sum == 1 {
            counter.ends_at = ends_at;
        }
        Ok(sum)
    }

    /// In a window that has ended there is nothing to give back to, and the next one must not begin below zero. What
    /// comes to zero is removed, so a success leaves nothing behind.
    async fn refund(&self, counter: &Counter) -> Result<(), StoreError> {
        let Counter { key, ends_at, .. } = counter;
        if self.0.clock.now() < *ends_at && self.0.store.add(key, -1, *ends_at).await? < 0 {
            self.0.store.add(key, 1, *ends_at).await?;
        }
        Ok(())
    }

    /// What cannot be given back goes on counting.
    async fn refund_all(&self, counters: &[Counter]) {
        for counter in counters {
            if let Err(error) = self.refund(counter).await {
                tracing::error!(%error, "an attempt that was no failure goes on counting");
            }
        }
    }

    fn refuse(&self, wait: Duration, source: &EventSource) -> Rejection {
        let event = Event::new(EventKind::Throttled, self.0.clock.now());
        self.0.events.tell(&event.with_source(source.clone()));
        Rejection::throttled(wait.max(MIN_WAIT), "a budget of attempts is used up")
    }
}

impl ThrottleInner {
    fn account_counter(&self, account: &str) -> Counter {
        self.counter(self.account, &[b"account", account.as_bytes()])
    }

    fn account_network_counter(&self, account: &str, address: IpAddr) -> Counter {
        let parts: [&[u8]; 3] = [b"account network", account.as_bytes(), &site(address)];
        self.counter(self.account_network, &parts)
    }

    fn address_counters(&self, address: IpAddr) -> Vec<Counter> {
        let networks = networks(address).into_iter().zip([1, 4, 16]);
        networks
            .map(|(network, factor)| {
                self.counter(self.address.times(factor), &[b"address", &network])
            })
            .collect()
    }

    fn work_counter(&self, account: &str) -> Counter {
        self.counter(self.work, &[b"work", account.as_bytes()])
    }

    fn device_counter(&self, account: &str, id: &[u8]) -> Counter {
        self.counter(self.device, &[b"device", account.as_bytes(), id])
    }

    fn counter(&self, budget: Budget, parts: &[&[u8]]) -> Counter {
        let purpose = [self.purpose.as_bytes()];
        Counter {
            key: Key::new(THROTTLE, &[&purpose, parts].concat()),
            budget,
            ends_at: Timestamp::NEVER,
        }
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle")
            .field("purpose", &self.0.purpose)
            .field("account", &self.0.account)
            .field("account_network", &self.0.account_network)
            .field("address", &self.0.address)
            .field("device", &self.0.device)
            .field("work", &self.0.work)
            .finish_non_exhaustive()
    }
}

/// A number in the store, and what it counts against.
struct Counter {
    key: Key,
    budget: Budget,
    ends_at: Timestamp,
}

/// An attempt that is allowed and counts. Dropped, it goes on counting.
#[must_use = "an attempt that succeeds is given back"]
pub struct Attempt {
    throttle: Throttle,
    counters: Vec<Counter>,
    work: Option<Counter>,
}

impl Attempt {
    /// Gives the attempt back when it succeeded, or came to no verdict: only failures count. What it cost is counted by
    /// itself, against a budget that only a flood uses up.
    ///
    /// A store that fails here fails no login. The attempt then goes on counting until its window ends.
    pub async fn give_back(mut self) {
        if let Some(work) = &mut self.work
            && let Err(error) = self.throttle.increment(work).await
        {
            tracing::error!(%error, "the work of an attempt was not counted");
        }
        self.throttle.refund_all(&self.counters).await;
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let budgets = self.counters.len();
        f.debug_struct("Attempt")
            .field("budgets", &budgets)
            .finish()
    }
}

/// Counters are evicted where a bounded store is full.
const THROTTLE: Namespace = Namespace::new("throttle").evictable();

/// A window may end between two readings of the clock.
const MIN_WAIT: Duration = Duration::from_secs(1);
