//! Fuzz targets for everything that reads untrusted bytes, through the public API.
//!
//! A target must not panic, whatever its input is. Each one has two runners:
//!
//! ```text
//! cargo fuzz run --fuzz-dir tests/fuzz jwt
//! FUZZ_ROUNDS=1000000 cargo test --release -p tower-jam-fuzz
//! ```
//!
//! The first is guided by coverage and needs a nightly compiler. The second mutates a few seeds at
//! random, and is a part of the test suite.

use std::{cell::RefCell, convert::Infallible, future::Future, sync::LazyLock};

use aws_lc_rs::hmac;
use base64_simd::URL_SAFE_NO_PAD;
use http::{HeaderValue, Request, Response, StatusCode, header};
use pasetors::{keys::SymmetricKey, version4};
use tokio::runtime::Runtime;
use tower::{Layer, ServiceExt, service_fn};
use tower_jam::{
    Algorithm, Claims, CookieSpec, CredentialSource, Env, Jwt, JwtLayer, Key, KeyRing,
    MasterSecret, Paseto, PasetoKey, SessionLayer, Sessions,
    config::{Config, Format},
    store::MemoryStore,
    token::paseto::{Local, V4},
};

const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

static JWT: LazyLock<Jwt<Claims>> = LazyLock::new(|| {
    let key = Key::hs256(SECRET).expect("the secret is long enough");
    let key = key.with_kid("fuzz").expect("an id");
    let jwt = Jwt::builder(KeyRing::new(key))
        .issuer("fuzz")
        .audience("fuzz");
    jwt.build().expect("the settings are valid")
});

static PASETO: LazyLock<Paseto<Claims>> = LazyLock::new(|| {
    let key = PasetoKey::<V4, Local>::from_bytes(SECRET).expect("the key has 32 bytes");
    let paseto = Paseto::v4_local(KeyRing::new(key))
        .issuer("fuzz")
        .audience("fuzz");
    paseto.build().expect("the settings are valid")
});

/// Verifies a JWT: the input as it is, and the input as the header or the claims of a token with a
/// valid signature, which gets it to the strict JSON reader.
pub fn jwt(data: &[u8]) {
    if let Ok(token) = std::str::from_utf8(data) {
        block_on(JWT.verify(token)).ok();
    }
    let header = br#"{"alg":"HS256","kid":"fuzz","typ":"at+jwt"}"#;
    block_on(JWT.verify(&signed(header, data))).ok();
    let claims = br#"{"iss":"fuzz","aud":"fuzz","sub":"42","iat":1700000000,"exp":99999999999}"#;
    block_on(JWT.verify(&signed(data, claims))).ok();
}

fn signed(header: &[u8], claims: &[u8]) -> String {
    let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode_to_string(part);
    let message = format!("{}.{}", encode(header), encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let tag = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", encode(tag.as_ref()))
}

/// Loads keys from PEM, DER, JWK and JWK sets.
pub fn keys(data: &[u8]) {
    for algorithm in [
        Algorithm::Rs256,
        Algorithm::Es256,
        Algorithm::EdDsa,
        Algorithm::MlDsa44,
    ] {
        Key::from_pem(algorithm, data).ok();
        Key::from_der(algorithm, data).ok();
    }
    if let Ok(text) = std::str::from_utf8(data) {
        Key::from_jwk(text).ok();
        KeyRing::from_jwks(text).ok();
        PasetoKey::<V4, Local>::from_paserk(text).ok();
    }
}

/// Verifies a PASETO whose `exp` is the input: dates in the form of RFC 3339.
pub fn dates(data: &[u8]) {
    let Ok(date) = std::str::from_utf8(data) else {
        return;
    };
    if date.contains(['"', '\\']) || date.chars().any(char::is_control) {
        return;
    }
    let claims = format!(
        r#"{{"iss":"fuzz","aud":"fuzz","sub":"42","iat":"2026-01-01T00:00:00Z","exp":"{date}"}}"#
    );
    let key = SymmetricKey::<version4::V4>::from(SECRET).expect("the key has 32 bytes");
    let footer = format!(r#"{{"kid":"{}"}}"#, PASETO_KID.as_str());
    let token =
        version4::LocalToken::encrypt(&key, claims.as_bytes(), Some(footer.as_bytes()), None);
    block_on(PASETO.verify(&token.expect("a token is sealed"))).ok();
}

static PASETO_KID: LazyLock<String> = LazyLock::new(|| {
    let key = PasetoKey::<V4, Local>::from_bytes(SECRET).expect("the key has 32 bytes");
    key.kid().to_owned()
});

/// Sends the input as `Authorization`, as a header of its own and as `Cookie` through the layers.
/// No input authenticates, and none causes a 5xx.
pub fn credentials(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let bearer = JwtLayer::new(JWT.clone());
    let named = JwtLayer::new(JWT.clone()).read_from(CredentialSource::header(
        header::HeaderName::from_static("x-token"),
    ));
    assert_rejected(send(&bearer, "authorization", &value));
    assert_rejected(send(&named, "x-token", &value));
    SESSIONS.with_borrow(|sessions| {
        assert_rejected(send(&SessionLayer::new(sessions.clone()), "cookie", &value));
    });
    if let Ok(name) = std::str::from_utf8(data) {
        CookieSpec::new(name).ok();
    }
}

fn assert_rejected(status: StatusCode) {
    assert!(status.is_client_error(), "{status}");
}

thread_local! {
    static SESSIONS: RefCell<Sessions<Claims>> = RefCell::new({
        let secret = MasterSecret::new(SECRET).expect("the secret is long enough");
        let sessions = Sessions::builder(&Env::new("self", std::sync::Arc::new(MemoryStore::new()), &secret));
        sessions.build().expect("the settings are valid")
    });
}

/// Loads a configuration from TOML, YAML and JSON.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for format in [Format::Toml, Format::Yaml, Format::Json] {
        let loader = Config::text(text, format).variables([("JAM_SECRET", "0123456789abcdef")]);
        if let Ok(config) = loader.load() {
            drop((config.explain(), config.warnings()));
        }
    }
}

fn send<L, S>(layer: &L, name: &'static str, value: &HeaderValue) -> StatusCode
where
    L: Layer<Inner, Service = S>,
    S: tower::Service<Request<Vec<u8>>, Response = Response<Vec<u8>>, Error = Infallible>,
{
    let request = Request::get("/")
        .header(name, value)
        .body(Vec::new())
        .expect("a valid request");
    let inner: Inner = service_fn(answer);
    let response = block_on(layer.layer(inner).oneshot(request));
    response.expect("infallible").status()
}

type Inner = tower::util::ServiceFn<fn(Request<Vec<u8>>) -> Ready>;
type Ready = std::future::Ready<Result<Response<Vec<u8>>, Infallible>>;

fn answer(_: Request<Vec<u8>>) -> Ready {
    std::future::ready(Ok(Response::new(Vec::new())))
}

fn block_on<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
