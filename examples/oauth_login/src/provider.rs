//! A small OpenID provider, so that the example runs without an account elsewhere. It accepts every
//! visitor who claims to be Ada.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Form, Json, Router,
    extract::{Query, State},
    http::{StatusCode, Uri},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_jam::{Algorithm, Claims, ConfigError, Grant, Jwt, Key, KeyRing};

type Parameters = HashMap<String, String>;

#[derive(Clone)]
struct Provider {
    url: String,
    tokens: Jwt<Claims>,
    /// The parameters of each authorization request, by the code that was issued for it.
    codes: Arc<Mutex<HashMap<String, Parameters>>>,
}

/// Returns the routes of a provider at `url` with one registered application.
pub(crate) fn routes(url: &str, client_id: &str) -> Result<Router, ConfigError> {
    let ring = KeyRing::new(Key::generate(Algorithm::Es256)?);
    let tokens = Jwt::builder(ring).issuer(url).audience(client_id);
    let provider = Provider {
        url: url.to_owned(),
        tokens: tokens.types(["JWT"]).build()?,
        codes: Arc::default(),
    };
    Ok(Router::new()
        .route("/.well-known/openid-configuration", get(metadata))
        .route("/keys", get(keys))
        .route("/authorize", get(ask))
        .route("/authorize/yes", get(yes))
        .route("/token", post(token))
        .with_state(provider))
}

async fn metadata(State(provider): State<Provider>) -> Json<Value> {
    let url = &provider.url;
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"),
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn keys(State(provider): State<Provider>) -> Json<Value> {
    Json(provider.tokens.keys().public_jwks())
}

/// A real provider asks for a password on this page.
async fn ask(uri: Uri) -> Html<String> {
    let query = uri.query().unwrap_or_default().replace('&', "&amp;");
    Html(format!(
        "<a href=\"/authorize/yes?{query}\">Yes, I am Ada</a>\n"
    ))
}

async fn yes(State(provider): State<Provider>, Query(parameters): Query<Parameters>) -> Response {
    let (Some(to), Some(state)) = (parameters.get("redirect_uri"), parameters.get("state")) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let code = URL_SAFE_NO_PAD.encode_to_string(rand::random::<[u8; 16]>());
    let to = format!("{to}?code={code}&state={state}&iss={}", provider.url);
    provider.codes.lock().unwrap().insert(code, parameters);
    Redirect::to(&to).into_response()
}

async fn token(State(provider): State<Provider>, Form(form): Form<Parameters>) -> Response {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let parameters = provider.codes.lock().unwrap().remove(field("code"));
    let challenge = digest(&SHA256, field("code_verifier").as_bytes());
    let challenge = URL_SAFE_NO_PAD.encode_to_string(challenge);
    let parameters =
        parameters.filter(|parameters| parameters.get("code_challenge") == Some(&challenge));
    let Some(parameters) = parameters else {
        let refused = Json(json!({ "error": "invalid_grant" }));
        return (StatusCode::BAD_REQUEST, refused).into_response();
    };
    let claims = Claims::new()
        .with("nonce", parameters.get("nonce"))
        .and_then(|claims| claims.with("name", "Ada Lovelace"))
        .expect("strings serialize");
    let id_token = provider.tokens.issue(Grant::new("ada", claims)).await;
    let id_token = id_token.expect("the key can sign");
    Json(json!({ "access_token": "ada's", "token_type": "Bearer", "id_token": id_token.expose() }))
        .into_response()
}
