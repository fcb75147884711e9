//! An identity provider that asks no user anything, checks requests as strictly as a careful one,
//! and can be made to fail.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};
use tower_jam::{Algorithm, Key};
use url::form_urlencoded;

pub const CLIENT: &str = "the-client";
pub const SECRET: &str = "the client's secret: swordfish";
pub const ACCESS: &str = "access-token-swordfish";

/// A provider at its own address.
#[derive(Clone)]
pub struct Provider {
    pub url: String,
    state: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    url: Mutex<String>,
    seen: Mutex<Vec<Seen>>,
    codes: Mutex<HashMap<String, Code>>,
    faults: Mutex<HashMap<String, Fault>>,
    changes: Mutex<Changes>,
    counter: Mutex<u64>,
}

/// How it deviates from correct behaviour.
#[derive(Default, Clone)]
pub struct Changes {
    /// Claims of the ID token, added to the valid ones; `null` removes one.
    pub claims: Option<Value>,
    /// Replaces the ID token.
    pub id_token: Option<String>,
    /// Replaces the token response.
    pub tokens: Option<Value>,
    /// The `typ` of the ID token.
    pub typ: Option<&'static str>,
    /// The key that signs.
    pub signs_by: Signer,
    /// The published keys.
    pub keys: Option<Value>,
    /// The user info.
    pub user: Option<Value>,
    /// The response with the user's addresses.
    pub emails: Option<Value>,
    /// The `iss` of its callbacks.
    pub iss: Option<String>,
    /// The error that it returns instead of a code.
    pub error: Option<String>,
    /// Answers to device polls; the last one repeats.
    pub device: Vec<Value>,
    pub interval: u64,
    pub expires_in: Option<u64>,
    /// How long a token request takes.
    pub delay: Duration,
}

#[derive(Default, Clone, Copy)]
pub enum Signer {
    #[default]
    Own,
    /// A key that it does not publish, under the id of one that it does.
    Other,
    /// The client's secret: HS256, which no client has agreed to.
    Secret,
}

#[derive(Clone)]
pub enum Fault {
    Status(u16),
    Hang,
    Huge,
    Body(&'static str),
    Html,
    Redirect(String),
    Cut,
}

#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub uri: String,
    pub headers: HeaderMap,
    pub form: HashMap<String, String>,
}

struct Code {
    challenge: String,
    nonce: Option<String>,
    redirect_uri: String,
}

impl Provider {
    pub async fn start() -> Self {
        let state = Arc::new(Shared::default());
        let app = Router::new()
            .fallback(answer)
            .layer(middleware::from_fn_with_state(Arc::clone(&state), watch))
            .with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        *state.url.lock().unwrap() = url.clone();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, state }
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub fn fail(&self, path: &str, fault: Fault) {
        let mut faults = self.state.faults.lock().unwrap();
        faults.insert(path.to_owned(), fault);
    }

    pub fn heal(&self) {
        self.state.faults.lock().unwrap().clear();
        *self.state.changes.lock().unwrap() = Changes::default();
    }

    pub fn change(&self, change: impl FnOnce(&mut Changes)) {
        change(&mut self.state.changes.lock().unwrap());
    }

    /// The requests to a path.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = self.state.seen.lock().unwrap();
        seen.iter()
            .filter(|seen| seen.path == path)
            .cloned()
            .collect()
    }

    pub fn all_seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }
}

/// Records every request, and fails where a fault is set.
async fn watch(State(state): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    state.seen.lock().unwrap().push(Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        uri: head.uri.to_string(),
        headers: head.headers.clone(),
        form: form_urlencoded::parse(&body).into_owned().collect(),
    });
    let fault = state.faults.lock().unwrap().get(head.uri.path()).cloned();
    let Some(fault) = fault else {
        return next.run(Request::from_parts(head, Body::from(body))).await;
    };
    let json = [(header::CONTENT_TYPE, "application/json")];
    match fault {
        Fault::Status(status) => {
            (StatusCode::from_u16(status).unwrap(), "swordfish").into_response()
        }
        Fault::Hang => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            StatusCode::OK.into_response()
        }
        Fault::Huge => (json, vec![b' '; 3 << 20]).into_response(),
        Fault::Body(body) => (json, body).into_response(),
        Fault::Html => ([(header::CONTENT_TYPE, "text/html")], "<p>swordfish").into_response(),
        Fault::Redirect(to) => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response()
        }
        Fault::Cut => {
            let chunks = tokio_stream::iter([
                Ok("{\"access_token\": \"swordfish"),
                Err(std::io::Error::other("cut")),
            ]);
            (json, Body::from_stream(chunks)).into_response()
        }
    }
}

async fn answer(State(state): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let query = head.uri.query().unwrap_or_default().as_bytes();
    let query: HashMap<String, String> = form_urlencoded::parse(query).into_owned().collect();
    let form: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let changes = state.changes.lock().unwrap().clone();
    match head.uri.path() {
        "/authorize" => state.authorize(&query, &changes),
        "/token" | "/device" | "/revoke" if !is_client(&head.headers, &form) => {
            refused(401, "invalid_client")
        }
        "/token" => {
            tokio::time::sleep(changes.delay).await;
            state.token(&form, &changes)
        }
        "/device" => axum::Json(json!({
            "device_code": "device-swordfish", "user_code": "WDJB-MJHT",
            "verification_uri": format!("{}/activate", state.url.lock().unwrap()),
            "interval": changes.interval, "expires_in": changes.expires_in.unwrap_or(600),
        }))
        .into_response(),
        "/revoke" => StatusCode::OK.into_response(),
        "/keys" => axum::Json(changes.keys.unwrap_or_else(keys)).into_response(),
        "/user" | "/emails"
            if head.headers[header::AUTHORIZATION] != format!("Bearer {ACCESS}") =>
        {
            StatusCode::UNAUTHORIZED.into_response()
        }
        "/user" => {
            let user = json!({ "sub": "user-1", "name": "Ada", "preferred_username": "ada" });
            axum::Json(changes.user.unwrap_or(user)).into_response()
        }
        "/emails" => axum::Json(changes.emails.unwrap_or_default()).into_response(),
        "/.well-known/openid-configuration" => axum::Json(state.metadata()).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Shared {
    fn authorize(&self, query: &HashMap<String, String>, changes: &Changes) -> Response {
        let get = |name: &str| query.get(name).cloned();
        let is_good = get("response_type").as_deref() == Some("code")
            && get("client_id").as_deref() == Some(CLIENT)
            && get("code_challenge_method").as_deref() == Some("S256")
            && get("code_challenge").is_some_and(|challenge| challenge.len() == 43);
        let (true, Some(redirect_uri)) = (is_good, get("redirect_uri")) else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        let mut answer: Vec<(&str, String)> = vec![("state", get("state").unwrap_or_default())];
        let iss = changes.iss.clone();
        answer.push((
            "iss",
            iss.unwrap_or_else(|| self.url.lock().unwrap().clone()),
        ));
        match &changes.error {
            Some(error) => answer.push(("error", error.clone())),
            None => {
                let code = format!("code-swordfish-{}", self.next());
                answer.push(("code", code.clone()));
                let granted = Code {
                    challenge: get("code_challenge").unwrap(),
                    nonce: get("nonce"),
                    redirect_uri: redirect_uri.clone(),
                };
                self.codes.lock().unwrap().insert(code, granted);
            }
        }
        if get("response_mode").as_deref() == Some("form_post") {
            return axum::Json(json!({ "action": redirect_uri, "fields": answer.into_iter().collect::<HashMap<_, _>>() }))
                .into_response();
        }
        let url = url::Url::parse_with_params(&redirect_uri, answer).unwrap();
        (StatusCode::FOUND, [(header::LOCATION, url.to_string())]).into_response()
    }

    fn token(&self, form: &HashMap<String, String>, changes: &Changes) -> Response {
        let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let mut nonce = None;
        match get("grant_type") {
            "authorization_code" => {
                let Some(code) = self.codes.lock().unwrap().remove(get("code")) else {
                    return refused(400, "invalid_grant");
                };
                if challenge(get("code_verifier")) != code.challenge
                    || get("redirect_uri") != code.redirect_uri
                {
                    return refused(400, "invalid_grant");
                }
                nonce = code.nonce;
            }
            "refresh_token" if get("refresh_token").starts_with("refresh-swordfish-") => {}
            "client_credentials" => {}
            "urn:ietf:params:oauth:grant-type:device_code" => {
                let mut all = self.changes.lock().unwrap();
                if !all.device.is_empty() {
                    let error = all.device.remove(0);
                    return (StatusCode::BAD_REQUEST, axum::Json(error)).into_response();
                }
            }
            _ => return refused(400, "invalid_grant"),
        }
        let id_token = changes.id_token.clone();
        let id_token = id_token.unwrap_or_else(|| self.id_token(nonce.as_deref(), changes));
        let answer = json!({
            "access_token": ACCESS, "token_type": "bearer", "id_token": id_token,
            "refresh_token": format!("refresh-swordfish-{}", self.next()),
            "expires_in": changes.expires_in.unwrap_or(3600), "scope": "openid profile",
        });
        axum::Json(changes.tokens.clone().unwrap_or(answer)).into_response()
    }

    fn id_token(&self, nonce: Option<&str>, changes: &Changes) -> String {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let mut claims = json!({
            "iss": *self.url.lock().unwrap(), "aud": CLIENT, "sub": "user-1", "iat": now, "exp": now + 300,
            "auth_time": now, "at_hash": at_hash(ACCESS), "email": "ada@acme.dev", "email_verified": true,
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        for (name, value) in changes.claims.iter().flat_map(|it| it.as_object().unwrap()) {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        sign(&claims, changes)
    }

    fn metadata(&self) -> Value {
        let url = self.url.lock().unwrap().clone();
        json!({
            "issuer": url, "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"), "jwks_uri": format!("{url}/keys"),
            "userinfo_endpoint": format!("{url}/user"), "revocation_endpoint": format!("{url}/revoke"),
            "device_authorization_endpoint": format!("{url}/device"),
            "authorization_response_iss_parameter_supported": true,
        })
    }

    fn next(&self) -> u64 {
        let mut counter = self.counter.lock().unwrap();
        *counter += 1;
        *counter
    }
}

/// Basic, post, or a signed assertion, which other tests verify.
fn is_client(headers: &HeaderMap, form: &HashMap<String, String>) -> bool {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic = format!("{}:{}", encode(CLIENT), encode(SECRET));
    let basic = format!("Basic {}", base64_simd::STANDARD.encode_to_string(basic));
    let is_basic = headers
        .get(header::AUTHORIZATION)
        .is_some_and(|value| *value == basic);
    let is = |name: &str, value: &str| form.get(name).is_some_and(|text| text == value);
    let is_post = is("client_id", CLIENT) && is("client_secret", SECRET);
    is_basic || is_post || form.contains_key("client_assertion")
}

fn refused(status: u16, error: &str) -> Response {
    let body = json!({ "error": error, "error_description": "swordfish" });
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}

pub fn challenge(verifier: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    URL_SAFE_NO_PAD.encode_to_string(hash.as_ref())
}

fn at_hash(token: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    URL_SAFE_NO_PAD.encode_to_string(&hash.as_ref()[..16])
}

fn sign(claims: &Value, changes: &Changes) -> String {
    let mut header = Header::new(jsonwebtoken::Algorithm::ES256);
    header.kid = Some("own".to_owned());
    header.typ = Some(changes.typ.unwrap_or("JWT").to_owned());
    let key = match changes.signs_by {
        Signer::Own => EncodingKey::from_ec_pem(OWN.as_bytes()).unwrap(),
        Signer::Other => {
            let other = Key::generate(Algorithm::Es256).unwrap().to_pkcs8_pem();
            EncodingKey::from_ec_pem(other.unwrap().expose().as_bytes()).unwrap()
        }
        Signer::Secret => {
            header.alg = jsonwebtoken::Algorithm::HS256;
            EncodingKey::from_secret(SECRET.as_bytes())
        }
    };
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

/// The provider's published key.
pub fn keys() -> Value {
    json!({ "keys": [own_jwk()] })
}

pub fn own_jwk() -> Value {
    let key = Key::from_pem(Algorithm::Es256, OWN.as_bytes()).unwrap();
    let mut jwk = key.public_jwk().unwrap();
    jwk["kid"] = "own".into();
    jwk
}

pub const OWN: &str = include_str!("../keys/p256.pkcs8.pem");
