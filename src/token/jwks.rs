//! Another party's keys, read from where it publishes them and kept fresh.
//!
//! A [`Jwks`] holds a [`KeyRing`] that a task of its own replaces, so verifying never waits for the network.
//!
//! # Rules
//!
//! * **Warm before the first request.** [`JwksBuilder::fetch`] answers once keys are there, or says why there are none.
//! * **Refreshed in the background**, when the answer's `Cache-Control: max-age` is over, between five minutes and a day; every
//!   hour where it says nothing.
//! * **An unknown `kid` asks for a refresh**, at most one in half a minute, those of the background included, however many
//!   tokens name one. Whoever presents such a token while a refresh is under way waits for its end and is judged anew; after
//!   it, an unknown `kid` is refused at once until the interval is over. Nobody whose key is known waits, ever.
//! * **Only what a new key could have made asks:** a token of the right form and type, by a signature algorithm with key pairs.
//!   Nothing of it is sent.
//! * **While the party is away, its old keys stay.** They are asked for again after half a minute.
//! * **One bad key loses one key.** Keys that cannot be used are left out ([`KeyRing::from_jwks`]); a set without a usable
//!   one is an error, and the old keys stay.
//! * **A key that the set no longer has is retired** with the next refresh, and with it the tokens that were verified by it. A
//!   refresh that finds the same keys changes nothing.
//! * **Another party is asked by https**, no redirect is followed, and an answer has at most a megabyte.
//!
//! ```no_run
//! use tower_jam::{Claims, Jwt, token::Jwks};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let jwks = Jwks::builder("https://auth.acme.dev/keys").fetch().await?;
//! let jwt = Jwt::<Claims>::builder(jwks).issuer("https://auth.acme.dev").audience("api").build()?;
//! # Ok(())
//! # }
//! ```

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, header};
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};
use url::Url;

use super::ring::KeyRing;
use crate::{
    error::ConfigError,
    fetch::{Fetch, FetchError, UrlScheme},
};

/// The keys that another party publishes. It is a handle; its task ends with the last of them.
#[derive(Clone)]
pub struct Jwks {
    inner: Arc<JwksInner>,
}

struct JwksInner {
    refresher: Arc<Refresher>,
    task: AbortHandle,
}

struct Refresher {
    url: Url,
    fetch: Fetch,
    ring: KeyRing,
    interval: Duration,
    state: Mutex<RefreshState>,
    requested: Notify,
    /// Counts the refreshes that have ended, well or not.
    completed: watch::Sender<u64>,
}

/// Whether there is anything to wait for.
struct RefreshState {
    /// Before that no refresh begins for an unknown key.
    not_before: Instant,
    /// One is under way, or about to be.
    is_running: bool,
}

/// What somebody whose key is unknown is to do.
#[derive(PartialEq, Eq)]
enum RefreshRequest {
    Pending,
    TooSoon,
}

impl Jwks {
    /// Keys published at `url`.
    pub fn builder(url: &str) -> JwksBuilder {
        JwksBuilder {
            url: url.to_owned(),
            timeout: DEFAULT_TIMEOUT,
            interval: DEFAULT_INTERVAL,
            scheme: UrlScheme::Https,
        }
    }

    /// The keys, which are replaced as the other party replaces them.
    #[must_use]
    pub fn keys(&self) -> &KeyRing {
        &self.inner.refresher.ring
    }

    /// Waits for a refresh on behalf of a token whose key is unknown. `false` when it takes too long. `true`, at once, when the
    /// last one was less than an interval ago: it may have ended since the keys were looked at.
    pub(crate) async fn refresh_for_unknown(&self) -> bool {
        let refresher = &*self.inner.refresher;
        // Before the look at what is under way, so that its end is not missed.
        let mut completed = refresher.completed.subscribe();
        match refresher.request_refresh() {
            RefreshRequest::Pending => {}
            RefreshRequest::TooSoon => return true,
        }
        let waited = timeout(refresher.fetch.timeout(), completed.changed()).await;
        matches!(waited, Ok(Ok(())))
    }
}

impl Refresher {
    /// One caller in an interval asks, before anybody else can look.
    fn request_refresh(&self) -> RefreshRequest {
        let mut state = self.state();
        if state.is_running {
            return RefreshRequest::Pending;
        }
        if Instant::now() < state.not_before {
            return RefreshRequest::TooSoon;
        }
        state.is_running = true;
        self.requested.notify_one();
        RefreshRequest::Pending
    }

    fn mark_started(&self) {
        self.state().is_running = true;
    }

    /// Told under the lock: whoever finds nothing under way has been told of this end, or looks at what it has brought.
    fn mark_completed(&self) {
        let mut state = self.state();
        *state = RefreshState {
            not_before: Instant::now() + self.interval,
            is_running: false,
        };
        self.completed.send_modify(|completed| *completed += 1);
    }

    fn state(&self) -> MutexGuard<'_, RefreshState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn refresh(&self) -> Result<Duration, JwksError> {
        let (ring, lifetime) = read(&self.fetch, &self.url).await?;
        // Tokens verified by a ring are verified again by another, so one of the same keys stays.
        if !ring.has_same_keys(&self.ring) {
            self.ring.replace_with(&ring);
        }
        Ok(lifetime)
    }

    /// Runs until it is aborted.
    async fn run(self: Arc<Self>, mut next: Instant) {
        loop {
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.requested.notified() => {}
            }
            self.mark_started();
            let pause = match self.refresh().await {
                Ok(lifetime) => lifetime,
                Err(error) => {
                    tracing::warn!(%error, cause = ?error, "the keys are not refreshed; the old ones stay");
                    self.interval
                }
            };
            next = Instant::now() + pause;
            // Somebody may have asked as the time came, and has been answered.
            tokio::select! {
                biased;
                () = self.requested.notified() => {}
                () = std::future::ready(()) => {}
            }
            self.mark_completed();
        }
    }
}

impl Drop for JwksInner {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwks")
            .field("keys", &self.inner.refresher.ring)
            .finish_non_exhaustive()
    }
}

/// The settings of [`Jwks`].
#[must_use]
#[derive(Clone, Debug)]
pub struct JwksBuilder {
    url: String,
    timeout: Duration,
    interval: Duration,
    scheme: UrlScheme,
}

impl JwksBuilder {
    /// How long an answer may take, at most half a minute. Default: five seconds.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How far apart refreshes for unknown keys are, and new attempts after a failure. Default: half a minute, in which
    /// a provider that has rotated its keys is not hammered, and a user with a new token tries once more.
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Allows plain HTTP to this machine, for tests and development.
    pub const fn insecure_http_on_loopback(mut self) -> Self {
        self.scheme = UrlScheme::HttpOnLoopback;
        self
    }

    /// Reads the keys for the first time, and starts the task that keeps them fresh.
    ///
    /// # Errors
    ///
    /// When the URL is not an https URL, the interval is not between a second and a day, there is no tokio runtime, or no keys are had.
    pub async fn fetch(self) -> Result<Jwks, ConfigError> {
        let url = self.scheme.url("jwks_url", &self.url)?;
        let fetch = Fetch::new(self.timeout)?;
        Jwks::start(url, fetch, self.interval).await
    }
}

impl Jwks {
    pub(super) async fn start(
        url: Url,
        fetch: Fetch,
        interval: Duration,
    ) -> Result<Self, ConfigError> {
        if !(SHORTEST_INTERVAL..=LONGEST_LIFETIME).contains(&interval) {
            let reason = "is not between a second and a day";
            return Err(ConfigError::new("interval", reason));
        }
        let (ring, lifetime) = read(&fetch, &url).await.map_err(|error| {
            ConfigError::new("jwks_url", "no keys are had from there").because(error)
        })?;
        let refresher = Arc::new(Refresher {
            url,
            fetch,
            ring,
            interval,
            state: Mutex::new(RefreshState {
                not_before: Instant::now(),
                is_running: false,
            }),
            requested: Notify::new(),
            completed: watch::Sender::new(0),
        });
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            ConfigError::new("jwks_url", "keys are refreshed on a tokio runtime").because(error)
        })?;
        let task = runtime
            .spawn(Arc::clone(&refresher).run(Instant::now() + lifetime))
            .abort_handle();
        Ok(Self {
            inner: Arc::new(JwksInner { refresher, task }),
        })
    }
}

/// Reads a set of keys, and for how long it is good.
async fn read(fetch: &Fetch, url: &Url) -> Result<(KeyRing, Duration), JwksError> {
    let response = fetch
        .get(url, HeaderMap::new())
        .await
        .map_err(JwksError::Fetch)?;
    let text = std::str::from_utf8(response.body()).map_err(|_| JwksError::NotText)?;
    let ring = KeyRing::from_jwks(text).map_err(JwksError::Keys)?;
    if ring.load().iter().any(|key| key.algorithm().is_symmetric()) {
        return Err(JwksError::SharedSecret);
    }
    Ok((ring, lifetime(response.headers())))
}

/// What `Cache-Control` says, within bounds.
fn lifetime(headers: &HeaderMap) -> Duration {
    let values = headers.get_all(header::CACHE_CONTROL).iter();
    let directives = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let max_age = directives
        .filter_map(|directive| directive.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("max-age"))
        .and_then(|(_, seconds)| seconds.trim_matches('"').parse().ok());
    max_age
        .map_or(DEFAULT_LIFETIME, Duration::from_secs)
        .clamp(SHORTEST_LIFETIME, LONGEST_LIFETIME)
}

#[derive(Debug)]
enum JwksError {
    Fetch(FetchError),
    Keys(ConfigError),
    NotText,
    SharedSecret,
}

impl fmt::Display for JwksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetch(_) => "the keys are not had",
            Self::Keys(_) => "what is published is no set of keys",
            Self::NotText => "what is published is no text",
            Self::SharedSecret => "a shared secret is published",
        })
    }
}

impl std::error::Error for JwksError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Fetch(error) => Some(error),
            Self::Keys(error) => Some(error),
            Self::NotText | Self::SharedSecret => None,
        }
    }
}

pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
pub(super) const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
/// Nobody means to ask another party more often.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60 * 60);
const SHORTEST_LIFETIME: Duration = Duration::from_secs(5 * 60);
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_is_followed_within_bounds() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CACHE_CONTROL, value.parse().unwrap());
            lifetime(&headers).as_secs()
        };
        assert_eq!(read("public, max-age=7200, must-revalidate"), 7200);
        assert_eq!(read("Max-Age=\"7200\""), 7200);
        assert_eq!(read("max-age=1"), 300);
        assert_eq!(read("max-age=99999999"), 86_400);
        assert_eq!(read("no-store"), 3600);
        assert_eq!(read("max-age=99999999999999999999999"), 3600);
        assert_eq!(lifetime(&HeaderMap::new()), DEFAULT_LIFETIME);
    }
}
