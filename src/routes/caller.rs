//! The origin and credentials in the head of a request.

use std::{convert::Infallible, net::SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, Method, header, request::Parts},
};

use crate::{
    account::{Origin, truncate},
    rejection::Rejection,
    request::cookie::{CookieName, CookieSpec},
    secret::Secret,
    throttle::Throttle,
    token::{Dpop, dpop::UnusedProof},
};

/// The unverified head of a request.
pub(super) struct Caller {
    peer: Option<SocketAddr>,
    headers: HeaderMap,
    pub(super) user_agent: Option<String>,
    method: Method,
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
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
        })
    }
}

impl Caller {
    pub(super) fn origin(
        &self,
        throttle: &Throttle,
        device_cookies: [&CookieSpec; 2],
    ) -> Result<Origin, Rejection> {
        let origin = self.origin_if_known(throttle, device_cookies)?;
        origin.ok_or_else(|| {
            Rejection::misconfigured(
                "the client address is unknown: serve the application with \
                 `into_make_service_with_connect_info::<SocketAddr>()`",
            )
        })
    }

    /// Like `origin`, but the address may be unknown, since nothing is counted.
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

    /// Returns the verified DPoP proof of the request, if there is one and DPoP is enabled. It is
    /// not yet recorded as used.
    pub(super) fn proof(&self, dpop: Option<&Dpop>) -> Result<Option<UnusedProof>, Rejection> {
        let Some(dpop) = dpop else {
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
    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the cookie of this name. Two different values are refused.
    pub(super) fn cookie(&self, name: &CookieName) -> Result<Option<Secret<String>>, Rejection> {
        let found = name.find(&self.headers)?;
        let text = found.and_then(|(header, range)| {
            let text = std::str::from_utf8(&header.as_bytes()[range]).ok()?;
            Some(Secret::new(text.to_owned()))
        });
        Ok(text)
    }
}
