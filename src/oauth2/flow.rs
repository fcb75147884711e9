//! A login under way, as the browser keeps it: sealed, in a cookie of its own.

use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use zeroize::Zeroizing;

use super::client::Core;
use crate::{
    clock::{SKEW, Timestamp},
    error::StoreError,
    request::cookie::{CookieSpec, SameSite},
    secret,
    secret::{Secret, seal},
    store::{Key, Namespace, When, Write},
};

/// What a login needs when the browser comes back.
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

    /// The code verifier, in as many characters as RFC 7636 section 4.1 asks for.
    pub(super) fn verifier(&self) -> Secret<String> {
        text(self.verifier.expose())
    }

    pub(super) fn nonce(&self) -> Secret<String> {
        text(self.nonce.expose())
    }

    fn is_live(&self, now: Timestamp) -> bool {
        // Another node's clock may be ahead of this one, but not by more than this.
        now < self.started_at.after(LIFE) && self.started_at <= now.after(SKEW)
    }

    /// What is sealed. The time is not in it: it stands before it, authenticated.
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

impl Core {
    /// Names the flow: of the provider and of nothing else. It is what the seal is bound to, and what is noted as used.
    fn flow_key(&self, state: &str) -> Key {
        let (name, issuer) = (self.provider.name(), self.provider.issuer());
        let parts = [name, issuer, state];
        Key::new(USED, &parts.map(str::as_bytes))
    }

    /// The cookie of the login with this `state`. Each has its own, so that one tab does not replace another's.
    pub(super) fn flow_cookie(&self, state: &str) -> CookieSpec {
        let hash = URL_SAFE_NO_PAD.encode_to_string(secret::hash([state.as_bytes()]));
        self.cookie_named(&format!("{}{}", self.cookie_prefix, &hash[..ID_BYTES]))
    }

    fn cookie_named(&self, name: &str) -> CookieSpec {
        let spec = CookieSpec::new(name).expect("a prefix and base64url are a token");
        // Browsers send a cookie with a form that another site posts only if it says so.
        let same_site = match self.provider.posts_form() {
            true => SameSite::None,
            false => SameSite::Lax,
        };
        spec.with_same_site(same_site)
            .expect("a cookie of a login is `Secure`")
    }

    pub(super) fn seal_flow(&self, flow: &Flow, state: &str) -> Result<HeaderValue, StoreError> {
        let corrupt = |reason: &'static str| StoreError::Corrupt(reason.into());
        let mut sealed = flow.started_at.as_millis().to_be_bytes().to_vec();
        let key = self.flow_key(state);
        let active = self.seals.first();
        let is_sealed = active
            .is_some_and(|active| seal::seal(active, key.digest(), &mut sealed, flow.to_bytes()));
        if !is_sealed {
            return Err(corrupt("a login was not sealed"));
        }
        let value = URL_SAFE_NO_PAD.encode_to_string(sealed);
        let line = self.flow_cookie(state).set(&value, LIFE);
        line.map_err(|_| corrupt("a login does not fit into a cookie"))
    }

    /// The login with this `state` that the browser keeps. `None`: it keeps none, or not any more.
    pub(super) fn open_flow(&self, state: &str, cookie: &str) -> Option<Flow> {
        if !is_random(state) || cookie.len() > MAX_VALUE_BYTES {
            return None;
        }
        let value = URL_SAFE_NO_PAD.decode_to_vec(cookie).ok()?;
        let (public, sealed) = value.split_first_chunk::<8>()?;
        let started_at = Timestamp::from_millis(u64::from_be_bytes(*public));
        let key = self.flow_key(state);
        let mut opened = self
            .seals
            .iter()
            .filter_map(|seal| seal::open(seal, key.digest(), public, sealed))
            .map(Zeroizing::new);
        let flow = Flow::from_bytes(started_at, &opened.next()?)?;
        flow.is_live(self.clock.now()).then_some(flow)
    }

    /// Notes that the login is used, for as long as any node could take it for a live one. `false`: it was before.
    pub(super) async fn use_up(&self, flow: &Flow, state: &str) -> Result<bool, StoreError> {
        let note = Write::new("", flow.started_at.after(LIFE + SKEW));
        self.store
            .put(&self.flow_key(state), note, When::Absent)
            .await
    }

    /// What makes a browser forget those logins for which there is no room beside another one: whatever is sent with each
    /// request must not become so long that servers refuse it.
    pub(super) fn crowded_out(&self, headers: &HeaderMap) -> Vec<HeaderValue> {
        let mut kept: Vec<_> = self.flow_cookies(headers).collect();
        // Nobody has checked the time, which the browser can make up at its own expense.
        kept.sort_by_key(|(_, value)| std::cmp::Reverse(begun(value)));
        let (mut count, mut bytes) = (1, 0);
        let is_crowded = |(name, value): &(&str, &str)| {
            count += 1;
            bytes += name.len() + value.len();
            count > MAX_FLOWS || bytes > MAX_OTHERS_BYTES
        };
        let crowded = kept.into_iter().filter(is_crowded);
        crowded
            .map(|(name, _)| self.cookie_named(name).clear())
            .collect()
    }

    fn flow_cookies<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = (&'a str, &'a str)> {
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

/// When a login says that it began.
fn begun(value: &str) -> u64 {
    let value = URL_SAFE_NO_PAD.decode_to_vec(value).ok();
    let first = value.as_deref().and_then(<[u8]>::first_chunk::<8>);
    first.map_or(0, |first| u64::from_be_bytes(*first))
}

/// 256 random bits as 43 characters.
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

/// Time to find a password and a second factor at the provider.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// No age of a login is that long.
const NO_MAX_AGE: u64 = u64::MAX;
/// 60 bits, enough to tell the logins of one browser apart.
const ID_BYTES: usize = 10;
/// Where it is noted that a login was finished: a failover must not let it be finished again. Anybody can finish logins
/// that they began, so a bounded store that is full forgets the oldest notes; the provider takes a code once, too.
const USED: Namespace = Namespace::new("oauth-used").revoking().evictable();
/// The longest page to return to, with everything else, in base64url.
const MAX_VALUE_BYTES: usize = 3072;
/// More tabs than somebody logs in with at one time.
const MAX_FLOWS: usize = 8;
/// What may be sent beside the newest login. Servers commonly take 8 KB of cookies.
const MAX_OTHERS_BYTES: usize = 3072;
