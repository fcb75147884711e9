//! An identity provider in the test's own process, on loopback: what it publishes, and every way in
//! which it can fail.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tower_jam::{Algorithm, Key};

/// A provider that runs until it is dropped.
pub struct Provider {
    issuer: String,
    state: Arc<Mutex<Published>>,
    server: tokio::task::AbortHandle,
}

/// A fault, for any request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Status 404. It is no fault if another document is tried next.
    Missing,
    /// Status 500.
    Failing,
    /// No answer for thirty seconds.
    Slow,
    /// The head of an answer, and then nothing for thirty seconds.
    Stuck,
    /// Two megabytes of JSON, with their length.
    Huge,
    /// Two megabytes of JSON, in pieces.
    Endless,
    /// HTML instead of JSON.
    NotJson,
    /// JSON of the wrong type.
    WrongJson,
    /// 302 to another host.
    Redirect,
    /// The connection is closed without an answer.
    Closed,
}

pub const FAULTS: [Fault; 9] = [
    Fault::Failing,
    Fault::Slow,
    Fault::Stuck,
    Fault::Huge,
    Fault::Endless,
    Fault::NotJson,
    Fault::WrongJson,
    Fault::Redirect,
    Fault::Closed,
];

struct Published {
    keys: Vec<Value>,
    signing: Key,
    cache_control: String,
    /// Members that replace those of the discovery document, or remove them if they are null.
    overrides: Vec<(String, Value)>,
    /// Faults, by the end of the path.
    faults: Vec<(&'static str, Fault)>,
    /// Documents at other paths, as a test adds them.
    documents: HashMap<String, Value>,
    requests: HashMap<String, usize>,
    redirected: usize,
}

pub const KEYS: &str = "/keys";
pub const DISCOVERY: &str = "/.well-known/openid-configuration";
pub const METADATA: &str = "/.well-known/oauth-authorization-server";

impl Provider {
    pub async fn start() -> Self {
        Self::start_at("").await
    }

    /// Starts a provider whose issuer has a path, as tenants have.
    pub async fn start_at(path: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}{path}", listener.local_addr().unwrap());
        let signing = Key::generate(Algorithm::Es256).unwrap();
        let state = Arc::new(Mutex::new(Published {
            keys: vec![signing.public_jwk().unwrap()],
            signing,
            cache_control: String::new(),
            overrides: Vec::new(),
            faults: Vec::new(),
            documents: HashMap::new(),
            requests: HashMap::new(),
            redirected: 0,
        }));
        let answering = (issuer.clone(), Arc::clone(&state));
        let app = Router::new().fallback(answer).with_state(answering);
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            issuer,
            state,
            server: server.abort_handle(),
        }
    }

    /// The issuer, which is also the provider's address.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// The key that signs now.
    pub fn key(&self) -> Key {
        self.state().signing.clone()
    }

    /// Signs with a new key from now on. The old one stays published if `keeps_old`.
    pub fn rotate(&self, keeps_old: bool) -> Key {
        let key = Key::generate(Algorithm::Es256).unwrap();
        let mut state = self.state();
        if !keeps_old {
            state.keys.clear();
        }
        state.keys.push(key.public_jwk().unwrap());
        state.signing = key.clone();
        key
    }

    /// Publishes these keys unchanged.
    pub fn publish(&self, keys: Vec<Value>) {
        self.state().keys = keys;
    }

    pub fn published(&self) -> Vec<Value> {
        self.state().keys.clone()
    }

    pub fn cache_control(&self, value: &str) {
        self.state().cache_control = value.to_owned();
    }

    /// Sets a member of the discovery document, or removes it.
    pub fn set_metadata(&self, member: &str, value: Value) {
        self.state().overrides.push((member.to_owned(), value));
    }

    /// Answers `path` with a document.
    pub fn document(&self, path: &str, document: Value) {
        self.state().documents.insert(path.to_owned(), document);
    }

    /// Fails from now on, at paths that end in `path`.
    pub fn fail(&self, path: &'static str, fault: Fault) {
        self.state().faults.push((path, fault));
    }

    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// How often a path that ends in `path` was requested.
    pub fn requests(&self, path: &str) -> usize {
        let state = self.state();
        let counts = state.requests.iter();
        counts
            .filter(|(requests, _)| requests.ends_with(path))
            .map(|(_, count)| count)
            .sum()
    }

    /// How often a redirect was followed.
    pub fn redirected(&self) -> usize {
        self.state().redirected
    }

    /// A token with these claims in addition to the default ones, by the key that signs now.
    pub fn token(&self, typ: Option<&str>, claims: &Value) -> String {
        sign(&self.key(), typ, &self.claims(claims))
    }

    /// The claims of a valid access token for `api`, with these added or replaced, and without
    /// those that are null.
    pub fn claims(&self, changes: &Value) -> Value {
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": self.issuer, "sub": "alice", "aud": "api", "iat": now, "exp": now + 600,
            "jti": format!("{now}-{}", self.state().requests.len()),
        });
        let members = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            members.insert(name.clone(), value.clone());
        }
        members.retain(|_, value| !value.is_null());
        claims
    }

    fn state(&self) -> MutexGuard<'_, Published> {
        self.state.lock().unwrap()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Signs these claims as a JWT, always with ES256.
pub fn sign(key: &Key, typ: Option<&str>, claims: &Value) -> String {
    let mut header = json!({ "alg": "ES256", "kid": key.kid() });
    if let Some(typ) = typ {
        header["typ"] = typ.into();
    }
    seal(key, &header, claims)
}

/// A JWT of this header and these claims, signed with the private half of a P-256 key.
pub fn seal(key: &Key, header: &Value, claims: &Value) -> String {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{
            ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, ML_DSA_44_SIGNING, PqdsaKeyPair,
        },
    };
    use base64_simd::URL_SAFE_NO_PAD;

    let pem = key.to_pkcs8_pem().unwrap();
    let (_, der) = pem_rfc7468::decode_vec(pem.expose().as_bytes()).unwrap();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode_to_string(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = if key.algorithm() == Algorithm::MlDsa44 {
        let pair = PqdsaKeyPair::from_pkcs8(&ML_DSA_44_SIGNING, &der).unwrap();
        let mut signature = vec![0; ML_DSA_44_SIGNING.signature_len()];
        pair.sign(message.as_bytes(), &mut signature).unwrap();
        signature
    } else {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap();
        let signature = pair.sign(&SystemRandom::new(), message.as_bytes());
        signature.unwrap().as_ref().to_vec()
    };
    format!("{message}.{}", URL_SAFE_NO_PAD.encode_to_string(signature))
}

type Answering = (String, Arc<Mutex<Published>>);

async fn answer(State((issuer, state)): State<Answering>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let fault = {
        let mut state = state.lock().unwrap();
        *state.requests.entry(path.clone()).or_default() += 1;
        let mut faults = state.faults.iter();
        faults.find(|(at, _)| path.ends_with(at)).map(|it| it.1)
    };
    match fault {
        Some(fault) => fail(fault, &issuer).await,
        None => document(&issuer, &path, &state),
    }
}

fn document(issuer: &str, path: &str, state: &Mutex<Published>) -> Response {
    let mut state = state.lock().unwrap();
    let issuer_path = issuer.parse::<Uri>().unwrap().path().to_owned();
    let issuer_path = issuer_path.trim_end_matches('/');
    let inserted = format!("{METADATA}{issuer_path}");
    let answer = match path.strip_prefix(issuer_path) {
        Some(KEYS) => json!({ "keys": state.keys }),
        Some(DISCOVERY) => discovery(issuer, &state),
        _ if path == inserted && state.documents.contains_key(METADATA) => {
            discovery(issuer, &state)
        }
        Some("/elsewhere") => {
            state.redirected += 1;
            json!({ "keys": state.keys })
        }
        _ => match state.documents.get(path) {
            Some(document) => document.clone(),
            None => return StatusCode::NOT_FOUND.into_response(),
        },
    };
    let cache_control = [(header::CACHE_CONTROL, state.cache_control.clone())];
    (cache_control, axum::Json(answer)).into_response()
}

/// The document of OpenID Connect Discovery section 3.
fn discovery(issuer: &str, state: &Published) -> Value {
    let at = |path: &str| format!("{}{path}", issuer.trim_end_matches('/'));
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "jwks_uri": at(KEYS),
        "userinfo_endpoint": at("/userinfo"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    for (member, value) in &state.overrides {
        document[member] = value.clone();
    }
    let members = document.as_object_mut().unwrap();
    members.retain(|_, value| !value.is_null());
    document
}

async fn fail(fault: Fault, issuer: &str) -> Response {
    let json = |body: Body| ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    let huge = || format!("{{\"keys\":[\"{}\"]}}", "x".repeat(2 << 20));
    match fault {
        Fault::Missing => StatusCode::NOT_FOUND.into_response(),
        Fault::Failing => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Fault::Slow => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            StatusCode::OK.into_response()
        }
        Fault::Stuck => json(Body::from_stream(tokio_stream::pending::<
            Result<bytes::Bytes, std::io::Error>,
        >())),
        Fault::Huge => json(Body::from(huge())),
        Fault::Endless => {
            let pieces = std::iter::repeat_n(bytes::Bytes::from(vec![b' '; 64 << 10]), 64);
            json(Body::from_stream(tokio_stream::iter(
                pieces.map(Ok::<_, std::io::Error>),
            )))
        }
        Fault::NotJson => "<html>sign in</html>".into_response(),
        Fault::WrongJson => json(Body::from("[1,2,3]")),
        Fault::Redirect => {
            let elsewhere = issuer.replace("127.0.0.1", "localhost") + "/elsewhere";
            (StatusCode::FOUND, [(header::LOCATION, elsewhere)]).into_response()
        }
        Fault::Closed => json(Body::from_stream(tokio_stream::once(Err::<
            bytes::Bytes,
            std::io::Error,
        >(
            std::io::ErrorKind::ConnectionReset.into(),
        )))),
    }
}
