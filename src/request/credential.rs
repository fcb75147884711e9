//! What the caller presents, and where a request carries it.
//!
//! A [`CredentialSource`] looks at one or more places of a request and answers in one of three ways: here
//! is a [`Credential`], there is none, or the request is malformed. Nothing is verified yet.
//!
//! * **Bearer** (RFC 6750 section 2.1): one `Authorization` header; the scheme is compared without case,
//!   one token68 follows. Another scheme, such as `Basic`, is absence. Two headers are malformed.
//! * **DPoP** (RFC 9449 section 7.1): as Bearer, with the scheme `DPoP`; the engine is handed the header `DPoP` too.
//! * **Cookie**: one cookie by its exact name. Two of the name that differ are malformed.
//! * **Header**: the whole value of a named header. **Bearer in a header**: as Bearer, elsewhere.
//! * **Custom**: a closure. What it finds is held to be sent by the browser on its own, as a cookie is,
//!   so the layer's cross-site check applies.
//!
//! Two sources are joined with [`or`](CredentialSource::or). Headers are looked at before cookies, the
//! first credential found is the one that counts, and a bad one is final.
//!
//! Query parameters are not a source (RFC 9700 section 4.3.2): they end up in logs.
//!
//! ```
//! use tower_jam::CredentialSource;
//!
//! let source = CredentialSource::cookie("jwt")?.or(CredentialSource::bearer());
//! let (parts, ()) = http::Request::builder()
//!     .header("authorization", "bearer from-the-header")
//!     .header("cookie", "jwt=from-the-cookie")
//!     .body(())?
//!     .into_parts();
//!
//! let credential = source.find(&parts)?.expect("there are two");
//! assert_eq!(credential.expose(), "from-the-header");
//! assert!(!format!("{credential:?}").contains("from-the-header"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{fmt, sync::Arc};

use http::{HeaderName, HeaderValue, Method, Uri, header::AUTHORIZATION, request::Parts};

use crate::{
    error::ConfigError,
    identity::Identity,
    proof::RememberProof,
    rejection::Rejection,
    request::{
        cookie::CookieName,
        place::{Custom, Place, Text},
    },
};

/// What the caller presented, unverified, with the facts about its request that a proof may be bound to.
///
/// `Debug` shows where it came from and nothing of its value.
#[derive(Clone)]
pub struct Credential {
    text: Text,
    place: Place,
    method: Method,
    uri: Uri,
    outer: Option<Identity>,
    /// Those that the source was told to hand on.
    headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) memory: Option<Arc<dyn RememberProof>>,
}

impl Credential {
    /// The text the caller sent. It is a secret.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.as_str()
    }

    /// The request's method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The request's target.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The values of a header that the source was told to hand on: see
    /// [`with_header`](CredentialSource::with_header).
    pub fn header<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a HeaderValue> {
        let named = self.headers.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value)
    }

    /// Who an outer layer says that the caller is.
    #[must_use]
    pub const fn outer(&self) -> Option<&Identity> {
        self.outer.as_ref()
    }

    /// What remembers a further proof of [`outer`](Self::outer), where an outer layer has something that does.
    #[must_use]
    pub fn memory(&self) -> Option<&dyn RememberProof> {
        self.memory.as_deref()
    }

    /// Whether `source` would have found it, by the place it came from.
    #[must_use]
    pub fn came_from(&self, source: &CredentialSource) -> bool {
        source.places.contains(&self.place)
    }

    /// Whether a browser may have sent it without the page's doing.
    #[must_use]
    pub(crate) const fn is_ambient(&self) -> bool {
        matches!(self.place, Place::Cookie(_) | Place::Custom(_))
    }

    pub(crate) fn with_outer(mut self, outer: Option<Identity>) -> Self {
        self.outer = outer;
        self
    }

    /// Whether it came in the cookie called `name`.
    #[cfg(feature = "session")]
    pub(crate) fn came_in_cookie(&self, name: &CookieName) -> bool {
        matches!(&self.place, Place::Cookie(known) if known == name)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// Where in a request a credential is looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct CredentialSource {
    /// Headers before cookies.
    places: Arc<[Place]>,
    /// What else of a request goes to the engine.
    headers: Arc<[HeaderName]>,
}

impl CredentialSource {
    /// The `Authorization` header with the scheme `Bearer`.
    pub fn bearer() -> Self {
        Self::one(Place::Bearer(AUTHORIZATION))
    }

    /// The `Authorization` header with the scheme `DPoP`, for a token that is bound to a key, with the proof of the key in the
    /// header `DPoP` (RFC 9449 section 7.1).
    pub fn dpop() -> Self {
        Self::one(Place::Dpop).with_header(HeaderName::from_static("dpop"))
    }

    /// The cookie called `name`.
    ///
    /// # Errors
    ///
    /// When the name is not a token of RFC 9110 section 5.6.2.
    pub fn cookie(name: &str) -> Result<Self, ConfigError> {
        Ok(Self::one(Place::Cookie(CookieName::new(name)?)))
    }

    /// The whole value of the header called `name`.
    pub fn header(name: HeaderName) -> Self {
        Self::one(Place::Header(name))
    }

    /// The header called `name` with the scheme `Bearer`, for gateways that use `Authorization` themselves.
    pub fn bearer_in(name: HeaderName) -> Self {
        Self::one(Place::Bearer(name))
    }

    /// Whatever `find` takes from the request. `Ok(None)` says that there is no credential.
    pub fn custom<F>(find: F) -> Self
    where
        F: Fn(&Parts) -> Result<Option<String>, Rejection> + Send + Sync + 'static,
    {
        Self::one(Place::Custom(Custom(Arc::new(find))))
    }

    /// Hands the engine what the header called `name` says as well, beside the credential: a proof that belongs to it, for
    /// instance.
    pub fn with_header(mut self, name: HeaderName) -> Self {
        if !self.headers.contains(&name) {
            self.headers = self.headers.iter().cloned().chain([name]).collect();
        }
        self
    }

    /// Looks in the places of both.
    pub fn or(self, other: Self) -> Self {
        let sources = [self, other];
        let places = sources
            .iter()
            .flat_map(|source| source.places.iter().cloned());
        let is_cookie = |place: &Place| matches!(place, Place::Cookie(_));
        let (cookies, mut places): (Vec<_>, Vec<_>) = places.partition(is_cookie);
        places.extend(cookies);
        let [mut both, other] = sources.clone();
        both.places = places.into();
        other.headers.iter().cloned().fold(both, Self::with_header)
    }

    /// Finds the credential of a request.
    ///
    /// # Errors
    ///
    /// A malformed [`Rejection`] when the request contradicts itself or carries the credential in
    /// another form than the place's.
    pub fn find(&self, request: &Parts) -> Result<Option<Credential>, Rejection> {
        for place in self.places.iter() {
            if let Some(text) = place.find(request)? {
                return Ok(Some(Credential {
                    text,
                    place: place.clone(),
                    method: request.method.clone(),
                    uri: request.uri.clone(),
                    outer: None,
                    headers: self.headers_of(request),
                    memory: None,
                }));
            }
        }
        Ok(None)
    }

    #[cfg(feature = "session")]
    pub(crate) fn of_cookie(name: &CookieName) -> Self {
        Self::one(Place::Cookie(name.clone()))
    }

    #[cfg(feature = "session")]
    pub(crate) fn reads_cookie(&self, name: &CookieName) -> bool {
        let mut places = self.places.iter();
        places.any(|place| matches!(place, Place::Cookie(known) if known == name))
    }

    fn headers_of(&self, request: &Parts) -> Vec<(HeaderName, HeaderValue)> {
        let values = |name: &HeaderName| {
            let values = request.headers.get_all(name).iter();
            values
                .map(|value| (name.clone(), value.clone()))
                .collect::<Vec<_>>()
        };
        self.headers.iter().flat_map(values).collect()
    }

    fn one(place: Place) -> Self {
        Self {
            places: Arc::new([place]),
            headers: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::RejectionKind;

    fn request(headers: &[(&str, &[u8])]) -> Parts {
        let mut request = http::Request::new(());
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request
                .headers_mut()
                .append(name, HeaderValue::from_bytes(value).unwrap());
        }
        request.into_parts().0
    }

    fn find(
        source: &CredentialSource,
        headers: &[(&str, &[u8])],
    ) -> Result<Option<String>, Rejection> {
        let found = source.find(&request(headers))?;
        Ok(found.map(|credential| credential.expose().to_owned()))
    }

    #[test]
    fn the_scheme_is_compared_without_case() {
        for value in ["Bearer abc", "bearer abc", "BEARER abc", "bEaReR   abc"] {
            let found = find(
                &CredentialSource::bearer(),
                &[("authorization", value.as_bytes())],
            );
            assert_eq!(found.unwrap().as_deref(), Some("abc"), "{value:?}");
        }
    }

    #[test]
    fn another_scheme_is_absence() {
        for value in [
            "Basic YTpi",
            "Digest x=y",
            "BearerX abc",
            "Bear abc",
            "Token",
        ] {
            let found = find(
                &CredentialSource::bearer(),
                &[("authorization", value.as_bytes())],
            );
            assert_eq!(found.unwrap(), None, "{value:?}");
        }
    }

    #[test]
    fn anything_but_one_token68_is_malformed() {
        let values: [&[u8]; 14] = [
            b"Bearer",
            b"Bearer ",
            b"bearer\tabc",
            b"Bearer a b",
            b"Bearer a,b",
            b"Bearer \"a\"",
            b"Bearer =",
            b"Bearer a=b",
            b"Bearer:abc",
            b"Bearer a\xff",
            b"",
            b" Bearer abc",
            b"Bearer \xc3\xa4",
            b"Bearer abc ",
        ];
        for value in values {
            let rejection =
                find(&CredentialSource::bearer(), &[("authorization", value)]).unwrap_err();
            assert_eq!(*rejection.kind(), RejectionKind::Malformed, "{value:?}");
        }
    }

    #[test]
    fn two_authorization_headers_are_malformed_even_when_equal() {
        let twice: [(&str, &[u8]); 2] = [
            ("authorization", b"Bearer a"),
            ("authorization", b"Bearer a"),
        ];
        assert!(find(&CredentialSource::bearer(), &twice).is_err());
        let mixed: [(&str, &[u8]); 2] = [
            ("authorization", b"Basic YTpi"),
            ("authorization", b"Bearer a"),
        ];
        assert!(find(&CredentialSource::bearer(), &mixed).is_err());
    }

    #[test]
    fn a_header_wins_over_a_cookie_in_either_order_and_a_bad_one_is_final() {
        let cookie = || CredentialSource::cookie("jwt").unwrap();
        for source in [
            cookie().or(CredentialSource::bearer()),
            CredentialSource::bearer().or(cookie()),
        ] {
            let both: [(&str, &[u8]); 2] = [("cookie", b"jwt=c"), ("authorization", b"Bearer h")];
            assert_eq!(find(&source, &both).unwrap().as_deref(), Some("h"));
            assert_eq!(find(&source, &both[..1]).unwrap().as_deref(), Some("c"));
            let bad: [(&str, &[u8]); 2] = [("cookie", b"jwt=c"), ("authorization", b"Bearer")];
            assert!(find(&source, &bad).is_err());
        }
    }

    #[test]
    fn a_header_is_taken_as_it_is() {
        let source = CredentialSource::header(HeaderName::from_static("x-token"));
        assert_eq!(
            find(&source, &[("x-token", b"a b")]).unwrap().as_deref(),
            Some("a b")
        );
        assert!(find(&source, &[("x-token", b"\xff")]).is_err());
        let source = CredentialSource::bearer_in(HeaderName::from_static("x-token"));
        assert_eq!(
            find(&source, &[("x-token", b"Bearer a")])
                .unwrap()
                .as_deref(),
            Some("a")
        );
    }

    #[test]
    fn a_custom_source_counts_as_sent_by_the_browser() {
        let source = CredentialSource::custom(|parts| Ok(parts.uri.query().map(str::to_owned)));
        let (parts, ()) = http::Request::get("/?abc").body(()).unwrap().into_parts();
        let credential = source.find(&parts).unwrap().unwrap();
        assert_eq!(credential.expose(), "abc");
        assert!(credential.is_ambient());
        assert!(credential.came_from(&source));
        assert!(!credential.came_from(&CredentialSource::bearer()));
    }
}
