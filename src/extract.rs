//! Extractors for axum (feature `axum`).
//!
//! [`AuthUser<U>`], [`Identity`] and `Session` read what a layer inserted into the request. A
//! handler can also take each as an `Option`, for pages that serve both members and guests under an
//! [optional](crate::layer::AuthLayer::optional) layer.
//!
//! | in the request | `AuthUser<U>` | `Option<AuthUser<U>>` |
//! |---|---|---|
//! | a user of type `U` | the user | the user |
//! | no identity (optional layer) | 401 | `None` |
//! | a user of another type | 500, logged with both types | 500 |
//! | no layer | 500, logged with the layer to add | 500 |
//!
//! On a route that accepts tokens or sessions (`jwt.or(sessions)`), a handler that takes `Session`
//! rejects a caller with a token as unauthenticated (401), because the session is missing.
//!
//! A [`Rejection`] is also an axum response, so a handler can return one with `?`.
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_jam::{AuthUser, Identity, Rejection};
//!
//! async fn show(user: Option<AuthUser<String>>) -> String {
//!     user.map_or_else(|| "hello, stranger".to_owned(), |user| format!("hello, {}", *user))
//! }
//!
//! async fn remove(identity: Identity) -> Result<&'static str, Rejection> {
//!     if !identity.has_role("admin") {
//!         return Err(Rejection::insufficient("only admins remove"));
//!     }
//!     Ok("removed")
//! }
//!
//! let app: Router = Router::new().route("/", get(show).delete(remove));
//! ```

use std::any::type_name;

use axum_core::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::request::Parts;

#[cfg(feature = "session")]
use crate::authenticate::EngineChosen;
use crate::{
    identity::{AuthUser, Identity},
    layer::{HttpResponder, RequestContext, Respond, presence},
    rejection::Rejection,
};

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        crate::layer::log("handler", &self);
        HttpResponder::new().respond(&self, &RequestContext::default())
    }
}

impl<S: Sync, U: Send + Sync + 'static> FromRequestParts<S> for AuthUser<U> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        user(parts)?.ok_or_else(Rejection::missing)
    }
}

impl<S: Sync, U: Send + Sync + 'static> OptionalFromRequestParts<S> for AuthUser<U> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        user(parts)
    }
}

impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        identity(parts, "Identity")?.ok_or_else(Rejection::missing)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Identity {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        identity(parts, "Identity")
    }
}

#[cfg(feature = "session")]
impl<S: Sync> FromRequestParts<S> for crate::session::Session {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let Some(session) = session(parts)? else {
            return Err(without_session(parts));
        };
        Ok(session)
    }
}

#[cfg(feature = "session")]
impl<S: Sync> OptionalFromRequestParts<S> for crate::session::Session {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        session(parts)
    }
}

/// The facade, if its layer `Jam::extension` or `axum::Extension` inserted it into the request.
#[cfg(feature = "config")]
impl<S: Sync, U: Send + Sync + 'static> FromRequestParts<S> for crate::jam::Jam<U> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let jam = parts.extensions.get::<Self>().cloned();
        jam.ok_or_else(|| {
            let expected = type_name::<Self>();
            let reason = format!(
                "a handler takes {expected}, but the request has none: add `.layer(jam.extension())`"
            );
            Rejection::misconfigured(reason)
        })
    }
}

fn user<U: Send + Sync + 'static>(parts: &Parts) -> Result<Option<AuthUser<U>>, Rejection> {
    if let Some(user) = parts.extensions.get::<AuthUser<U>>() {
        return Ok(Some(user.clone()));
    }
    let expected = type_name::<U>();
    if identity(parts, type_name::<AuthUser<U>>())?.is_none() {
        return Ok(None);
    }
    // A user of another type must not count as absent, or a typo would turn every caller into a
    // guest.
    Err(Rejection::misconfigured(
        match presence::user_type_name(&parts.extensions) {
            Some(found) => {
                format!(
                    "a handler takes AuthUser<{expected}>, but the layer provides AuthUser<{found}>"
                )
            }
            None => format!("a handler takes AuthUser<{expected}>, but the layer provides no user"),
        },
    ))
}

fn identity(parts: &Parts, expected: &str) -> Result<Option<Identity>, Rejection> {
    match parts.extensions.get::<Identity>() {
        Some(identity) => Ok(Some(identity.clone())),
        None if presence::is_anonymous(&parts.extensions) => Ok(None),
        None => Err(Rejection::misconfigured(format!(
            "a handler takes {expected}, but no layer authenticates the request: add a JwtLayer or SessionLayer"
        ))),
    }
}

/// A request that another engine authenticated has no session, which is a valid result. A request
/// that passed no layer is a misconfiguration.
#[cfg(feature = "session")]
fn session(parts: &Parts) -> Result<Option<crate::session::Session>, Rejection> {
    let session = parts.extensions.get::<crate::session::Session>().cloned();
    if session.is_none() {
        identity(parts, "Session")?;
    }
    Ok(session)
}

#[cfg(feature = "session")]
fn without_session(parts: &Parts) -> Rejection {
    if parts.extensions.get::<EngineChosen>().is_some() {
        return Rejection::missing();
    }
    Rejection::misconfigured(
        "a handler takes Session, but the request has none: add a SessionLayer",
    )
}
