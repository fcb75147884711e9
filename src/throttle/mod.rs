//! Limits how often a password may be guessed: [`Throttle`].
//!
//! # Rules
//!
//! * **Only failures count.** An attempt is taken from each budget atomically before the password
//!   is compared, and [refunded](Attempt::give_back) if it succeeds. Of a hundred concurrent
//!   attempts, only as many as the budget allows are compared. An attempt is not refunded if its
//!   caller disconnects.
//! * **Windows are fixed.** A window begins with the first attempt. An attempt over the budget is
//!   refused after a read; it counts nothing and extends nothing. `Retry-After` is the remaining
//!   time of the window.
//! * **Work is counted too.** Right passwords spend a budget that only a flood of logins uses up.
//! * **Others cannot lock out a known device.** A device that has logged in to the account, or has
//!   changed its password, has a signed token and a budget of its own instead of the shared ones.
//!   The token is for one account and one password, so after a password change the user's other
//!   devices are unknown until they log in. It grants no access.
//! * **Unknown devices share budgets.** Each network has ten attempts at an account, and all
//!   networks together have a hundred. Strangers on ten networks can therefore keep a user from
//!   logging in on a *new* device for a quarter of an hour at a time. The user's known devices,
//!   sessions and refresh tokens are not affected.
//! * **Attempts at unknown names are counted**, in the spelling of
//!   [`Users::canonical`](crate::account::Users::canonical).
//! * **IPv6 counts per /64, /56 and /48**, with budgets of one, four and sixteen times the size. An
//!   IPv4 address in IPv6 form, mapped or behind a NAT64, counts as IPv4. Behind proxies,
//!   [`TrustedProxies`] separates the client's address from forged ones.
//! * **A store that fails is 503**, so that no attempt goes uncounted.

mod address;
mod budget;
mod builder;
mod device;
mod inner;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use http::HeaderMap;

use self::inner::{Counter, ThrottleInner};
pub use self::{address::TrustedProxies, budget::Budget, builder::ThrottleBuilder};
pub(crate) use self::{
    address::site,
    device::{DeviceId, DeviceTokens},
};
use crate::{
    env::Env,
    error::StoreError,
    event::{Event, EventKind, EventSource},
    rejection::Rejection,
    secret::Secret,
    store::{self, Store},
};

/// Counts attempts per account, address and device, across all nodes.
///
/// It is a handle: cloning it is cheap. See the [module](self) for the rules.
///
/// ```
/// use std::{net::IpAddr, sync::Arc};
/// use tower_jam::{Env, MasterSecret, Throttle, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Arc::new(MemoryStore::new());
/// let env = Env::new("https://acme.dev", store, &MasterSecret::generate());
/// let throttle = Throttle::builder(&env).build();
///
/// let address = IpAddr::from([198, 51, 100, 7]);
/// let attempt = throttle.attempt("alice", address, None).await?;
/// // The password was right, so the attempt does not count.
/// attempt.give_back().await;
/// # Ok(())
/// # }
/// ```
#[doc(alias("lockout", "rate limit", "brute force"))]
#[derive(Clone)]
pub struct Throttle(Arc<ThrottleInner>);

impl Throttle {
    /// Returns a builder of a throttle with counters in `store`, and with a key from `secret` for
    /// device tokens.
    pub fn builder(env: &Env) -> ThrottleBuilder {
        ThrottleBuilder::new(env)
    }

    /// Returns the client's address for a request with these headers from `peer`: the peer's own,
    /// or the one that the [trusted proxies](ThrottleBuilder::trusted_proxies) state.
    #[must_use]
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.0.proxies.client_address(peer, headers)
    }

    /// Takes one attempt from every applicable budget. Call it before the password is compared.
    ///
    /// `account` is the login name by which the user is looked up, whether or not there is such a
    /// user. `device` is the token from the device cookie. A token that is for another account,
    /// expired or forged counts as absent.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Throttled`](crate::RejectionKind::Throttled) when a budget is used up: its
    /// `retry_after` is the rest of the window, and no budget is charged.
    /// [`RejectionKind::Unavailable`](crate::RejectionKind::Unavailable) when the store does not
    /// answer.
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

    /// Like [`attempt`](Self::attempt), with a source for events.
    pub(crate) async fn attempt_with_source(
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

    /// Takes one attempt for a request without an account, such as a registration. Only the address
    /// counts.
    ///
    /// # Errors
    ///
    /// As for [`attempt`](Self::attempt).
    pub async fn attempt_from(&self, address: IpAddr) -> Result<Attempt, Rejection> {
        let source = EventSource::of_address(address);
        self.take(self.0.address_counters(address), None, &source)
            .await
    }

    /// Returns a token for a device on which `account` has just logged in, to be set as a cookie
    /// (`__Host-`, HttpOnly, Secure, SameSite=Strict). It grants no access; it only selects the
    /// budget of the next attempt.
    #[must_use]
    pub fn device_token(&self, account: &str) -> Secret<String> {
        self.0.devices.issue(account, self.0.clock.now())
    }

    /// Returns how long a device token is valid, for the cookie's Max-Age.
    #[must_use]
    pub fn device_life(&self) -> Duration {
        self.0.devices.life()
    }

    /// Whether `device` is the token of a device on which `account` has logged in before.
    pub(crate) fn is_known_device(&self, account: &str, device: Option<&str>) -> bool {
        let now = self.0.clock.now();
        device.is_some_and(|token| self.0.devices.verify(token, account, now).is_some())
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    async fn take(
        &self,
        mut counters: Vec<Counter>,
        mut work: Option<Counter>,
        source: &EventSource,
    ) -> Result<Attempt, Rejection> {
        // A caller who is over a budget already costs only reads.
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
                self.refund_all(&counters[..=at]).await;
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

    /// Returns how long the budget stays used up, if it is. Records the end of the current window
    /// in the counter.
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

    /// Adds one, with an expiry in the future: the window that was read may have ended, and an
    /// addition to it would count nothing. If others have started the next window, its end was not
    /// read. `ends_at` has then passed, and nothing will be refunded.
    async fn increment(&self, counter: &mut Counter) -> Result<i64, StoreError> {
        let ends_at = self.0.clock.now().after(counter.budget.window());
        let sum = self.0.store.add(&counter.key, 1, ends_at).await?;
        if sum == 1 {
            counter.ends_at = ends_at;
        }
        Ok(sum)
    }

    /// In a window that has ended there is nothing to refund, and the next one must not start below
    /// zero. A counter that reaches zero is removed, so a success leaves nothing behind.
    async fn refund(&self, counter: &Counter) -> Result<(), StoreError> {
        let Counter { key, ends_at, .. } = counter;
        if self.0.clock.now() < *ends_at && self.0.store.add(key, -1, *ends_at).await? < 0 {
            self.0.store.add(key, 1, *ends_at).await?;
        }
        Ok(())
    }

    /// An attempt that cannot be refunded still counts.
    async fn refund_all(&self, counters: &[Counter]) {
        for counter in counters {
            if let Err(error) = self.refund(counter).await {
                tracing::error!(%error, "an attempt could not be refunded and still counts");
            }
        }
    }

    fn refuse(&self, wait: Duration, source: &EventSource) -> Rejection {
        let event = Event::new(EventKind::Throttled, self.0.clock.now());
        self.0.events.tell(&event.with_source(source.clone()));
        Rejection::throttled(wait.max(MIN_WAIT), "an attempt budget is used up")
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

/// An attempt that is admitted and counted. Dropping it leaves it counted.
#[must_use = "an attempt that succeeds must be refunded"]
pub struct Attempt {
    throttle: Throttle,
    counters: Vec<Counter>,
    work: Option<Counter>,
}

impl Attempt {
    /// Refunds the attempt if it succeeded or reached no verdict: only failures count. Its cost is
    /// counted against a separate budget, which only a flood uses up.
    ///
    /// A failure of the store does not fail the login. The attempt then counts until its window
    /// ends.
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

/// A window may end between two reads of the clock.
const MIN_WAIT: Duration = Duration::from_secs(1);
