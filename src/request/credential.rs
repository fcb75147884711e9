//! Credentials, and the places of a request that carry them.

use std::{fmt, sync::Arc};

use http::{HeaderName, HeaderValue, Method, Uri, header::AUTHORIZATION, request::Parts};

use crate::{
    error::ConfigError,
    identity::Identity,
    proof::RememberProof,
    rejection::Rejection,
    request::{
        cookie::CookieName,
        place::{CredentialPlace, Custom, HeaderText},
    },
};

/// A credential that a caller presented, unverified, with the parts of the request that a proof may
/// be bound to.
///
/// `Debug` shows where it was found and nothing of its value.
///
/// ```
/// use tower_jam::CredentialSource;
///
/// let request = http::Request::builder().header("authorization", "Bearer abc").body(())?;
/// let (parts, ()) = request.into_parts();
/// let credential = CredentialSource::bearer().find(&parts)?.expect("there is one");
/// assert_eq!(credential.expose(), "abc");
/// assert!(!format!("{credential:?}").contains("abc"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Credential {
    text: HeaderText,
    place: CredentialPlace,
    method: Method,
    uri: Uri,
    outer: Option<Identity>,
    /// The headers that the source passes on.
    headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) proof_recorder: Option<Arc<dyn RememberProof>>,
}

impl Credential {
    /// Returns the text that the caller sent. It is a secret.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.as_str()
    }

    /// Returns the request's method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the request's target.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the values of a header that the source passes on: see
    /// [`with_header`](CredentialSource::with_header).
    pub fn header<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a HeaderValue> {
        let named = self.headers.iter().filter(move |(other, _)| other == name);
        named.map(|(_, value)| value)
    }

    /// Returns the identity from an outer layer.
    #[must_use]
    pub const fn outer(&self) -> Option<&Identity> {
        self.outer.as_ref()
    }

    /// Returns what records further proofs of [`outer`](Self::outer), if an outer layer provides
    /// it.
    #[must_use]
    pub fn memory(&self) -> Option<&dyn RememberProof> {
        self.proof_recorder.as_deref()
    }

    /// Returns whether `source` reads the place in which this credential was found.
    #[must_use]
    pub fn came_from(&self, source: &CredentialSource) -> bool {
        source.places.contains(&self.place)
    }

    /// Whether a browser may have sent it without the page's intent.
    #[must_use]
    pub(crate) const fn is_ambient(&self) -> bool {
        matches!(
            self.place,
            CredentialPlace::Cookie(_) | CredentialPlace::Custom(_)
        )
    }

    pub(crate) fn with_outer(mut self, outer: Option<Identity>) -> Self {
        self.outer = outer;
        self
    }

    /// Whether it came in the cookie `name`.
    #[cfg(feature = "session")]
    pub(crate) fn came_in_cookie(&self, name: &CookieName) -> bool {
        matches!(&self.place, CredentialPlace::Cookie(cookie) if cookie == name)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// The places of a request in which to look for a credential.
///
/// [`find`](Self::find) searches them. It returns a [`Credential`], nothing, or an error if the
/// request is malformed. It verifies nothing.
///
/// * **Bearer** (RFC 6750 section 2.1): one `Authorization` header with the scheme `Bearer`, in any
///   case, and one token68. Another scheme, such as `Basic`, counts as absent. Two headers are
///   malformed.
/// * **DPoP** (RFC 9449 section 7.1): as Bearer, with the scheme `DPoP`; the engine also receives
///   the header `DPoP`.
/// * **Cookie**: one cookie, by its exact name. Two cookies of that name with different values are
///   malformed.
/// * **Header**: the whole value of a named header. **Bearer in a header**: as Bearer, in another
///   header.
/// * **Custom**: a closure. Its credential is treated like a cookie, which the browser sends by
///   itself, so the layer's cross-site check applies.
///
/// [`or`](Self::or) combines two sources. Headers are searched before cookies. The first credential
/// found is the one that counts, and a bad one is final.
///
/// Query parameters are not a source (RFC 9700 section 4.3.2), because they end up in logs.
///
/// ```
/// use tower_jam::CredentialSource;
///
/// let source = CredentialSource::cookie("jwt")?.or(CredentialSource::bearer());
/// let (parts, ()) = http::Request::builder()
///     .header("authorization", "bearer from-the-header")
///     .header("cookie", "jwt=from-the-cookie")
///     .body(())?
///     .into_parts();
///
/// let credential = source.find(&parts)?.expect("there are two");
/// assert_eq!(credential.expose(), "from-the-header");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias("bearer", "authorization", "cookie", "header"))]
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct CredentialSource {
    /// Headers before cookies.
    places: Arc<[CredentialPlace]>,
    /// Further headers that the engine receives.
    headers: Arc<[HeaderName]>,
}

impl CredentialSource {
    /// Reads the `Authorization` header with the scheme `Bearer`.
    pub fn bearer() -> Self {
        Self::one(CredentialPlace::Bearer(AUTHORIZATION))
    }

    /// Reads the `Authorization` header with the scheme `DPoP`, for a token that is bound to a key.
    /// The header `DPoP` carries the proof of the key (RFC 9449 section 7.1).
    pub fn dpop() -> Self {
        Self::one(CredentialPlace::Dpop).with_header(HeaderName::from_static("dpop"))
    }

    /// Reads the cookie `name`.
    ///
    /// # Errors
    ///
    /// If `name` is not a token of RFC 9110 section 5.6.2.
    pub fn cookie(name: &str) -> Result<Self, ConfigError> {
        Ok(Self::one(CredentialPlace::Cookie(CookieName::new(name)?)))
    }

    /// Reads the whole value of the header `name`.
    pub fn header(name: HeaderName) -> Self {
        Self::one(CredentialPlace::Header(name))
    }

    /// Reads the header `name` with the scheme `Bearer`, for gateways that use `Authorization`
    /// themselves.
    pub fn bearer_in(name: HeaderName) -> Self {
        Self::one(CredentialPlace::Bearer(name))
    }

    /// Reads the credential that `find` returns. `Ok(None)` means that there is no credential.
    pub fn custom<F>(find: F) -> Self
    where
        F: Fn(&Parts) -> Result<Option<String>, Rejection> + Send + Sync + 'static,
    {
        Self::one(CredentialPlace::Custom(Custom(Arc::new(find))))
    }

    /// Passes the values of the header `name` to the engine along with the credential, for example
    /// a proof that belongs to it.
    pub fn with_header(mut self, name: HeaderName) -> Self {
        if !self.headers.contains(&name) {
            self.headers = self.headers.iter().cloned().chain([name]).collect();
        }
        self
    }

    /// Searches the places of both sources.
    pub fn or(self, other: Self) -> Self {
        let sources = [self, other];
        let places = sources
            .iter()
            .flat_map(|source| source.places.iter().cloned());
        let is_cookie = |place: &CredentialPlace| matches!(place, CredentialPlace::Cookie(_));
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
    /// [`RejectionKind::Malformed`](crate::RejectionKind::Malformed) if the request contradicts
    /// itself, or if the credential does not have the form that its place requires.
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
                    proof_recorder: None,
                }));
            }
        }
        Ok(None)
    }

    #[cfg(feature = "session")]
    pub(crate) fn of_cookie(name: &CookieName) -> Self {
        Self::one(CredentialPlace::Cookie(name.clone()))
    }

    #[cfg(feature = "session")]
    pub(crate) fn reads_cookie(&self, name: &CookieName) -> bool {
        let mut places = self.places.iter();
        places.any(|place| matches!(place, CredentialPlace::Cookie(cookie) if cookie == name))
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

    fn one(place: CredentialPlace) -> Self {
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
