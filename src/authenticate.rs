//! The [`Authenticate`] trait: the interface between a layer and its engine.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use http::{Extensions, HeaderMap};

use crate::{
    identity::Identity,
    proof::{ProofRecorder, RememberProof},
    rejection::{Rejection, RejectionKind},
    request::credential::{Credential, CredentialSource},
};

/// Verifies a credential and identifies its caller.
///
/// An engine that implements this trait turns a [`Credential`] into a [`Verified`] user. It
/// needs no knowledge of tower, bodies or frameworks. Implement it for API keys, client
/// certificates or signed links, and [`AuthLayer`](crate::layer::AuthLayer) protects any service
/// with it:
///
/// ```
/// use std::{collections::HashMap, sync::Arc};
/// use tower_jam::{
///     Authenticate, Clock, Credential, CredentialSource, Identity, Rejection, Subject,
///     SystemClock, Verified,
/// };
///
/// #[derive(Clone)]
/// struct ApiKeys(Arc<HashMap<[u8; 32], String>>); // SHA-256 of each key, and its owner
///
/// impl Authenticate for ApiKeys {
///     type User = String;
///
///     fn source(&self) -> CredentialSource {
///         CredentialSource::header(http::HeaderName::from_static("x-api-key"))
///     }
///
///     async fn authenticate(&self, presented: Credential) -> Result<Verified<String>, Rejection> {
///         # fn sha256(_: &[u8]) -> [u8; 32] { [0; 32] }
///         let name = self.0.get(&sha256(presented.expose().as_bytes()));
///         let name = name.ok_or_else(|| Rejection::invalid("unknown API key"))?;
///         let subject = Subject::new("https://auth.acme.dev", name.as_str());
///         Ok(Verified::new(Identity::new(subject, SystemClock.now()), Arc::new(name.clone())))
///     }
/// }
/// ```
///
/// [`or`](Authenticate::or) combines two engines with the same user type. Each request goes only to
/// the engine whose place holds the credential, never to the other one.
#[doc(alias("api key", "engine"))]
pub trait Authenticate: Clone + Send + Sync + 'static {
    /// The caller as the application's own type.
    type User: Send + Sync + 'static;

    /// Returns where the layer looks for this engine's credential, unless the layer overrides it.
    fn source(&self) -> CredentialSource;

    /// Verifies the credential that was presented.
    ///
    /// A result without an identity counts as an absent credential: only an optional layer accepts
    /// it.
    fn authenticate(
        &self,
        presented: Credential,
    ) -> impl Future<Output = Result<Verified<Self::User>, Rejection>> + Send;

    /// Decides on a request without a credential. `outer` is the identity from an outer layer.
    ///
    /// # Errors
    ///
    /// [`RejectionKind::Missing`], unless the engine returns a more specific one.
    fn absent(&self, outer: Option<&Identity>) -> Result<Verified<Self::User>, Rejection> {
        let _ = outer;
        Err(Rejection::missing())
    }

    /// Returns whether the engine adds to the identity of an outer layer, as a one-time code does.
    /// If an outer layer is [`optional`](crate::layer::AuthLayer::optional) and found no identity,
    /// such an engine is not called; the request is rejected as one without a credential. Default:
    /// `false`.
    fn builds_on_outer(&self) -> bool {
        false
    }

    /// Returns the engine's name for logs and metrics: a short fixed word. `presented` is the
    /// credential that it is about to verify, so that an engine that chooses among others can name
    /// its choice.
    fn name(&self, presented: Option<&Credential>) -> &'static str {
        let _ = presented;
        "custom"
    }

    /// Reads this engine's credential from `source` instead.
    fn read_from(self, source: CredentialSource) -> ReadFrom<Self> {
        ReadFrom {
            engine: self,
            source,
        }
    }

    /// Accepts this engine's credential or `other`'s. If both read the same place, this engine gets
    /// it.
    fn or<B: Authenticate<User = Self::User>>(self, other: B) -> OrEngine<Self, B> {
        let sources = [self.source(), other.source()];
        OrEngine {
            first: self,
            second: other,
            sources,
        }
    }
}

/// The result of a successful authentication. `Debug` shows nothing of the user.
#[must_use]
pub struct Verified<U> {
    pub(crate) identity: Option<Identity>,
    pub(crate) user: Option<Arc<U>>,
    pub(crate) attachments: Option<Attach>,
    pub(crate) proof_recorder: Option<ProofRecorder>,
    pub(crate) on_response: Option<Arc<dyn OnResponse>>,
}

/// Inserts the attached values into the request's extensions. One allocation; an `Extensions` map
/// takes three.
type Attach = Box<dyn FnOnce(&mut Extensions) + Send + Sync>;

impl<U> Verified<U> {
    /// Creates a result for the caller `identity`, with the application's own view of it as `user`.
    pub fn new(identity: Identity, user: Arc<U>) -> Self {
        Self {
            identity: Some(identity),
            user: Some(user),
            ..Self::anonymous()
        }
    }

    /// Creates a result for the caller `identity` that leaves the user of an outer layer in place.
    pub fn identity_only(identity: Identity) -> Self {
        Self {
            identity: Some(identity),
            ..Self::anonymous()
        }
    }

    /// Creates a result without an identity.
    pub fn anonymous() -> Self {
        Self {
            identity: None,
            user: None,
            attachments: None,
            proof_recorder: None,
            on_response: None,
        }
    }

    /// Inserts `value` into the request's extensions, as sessions do with their handle.
    pub fn attach<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        let earlier = self.attachments.take();
        self.attachments = Some(Box::new(|extensions| {
            earlier.into_iter().for_each(|attach| attach(extensions));
            extensions.insert(value);
        }));
        self
    }

    /// Attaches `value` as [`attach`](Self::attach) does, and uses it to record further proofs of
    /// this identity that are given in the request.
    pub fn attach_memory<T: RememberProof + Clone>(mut self, value: T) -> Self {
        self.proof_recorder = Some(ProofRecorder::of::<T>());
        self.attach(value)
    }

    /// Calls `hook` on the response of this request.
    pub fn on_response(mut self, hook: Arc<dyn OnResponse>) -> Self {
        self.on_response = Some(hook);
        self
    }

    /// Returns the caller's identity.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Returns the caller as the application's own type.
    #[must_use]
    pub const fn user(&self) -> Option<&Arc<U>> {
        self.user.as_ref()
    }
}

impl<U> fmt::Debug for Verified<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// A hook that may change the response to an accepted request.
pub trait OnResponse: Send + Sync + 'static {
    /// Changes the response's headers immediately, and returns a future if there is work left to
    /// wait for. `source` is where the layer looks for credentials: a cookie is set only if the
    /// layer reads it.
    fn on_response(
        self: Arc<Self>,
        source: &CredentialSource,
        headers: &mut HeaderMap,
    ) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>>;
}

/// The engine that [`Authenticate::read_from`] returns.
#[derive(Clone, Debug)]
#[must_use]
pub struct ReadFrom<A> {
    engine: A,
    source: CredentialSource,
}

impl<A: Authenticate> Authenticate for ReadFrom<A> {
    type User = A::User;

    fn source(&self) -> CredentialSource {
        self.source.clone()
    }

    fn authenticate(
        &self,
        presented: Credential,
    ) -> impl Future<Output = Result<Verified<Self::User>, Rejection>> + Send {
        self.engine.authenticate(presented)
    }

    fn absent(&self, outer: Option<&Identity>) -> Result<Verified<Self::User>, Rejection> {
        self.engine.absent(outer)
    }

    fn builds_on_outer(&self) -> bool {
        self.engine.builds_on_outer()
    }

    fn name(&self, presented: Option<&Credential>) -> &'static str {
        self.engine.name(presented)
    }
}

/// The engine that [`Authenticate::or`] returns.
#[derive(Clone, Debug)]
#[must_use]
pub struct OrEngine<A, B> {
    first: A,
    second: B,
    sources: [CredentialSource; 2],
}

impl<A, B> Authenticate for OrEngine<A, B>
where
    A: Authenticate,
    B: Authenticate<User = A::User>,
{
    type User = A::User;

    fn source(&self) -> CredentialSource {
        let [first, second] = self.sources.clone();
        first.or(second)
    }

    async fn authenticate(&self, presented: Credential) -> Result<Verified<A::User>, Rejection> {
        let [first, second] = &self.sources;
        if presented.came_from(first) {
            return Ok(self
                .first
                .authenticate(presented)
                .await?
                .attach(EngineChosen));
        }
        if presented.came_from(second) {
            return Ok(self
                .second
                .authenticate(presented)
                .await?
                .attach(EngineChosen));
        }
        Err(Rejection::misconfigured(
            "the layer reads a place that neither engine of `a.or(b)` reads: call `read_from` on the engines, not on the layer",
        ))
    }

    /// Takes the answer of the first engine that does more than report the credential as missing.
    fn absent(&self, outer: Option<&Identity>) -> Result<Verified<A::User>, Rejection> {
        match self.first.absent(outer) {
            Err(rejection) if *rejection.kind() == RejectionKind::Missing => {
                self.second.absent(outer)
            }
            decision => decision,
        }
    }

    fn name(&self, presented: Option<&Credential>) -> &'static str {
        let [first, second] = &self.sources;
        match presented {
            Some(it) if it.came_from(first) => self.first.name(presented),
            Some(it) if it.came_from(second) => self.second.name(presented),
            _ => "any",
        }
    }
}

/// Marks a request whose caller chose between two engines, so that what the other engine would have
/// attached is missing through no fault of the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EngineChosen;
