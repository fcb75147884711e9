//! A login in progress, as the browser stores it: sealed, in its own cookie.

use std::{sync::Arc, time::Duration};

use base64_simd::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use zeroize::Zeroizing;

use super::provider::Provider;
use crate::{
    clock::{SKEW, Timestamp},
    error::StoreError,
    request::cookie::{CookieSpec, SameSite},
    secret,
    secret::{Secret, seal},
    store::{Namespace, Store, StoreKey, When, Write},
};

/// The state that a login needs when the browser returns.
pub(super) struct Flow {
    verifier: Secret<[u8; 32]>,
    nonce: Secret<[u8; 32]>,
    pub(super) started_at: Timestamp,
    pub(super) max_age: Option<u64>,
    pub(super) return_to: String,
}

impl Flow {
    pub(super) fn new(started_at: Timestamp, max_age: Option<u64>, return_to: String) -> Self {
        Self {
            verifier: Secret::new(secret::random()),
            nonce: Secret::new(secret::random()),
            started_at,
            max_age,
            return_to,
        }
    }

    /// Returns the code verifier, with the length that RFC 7636 section 4.1 requires.
    pub(super) fn verifier(&self) -> Secret<String> {
        text(self.verifier.expose())
    }

    pub(super) fn nonce(&self) -> Secret<String> {
        text(self.nonce.expose())
    }

    fn is_live(&self, now: Timestamp) -> bool {
        // The clock of another node may be ahead of this one, but by no more than the skew.
        now < self.started_at.after(LOGIN_TTL) && self.started_at <= now.after(SKEW)
    }

    /// The sealed part. The time precedes it and is authenticated.
    fn to_bytes(&self) -> Vec<u8> {
        let max_age = self.max_age.unwrap_or(NO_MAX_AGE).to_be_bytes();
        let parts: [&[u8]; 4] = [
            self.verifier.expose(),
            self.nonce.expose(),
            &max_age,
            self.return_to.as_bytes(),
        ];
        parts.concat()
    }

    fn from_bytes(started_at: Timestamp, plain: &[u8]) -> Option<Self> {
        let (verifier, rest) = plain.split_first_chunk::<32>()?;
        let (nonce, rest) = rest.split_first_chunk::<32>()?;
        let (max_age, return_to) = rest.split_first_chunk::<8>()?;
        let max_age = u64::from_be_bytes(*max_age);
        Some(Self {
            verifier: Secret::new(*verifier),
            nonce: Secret::new(*nonce),
            started_at,
            max_age: (max_age != NO_MAX_AGE).then_some(max_age),
            return_to: String::from_utf8(return_to.to_vec()).ok()?,
        })
    }
}

/// The logins in progress with one provider.
pub(super) struct Flows {
    pub(super) provider: Provider,
    /// The store that records which logins were used.
    pub(super) store: Arc<dyn Store>,
    /// The keys that seal logins in progress, the active one first.
    pub(super) seal_keys: Vec<Secret<[u8; 32]>>,
    /// The prefix of their cookies.
    pub(super) cookie_prefix: &'static str,
}

impl Flows {
    /// The store key of the login at this provider. The seal is bound to it, and it records that
    /// the login was used.
    fn key(&self, state: &str) -> StoreKey {
        let (name, issuer) = (self.provider.name(), self.provider.issuer());
        let parts = [name, issuer, state];
        StoreKey::new(USED, &parts.map(str::as_bytes))
    }

    /// Returns the cookie of the login with this `state`. Each login has its own, so that one tab
    /// does not replace another's.
    pub(super) fn cookie(&self, state: &str) -> CookieSpec {
        let hash = URL_SAFE_NO_PAD.encode_to_string(secret::hash([state.as_bytes()]));
        self.cookie_named(&format!("{}{}", self.cookie_prefix, &hash[..ID_BYTES]))
    }

    fn cookie_named(&self, name: &str) -> CookieSpec {
        let spec = CookieSpec::new(name).expect("a prefix and base64url are a valid name");
        // For a form that another site posts, browsers send only cookies with `SameSite=None`.
        let same_site = if self.provider.posts_form() {
            SameSite::None
        } else {
            SameSite::Lax
        };
        spec.with_same_site(same_site)
            .expect("the cookie of a login is `Secure`")
    }

    pub(super) fn seal(&self, flow: &Flow, state: &str) -> Result<HeaderValue, StoreError> {
        let corrupt = |reason: &'static str| StoreError::Corrupt(reason.into());
        let mut sealed = flow.started_at.as_millis().to_be_bytes().to_vec();
        let key = self.key(state);
        let active = self.seal_keys.first();
        let is_sealed = active
            .is_some_and(|active| seal::seal(active, key.digest(), &mut sealed, flow.to_bytes()));
        if !is_sealed {
            return Err(corrupt("sealing a login failed"));
        }
        let value = URL_SAFE_NO_PAD.encode_to_string(sealed);
        let line = self.cookie(state).set(&value, LOGIN_TTL);
        line.map_err(|_| corrupt("a login does not fit into a cookie"))
    }

    /// Returns the login with this `state` from the browser's cookie, or `None` if the cookie is
    /// invalid or expired.
    pub(super) fn open(&self, state: &str, cookie: &str, now: Timestamp) -> Option<Flow> {
        if !is_random(state) || cookie.len() > MAX_VALUE_BYTES {
            return None;
        }
        let value = URL_SAFE_NO_PAD.decode_to_vec(cookie).ok()?;
        let (public, sealed) = value.split_first_chunk::<8>()?;
        let started_at = Timestamp::from_millis(u64::from_be_bytes(*public));
        let key = self.key(state);
        let mut opened = self
            .seal_keys
            .iter()
            .filter_map(|seal| seal::open(seal, key.digest(), public, sealed))
            .map(Zeroizing::new);
        let flow = Flow::from_bytes(started_at, &opened.next()?)?;
        flow.is_live(now).then_some(flow)
    }

    /// Records that the login was used, for as long as any node could accept it. Returns `false` if
    /// it was used before.
    pub(super) async fn mark_used(&self, flow: &Flow, state: &str) -> Result<bool, StoreError> {
        let marker = Write::new("", flow.started_at.after(LOGIN_TTL + SKEW));
        self.store.put(&self.key(state), marker, When::Absent).await
    }

    /// Returns headers that remove the logins for which there is no room beside a new one. The
    /// cookies of a request must not become so long that servers reject it.
    pub(super) fn evicted_cookies(&self, headers: &HeaderMap) -> Vec<HeaderValue> {
        let mut cookies: Vec<_> = self.presented(headers).collect();
        // The time is not verified: a browser that forges it harms only itself.
        cookies.sort_by_key(|(_, value)| std::cmp::Reverse(claimed_start(value)));
        let (mut count, mut bytes) = (1, 0);
        let is_evicted = |(name, value): &(&str, &str)| {
            count += 1;
            bytes += name.len() + value.len();
            count > MAX_FLOWS || bytes > MAX_OTHERS_BYTES
        };
        let evicted = cookies.into_iter().filter(is_evicted);
        evicted
            .map(|(name, _)| self.cookie_named(name).clear())
            .collect()
    }

    fn presented<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = (&'a str, &'a str)> {
        let lines = headers.get_all(header::COOKIE).iter();
        let pairs = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        pairs.filter(move |(name, _)| {
            name.strip_prefix(self.cookie_prefix)
                .is_some_and(|id| id.len() == ID_BYTES && id.bytes().all(is_id))
        })
    }
}

/// Returns when a login claims to have started.
fn claimed_start(value: &str) -> u64 {
    let value = URL_SAFE_NO_PAD.decode_to_vec(value).ok();
    let first = value.as_deref().and_then(<[u8]>::first_chunk::<8>);
    first.map_or(0, |first| u64::from_be_bytes(*first))
}

/// Returns 256 random bits as 43 characters.
pub(super) fn random() -> Secret<String> {
    let bits = Zeroizing::new(secret::random::<32>());
    text(&bits)
}

fn text(bits: &[u8; 32]) -> Secret<String> {
    Secret::new(URL_SAFE_NO_PAD.encode_to_string(bits))
}

fn is_random(text: &str) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.len() == 43 && text.bytes().all(is_base64url)
}

/// Time to enter a password and a second factor at the provider.
const LOGIN_TTL: Duration = Duration::from_secs(10 * 60);
/// No login has an age that long.
const NO_MAX_AGE: u64 = u64::MAX;
/// 60 bits, sufficient to distinguish the logins of one browser.
const ID_BYTES: usize = 10;
/// Records of finished logins, which a failover must not lose, or a login could be finished twice.
/// Anyone can finish logins that they started, so a bounded store that is full evicts the oldest
/// records. The provider also accepts a code only once.
const USED: Namespace = Namespace::new("oauth-used").revoking().evictable();
/// The longest page to return to, with everything else, in base64url.
const MAX_VALUE_BYTES: usize = 3072;
/// More tabs than a user logs in with at the same time.
const MAX_FLOWS: usize = 8;
/// The limit for cookies beside the newest login. Servers commonly accept 8 KB of cookies.
const MAX_OTHERS_BYTES: usize = 3072;
