//! Users in the store and in a PostgreSQL table of the application.

use crate::support::postgres::{Server, execute};
use serde::Deserialize;
use sqlx::PgPool;
use tower_jam::{
    Claims, Env,
    account::{PostgresUsers, PostgresUsersBuilder, Users},
};

/// Some columns of the table.
#[derive(Deserialize)]
struct Person {
    full_name: String,
    age: i32,
    #[serde(default)]
    secret_hash: Option<String>,
}

async fn table() -> (String, PgPool) {
    let url = Server::shared().database().await;
    execute(
        &url,
        r#"CREATE SCHEMA app;
           CREATE TABLE app.people (
             "Id" bigint PRIMARY KEY, email text, secret_hash text, full_name text NOT NULL, age int NOT NULL,
             enabled boolean NOT NULL DEFAULT true, groups text[]);
           INSERT INTO app.people VALUES
             (1, 'alice@acme.dev', 'hash of alice', 'Alice', 42, true, '{editor,admin}'),
             (2, 'bob@acme.dev', 'hash of bob', 'Bob', 17, false, '{}'),
             (3, 'carol@acme.dev', NULL, 'Carol', 30, true, NULL),
             (4, 'twin@acme.dev', 'a', 'Twin', 5, true, NULL),
             (5, 'twin@acme.dev', 'b', 'Twin', 5, true, NULL),
             (6, 'eve@acme.dev', 'c', 'Eve''); DROP TABLE app.people; --', 5, true, NULL)"#,
    )
    .await;
    let pool = PgPool::connect(&url).await.unwrap();
    (url, pool)
}

fn users_of_persons(pool: PgPool) -> PostgresUsers<Person> {
    settings(pool).build().unwrap()
}

fn settings(pool: PgPool) -> PostgresUsersBuilder<Person> {
    PostgresUsers::builder(pool, "app.people")
        .id_column("Id")
        .name_column("email")
        .password_column("secret_hash")
        .active_column("enabled")
        .roles_column("groups")
        .user_columns(["full_name", "age"])
}

#[tokio::test]
async fn a_user_is_found_by_the_configured_columns() {
    let (_, pool) = table().await;
    let users = users_of_persons(pool);
    let alice = users.find("alice@acme.dev").await.unwrap().unwrap();
    assert_eq!(alice.grant.subject(), "1");
    assert_eq!(alice.password_hash.expose(), "hash of alice");
    let again = users.read("1").await.unwrap().unwrap();
    assert_eq!(again.password_hash, alice.password_hash);
    let carol = users.find("carol@acme.dev").await.unwrap().unwrap();
    assert_eq!(
        carol.password_hash.expose(),
        "",
        "a user without a password has no hash"
    );

    for nobody in [
        "ALICE@acme.dev",
        "bob@acme.dev",
        "",
        "' OR true --",
        "alice@acme.dev\0",
        "1",
        "%",
    ] {
        assert!(users.find(nobody).await.unwrap().is_none(), "{nobody:?}");
    }
    for nobody in ["2", "7", "", "1 OR true", "01", "1\0"] {
        assert!(users.read(nobody).await.unwrap().is_none(), "{nobody:?}");
    }
    assert!(
        users.find("twin@acme.dev").await.is_err(),
        "two rows are ambiguous"
    );
    assert!(users.find("eve@acme.dev").await.unwrap().is_some());
}

/// If an id of another type were compared as text, PostgreSQL would scan the whole table.
#[tokio::test]
async fn an_id_with_a_stated_type_is_found_by_its_index() {
    let (url, pool) = table().await;
    let users = settings(pool.clone()).id_type("bigint").build().unwrap();
    let alice = users.read("1").await.unwrap().unwrap();
    assert_eq!(alice.grant.subject(), "1");
    for nobody in [
        "2",
        "7",
        "",
        "x",
        "01",
        " 1",
        "+1",
        "1.0",
        "99999999999999999999999",
    ] {
        assert!(users.read(nobody).await.unwrap().is_none(), "{nobody:?}");
    }
    assert!(
        users
            .replace_hash("1", "hash of alice", "new")
            .await
            .unwrap()
    );
    let refused = settings(pool.clone()).id_type("bigint; --").build();
    assert_eq!(refused.unwrap_err().setting(), "id_type");

    execute(&url, "INSERT INTO app.people SELECT n, n::text, '', '', 1 FROM generate_series(10, 20000) n; ANALYZE app.people").await;
    let plan: Vec<String> = sqlx::query_scalar(
        r#"EXPLAIN SELECT 1 FROM app.people t WHERE t."Id" = '7'::text::bigint"#,
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(plan.join(" ").contains("Index"), "{plan:?}");
}

/// A real table has reset tokens, telephone numbers, and columns that happen to be named like
/// claims.
#[tokio::test]
async fn only_named_columns_are_read_and_only_the_roles_column_grants_roles() {
    let (url, pool) = table().await;
    execute(
        &url,
        r#"ALTER TABLE app.people ADD roles text[], ADD scope text, ADD reset_token text;
           UPDATE app.people SET roles = '{root}', scope = 'everything', reset_token = 'swordfish'"#,
    )
    .await;
    let jwt = tower_jam::Jwt::builder(tower_jam::KeyRing::new(
        tower_jam::Key::generate(tower_jam::Algorithm::EdDsa).unwrap(),
    ))
    .issuer("https://auth.acme.dev")
    .audience("api")
    .build()
    .unwrap();
    let settings = || {
        PostgresUsers::<Claims>::builder(pool.clone(), "app.people")
            .id_column("Id")
            .name_column("email")
            .password_column("secret_hash")
    };
    let logged_in = async |users: PostgresUsers<Claims>| {
        let users: std::sync::Arc<dyn Users<Claims>> = std::sync::Arc::new(users);
        let store = std::sync::Arc::new(tower_jam::store::MemoryStore::new());
        let secret = tower_jam::MasterSecret::generate();
        let reread = tower_jam::account::user_reader(users.clone());
        let pairs = tower_jam::TokenPairs::builder(
            &Env::new("https://auth.acme.dev", store, &secret),
            jwt.clone(),
            reread,
        );
        let pairs = pairs.build().unwrap();
        let alice = users.find("alice@acme.dev").await.unwrap().unwrap();
        let pair = pairs.issue(alice.grant).await.unwrap();
        pairs.verify(pair.access_token.expose()).await.unwrap()
    };

    let plain = logged_in(settings().build().unwrap()).await;
    let claims = plain.user().unwrap();
    assert_eq!(claims.claim("email").unwrap(), "alice@acme.dev");
    for column in ["full_name", "secret_hash", "reset_token", "roles", "scope"] {
        assert!(claims.claim(column).is_none(), "{column}");
    }
    assert!(!plain.identity().unwrap().has_role("root"));

    // A user who has a role logs in, and a column named like a claim grants nothing.
    let columns = ["full_name", "roles", "scope"];
    let users = settings().user_columns(columns).roles_column("groups");
    let named = logged_in(users.build().unwrap()).await;
    let identity = named.identity().unwrap();
    assert!(identity.has_role("admin") && !identity.has_role("root"));
    assert!(identity.scopes().is_empty());
    assert_eq!(named.user().unwrap().claim("full_name").unwrap(), "Alice");

    let refused = settings().user_columns(["secret_hash"]).build();
    assert_eq!(refused.unwrap_err().setting(), "user_columns");
    let typed = users_of_persons(pool.clone()).find("alice@acme.dev").await;
    let typed = typed.unwrap().unwrap();
    let person = typed.grant.user();
    assert_eq!((person.full_name.as_str(), person.age), ("Alice", 42));
    assert!(person.secret_hash.is_none());
}

#[tokio::test]
async fn a_user_is_disabled_by_its_column_and_removed() {
    let (_, pool) = table().await;
    let users = users_of_persons(pool.clone());
    assert!(users.set_disabled("1", true).await.unwrap());
    assert!(users.read("1").await.unwrap().is_none());
    assert!(users.set_disabled("1", false).await.unwrap());
    assert!(users.read("1").await.unwrap().is_some());
    assert!(!users.set_disabled("99", true).await.unwrap());
    assert!(users.remove("1").await.unwrap());
    assert!(!users.remove("1").await.unwrap());
    assert!(users.find("alice@acme.dev").await.unwrap().is_none());

    let without = PostgresUsers::<Claims>::builder(pool, "app.people").id_column("Id");
    let without = without.name_column("email").password_column("secret_hash");
    let refused = without.build().unwrap().set_disabled("2", true).await;
    assert!(refused.is_err(), "the table cannot store it");
}

#[tokio::test]
async fn of_two_new_hashes_at_once_one_is_stored() {
    let (_, pool) = table().await;
    let users = std::sync::Arc::new(users_of_persons(pool));
    for round in 0..50 {
        let old = users.read("1").await.unwrap().unwrap().password_hash;
        let store = |number: usize| {
            let (users, old) = (users.clone(), old.clone());
            tokio::spawn(async move {
                let new = format!("hash {round}/{number}");
                users.replace_hash("1", old.expose(), &new).await.unwrap()
            })
        };
        let (one, two) = (store(1), store(2));
        assert!(one.await.unwrap() ^ two.await.unwrap(), "round {round}");
    }
    assert!(!users.replace_hash("1", "another", "new").await.unwrap());
    assert!(!users.replace_hash("9", "another", "new").await.unwrap());
}

#[tokio::test]
async fn invalid_names_are_refused_and_a_missing_table_is_an_error() {
    let (_, pool) = table().await;
    for odd in [
        "",
        "1people",
        "app.people.x",
        "people; DROP TABLE x",
        "pe\"ople",
        &"x".repeat(64),
    ] {
        let refused = PostgresUsers::<Person>::builder(pool.clone(), odd).build();
        assert_eq!(refused.unwrap_err().setting(), "table", "{odd}");
    }
    let refused = PostgresUsers::<Person>::builder(pool.clone(), "people")
        .id_column("a b")
        .build();
    assert_eq!(refused.unwrap_err().setting(), "id_column");
    let missing = PostgresUsers::<Person>::builder(pool, "nothing")
        .build()
        .unwrap();
    assert!(missing.find("alice").await.is_err());
}

#[tokio::test]
async fn an_unavailable_server_is_an_error_in_time() {
    let mut server = Server::start(&[]);
    let pool = PgPool::connect(&server.url("postgres")).await.unwrap();
    let users = PostgresUsers::<Person>::builder(pool, "people")
        .build()
        .unwrap();
    server.kill();
    let began = std::time::Instant::now();
    assert!(users.find("alice").await.is_err());
    assert!(began.elapsed() < std::time::Duration::from_secs(4));
}

/// PostgreSQL quotes the row that it rejects in the DETAIL of its error.
#[tokio::test]
async fn an_error_of_the_table_quotes_nothing_of_its_rows() {
    let (url, pool) = table().await;
    execute(
        &url,
        r#"ALTER TABLE app.people ADD CONSTRAINT short CHECK (length(secret_hash) < 20);
           CREATE FUNCTION app.loud() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'not %', NEW.secret_hash USING DETAIL = NEW.secret_hash; END $$;
           CREATE TRIGGER loud BEFORE UPDATE ON app.people FOR EACH ROW WHEN (NEW.email = 'twin@acme.dev')
             EXECUTE FUNCTION app.loud()"#,
    )
    .await;
    let users = users_of_persons(pool);
    let new = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA";
    for (id, old) in [("1", "hash of alice"), ("4", "a")] {
        let error = users.replace_hash(id, old, new).await.unwrap_err();
        let rejection = tower_jam::Rejection::from(error);
        let mut text = format!("{rejection:?} {rejection}");
        let mut source = std::error::Error::source(&rejection);
        while let Some(cause) = source {
            text = format!("{text} {cause:?} {cause}");
            source = cause.source();
        }
        assert!(text.contains("SQLSTATE"), "{text}");
        for secret in ["argon2id", "c2FsdA", "aGFzaA", "alice", "Alice"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}
