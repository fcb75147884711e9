//! `Debug` shows no secret: for every public type that contains one, and by a rule for every
//! derived `Debug`.

use std::{
    fmt::{Debug, Write as _},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use http::{HeaderName, Request, header};
use serde_json::json;
use tower_jam::{
    Accounts, Algorithm, Claims, CredentialSource, Env, Factor, Grant, Jwt, Key, KeyRing,
    MasterSecret, OAuth2, Otp, PasetoKey, Passwords, Secret, Sessions, Throttle, Timestamp,
    TokenPairs,
    account::{Credentials, NewDevice, Origin, StoreUsers, User, Users, user_reader},
    config::{Config, Format},
    oauth2::{Callback, Provider},
    otp::OtpSecret,
    refresh::Fingerprint,
    store::{Entry, MemoryStore, PostgresStore, RedisStore, Store, Version, Write},
    testing::{Authenticator, ManualClock},
    token::{
        Dpop,
        jwe::{JweAlgorithm, JweKey},
        paseto::{Local, Public, V4},
    },
};

/// A part of every secret that the test can choose.
const WORD: &str = "swordfish";

/// The `Debug` output, and what must not be in it.
#[derive(Default)]
struct Shown {
    text: String,
    secrets: Vec<String>,
}

impl Shown {
    fn show(&mut self, it: &impl Debug) {
        write!(self.text, "{it:?}\n{it:#?}\n").unwrap();
    }

    fn hides(&mut self, secret: impl Into<String>) {
        let secret = secret.into();
        assert!(
            secret.len() >= 6,
            "{secret} is too short and occurs in any text"
        );
        self.secrets.push(secret);
    }
}

fn word() -> Secret<String> {
    Secret::new(format!("{WORD}, a long and secret text of enough length"))
}

fn keys(shown: &mut Shown) {
    let hmac = Key::hs256(word().expose()).unwrap();
    let ring = KeyRing::new(hmac.clone());
    let pair = Key::generate(Algorithm::Es256).unwrap();
    shown.hides(pem_body(pair.to_pkcs8_pem().unwrap().expose()));
    let jwe = JweKey::a256kw(b"swordfish, of exactly 32 bytes..").unwrap();
    let rsa = JweKey::generate(JweAlgorithm::EcdhEs).unwrap();
    shown.hides(pem_body(rsa.to_pkcs8_pem().unwrap().expose()));
    let local = PasetoKey::<V4, Local>::generate();
    shown.hides(&local.to_paserk().expose()["k4.local.".len()..]);
    let public = PasetoKey::<V4, Public>::generate().unwrap();
    let secret = public.secret_paserk().unwrap();
    shown.hides(&secret.expose()["k4.secret.".len()..][..40]);
    shown.show(&(&hmac, &ring, &pair, &jwe, &rsa, &local, &public));
    let master = MasterSecret::new(word().expose().as_bytes()).unwrap();
    shown.show(&(word(), &master));
}

fn pem_body(pem: &str) -> String {
    pem.lines().nth(1).unwrap().to_owned()
}

async fn engines(shown: &mut Shown) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let secret = MasterSecret::new(word().expose().as_bytes()).unwrap();
    let users = Arc::new(StoreUsers::<Claims>::new(&Env::new(
        "i",
        store.clone(),
        &secret,
    )));
    let known: Arc<dyn Users<Claims>> = users.clone();
    let builder = || {
        let ring = KeyRing::new(Key::hs256(word().expose()).unwrap());
        Jwt::<Claims>::builder(ring).issuer("i").audience("a")
    };
    shown.show(&builder());
    let jwt = builder().build().unwrap();
    let claims = || Claims::new().with("card", WORD).unwrap();
    let grant = || Grant::new("alice", claims()).factor(Factor::Password);
    shown.show(&(claims(), grant(), jwt.issue(grant())));
    let token = jwt.issue(grant()).await.unwrap();
    shown.hides(token.expose());
    shown.hides(token.expose().rsplit('.').next().unwrap());
    let verified = jwt.verify(token.expose()).await.unwrap();
    shown.show(&(&jwt, &token, &verified, verified.identity()));

    let sessions = Sessions::<Claims>::builder(&Env::new("self", store.clone(), &secret));
    shown.show(&sessions);
    let sessions = sessions.build().unwrap();
    let session = sessions.create(grant()).await.unwrap();
    shown.hides(session.token.expose());
    let (info, data) = sessions.get(session.token.expose()).await.unwrap().unwrap();
    shown.show(&(&sessions, &session, &info, &data));

    let pairs = TokenPairs::builder(
        &Env::new("i", store.clone(), &secret),
        jwt,
        user_reader(known.clone()),
    );
    shown.show(&pairs);
    let pairs = pairs.build().unwrap();
    let pair = pairs.issue(grant()).await.unwrap();
    shown.hides(pair.refresh_token.expose());
    let devices = pairs.list("alice").await.unwrap();
    let worth = pairs.introspect(pair.refresh_token.expose()).await.unwrap();
    shown.show(&(&pairs, &pair, &devices, &worth));
    let fingerprint = Fingerprint::new(&json!({ "platform": WORD })).unwrap();
    shown.show(&fingerprint);

    let otp = Otp::builder(&Env::new("self", store.clone(), &secret), "Acme");
    shown.show(&otp);
    let otp = otp.build().unwrap();
    let known_secret = OtpSecret::generate();
    shown.hides(known_secret.to_base32().expose());
    let enrollment = otp.enroll("alice").secret(known_secret.clone());
    shown.show(&enrollment);
    let enrollment = enrollment.await.unwrap();
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(0)));
    let phone = Authenticator::new(known_secret.clone(), tower_jam::otp::Totp::new(), clock);
    let code = tower_jam::otp::Totp::new().code(
        &known_secret,
        tower_jam::Clock::now(&tower_jam::SystemClock),
    );
    let recovery = otp.confirm("alice", code.expose()).await.unwrap();
    for code in recovery.iter() {
        shown.hides(code);
    }
    shown.show(&(&otp, &known_secret, &enrollment, &phone, &code, &recovery));

    let passwords = Passwords::builder().pepper(&secret).build().unwrap();
    let new = passwords.check_new(word().expose()).await.unwrap();
    let hash = passwords.hash(&new).await.unwrap();
    shown.hides(hash.expose());
    let throttle = Throttle::builder(&Env::new("i", store.clone(), &secret));
    shown.show(&(&passwords, &new, &hash, &throttle));
    let user = User::new(grant(), hash.expose());
    let credentials = Credentials {
        name: WORD.to_owned(),
        password: word(),
    };
    let origin = Origin::new([127, 0, 0, 1].into());
    shown.show(&(&user, &credentials, &origin, NewDevice::default()));
    let accounts = Accounts::builder(
        &Env::new("i", store.clone(), &secret),
        known,
        passwords,
        throttle.build(),
        pairs,
    );
    shown.show(&accounts);
    shown.show(&(accounts.build().unwrap(), &users));
    let dpop = Dpop::builder(
        &Env::new("i", store.clone(), &secret),
        "https://api.acme.dev",
    );
    shown.show(&dpop);
    shown.show(&dpop.build().unwrap());

    let provider = Provider::github("id", word().expose());
    shown.show(&provider);
    let client = OAuth2::builder(&Env::new("i", store, &secret), provider.build().unwrap())
        .redirect_url("https://app.acme.dev/callback");
    shown.show(&client);
    let client = client.build().unwrap();
    let started = client.authorize().await.unwrap();
    shown.hides(
        started
            .url
            .split("state=")
            .nth(1)
            .unwrap()
            .split('&')
            .next()
            .unwrap(),
    );
    let mut callback = Callback::default();
    callback.code = Some(WORD.to_owned());
    callback.state = Some(WORD.to_owned());
    shown.show(&(&client, &started, &callback, client.authorize()));
}

fn parts(shown: &mut Shown) {
    let request = Request::builder()
        .header(header::AUTHORIZATION, format!("Bearer {WORD}"))
        .header("cookie", format!("sid={WORD}"))
        .header("x-token", WORD);
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let sources = [
        CredentialSource::bearer(),
        CredentialSource::cookie("sid").unwrap(),
        CredentialSource::header(HeaderName::from_static("x-token")),
        CredentialSource::bearer().with_header(HeaderName::from_static("x-token")),
    ];
    for source in sources {
        let found = source.find(&parts).unwrap().unwrap();
        assert_eq!(found.expose(), WORD);
        shown.show(&(&source, &found));
    }
    let value = WORD.as_bytes();
    let entry = Entry::new(value.into(), Version::from_stored(1), Timestamp::NEVER);
    let write = Write::new(value, Timestamp::NEVER);
    shown.show(&(entry, write));
    shown.show(&RedisStore::builder("redis://alice:swordfish@127.0.0.1"));
    shown.show(&PostgresStore::builder(
        "postgres://alice:swordfish@127.0.0.1/a",
    ));
    let text = format!(
        "secret: {WORD}-{WORD}-{WORD}-{WORD}\nstore: {{ type: redis, url: 'redis://:{WORD}@x' }}"
    );
    let loader = Config::text(&text, Format::Yaml);
    shown.show(&loader);
    let config = loader.load().unwrap();
    shown.show(&config);
    shown.show(&tower_jam::Jam::<Claims>::builder(config));
}

#[tokio::test]
async fn no_secret_is_in_a_debug_text() {
    let mut shown = Shown::default();
    shown.hides(WORD);
    // As a list of bytes, which is how `Vec<u8>` is displayed.
    shown.hides("115, 119, 111, 114, 100");
    keys(&mut shown);
    engines(&mut shown).await;
    parts(&mut shown);
    assert!(shown.text.len() > 10_000 && shown.secrets.len() > 15);
    for secret in &shown.secrets {
        let at = shown.text.find(secret.as_str());
        let around = at.map(|at| &shown.text[at.saturating_sub(200)..at]);
        assert!(around.is_none(), "{secret} is shown after {around:?}");
    }
}

/// A derived `Debug` shows every field. So a text field with the name of something secret is a
/// `Secret`, or its type implements `Debug` by hand.
#[test]
fn no_type_that_derives_debug_holds_a_bare_secret() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for file in sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
        let text = fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices("#[derive(") {
            let derived = &text[at..];
            let (list, rest) = derived.split_once(")]").unwrap();
            if !list.contains("Debug") {
                continue;
            }
            let end = rest.find("\n}").unwrap_or(rest.len());
            for line in rest[..end].lines() {
                let Some((name, kind)) = line.trim().split_once(": ") else {
                    continue;
                };
                checked += 1;
                let name = name.rsplit(' ').next().unwrap();
                let is_text = ["String", "Vec<u8>", "Bytes", "Cow<", "str", "[u8"]
                    .iter()
                    .any(|text| {
                        kind.starts_with(text)
                            || kind.contains(&format!("<{text}"))
                            || kind.contains(&format!("&'a {text}"))
                    });
                if is_text && !kind.contains("Secret<") && SECRETS.contains(&name) {
                    wrong.push(format!("{}: {name}: {kind}", file.display()));
                }
            }
        }
    }
    assert!(checked > 300, "{checked}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The names of fields that hold a secret.
const SECRETS: [&str; 20] = [
    "access_token",
    "bytes",
    "challenge",
    "client_secret",
    "credential",
    "id_token",
    "password",
    "password_hash",
    "pem",
    "private_key",
    "proof",
    "refresh_token",
    "secret",
    "secret_key",
    "seed",
    "state",
    "text",
    "token",
    "value",
    "verifier",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            found.push(path);
        }
    }
    found
}
