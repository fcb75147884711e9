//! The methods of the engines, as blocking calls.

use std::fmt;

use super::{error::BlockingError, worker::Worker};
#[cfg(any(feature = "jwt", feature = "session", feature = "otp"))]
use crate::secret::Secret;

/// An engine with blocking methods. See the [module](super).
///
/// It is a handle: cloning it is cheap, and all clones share the thread.
#[derive(Clone)]
pub struct Blocking<E> {
    engine: E,
    worker: Worker,
}

impl<E: Clone + Send + 'static> Blocking<E> {
    /// Starts a thread of its own for the engine.
    ///
    /// # Errors
    ///
    /// [`BlockingError::Start`] when the thread cannot be started.
    pub fn new(engine: E) -> Result<Self, BlockingError> {
        Ok(Self::on(&Worker::start()?, engine))
    }

    /// Runs the engine on the thread of `worker`, which it then shares with other engines.
    pub fn on(worker: &Worker, engine: E) -> Self {
        Self {
            engine,
            worker: worker.clone(),
        }
    }

    /// Returns the engine.
    pub const fn engine(&self) -> &E {
        &self.engine
    }

    /// Runs `work` with the engine on the thread of the worker, and blocks until it completes.
    ///
    /// # Errors
    ///
    /// [`BlockingError::InsideRuntime`] and [`BlockingError::Panicked`], and the error of `work`.
    pub fn run<T, X>(
        &self,
        work: impl AsyncFnOnce(E) -> Result<T, X> + Send + 'static,
    ) -> Result<T, BlockingError<X>>
    where
        T: Send + 'static,
        X: Send + 'static,
    {
        let engine = self.engine.clone();
        self.worker.run(async move || work(engine).await)
    }
}

impl<E: fmt::Debug> fmt::Debug for Blocking<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blocking").field(&self.engine).finish()
    }
}

/// Copies text for the worker thread, which zeroizes it.
#[cfg(any(feature = "jwt", feature = "session", feature = "otp"))]
fn owned(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

#[cfg(feature = "session")]
mod sessions {
    use serde::{Serialize, de::DeserializeOwned};

    use super::{Blocking, BlockingError, owned};
    use crate::{
        error::{IssueError, StoreError},
        grant::Grant,
        secret::Secret,
        session::{NewSession, SessionData, SessionInfo, Sessions},
    };

    /// The methods of [`Sessions`], with the same errors.
    #[allow(
        clippy::missing_errors_doc,
        reason = "the errors are those of the engine"
    )]
    impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> Blocking<Sessions<U>> {
        /// See [`Sessions::create`].
        pub fn create(&self, grant: Grant<U>) -> Result<NewSession, BlockingError<IssueError>> {
            self.run(async move |sessions| sessions.create(grant).await)
        }

        /// See [`Sessions::get`].
        #[allow(clippy::type_complexity, reason = "it is the type of the engine")]
        pub fn get(
            &self,
            token: &str,
        ) -> Result<Option<(SessionInfo, SessionData<U>)>, BlockingError<StoreError>> {
            let token = owned(token);
            self.run(async move |sessions| sessions.get(token.expose()).await)
        }

        /// See [`Sessions::update`].
        pub fn update<T: Send + 'static>(
            &self,
            token: &str,
            change: impl FnMut(&mut SessionData<U>) -> T + Send + 'static,
        ) -> Result<Option<T>, BlockingError<IssueError>> {
            let token = owned(token);
            self.run(async move |sessions| sessions.update(token.expose(), change).await)
        }

        /// See [`Sessions::cycle_id`].
        pub fn cycle_id(
            &self,
            token: &str,
        ) -> Result<Option<Secret<String>>, BlockingError<StoreError>> {
            let token = owned(token);
            self.run(async move |sessions| sessions.cycle_id(token.expose()).await)
        }

        /// See [`Sessions::revoke_token`].
        pub fn revoke_token(&self, token: &str) -> Result<bool, BlockingError<StoreError>> {
            let token = owned(token);
            self.run(async move |sessions| sessions.revoke_token(token.expose()).await)
        }

        /// See [`Sessions::list`].
        pub fn list(&self, subject: &str) -> Result<Vec<SessionInfo>, BlockingError<StoreError>> {
            let subject = subject.to_owned();
            self.run(async move |sessions| sessions.list(&subject).await)
        }

        /// See [`Sessions::revoke`].
        pub fn revoke(&self, subject: &str, id: &str) -> Result<bool, BlockingError<StoreError>> {
            let (subject, id) = (subject.to_owned(), id.to_owned());
            self.run(async move |sessions| sessions.revoke(&subject, &id).await)
        }

        /// See [`Sessions::revoke_all`].
        pub fn revoke_all(&self, subject: &str) -> Result<usize, BlockingError<StoreError>> {
            let subject = subject.to_owned();
            self.run(async move |sessions| sessions.revoke_all(&subject).await)
        }
    }
}

#[cfg(feature = "jwt")]
mod tokens {
    use serde::{Serialize, de::DeserializeOwned};

    use super::{Blocking, BlockingError, owned};
    use crate::{
        authenticate::Verified,
        error::{IssueError, StoreError},
        grant::Grant,
        rejection::Rejection,
        secret::Secret,
        token::{Jwt, TokenId, TokenList},
    };

    /// The methods of [`Jwt`], with the same errors.
    #[allow(
        clippy::missing_errors_doc,
        reason = "the errors are those of the engine"
    )]
    impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> Blocking<Jwt<U>> {
        /// See [`Jwt::issue`].
        pub fn issue(&self, grant: Grant<U>) -> Result<Secret<String>, BlockingError<IssueError>> {
            self.run(async move |jwt| jwt.issue(grant).await)
        }

        /// See [`Jwt::verify`].
        pub fn verify(&self, token: &str) -> Result<Verified<U>, BlockingError<Rejection>> {
            let token = owned(token);
            self.run(async move |jwt| jwt.verify(token.expose()).await)
        }

        /// See [`Jwt::revoke_token`].
        pub fn revoke_token(&self, token: &str) -> Result<(), BlockingError<Rejection>> {
            let token = owned(token);
            self.run(async move |jwt| jwt.revoke_token(token.expose()).await)
        }
    }

    /// The methods of [`TokenList`], with the same errors.
    #[allow(
        clippy::missing_errors_doc,
        reason = "the errors are those of the engine"
    )]
    impl Blocking<TokenList> {
        /// See [`TokenList::add`].
        pub fn add(&self, token: &TokenId) -> Result<(), BlockingError<StoreError>> {
            let token = token.clone();
            self.run(async move |list| list.add(&token).await)
        }

        /// See [`TokenList::remove`].
        pub fn remove(&self, token: &TokenId) -> Result<bool, BlockingError<StoreError>> {
            let token = token.clone();
            self.run(async move |list| list.remove(&token).await)
        }

        /// See [`TokenList::check`].
        pub fn check(&self, token: &TokenId) -> Result<bool, BlockingError<StoreError>> {
            let token = token.clone();
            self.run(async move |list| list.check(&token).await)
        }

        /// See [`TokenList::revoke_all`].
        pub fn revoke_all(&self, subject: &str) -> Result<(), BlockingError<StoreError>> {
            let subject = subject.to_owned();
            self.run(async move |list| list.revoke_all(&subject).await)
        }
    }
}

#[cfg(feature = "refresh")]
mod pairs {
    use serde::{Serialize, de::DeserializeOwned};

    use super::{Blocking, BlockingError, owned};
    use crate::{
        authenticate::Verified,
        error::{IssueError, StoreError},
        grant::Grant,
        refresh::{DeviceInfo, TokenPair, TokenPairs},
        rejection::Rejection,
    };

    /// The methods of [`TokenPairs`], with the same errors.
    #[allow(
        clippy::missing_errors_doc,
        reason = "the errors are those of the engine"
    )]
    impl<U: Serialize + DeserializeOwned + Send + Sync + 'static> Blocking<TokenPairs<U>> {
        /// See [`TokenPairs::issue`].
        pub fn issue(&self, grant: Grant<U>) -> Result<TokenPair, BlockingError<IssueError>> {
            self.run(async move |pairs| pairs.issue(grant).await)
        }

        /// See [`TokenPairs::verify`].
        pub fn verify(&self, access_token: &str) -> Result<Verified<U>, BlockingError<Rejection>> {
            let token = owned(access_token);
            self.run(async move |pairs| pairs.verify(token.expose()).await)
        }

        /// See [`TokenPairs::refresh`]. Sends no fingerprint.
        pub fn refresh(&self, refresh_token: &str) -> Result<TokenPair, BlockingError<Rejection>> {
            let token = owned(refresh_token);
            self.run(async move |pairs| pairs.refresh(token.expose(), None).await)
        }

        /// See [`TokenPairs::logout`].
        pub fn logout(&self, refresh_token: &str) -> Result<bool, BlockingError<Rejection>> {
            let token = owned(refresh_token);
            self.run(async move |pairs| pairs.logout(token.expose()).await)
        }

        /// See [`TokenPairs::revoke_all`].
        pub fn revoke_all(&self, subject: &str) -> Result<usize, BlockingError<StoreError>> {
            let subject = subject.to_owned();
            self.run(async move |pairs| pairs.revoke_all(&subject).await)
        }

        /// See [`TokenPairs::list`].
        pub fn list(&self, subject: &str) -> Result<Vec<DeviceInfo>, BlockingError<StoreError>> {
            let subject = subject.to_owned();
            self.run(async move |pairs| pairs.list(&subject).await)
        }
    }
}

#[cfg(feature = "otp")]
mod otp {
    use super::{Blocking, BlockingError, owned};
    use crate::{
        clock::Timestamp,
        error::StoreError,
        otp::{Enrollment, Otp, RecoveryCodes},
        rejection::Rejection,
    };

    /// The methods of [`Otp`], with the same errors.
    #[allow(
        clippy::missing_errors_doc,
        reason = "the errors are those of the engine"
    )]
    impl Blocking<Otp> {
        /// See [`Otp::enroll`].
        pub fn enroll(&self, subject: &str) -> Result<Enrollment, BlockingError<Rejection>> {
            let subject = subject.to_owned();
            self.run(async move |otp| otp.enroll(&subject).await)
        }

        /// See [`Otp::confirm`].
        pub fn confirm(
            &self,
            subject: &str,
            code: &str,
        ) -> Result<RecoveryCodes, BlockingError<Rejection>> {
            let (subject, code) = (subject.to_owned(), owned(code));
            self.run(async move |otp| otp.confirm(&subject, code.expose()).await)
        }

        /// See [`Otp::verify`].
        pub fn verify(
            &self,
            subject: &str,
            code: &str,
        ) -> Result<Timestamp, BlockingError<Rejection>> {
            let (subject, code) = (subject.to_owned(), owned(code));
            self.run(async move |otp| otp.verify(&subject, code.expose()).await)
        }

        /// See [`Otp::use_recovery_code`].
        pub fn use_recovery_code(
            &self,
            subject: &str,
            code: &str,
        ) -> Result<(Timestamp, usize), BlockingError<Rejection>> {
            let (subject, code) = (subject.to_owned(), owned(code));
            self.run(async move |otp| otp.use_recovery_code(&subject, code.expose()).await)
        }

        /// See [`Otp::is_enrolled`].
        pub fn is_enrolled(&self, subject: &str) -> Result<bool, BlockingError<StoreError>> {
            let subject = subject.to_owned();
            self.run(async move |otp| otp.is_enrolled(&subject).await)
        }
    }
}
