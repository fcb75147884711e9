//! A request body, as JSON or as a form.

use std::fmt;

use axum::{
    Form, Json, RequestExt,
    extract::{FromRequest, OptionalFromRequest, Request},
    http::{StatusCode, header},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, MapAccess, Visitor},
};
use serde_json::Value;

use super::answer::RouteError;
use crate::{refresh::Fingerprint, rejection::Rejection};

/// The body of a request. Responses to an invalid body quote nothing of it.
pub(super) struct JsonOrForm<T>(pub(super) T);

impl<T, S> FromRequest<S> for JsonOrForm<T>
where
    T: DeserializeOwned + 'static,
    S: Send + Sync,
{
    type Rejection = RouteError;

    async fn from_request(request: Request, _: &S) -> Result<Self, RouteError> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let essence = content_type.and_then(|value| value.split(';').next());
        match essence
            .map(|value| value.trim().to_ascii_lowercase())
            .as_deref()
        {
            Some("application/json") => match request.extract::<Json<T>, _>().await {
                Ok(Json(body)) => Ok(Self(body)),
                Err(refused) => Err(invalid_body(refused.status())),
            },
            Some("application/x-www-form-urlencoded") => {
                match request.extract::<Form<T>, _>().await {
                    Ok(Form(body)) => Ok(Self(body)),
                    Err(refused) => Err(invalid_body(refused.status())),
                }
            }
            _ => Err(RouteError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be JSON or a form",
            )),
        }
    }
}

/// A request without a content type has no body.
impl<T, S> OptionalFromRequest<S> for JsonOrForm<T>
where
    T: DeserializeOwned + 'static,
    S: Send + Sync,
{
    type Rejection = RouteError;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, RouteError> {
        if !request.headers().contains_key(header::CONTENT_TYPE) {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state)
            .await
            .map(Some)
    }
}

fn invalid_body(status: StatusCode) -> RouteError {
    let detail = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
        StatusCode::UNPROCESSABLE_ENTITY => "the body lacks a field, or a field has the wrong type",
        _ => "the body does not match its content type",
    };
    RouteError::new(status, detail)
}

/// The members of a JSON object or a form with configurable field names. No field occurs twice.
pub(super) struct FormFields(Vec<(String, Value)>);

impl FormFields {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let mut fields = self.0.iter();
        fields
            .find(|(field, _)| field == name)
            .map(|(_, value)| value)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }
}

impl<'de> Deserialize<'de> for FormFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FormFieldsVisitor)
    }
}

struct FormFieldsVisitor;

impl<'de> Visitor<'de> for FormFieldsVisitor {
    type Value = FormFields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FormFields, A::Error> {
        let mut fields: Vec<(String, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if fields.iter().any(|(field, _)| *field == name) {
                return Err(de::Error::custom("duplicate field"));
            }
            if fields.len() == MAX_FIELDS {
                return Err(de::Error::custom("too many fields"));
            }
            fields.push((name, value));
        }
        Ok(FormFields(fields))
    }
}

/// Reads the client's description of itself.
pub(super) fn fingerprint(value: Option<&Value>) -> Result<Option<Fingerprint>, Rejection> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => Fingerprint::new(value).map(Some),
    }
}

/// Far more than a login has.
const MAX_FIELDS: usize = 32;
