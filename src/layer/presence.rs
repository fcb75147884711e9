//! What a layer leaves in a request, and how inner layers and extractors find it again.
//!
//! A layer inserts the [`Identity`], the [`AuthUser`], the attached values of the engine and one
//! [`Presence`], which describes them without their types.

use std::sync::Arc;

use http::Extensions;

use crate::{
    authenticate::{OnResponse, Verified},
    identity::{AuthUser, Identity},
    proof::{ProofRecorder, RememberProof},
};

/// Describes what the layers so far have left in a request.
#[derive(Clone, Copy, Default)]
struct Presence {
    user_type: Option<UserType>,
    proof_recorder: Option<ProofRecorder>,
}

/// The type parameter of the [`AuthUser`] in the extensions.
#[derive(Clone, Copy)]
struct UserType {
    /// For the message about a mismatch.
    name: &'static str,
    /// Removes the user from the extensions.
    remove: fn(&mut Extensions),
}

impl UserType {
    fn of<U: Send + Sync + 'static>() -> Self {
        Self {
            name: std::any::type_name::<U>(),
            remove: |extensions| drop(extensions.remove::<AuthUser<U>>()),
        }
    }
}

/// Marks a request that a layer accepted without an identity, so that a guard or an extractor can
/// distinguish an anonymous caller from a missing layer.
#[derive(Clone, Copy, Debug)]
struct Anonymous;

/// Inserts the result of an authentication into a request, and returns the hook for its response.
pub(super) fn insert<U: Send + Sync + 'static>(
    verified: Verified<U>,
    extensions: &mut Extensions,
) -> Option<Arc<dyn OnResponse>> {
    let outer = extensions.get::<Presence>().copied().unwrap_or_default();
    let has_identity = verified.identity.is_some();
    if let Some(identity) = verified.identity {
        let presence = match verified.user {
            Some(_) => Presence {
                user_type: Some(UserType::of::<U>()),
                proof_recorder: verified.proof_recorder,
            },
            None => Presence {
                user_type: outer.user_type,
                proof_recorder: verified.proof_recorder.or_else(|| {
                    // A proof by one caller must not strengthen the session of another.
                    let before = extensions.get::<Identity>()?;
                    let is_same = before.subject() == identity.subject();
                    outer.proof_recorder.filter(|_| is_same)
                }),
            },
        };
        extensions.insert(presence);
        extensions.insert(identity);
    }
    if let Some(user) = verified.user {
        // Otherwise a handler could act for the outer caller with the permissions of this one.
        if let Some(outer) = outer.user_type {
            (outer.remove)(extensions);
        }
        extensions.insert(AuthUser::new(user));
    }
    if let Some(attach) = verified.attachments {
        attach(extensions);
    }
    if !has_identity && extensions.get::<Identity>().is_none() {
        extensions.insert(Anonymous);
    }
    verified.on_response
}

/// Whether a layer accepted the request without an identity.
pub(crate) fn is_anonymous(extensions: &Extensions) -> bool {
    extensions.get::<Anonymous>().is_some()
}

/// Returns what records further proofs of the identity from an outer layer.
pub(super) fn proof_recorder(extensions: &Extensions) -> Option<Arc<dyn RememberProof>> {
    let presence = extensions.get::<Presence>()?;
    presence.proof_recorder?.find(extensions)
}

/// Returns the name of the type of the user in the request, for messages.
#[cfg_attr(
    not(feature = "axum"),
    allow(dead_code, reason = "extractors write that message")
)]
pub(crate) fn user_type_name(extensions: &Extensions) -> Option<&'static str> {
    let presence = extensions.get::<Presence>()?;
    presence.user_type.map(|user| user.name)
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::Pin};

    use super::*;
    use crate::{
        clock::Timestamp,
        identity::{Factor, Subject},
        rejection::Rejection,
    };

    #[derive(Clone)]
    struct Recorder;

    impl RememberProof for Recorder {
        fn remember_proof<'a>(
            &'a self,
            _: &'a Factor,
            _: Timestamp,
        ) -> Pin<Box<dyn Future<Output = Result<(), Rejection>> + Send + 'a>> {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    fn identity(id: &str) -> Identity {
        Identity::new(Subject::new("i", id), Timestamp::from_secs(1))
    }

    #[test]
    fn a_proof_is_recorded_only_for_the_caller_of_the_outer_layer() {
        for (inner, is_recorded) in [("alice", true), ("bob", false)] {
            let mut extensions = Extensions::new();
            let outer = Verified::new(identity("alice"), Arc::new(()));
            insert(outer.attach_memory(Recorder), &mut extensions);
            insert(
                Verified::<()>::identity_only(identity(inner)),
                &mut extensions,
            );
            assert_eq!(
                proof_recorder(&extensions).is_some(),
                is_recorded,
                "{inner}"
            );
        }
    }
}
