//! The Config of fastapi-simple-jwt, key by key: the setting that replaces each of them here, and
//! its effect.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, routing::get};
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgPool;
use tower_jam::{
    AuthUser, Clock, Jam, SystemClock,
    account::{PostgresUsers, Users},
    config::{Config, Format},
    routes,
    store::PostgresStore,
    testing::ManualClock,
};

use crate::{
    account::{Answer, PASSWORD, Pair, post, send},
    support::postgres::{Server, execute},
    world::SECRET,
};

/// The Config of its README with these names, translated.
const CONFIG: &str = r#"
    [jam]
    issuer = "https://auth.acme.dev"
    audience = "api"
    secret = "$JAM_SECRET"

    [jam.jwt]
    alg = "HS256"                 # ALGORITHM
    secret_key = "$SECRET_KEY"    # SECRET_KEY

    [jam.refresh]
    access_ttl = "15m"            # ACCESS_TOKEN_LIFETIME
    idle = "7d"                   # REFRESH_TOKEN_LIFETIME
    absolute = "7d"
    blacklist = "refresh"         # BLACKLIST_ENABLED, BLACKLIST_STRATEGY
    rotate = true                 # ROTATE_REFRESH_TOKENS
    max_devices = 3               # MAX_DEVICES_PER_USER
    on_limit = "evict_oldest"

    [jam.passwords]
    schemes = ["bcrypt"]          # PASSWORD_SCHEMES
"#;

/// USER_MODEL: a row of the table, under the names of its columns.
#[derive(Serialize, Deserialize)]
struct Person {
    id: i64,
    email: String,
    full_name: String,
}

/// The application: its own pool of connections (GET_SESSION) to its own tables (BASE).
struct Shop {
    clock: Arc<ManualClock>,
    pool: PgPool,
    jam: Jam<Person>,
    app: Router,
}

/// Starts the application of the configuration, with these environment variables in addition.
async fn shop(changes: &[(&str, &str)]) -> Shop {
    let url = Server::shared().database().await;
    // passlib made the hash, with bcrypt.
    execute(
        &url,
        "CREATE TABLE people (id bigint PRIMARY KEY, email text UNIQUE, hashed_password text, full_name text);
         INSERT INTO people VALUES (7, 'ada@acme.dev',
           '$2b$12$QclvQfLGr1JjN8mwiGjXWut4ZlsF6mhDEccbNmsOp3khowQJcuq6G', 'Ada')",
    )
    .await;
    let pool = PgPool::connect(&url).await.unwrap();
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let store = PostgresStore::with_pool(pool.clone()).clock(clock.clone());
    let store = Arc::new(store.connect().await.unwrap());
    let users: Arc<dyn Users<Person>> = Arc::new(
        PostgresUsers::builder(pool.clone(), "people")
            .id_type("bigint")
            .name_column("email")
            .password_column("hashed_password")
            .user_columns(["id", "email", "full_name"])
            .build()
            .unwrap(),
    );
    let known = [("JAM_SECRET", SECRET.as_str()), ("SECRET_KEY", &SECRET)];
    let variables = known.iter().chain(changes).copied();
    let config = Config::text(CONFIG, Format::Toml).variables(variables);
    let jam = Jam::builder(config.load().unwrap())
        .store(store)
        .users(users)
        .clock(clock.clone())
        .build()
        .await
        .unwrap();
    let me = get(|person: AuthUser<Person>| async { Json(person) });
    let app = Router::new()
        .route("/me", me)
        .route_layer(jam.pairs_layer().unwrap())
        .merge(routes::accounts(jam.accounts().unwrap().clone()));
    Shop {
        clock,
        pool,
        jam,
        app,
    }
}

impl Shop {
    async fn login(&self) -> Pair {
        let answer = self.login_as("ada@acme.dev").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Pair::of(&answer)
    }

    async fn login_as(&self, name: &str) -> Answer {
        post(
            &self.app,
            "/login",
            &[],
            json!({ "username": name, "password": PASSWORD }),
        )
        .await
    }

    async fn me(&self, pair: &Pair) -> Answer {
        send(
            &self.app,
            "GET",
            "/me",
            &pair.authorization(),
            String::new(),
        )
        .await
    }

    async fn refresh(&self, pair: &Pair) -> Answer {
        post(&self.app, "/refresh", &[], pair.body()).await
    }

    async fn logout(&self, pair: &Pair) {
        let answer = post(&self.app, "/logout", &[], pair.body()).await;
        assert_eq!(answer.status, 204);
    }

    async fn hash(&self) -> String {
        let hash = sqlx::query_scalar("SELECT hashed_password FROM people WHERE id = 7");
        hash.fetch_one(&self.pool).await.unwrap()
    }
}

/// SECRET_KEY and ALGORITHM.
#[tokio::test]
async fn the_secret_key_and_the_algorithm_are_those_of_access_tokens() {
    let long = SECRET.repeat(2);
    for (alg, key) in [("HS256", SECRET.as_str()), ("HS512", &long)] {
        let changes = [("JAM__JWT__ALG", alg), ("JAM__JWT__SECRET_KEY", key)];
        let pair = shop(&changes).await.login().await;
        let token = pair.bearer.strip_prefix("Bearer ").unwrap();
        let header = decode_header(token).unwrap();
        assert_eq!(format!("{:?}", header.alg), alg);
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&["api"]);
        validation.set_issuer(&["https://auth.acme.dev"]);
        let read = |key: &str| {
            let key = DecodingKey::from_secret(key.as_bytes());
            decode::<Value>(token, &key, &validation)
        };
        assert_eq!(read(key).unwrap().claims["sub"], "7");
        assert!(read("another").is_err());
    }
    let weak = Config::text(CONFIG, Format::Toml).variables([
        ("JAM_SECRET", SECRET.as_str()),
        ("SECRET_KEY", "supersecretkey"),
    ]);
    let weak = Jam::<Person>::builder(weak.load().unwrap()).build().await;
    assert_eq!(
        weak.unwrap_err().to_string(),
        "setting `jam.jwt.secret_key`: 14 bytes, but HS256 requires at least 32 random bytes"
    );
}

/// ACCESS_TOKEN_LIFETIME and REFRESH_TOKEN_LIFETIME.
#[tokio::test]
async fn both_lifetimes_are_enforced() {
    let changes = [
        ("JAM__REFRESH__ACCESS_TTL", "5m"),
        ("JAM__REFRESH__ABSOLUTE", "2d"),
        ("JAM__REFRESH__IDLE", "1d"),
    ];
    for (changes, access, idle, absolute) in [(&[][..], 15, 7, 7), (&changes[..], 5, 1, 2)] {
        let shop = shop(changes).await;
        let answer = shop.login_as("ada@acme.dev").await;
        assert_eq!(answer.json()["expires_in"], access * 60);
        let pair = Pair::of(&answer);
        assert_eq!(shop.me(&pair).await.status, 200);
        // The clocks of two servers may differ by half a minute.
        shop.clock
            .advance(minutes(access) + Duration::from_secs(30));
        assert_eq!(shop.me(&pair).await.status, 401);
        assert_eq!(shop.refresh(&pair).await.status, 200);
        let other = shop.login().await;
        shop.clock.advance(minutes(idle * 24 * 60));
        assert_eq!(shop.refresh(&other).await.status, 401, "idle for too long");
        // A client that refreshes all the time stays logged in until the absolute lifetime ends.
        let mut pair = shop.login().await;
        for _ in 0..(2 * absolute - 1) {
            shop.clock.advance(minutes(12 * 60));
            pair = Pair::of(&shop.refresh(&pair).await);
        }
        shop.clock.advance(minutes(12 * 60));
        assert_eq!(
            shop.refresh(&pair).await.status,
            401,
            "after {absolute} days"
        );
    }
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// USER_MODEL, USERNAME_FIELD and PASSWORD_FIELD.
#[tokio::test]
async fn the_user_is_a_row_of_the_application_s_own_table() {
    let shop = shop(&[]).await;
    for nobody in ["7", "Ada", "ada@acme.dev "] {
        assert_eq!(shop.login_as(nobody).await.status, 401, "{nobody}");
    }
    let pair = shop.login().await;
    let me = shop.me(&pair).await;
    let claims = me.json();
    assert_eq!(
        (&claims["email"], &claims["full_name"]),
        (&json!("ada@acme.dev"), &json!("Ada"))
    );
    assert!(!me.text.contains("hashed_password"), "{}", me.text);

    let before = shop.hash().await;
    let change = json!({ "current": PASSWORD, "new": "another horse, battery" });
    let changed = post(&shop.app, "/password", &pair.authorization(), change).await;
    assert_eq!(changed.status, 204, "{}", changed.text);
    assert_ne!(shop.hash().await, before);
    assert_eq!(
        shop.login_as("ada@acme.dev").await.status,
        401,
        "the old password"
    );
}

/// PASSWORD_SCHEMES: the first one hashes, all listed ones verify.
#[tokio::test]
async fn the_schemes_of_passwords_are_those_that_are_listed() {
    for (schemes, expected) in [
        (r#"["bcrypt"]"#, Some("$bcrypt-sha256$")),
        (r#"["argon2id", "bcrypt"]"#, Some("$argon2id$")),
        (r#"["scrypt", "bcrypt"]"#, Some("$scrypt$")),
        (r#"["pbkdf2_sha256", "bcrypt"]"#, Some("$pbkdf2-sha256$")),
        (r#"["pbkdf2_sha512", "bcrypt"]"#, Some("$pbkdf2-sha512$")),
        (r#"["argon2id"]"#, None),
    ] {
        let shop = shop(&[("JAM__PASSWORDS__SCHEMES", schemes)]).await;
        let status = shop.login_as("ada@acme.dev").await.status;
        let hash = shop.hash().await;
        match expected {
            Some(start) => assert!(
                status == 200 && hash.starts_with(start),
                "{schemes}: {hash}"
            ),
            None => assert!(
                status == 401 && hash.starts_with("$2b$"),
                "{schemes}: {hash}"
            ),
        }
    }
    let kept = shop(&[("JAM__PASSWORDS__REHASH", "false")]).await;
    kept.login().await;
    assert!(kept.hash().await.starts_with("$2b$12$"));
}

/// BASE and GET_SESSION.
#[tokio::test]
async fn state_is_in_the_database_and_on_the_connections_of_the_application() {
    let shop = shop(&[]).await;
    shop.login().await;
    let entries = sqlx::query_scalar("SELECT count(*) FROM tower_jam.entries");
    let entries: i64 = entries.fetch_one(&shop.pool).await.unwrap();
    assert!(entries > 0);
    shop.jam.ready().await.unwrap();
    shop.pool.close().await;
    shop.jam.ready().await.unwrap_err();
    assert_eq!(shop.login_as("ada@acme.dev").await.status, 503);
}

/// BLACKLIST_ENABLED and BLACKLIST_STRATEGY: what a logout revokes.
#[tokio::test]
async fn a_logout_revokes_what_the_blacklist_says() {
    for (blacklist, access, refresh) in [
        // BLACKLIST_ENABLED = False
        ("dangerous_none", 200, 200),
        // BLACKLIST_REFRESH
        ("refresh", 200, 401),
        // BLACKLIST_BOTH
        ("both", 401, 401),
    ] {
        let shop = shop(&[("JAM__REFRESH__BLACKLIST", blacklist)]).await;
        let pair = shop.login().await;
        shop.logout(&pair).await;
        assert_eq!(shop.me(&pair).await.status, access, "{blacklist}");
        assert_eq!(shop.refresh(&pair).await.status, refresh, "{blacklist}");
    }
}

/// ROTATE_REFRESH_TOKENS.
#[tokio::test]
async fn a_refresh_returns_a_new_refresh_token_unless_configured_otherwise() {
    for rotates in [true, false] {
        let shop = shop(&[("JAM__REFRESH__ROTATE", &rotates.to_string())]).await;
        let pair = shop.login().await;
        let next = Pair::of(&shop.refresh(&pair).await);
        assert_eq!(next.refresh != pair.refresh, rotates);
        assert_eq!(shop.me(&next).await.status, 200);
        // After the grace of ten seconds, the old token counts as stolen.
        shop.clock.advance(Duration::from_secs(11));
        let status = if rotates { 401 } else { 200 };
        assert_eq!(shop.refresh(&pair).await.status, status);
    }
}

/// MAX_DEVICES_PER_USER.
#[tokio::test]
async fn no_more_devices_are_logged_in_than_the_limit() {
    let shop = shop(&[("JAM__REFRESH__MAX_DEVICES", "1")]).await;
    let first = shop.login().await;
    let second = shop.login().await;
    assert_eq!(shop.refresh(&first).await.status, 401, "it was evicted");
    let second = Pair::of(&shop.refresh(&second).await);
    let own = second.authorization();
    let listed = send(&shop.app, "GET", "/active_sessions", &own, String::new());
    assert_eq!(listed.await.json().as_array().unwrap().len(), 1);

    let changes = [
        ("JAM__REFRESH__MAX_DEVICES", "1"),
        ("JAM__REFRESH__ON_LIMIT", "reject"),
    ];
    let strict = self::shop(&changes).await;
    let first = strict.login().await;
    assert_eq!(strict.login_as("ada@acme.dev").await.status, 403);
    assert_eq!(strict.refresh(&first).await.status, 200);

    // Of three devices, the oldest or the least recently used one is evicted.
    for (on_limit, evicted) in [("evict_oldest", 0), ("evict_lru", 1)] {
        let changes = [
            ("JAM__REFRESH__ON_LIMIT", on_limit),
            ("JAM__REFRESH__ROTATE", "false"),
        ];
        let shop = self::shop(&changes).await;
        let mut pairs = Vec::new();
        for _ in 0..3 {
            pairs.push(shop.login().await);
            shop.clock.advance(Duration::from_secs(1));
        }
        assert_eq!(shop.refresh(&pairs[0]).await.status, 200);
        shop.login().await;
        for (at, pair) in pairs.iter().enumerate() {
            let status = if at == evicted { 401 } else { 200 };
            assert_eq!(shop.refresh(pair).await.status, status, "{on_limit}: {at}");
        }
    }
}

/// The fate of every setting is documented.
#[test]
fn the_guide_names_every_key_and_this_file_tests_each() {
    let guide = include_str!("../../src/guide/from_fastapi_simple_jwt.md");
    let table = guide.split("| fastapi-simple-jwt | here |").nth(1).unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let in_a_file = |key: &str| CONFIG.contains(key);
    for (key, is_in_a_file) in [
        ("SECRET_KEY", true),
        ("ALGORITHM", true),
        ("ACCESS_TOKEN_LIFETIME", true),
        ("REFRESH_TOKEN_LIFETIME", true),
        ("USER_MODEL", false),
        ("USERNAME_FIELD", false),
        ("PASSWORD_FIELD", false),
        ("PASSWORD_SCHEMES", true),
        ("BASE", false),
        ("GET_SESSION", false),
        ("BLACKLIST_ENABLED", true),
        ("BLACKLIST_STRATEGY", true),
        ("ROTATE_REFRESH_TOKENS", true),
        ("MAX_DEVICES_PER_USER", true),
    ] {
        assert!(table.contains(&format!("`{key}`")), "{key}");
        assert_eq!(in_a_file(key), is_in_a_file, "{key}");
    }
}
