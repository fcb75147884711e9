//! The origin and credentials in the head of a request.

use std::{convert::Infallible, net::SocketAddr};

#[cfg(feature = "dpop")]
use axum::http::Method;
use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, header, request::Parts},
};
use serde::Serialize;

use super::mount::Mount;
#[cfg(feature = "dpop")]
use crate::token::dpop::UnusedProof;
use crate::{
    account::attempt::{Origin, truncate},
    rejection::Rejection,
    request::cookie::{CookieName, CookieSpec},
    secret::Secret,
    throttle::Throttle,
};

/// The unverified head of a request.
pub(crate) struct Caller {
    peer: Option<SocketAddr>,
    headers: HeaderMap,
    pub(crate) user_agent: Option<String>,
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
            user_agent: user_agent.map(|text| truncate(text).to_owned()),
            headers: parts.headers.clone(),
            #[cfg(feature = "dpop")]
            method: parts.method.clone(),
            #[cfg(feature = "dpop")]
            path: parts.uri.path().to_owned(),
        })
    }
}

impl Caller {
    pub(crate) fn origin<U>(&self, mount: &Mount<U>) -> Result<Origin, Rejection>
    where
        U: Serialize + Send + Sync + 'static,
    {
        let cookies = [&mount.device_cookie, &mount.remember_cookie];
        let origin = self.origin_if_known(mount.accounts.throttle(), cookies)?;
        origin.ok_or_else(|| {
            Rejection::misconfigured(
                "the client address is unknown: serve the application with \
                 `into_make_service_with_connect_info::<SocketAddr>()`",
            )
        })
    }

    /// Like `origin`, but the address may be unknown, since nothing is counted.
    pub(crate) fn origin_if_known(
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

    /// Returns the verified DPoP proof of the request, if there is one and DPoP is enabled. It is
    /// not yet recorded as used.
    #[cfg(feature = "dpop")]
    pub(crate) fn proof<U>(&self, mount: &Mount<U>) -> Result<Option<UnusedProof>, Rejection> {
        let Some(dpop) = &mount.dpop else {
            return Ok(None);
        };
        let mut proofs = self.headers.get_all("dpop").iter();
        let Some(proof) = proofs.next() else {
            return Ok(None);
        };
        if proofs.next().is_some() {
            return Err(Rejection::malformed("more than one DPoP proof"));
        }
        let proof = proof
            .to_str()
            .map_err(|_| Rejection::malformed("a DPoP proof that is not text"))?;
        dpop.check(proof, &self.method, &self.path).map(Some)
    }

    #[cfg(feature = "oauth2")]
    pub(crate) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the cookie of this name. Two different values are refused.
    pub(crate) fn cookie(&self, name: &CookieName) -> Result<Option<Secret<String>>, Rejection> {
        let found = name.find(&self.headers)?;
        let text = found.and_then(|(header, range)| {
            let text = std::str::from_utf8(&header.as_bytes()[range]).ok()?;
            Some(Secret::new(text.to_owned()))
        });
        Ok(text)
    }
}
