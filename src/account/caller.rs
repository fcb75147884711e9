//! Who sends a request, as far as its head tells.

use std::{convert::Infallible, net::SocketAddr};

#[cfg(feature = "dpop")]
use axum::http::Method;
use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use serde::Serialize;

use super::{
    attempt::{Origin, cut},
    mount::Mount,
    throttle::Throttle,
};
#[cfg(feature = "dpop")]
use crate::token::dpop::UnusedProof;
use crate::{
    cookie::{CookieName, CookieSpec},
    rejection::Rejection,
    secret::Secret,
};

/// The head of a request, before anything of it is believed.
pub(super) struct Caller {
    peer: Option<SocketAddr>,
    headers: HeaderMap,
    pub(super) user_agent: Option<String>,
    #[cfg(feature = "dpop")]
    method: Method,
    #[cfg(feature = "dpop")]
    path: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let user_agent = parts.headers.get(header::USER_AGENT);
        let user_agent = user_agent.and_then(|value| value.to_str().ok());
        Ok(Self {
            peer: peer.map(|ConnectInfo(address)| *address),
            user_agent: user_agent.map(|text| cut(text).to_owned()),
            headers: parts.headers.clone(),
            #[cfg(feature = "dpop")]
            method: parts.method.clone(),
            #[cfg(feature = "dpop")]
            path: parts.uri.path().to_owned(),
        })
    }
}

impl Caller {
    pub(super) fn origin<U>(&self, mount: &Mount<U>) -> Result<Origin, Rejection>
    where
        U: Serialize + Send + Sync + 'static,
    {
        let cookies = [&mount.device_cookie, &mount.remember_cookie];
        let origin = self.origin_if_known(mount.accounts.throttle(), cookies)?;
        origin.ok_or_else(|| {
            Rejection::misconfigured(
                "the client's address is not known: serve the application by \
                 `into_make_service_with_connect_info::<SocketAddr>()`",
            )
        })
    }

    /// The same where nothing is counted, so that an address need not be known.
    pub(super) fn origin_if_known(
        &self,
        throttle: &Throttle,
        [device, remembered]: [&CookieSpec; 2],
    ) -> Result<Option<Origin>, Rejection> {
        let Some(peer) = self.peer else {
            return Ok(None);
        };
        Ok(Some(Origin {
            address: throttle.client_address(peer.ip(), &self.headers),
            user_agent: self.user_agent.clone(),
            device: self.cookie(device.cookie_name())?,
            remembered: self.cookie(remembered.cookie_name())?,
        }))
    }

    /// The proof of a key that came along, where proofs are looked at. It is good, and not yet noted as used.
    #[cfg(feature = "dpop")]
    pub(super) fn proof<U>(&self, mount: &Mount<U>) -> Result<Option<UnusedProof>, Rejection> {
        let Some(dpop) = &mount.dpop else {
            return Ok(None);
        };
        let mut proofs = self.headers.get_all("dpop").iter();
        let Some(proof) = proofs.next() else {
            return Ok(None);
        };
        if proofs.next().is_some() {
            return Err(Rejection::malformed("two proofs of keys"));
        }
        let proof = proof
            .to_str()
            .map_err(|_| Rejection::malformed("a proof that is no text"))?;
        dpop.check(proof, &self.method, &self.path).map(Some)
    }

    #[cfg(feature = "oauth2")]
    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The cookie of this name; two that differ are refused.
    pub(super) fn cookie(&self, name: &CookieName) -> Result<Option<Secret<String>>, Rejection> {
        let found = name.find(&self.headers)?;
        let text = found.and_then(|(header, range)| {
            let text = std::str::from_utf8(&header.as_bytes()[range]).ok()?;
            Some(Secret::new(text.to_owned()))
        });
        Ok(text)
    }
}
