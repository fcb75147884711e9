//! The claims of a token, and the one place that checks them.

use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::date;
use crate::{clock::Timestamp, identity::Factor, json::StringList, rejection::Rejection};

/// The claims of a token as they are: the user type of applications that need no other.
///
/// As the user of a [`Grant`](crate::Grant) it adds its members to the token. The claims that the
/// engine writes itself (`iss`, `sub`, `aud`, `exp`, `nbf`, `iat`, `jti`, `cnf`) are left out.
///
/// ```
/// use serde_json::json;
/// use tower_jam::Claims;
///
/// let claims = Claims::new().with("name", "Alice")?.with("teams", ["red", "blue"])?;
/// assert_eq!(claims.get::<String>("name").unwrap().as_deref(), Some("Alice"));
/// assert_eq!(claims.claim("teams"), Some(&json!(["red", "blue"])));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[doc(alias = "payload")]
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// Creates an empty set of claims.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a claim.
    ///
    /// # Errors
    ///
    /// When `value` does not serialize as JSON.
    pub fn with(mut self, name: &str, value: impl Serialize) -> serde_json::Result<Self> {
        self.0.insert(name.to_owned(), serde_json::to_value(value)?);
        Ok(self)
    }

    /// Returns the claim `name` as it is in the token.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns the claim `name` as a `T`, or `None` if it is absent.
    ///
    /// # Errors
    ///
    /// If the claim is not a `T`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> serde_json::Result<Option<T>> {
        self.0.get(name).map(T::deserialize).transpose()
    }

    /// Returns the subject (`sub`).
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// Returns the issuer (`iss`).
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// Returns the id of the token (`jti`).
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.text("jti")
    }

    /// Returns the time of expiry (`exp`).
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        date::from_claim(self.0.get("exp")?)
    }

    /// Returns the time of issue (`iat`).
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        date::from_claim(self.0.get("iat")?)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }
}

/// Shows the number of claims and none of them.
impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("claims", &self.0.len())
            .finish()
    }
}

/// The claims that the engine understands (RFC 7519 section 4.1, RFC 9068 section 2.2), in the
/// types that they must have.
#[derive(Default)]
pub(super) struct Registered<'de> {
    pub(super) issuer: Option<Cow<'de, str>>,
    pub(super) subject: Option<Cow<'de, str>>,
    pub(super) audience: Option<StringList>,
    pub(super) validity: Validity,
    pub(super) id: Option<Cow<'de, str>>,
    pub(super) session_id: Option<Cow<'de, str>>,
    pub(super) scope: StringList,
    pub(super) roles: StringList,
    pub(super) methods: StringList,
    pub(super) context: Option<Cow<'de, str>>,
    pub(super) authenticated_at: Option<Timestamp>,
    pub(super) proofs: Vec<(Factor, Timestamp)>,
    pub(super) binding: Option<Binding>,
}

/// What the presenter of a token has to prove (`cnf`, RFC 7800 section 3.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Binding {
    /// Possession of the key with this thumbprint (RFC 9449 section 6.1).
    Key(String),
    /// Something that no code here checks.
    Other,
}

impl Binding {
    /// Checks whether the token may be presented by a caller who has proved possession of
    /// `proved_key`, if any.
    pub(super) fn check(binding: Option<&Self>, proved_key: Option<&str>) -> Result<(), Rejection> {
        let reason = match (binding, proved_key) {
            (None, None) => return Ok(()),
            (Some(Self::Key(key)), Some(proved)) if key == proved => return Ok(()),
            (Some(Self::Key(_)), Some(_)) => "the token is bound to another key",
            (None, Some(_)) => "the token is bound to no key",
            (Some(_), _) => "the token is bound to a key, and nothing here checks that",
        };
        Err(Rejection::invalid(reason))
    }
}

/// The times that limit when a token is valid.
#[derive(Clone, Copy, Default)]
pub(super) struct Validity {
    pub(super) expires_at: Option<Timestamp>,
    pub(super) not_before: Option<Timestamp>,
    pub(super) issued_at: Option<Timestamp>,
}

impl Registered<'_> {
    /// Returns the scopes: the words of a string, or of each string of a list.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope
            .list
            .iter()
            .flat_map(|text| text.split(' '))
            .filter(|word| !word.is_empty())
    }

    /// Returns the factors, each with the time that the token states for it, even if that is in the
    /// future. No time is invented: a factor without a time is never fresh. The authentication
    /// context (`acr`) is a factor of its own name, so that a guard can require any context that an
    /// issuer asserts (RFC 9470 section 5).
    pub(super) fn factors(&self) -> Vec<(Factor, Timestamp)> {
        let unknown = Timestamp::from_millis(0);
        let stated = |factor: &Factor| {
            let proof = self
                .proofs
                .iter()
                .find(|(known, _)| known == factor)
                .map(|(_, at)| *at);
            proof.or(self.authenticated_at).unwrap_or(unknown)
        };
        let methods = self.methods.list.iter().map(String::as_str);
        let context = self.context.as_deref();
        let is_new = |context: &&str| !methods.clone().any(|name| name == *context);
        methods
            .clone()
            .chain(context.filter(is_new))
            .map(Factor::from_amr)
            .map(|factor| (stated(&factor), factor))
            .map(|(at, factor)| (factor, at))
            .collect()
    }
}

/// What the claims of a token must be.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) issuer: Option<String>,
    pub(super) audiences: Option<Vec<String>>,
    pub(super) leeway: Duration,
}

impl Rules {
    /// Checks the times of a token at `now`.
    ///
    /// With leeway *l*: expired from `exp + l` on, and rejected before `nbf - l` and before
    /// `iat - l`.
    pub(super) fn check_times(&self, times: &Validity, now: Timestamp) -> Result<(), Rejection> {
        let reject = |reason| Err(Rejection::invalid(reason));
        let Some(expires_at) = times.expires_at else {
            return reject("the token has no `exp`");
        };
        if now >= expires_at.after(self.leeway) {
            return reject("the token has expired");
        }
        let latest = now.after(self.leeway);
        if times.not_before.is_some_and(|at| at > latest) {
            return reject("the token is not valid yet");
        }
        if times.issued_at.is_some_and(|at| at > latest) {
            return reject("the token was issued in the future");
        }
        Ok(())
    }

    /// Checks the claims of a token at `now`.
    pub(super) fn check(&self, claims: &Registered<'_>, now: Timestamp) -> Result<(), Rejection> {
        let reject = |reason| Err(Rejection::invalid(reason));
        self.check_times(&claims.validity, now)?;
        if let Some(expected) = &self.issuer
            && claims.issuer.as_deref() != Some(expected)
        {
            return reject("the token is from another issuer");
        }
        if let Some(expected) = &self.audiences
            && !claims
                .audience
                .as_ref()
                .is_some_and(|audience| names_one_of(audience, expected))
        {
            return reject("the token is for another audience");
        }
        if claims.subject.as_deref().is_none_or(str::is_empty) {
            return reject("the token has no `sub`");
        }
        Ok(())
    }
}

/// RFC 7519 section 4.1.3: a string or an array of strings, compared byte for byte.
fn names_one_of(audience: &StringList, expected: &[String]) -> bool {
    audience.is_well_formed && audience.list.iter().any(|name| expected.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn rules() -> Rules {
        Rules {
            issuer: Some("https://issuer".to_owned()),
            audiences: Some(vec!["api".to_owned(), "web".to_owned()]),
            leeway: Duration::from_secs(30),
        }
    }

    fn words(list: &[&str]) -> StringList {
        StringList {
            list: list.iter().map(|word| (*word).to_owned()).collect(),
            is_well_formed: true,
        }
    }

    fn good() -> Registered<'static> {
        Registered {
            issuer: Some("https://issuer".into()),
            subject: Some("alice".into()),
            audience: Some(words(&["api"])),
            validity: Validity {
                expires_at: Some(NOW.after(Duration::from_secs(60))),
                ..Validity::default()
            },
            ..Registered::default()
        }
    }

    fn check(change: impl FnOnce(&mut Registered<'static>)) -> Result<(), Rejection> {
        let mut claims = good();
        change(&mut claims);
        rules().check(&claims, NOW)
    }

    #[test]
    fn a_good_token_passes() {
        assert!(check(|_| {}).is_ok());
        assert!(check(|claims| claims.audience = Some(words(&["other", "web"]))).is_ok());
    }

    #[test]
    fn a_token_is_expired_at_exp_plus_leeway_and_not_a_moment_before() {
        let leeway = Duration::from_secs(30);
        assert!(check(|claims| claims.validity.expires_at = Some(NOW.before(leeway))).is_err());
        let just_alive = Timestamp::from_millis(NOW.before(leeway).as_millis() + 1);
        assert!(check(|claims| claims.validity.expires_at = Some(just_alive)).is_ok());
        assert!(check(|claims| claims.validity.expires_at = None).is_err());
    }

    #[test]
    fn a_token_from_the_future_is_refused_beyond_the_leeway() {
        let edge = NOW.after(Duration::from_secs(30));
        let beyond = Timestamp::from_millis(edge.as_millis() + 1);
        assert!(check(|claims| claims.validity.not_before = Some(edge)).is_ok());
        assert!(check(|claims| claims.validity.not_before = Some(beyond)).is_err());
        assert!(check(|claims| claims.validity.issued_at = Some(edge)).is_ok());
        assert!(check(|claims| claims.validity.issued_at = Some(beyond)).is_err());
    }

    #[test]
    fn issuer_audience_and_subject_are_required_and_exact() {
        for issuer in [
            None,
            Some("https://issuer/"),
            Some("https://ISSUER"),
            Some(""),
        ] {
            assert!(
                check(|claims| claims.issuer = issuer.map(Cow::Borrowed)).is_err(),
                "{issuer:?}"
            );
        }
        for list in [&[][..], &["API"], &["api "], &["ap", "i"], &["*"], &[""]] {
            assert!(
                check(|claims| claims.audience = Some(words(list))).is_err(),
                "{list:?}"
            );
        }
        assert!(check(|claims| claims.audience = None).is_err());
        let mixed = StringList {
            is_well_formed: false,
            ..words(&["api"])
        };
        assert!(check(|claims| claims.audience = Some(mixed)).is_err());
        for subject in [None, Some("")] {
            assert!(check(|claims| claims.subject = subject.map(Cow::Borrowed)).is_err());
        }
    }

    #[test]
    fn a_token_bound_to_a_key_requires_a_proof_of_that_key() {
        let key = Binding::Key("one".to_owned());
        for (binding, held, is_good) in [
            (None, None, true),
            (None, Some("one"), false),
            (Some(&key), None, false),
            (Some(&key), Some("one"), true),
            (Some(&key), Some("two"), false),
            (Some(&Binding::Other), None, false),
            (Some(&Binding::Other), Some("one"), false),
        ] {
            let result = Binding::check(binding, held);
            assert_eq!(result.is_ok(), is_good, "{binding:?} {held:?}");
        }
    }

    #[test]
    fn a_factor_has_the_time_that_is_stated_and_no_other() {
        let early = Timestamp::from_secs(5);
        let mut claims = Registered {
            methods: words(&["pwd", "otp"]),
            ..good()
        };
        let unknown = Timestamp::from_millis(0);
        assert_eq!(
            claims.factors(),
            [(Factor::Password, unknown), (Factor::Otp, unknown)]
        );
        claims.authenticated_at = Some(early);
        claims.proofs = vec![(Factor::Otp, Timestamp::NEVER)];
        assert_eq!(
            claims.factors(),
            [(Factor::Password, early), (Factor::Otp, Timestamp::NEVER)]
        );
    }

    #[test]
    fn an_authentication_context_is_a_factor_of_its_name() {
        let login = Timestamp::from_secs(5);
        let mut claims = Registered {
            methods: words(&["pwd"]),
            context: Some("urn:example:silver".into()),
            authenticated_at: Some(login),
            ..good()
        };
        let silver = Factor::Other("urn:example:silver".into());
        assert_eq!(
            claims.factors(),
            [(Factor::Password, login), (silver, login)]
        );
        claims.context = Some("pwd".into());
        assert_eq!(claims.factors(), [(Factor::Password, login)]);
    }

    #[test]
    fn debug_shows_no_claim() {
        let claims = Claims::new().with("secret", "swordfish").unwrap();
        assert!(!format!("{claims:?}").contains("s\""), "{claims:?}");
        assert!(!format!("{claims:?}").contains("sword"));
    }
}
