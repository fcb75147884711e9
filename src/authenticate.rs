//! The seam between a layer and its engine.
//!
//! An engine that implements [`Authenticate`] turns a [`Credential`] into a [`Verified`] user and knows
//! nothing of tower, bodies or frameworks. Write one for API keys, client certificates or a signed link, and
//! [`AuthLayer`](crate::layer::AuthLayer) puts it in front of any service:
//!
//! ```
//! use std::{collections::HashMap, sync::Arc};
//! use tower_jam::{
//!     Authenticate, Clock, Credential, CredentialSource, Identity, Rejection, Subject, SystemClock, Verified,
//! };
//!
//! #[derive(Clone)]
//! struct ApiKeys(Arc<HashMap<[u8; 32], String>>); // SHA-256 of each key, and whose it is
//!
//! impl Authenticate for ApiKeys {
//!     type User = String;
//!
//!     fn source(&self) -> CredentialSource {
//!         CredentialSource::header(http::HeaderName::from_static("x-api-key"))
//!     }
//!
//!     async fn authenticate(&self, presented: Credential) -> Result<Verified<String>, Rejection> {
//!         # fn sha256(_: &[u8]) -> [u8; 32] { [0; 32] }
//!         let name = self.0.get(&sha256(presented.expose().as_bytes()));
//!         let name = name.ok_or_else(|| Rejection::invalid("unknown API key"))?;
//!         let subject = Subject::new("https://auth.acme.dev", name.as_str());
//!         Ok(Verified::new(Identity::new(subject, SystemClock.now()), Arc::new(name.clone())))
//!     }
//! }
//! ```
//!
//! [`or`](Authenticate::or) joins two engines with the same user type: each request goes to the engine
//! in whose place it carries its credential, and never to the other.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use http::{Extensions, HeaderMap};

use crate::{
    identity::{AuthUser, Chosen, Identity, UserType},
    proof::{Memory, RememberProof},
    rejection::{Rejection, RejectionKind},
    request::credential::{Credential, CredentialSource},
};

/// Proves who presents a credential.
pub trait Authenticate: Clone + Send + Sync + 'static {
    /// The caller as the application's own type.
    type User: Send + Sync + 'static;

    /// Where this engine's credential is looked for, unless the layer is told another place.
    fn source(&self) -> CredentialSource;

    /// Verifies what was presented.
    ///
    /// An answer without an identity counts as absence: it passes an optional layer and no other.
    fn authenticate(
        &self,
        presented: Credential,
    ) -> impl Future<Output = Result<Verified<Self::User>, Rejection>> + Send;

    /// Answers for a request without a credential. `outer` is who an outer layer says the caller is.
    ///
    /// # Errors
    ///
    /// A missing [`Rejection`], unless the engine knows better.
    fn absent(&self, outer: Option<&Identity>) -> Result<Verified<Self::User>, Rejection> {
        let _ = outer;
        Err(Rejection::missing())
    }

    /// Whether it adds to an identity that a layer outside has established, as a one-time code does. Behind a layer that let
    /// somebody pass without one (`optional`), such an engine is not asked: the answer is that of a missing credential. Default:
    /// `false`.
    fn builds_on_outer(&self) -> bool {
        false
    }

    /// What logs and metrics call the engine: a short fixed word. `presented` is what it is about to verify, by which one that
    /// chooses among others names the one it chooses.
    fn name(&self, presented: Option<&Credential>) -> &'static str {
        let _ = presented;
        "custom"
    }

    /// Looks for this engine's credential in another place.
    fn read_from(self, source: CredentialSource) -> ReadFrom<Self> {
        ReadFrom {
            engine: self,
            source,
        }
    }

    /// Accepts this engine's credential or `other`'s. Where both read the same place, it is this one's.
    fn or<B: Authenticate<User = Self::User>>(self, other: B) -> Or<Self, B> {
        let sources = [self.source(), other.source()];
        Or {
            first: self,
            second: other,
            sources,
        }
    }
}

/// What an engine has established. `Debug` shows nothing of the user.
#[must_use]
pub struct Verified<U> {
    identity: Option<Identity>,
    user: Option<Arc<U>>,
    attachments: Option<Attach>,
    memory: Option<Memory>,
    on_response: Option<Arc<dyn OnResponse>>,
}

/// Puts what an engine attached into the request: one allocation, where a map of its own takes three.
type Attach = Box<dyn FnOnce(&mut Extensions) + Send + Sync>;

impl<U> Verified<U> {
    /// The caller is `identity`, and this is what the application knows of it.
    pub fn new(identity: Identity, user: Arc<U>) -> Self {
        Self {
            identity: Some(identity),
            user: Some(user),
            ..Self::anonymous()
        }
    }

    /// The caller is `identity`; the user stays what an outer layer said.
    pub fn identity_only(identity: Identity) -> Self {
        Self {
            identity: Some(identity),
            ..Self::anonymous()
        }
    }

    /// The caller is nobody in particular.
    pub fn anonymous() -> Self {
        Self {
            identity: None,
            user: None,
            attachments: None,
            memory: None,
            on_response: None,
        }
    }

    /// Puts `value` into the request's extensions, as sessions do with their handle.
    pub fn attach<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        let earlier = self.attachments.take();
        self.attachments = Some(Box::new(|extensions| {
            earlier.into_iter().for_each(|attach| attach(extensions));
            extensions.insert(value);
        }));
        self
    }

    /// As [`attach`](Self::attach), of what remembers further proofs that this identity gives in the request.
    pub fn attach_memory<T: RememberProof + Clone>(mut self, value: T) -> Self {
        self.memory = Some(Memory::of::<T>());
        self.attach(value)
    }

    /// Calls `hook` on the response of this request.
    pub fn on_response(mut self, hook: Arc<dyn OnResponse>) -> Self {
        self.on_response = Some(hook);
        self
    }

    /// Who the caller is.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The caller as the application's own type.
    #[must_use]
    pub const fn user(&self) -> Option<&Arc<U>> {
        self.user.as_ref()
    }
}

impl<U: Send + Sync + 'static> Verified<U> {
    /// Moves everything into a request's extensions and hands back the hook.
    pub(crate) fn enter(self, extensions: &mut Extensions) -> Option<Arc<dyn OnResponse>> {
        let outer_type = extensions.get::<Identity>().and_then(Identity::user_type);
        if let Some(mut identity) = self.identity {
            identity.memory = self.memory.or(identity.memory);
            let user_type = match self.user {
                Some(_) => Some(UserType::of::<U>()),
                None => outer_type,
            };
            extensions.insert(identity.with_user_type(user_type));
        }
        if let Some(user) = self.user {
            // A handler must not act for the outer caller with the permissions of this one.
            if let Some(outer) = outer_type {
                (outer.remove)(extensions);
            }
            extensions.insert(AuthUser::new(user));
        }
        if let Some(attach) = self.attachments {
            attach(extensions);
        }
        self.on_response
    }
}

impl<U> fmt::Debug for Verified<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Has the last word on the response of a request that was let through.
pub trait OnResponse: Send + Sync + 'static {
    /// Changes the response's headers at once, and returns what is left to wait for. `source` is where the
    /// layer looks for credentials: a cookie is set only where one would be read.
    fn on_response(
        self: Arc<Self>,
        source: &CredentialSource,
        headers: &mut HeaderMap,
    ) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>>;
}

/// See [`Authenticate::read_from`].
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

/// See [`Authenticate::or`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Or<A, B> {
    first: A,
    second: B,
    sources: [CredentialSource; 2],
}

impl<A, B> Authenticate for Or<A, B>
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
            return Ok(self.first.authenticate(presented).await?.attach(Chosen));
        }
        if presented.came_from(second) {
            return Ok(self.second.authenticate(presented).await?.attach(Chosen));
        }
        Err(Rejection::misconfigured(
            "the layer reads a place that neither engine of `a.or(b)` reads: call `read_from` on the engines, not on the layer",
        ))
    }

    /// The engine that has something to say of an absent credential says it, the first one first.
    fn absent(&self, outer: Option<&Identity>) -> Result<Verified<A::User>, Rejection> {
        match self.first.absent(outer) {
            Err(rejection) if *rejection.kind() == RejectionKind::Missing => {
                self.second.absent(outer)
            }
            verdict => verdict,
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
