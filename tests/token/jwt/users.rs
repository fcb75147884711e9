//! The engine reads what it issues for a user, whatever the user's type is, or issues nothing.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    time::Duration,
};

use proptest::{collection::btree_map, prelude::*};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use tower_jam::{Algorithm, Claims, Factor, Grant, IssueError, Jwt, Key, KeyRing};

use super::forge::{AUDIENCE, Forge, ISSUER, NOW, SECRET, builder, claims, shared};

fn jwt<U>() -> Jwt<U> {
    builder(shared()).build().unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn issue<U: Serialize + Send + Sync>(user: U) -> Result<String, IssueError> {
    let token = run(jwt::<U>().issue(Grant::new("alice", user)).into_future());
    token.map(|token| token.expose().clone())
}

/// Issues a token for `user` and returns the user that the token is read as.
fn again<U>(user: U) -> U
where
    U: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
{
    read(&issue(user).unwrap()).unwrap()
}

fn read<U>(token: &str) -> Result<U, String>
where
    U: DeserializeOwned + Clone + Send + Sync + 'static,
{
    match run(jwt::<U>().verify(token)) {
        Ok(verified) => Ok(U::clone(verified.user().unwrap())),
        Err(rejection) => Err(rejection.reason().to_owned()),
    }
}

#[track_caller]
fn assert_again<U>(user: &U)
where
    U: Serialize + DeserializeOwned + Clone + Debug + PartialEq + Send + Sync + 'static,
{
    assert_eq!(again(user.clone()), *user);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    age: u8,
}

fn alice() -> User {
    User {
        name: "Alice".to_owned(),
        age: 42,
    }
}

#[test]
fn every_object_type_is_read_unchanged() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        name: String,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Wrapper(User);
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(transparent)]
    struct Transparent {
        user: User,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Nothing;
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Empty {}
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Tagged {
        Person { name: String, age: u8 },
        Robot(Model),
        Nobody,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Model {
        model: Option<String>,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind", content = "data")]
    enum Adjacent {
        Person(User),
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    enum External {
        Person(User),
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Person(User),
        Robot { model: String },
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        user: User,
        #[serde(rename = "https://acme.dev/team")]
        team: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        nick: Option<String>,
        nested: BTreeMap<String, Option<f32>>,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Generic<T> {
        inner: T,
        pair: (i64, char),
        bytes: [u8; 3],
    }

    assert_again(&alice());
    assert_again(&Strict {
        name: "Alice".to_owned(),
    });
    assert_again(&Wrapper(alice()));
    assert_again(&Transparent { user: alice() });
    assert_again(&());
    assert_again(&Nothing);
    assert_again(&Empty {});
    assert_again(&Some(alice()));
    assert_again(&Some(Some(alice())));
    assert_again(&Box::new(alice()));
    assert_again(&Tagged::Person {
        name: "Alice".to_owned(),
        age: 1,
    });
    assert_again(&Tagged::Robot(Model { model: None }));
    assert_again(&Tagged::Nobody);
    assert_again(&Adjacent::Person(alice()));
    assert_again(&External::Person(alice()));
    assert_again(&Untagged::Person(alice()));
    assert_again(&Untagged::Robot {
        model: "R2".to_owned(),
    });
    assert_again(&Flat {
        user: alice(),
        team: vec!["a".to_owned()],
        nick: None,
        nested: BTreeMap::from([("x".to_owned(), Some(0.5)), ("y".to_owned(), None)]),
    });
    assert_again(&Generic {
        inner: Some(alice()),
        pair: (i64::MIN, '\u{1f600}'),
        bytes: [1, 2, 3],
    });
}

/// A map contains the engine's claims too, and they are not issued from a map.
#[test]
fn a_map_has_the_registered_claims_and_none_is_issued_from_it() {
    let engine = ["iss", "sub", "aud", "exp", "iat", "jti"];
    fn check<M>(
        engine: &[&str],
        length: impl Fn(&M) -> usize,
        get: impl Fn(&M, &str) -> Option<Value>,
    ) where
        M: Default
            + FromIterator<(String, Value)>
            + Serialize
            + DeserializeOwned
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let map: M = [("name".to_owned(), json!("Alice"))].into_iter().collect();
        let first: M = again(map);
        assert_eq!(length(&first), engine.len() + 1);
        assert_eq!(get(&first, "sub"), Some(json!("alice")));
        assert_eq!(get(&first, "iss"), Some(json!(ISSUER)));
        assert_eq!(get(&first, "aud"), Some(json!(AUDIENCE)));
        assert_eq!(get(&first, "exp"), Some(json!(NOW + 900)));
        let second: M = again(first.clone());
        assert_eq!(length(&second), length(&first));
        assert_eq!(get(&second, "name"), Some(json!("Alice")));
        assert_ne!(get(&second, "jti"), get(&first, "jti"));
    }
    check::<HashMap<String, Value>>(&engine, HashMap::len, |map, name| map.get(name).cloned());
    check::<BTreeMap<String, Value>>(&engine, BTreeMap::len, |map, name| map.get(name).cloned());
    check::<Map<String, Value>>(&engine, Map::len, |map, name| map.get(name).cloned());

    let value: Value = again(json!({"name": "Alice", "exp": 1, "cnf": {}, "nbf": "never"}));
    assert_eq!(
        (&value["name"], &value["exp"]),
        (&json!("Alice"), &json!(NOW + 900))
    );
    assert!(value.get("cnf").is_none() && value.get("nbf").is_none());
}

#[test]
fn fields_named_like_claims_are_filled() {
    #[derive(Clone, Debug, PartialEq, Deserialize)]
    struct All {
        iss: String,
        #[serde(rename = "sub")]
        id: String,
        aud: Value,
        exp: u64,
        iat: f64,
        #[serde(alias = "jti")]
        token: String,
        nbf: Option<u64>,
        roles: Vec<String>,
        scope: String,
        amr: Vec<String>,
        auth_time: u64,
        name: String,
    }
    let grant = Grant::new("alice", alice())
        .factor(Factor::Password)
        .roles(["admin"])
        .scopes(["read", "write"]);
    let engine: Jwt<User> = jwt();
    let token = run(engine
        .issue(grant)
        .ttl(Duration::from_secs(60))
        .into_future())
    .unwrap();
    let all: All = read(token.expose()).unwrap();
    let verified = run(engine.verify(token.expose())).unwrap();
    let identity = verified.identity().unwrap();
    assert_eq!(all.token, identity.token_id().unwrap());
    let expected = All {
        iss: ISSUER.to_owned(),
        id: "alice".to_owned(),
        aud: json!(AUDIENCE),
        exp: NOW + 60,
        iat: NOW as f64,
        token: all.token.clone(),
        nbf: None,
        roles: vec!["admin".to_owned()],
        scope: "read write".to_owned(),
        amr: vec!["pwd".to_owned()],
        auth_time: NOW,
        name: "Alice".to_owned(),
    };
    assert_eq!(all, expected);
    assert!(
        identity.has_role("admin") && identity.has_scope("read") && identity.has_scope("write")
    );
}

/// RFC 9470 section 5: the claim that another verifier compares with the `acr_values` of its
/// challenge.
#[test]
fn a_token_states_its_authentication_context() {
    let engine: Jwt<Claims> = jwt();
    let acr = |factors: &[Factor]| {
        let mut grant = Grant::new("alice", Claims::new());
        for factor in factors {
            grant = grant.factor(factor.clone());
        }
        let token = run(engine.issue(grant).into_future()).unwrap();
        let claims: Claims = read(token.expose()).unwrap();
        claims.get::<String>("acr").unwrap()
    };
    assert_eq!(acr(&[]), None);
    assert_eq!(acr(&[Factor::Password]).as_deref(), Some("pwd"));
    assert_eq!(
        acr(&[Factor::Password, Factor::Otp]).as_deref(),
        Some("otp")
    );
}

/// If a field cannot hold the value of a claim, the token is rejected, and the field never gets
/// another value.
#[test]
fn a_user_type_that_does_not_match_is_rejected() {
    #[derive(Clone, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is never constructed")]
    struct Strict {
        name: String,
    }
    #[derive(Clone, Deserialize)]
    #[expect(dead_code, reason = "it is never constructed")]
    struct Wrong {
        exp: String,
    }
    let reason = || Err("the claims are not an acceptable JSON object".to_owned());
    let token = issue(alice()).unwrap();
    assert_eq!(read::<Strict>(&token).map(|_| ()), reason());
    assert_eq!(read::<Wrong>(&token).map(|_| ()), reason());
    assert_eq!(read::<String>(&token).map(|_| ()), reason());
    assert_eq!(read::<Vec<Value>>(&token).map(|_| ()), reason());
    assert_eq!(read::<u64>(&token).map(|_| ()), reason());
    assert_eq!(read::<(String, u8)>(&token).map(|_| ()), reason());
    assert_eq!(read::<User>(&issue(()).unwrap()).map(|_| ()), reason());
    let forge = Forge::hs256(SECRET);
    for age in ["256", "-1", "\"42\"", "null", "4.2", ""] {
        let token = forge.with_payload(claims(&[("name", "\"Alice\""), ("age", age)]));
        assert_eq!(read::<User>(&token).map(|_| ()), reason(), "{age}");
    }
    let token = forge.with_payload(claims(&[("name", "\"Alice\""), ("age", "42")]));
    assert_eq!(read::<User>(&token), Ok(alice()));
}

#[track_caller]
fn assert_no_user<U: Serialize + Send + Sync>(user: U) {
    let outcome = issue(user);
    assert!(matches!(outcome, Err(IssueError::User(_))), "{outcome:?}");
}

#[test]
fn a_user_that_is_not_an_object_is_not_issued() {
    #[derive(Serialize)]
    enum Unit {
        Only,
    }
    #[derive(Serialize)]
    struct Pair(u8, u8);

    assert_no_user("swordfish");
    assert_no_user(String::new());
    assert_no_user('c');
    assert_no_user(5_u8);
    assert_no_user(-5_i64);
    assert_no_user(u128::MAX);
    assert_no_user(0.5_f64);
    assert_no_user(true);
    assert_no_user([1, 2]);
    assert_no_user(vec!["a"]);
    assert_no_user((1, 2));
    assert_no_user(Pair(1, 2));
    assert_no_user(Some(1));
    assert_no_user(Unit::Only);
    assert_no_user(json!([{"name": "Alice"}]));
    assert_no_user(json!("text"));
    assert_no_user(BTreeMap::from([((1, 2), "a")]));
    assert_no_user(
        BTreeMap::from([("key", f64::NAN)])
            .keys()
            .collect::<Vec<_>>(),
    );
}

#[test]
fn what_serialises_as_an_object_is_minted_as_it_is_written() {
    #[derive(Serialize)]
    enum Shape {
        Struct { name: &'static str },
        Tuple(u8, u8),
    }
    #[derive(Serialize)]
    struct Numbers {
        large: u128,
        small: f32,
    }
    let claim = |token: Result<String, IssueError>, name: &str| {
        let user: Value = read(&token.unwrap()).unwrap();
        user[name].clone()
    };
    let shape = Shape::Struct { name: "x" };
    assert_eq!(claim(issue(shape), "Struct"), json!({"name": "x"}));
    assert_eq!(claim(issue(Shape::Tuple(1, 2)), "Tuple"), json!([1, 2]));
    assert_eq!(claim(issue(BTreeMap::from([(1, "a")])), "1"), "a");
    assert_eq!(claim(issue(BTreeMap::from([(true, "a")])), "true"), "a");
    let numbers = Numbers {
        large: u64::MAX.into(),
        small: 0.1,
    };
    assert_eq!(claim(issue(numbers), "small"), 0.1);
}

#[test]
fn a_claim_is_stated_once() {
    #[derive(Serialize)]
    struct Twice {
        name: u8,
        #[serde(flatten)]
        more: BTreeMap<String, u8>,
    }
    #[derive(Serialize)]
    struct Roles {
        roles: Vec<String>,
        scope: String,
    }
    assert_no_user(Twice {
        name: 1,
        more: BTreeMap::from([("name".to_owned(), 2)]),
    });
    let roles = || Roles {
        roles: vec!["reader".to_owned()],
        scope: "read".to_owned(),
    };
    let engine: Jwt<Roles> = jwt();
    for grant in [
        Grant::new("alice", roles()).roles(["admin"]),
        Grant::new("alice", roles()).scopes(["write"]),
    ] {
        let outcome = run(engine.issue(grant).into_future()).map(|_| ());
        let Err(IssueError::User(cause)) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(cause.to_string().contains("is stated twice"), "{cause}");
    }
    let token = issue(roles()).unwrap();
    let verified = run(jwt::<()>().verify(&token)).unwrap();
    assert!(verified.identity().unwrap().has_role("reader"));
}

#[test]
fn too_many_or_too_long_claims_are_not_issued() {
    let map = |count: usize| {
        (0..count)
            .map(|index| (format!("n{index}"), json!(0)))
            .collect::<BTreeMap<_, _>>()
    };
    // Six are the engine's.
    assert!(read::<Value>(&issue(map(58)).unwrap()).is_ok());
    assert_no_user(map(59));
    assert_no_user(map(1000));

    let long = |length: usize| BTreeMap::from([("text", "x".repeat(length))]);
    let edge = (0..8 * 1024)
        .rev()
        .find(|length| issue(long(*length)).is_ok())
        .unwrap();
    let token = issue(long(edge)).unwrap();
    assert!(token.len() > 8 * 1024 - 3);
    assert!(read::<Value>(&token).is_ok());
    for length in [edge + 1, 8 * 1024, 100_000] {
        let outcome = issue(long(length));
        assert!(
            matches!(outcome, Err(IssueError::TooLarge { bytes, limit: 8192 }) if bytes > 8192),
            "{outcome:?}"
        );
    }
}

/// Everything here could be signed, and no verifier would ever accept it.
#[test]
fn a_token_that_no_verifier_would_accept_is_not_issued() {
    let nested = |depth: usize| (0..depth).fold(json!(0), |inner, _| json!([inner]));
    assert!(read::<Value>(&issue(json!({"deep": nested(31)})).unwrap()).is_ok());
    assert_no_user(json!({"deep": nested(32)}));
    assert_no_user(json!({"deep": nested(100)}));
    for user in [
        json!({"sid": 5}),
        json!({"sid": null}),
        json!({"sid": ["a"]}),
        json!({"auth_time": "yesterday"}),
        json!({"auth_time": null}),
        json!({"auth_time": -1}),
        json!({"auth_time": 1e300}),
    ] {
        assert_no_user(user);
    }
    for user in [
        json!({"sid": "s"}),
        json!({"auth_time": NOW}),
        json!({"auth_time": 1.5}),
        json!({"roles": null, "scope": 5, "amr": {}, "proofs": []}),
    ] {
        assert!(
            read::<Value>(&issue(user.clone()).unwrap()).is_ok(),
            "{user}"
        );
    }

    let engine: Jwt<()> = jwt();
    let grant = || Grant::new("alice", ());
    for issue in [
        engine.issue(grant()).ttl(Duration::ZERO),
        engine.issue(grant()).ttl(Duration::from_millis(999)),
        engine.issue(grant()).ttl(Duration::MAX),
        engine.issue(grant()).not_before(Duration::MAX),
        engine
            .issue(grant())
            .ttl(Duration::from_secs(60))
            .not_before(Duration::from_secs(60)),
        engine.issue(Grant::new("", ())),
        engine.issue(Grant::new("a".repeat(1025), ())),
        engine.issue(grant().scopes(["read write"])),
        engine.issue(grant().scopes([""])),
    ] {
        let outcome = run(issue.into_future()).map(|_| ());
        assert!(matches!(outcome, Err(IssueError::Grant(_))), "{outcome:?}");
    }
    let ring = KeyRing::new(
        Key::generate(Algorithm::Es256)
            .unwrap()
            .public_only()
            .unwrap(),
    );
    let engine: Jwt<()> = builder(ring).build().unwrap();
    let outcome = run(engine.issue(grant()).into_future()).map(|_| ());
    assert!(
        matches!(outcome, Err(IssueError::NoSigningKey)),
        "{outcome:?}"
    );
}

/// Text, integers and combinations of them. Fractions are not exact in JSON.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(".{0,6}", inner, 0..5).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn names() -> impl Strategy<Value = String> {
    let known = [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "cnf",
        "sid",
        "scope",
        "roles",
        "amr",
        "auth_time",
        "proofs",
        "alg",
        "typ",
        "crit",
        "",
    ];
    prop_oneof![1 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned), 3 => ".{0,10}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_map_is_read_unchanged_or_is_not_issued(user in btree_map(names(), values(), 0..12)) {
        let engine = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf"];
        if let Ok(token) = issue(user.clone()) {
            let mut read: BTreeMap<String, Value> = read(&token).map_err(TestCaseError::fail)?;
            read.retain(|name, _| !engine.contains(&name.as_str()));
            let mut user = user;
            user.retain(|name, _| !engine.contains(&name.as_str()));
            prop_assert_eq!(read, user);
        }
    }
}

#[test]
fn claims_are_a_user_too() {
    let user = Claims::new()
        .with("name", "Alice")
        .unwrap()
        .with("exp", 5)
        .unwrap();
    let read: Claims = again(user);
    assert_eq!(
        read.get::<String>("name").unwrap().as_deref(),
        Some("Alice")
    );
    assert_eq!(read.get::<String>("nothing").unwrap(), None);
    assert!(read.get::<u8>("name").is_err(), "it is not a number");
    assert_eq!(
        (read.subject(), read.issuer()),
        (Some("alice"), Some(ISSUER))
    );
    assert_eq!(read.expires_at().unwrap().as_secs(), NOW + 900);
}
