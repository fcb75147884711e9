//! Each option of the builder permits what it says and nothing else.

use std::{sync::Arc, time::Duration};

use tower_jam::{Claims, Jwt, KeyRing, Timestamp, testing::ManualClock, token::JwtBuilder};

use super::forge::{AUDIENCE, Forge, ISSUER, NOW, SECRET, builder, claims, header, shared};

type Change = fn(JwtBuilder<Claims>) -> JwtBuilder<Claims>;

#[tokio::test]
async fn an_option_permits_what_it_says_and_nothing_else() {
    let forge = Forge::hs256(SECRET);
    let claim = |name, value: &str| forge.with_payload(claims(&[(name, value)]));
    let typ = |value: &str| forge.with_header(header("HS256", &[("typ", value)]));
    let (late, early) = ((NOW - 45).to_string(), (NOW + 45).to_string());
    let (soon, later) = ((NOW - 1).to_string(), (NOW + 1).to_string());

    // The option, tokens that only it permits, and tokens that it does not permit either.
    let table: [(&str, Change, Vec<String>, Vec<String>); 8] = [
        (
            "dangerous_any_issuer",
            |jwt| jwt.dangerous_any_issuer(),
            vec![
                claim("iss", "\"other\""),
                claim("iss", ""),
                claim("iss", "\"\""),
            ],
            vec![claim("iss", "5"), claim("aud", "\"other\"")],
        ),
        (
            "dangerous_any_audience",
            |jwt| jwt.dangerous_any_audience(),
            vec![
                claim("aud", "\"other\""),
                claim("aud", ""),
                claim("aud", "[]"),
            ],
            vec![claim("iss", "\"other\""), claim("sub", "")],
        ),
        (
            "audience",
            |jwt| jwt.audience("web"),
            vec![claim("aud", "\"web\""), claim("aud", "[\"other\",\"web\"]")],
            vec![
                claim("aud", "\"other\""),
                claim("aud", "\"webs\""),
                claim("aud", "\"api,web\""),
            ],
        ),
        (
            "dangerous_accept_untyped",
            |jwt| jwt.dangerous_accept_untyped(),
            vec![typ("")],
            vec![typ("\"JWT\""), typ("\"\""), typ("null")],
        ),
        (
            "types",
            |jwt| jwt.types(["at+jwt", "application/JWT", "id+jwt"]),
            vec![
                typ("\"jwt\""),
                typ("\"application/jwt\""),
                typ("\"ID+JWT\""),
            ],
            vec![
                typ(""),
                typ("\"logout+jwt\""),
                typ("\"application/application/jwt\""),
            ],
        ),
        (
            "leeway",
            |jwt| jwt.leeway(Duration::from_secs(60)),
            vec![
                claim("exp", &late),
                claim("nbf", &early),
                claim("iat", &early),
            ],
            vec![
                claim("exp", &(NOW - 60).to_string()),
                claim("nbf", &(NOW + 61).to_string()),
            ],
        ),
        (
            "clock",
            |jwt| jwt.clock(Arc::new(ManualClock::at(Timestamp::from_secs(NOW + 100)))),
            vec![claim("nbf", &(NOW + 130).to_string())],
            vec![claim("exp", &(NOW + 70).to_string())],
        ),
        (
            "nothing",
            |jwt| jwt,
            vec![],
            vec![claim("exp", &late), claim("nbf", &early)],
        ),
    ];
    let plain: Jwt<Claims> = builder(shared()).build().unwrap();
    for (name, change, only, neither) in table {
        let changed = change(builder(shared())).build().unwrap();
        for token in &only {
            assert!(plain.verify(token).await.is_err(), "{name}: {token}");
            let verdict = changed.verify(token).await;
            assert!(verdict.is_ok(), "{name}: {token}: {:?}", verdict.err());
        }
        for token in &neither {
            assert!(changed.verify(token).await.is_err(), "{name}: {token}");
        }
        assert!(changed.verify(&forge.good()).await.is_ok(), "{name}");
    }
    let strict: Jwt<Claims> = builder(shared()).leeway(Duration::ZERO).build().unwrap();
    for (name, value) in [
        ("exp", soon),
        ("exp", NOW.to_string()),
        ("nbf", later.clone()),
        ("iat", later),
    ] {
        let token = claim(name, &value);
        assert!(strict.verify(&token).await.is_err(), "{name} {value}");
        assert!(plain.verify(&token).await.is_ok(), "{name} {value}");
    }
}

/// If the types do not include `at+jwt`, a token with the engine's own default header is rejected.
#[tokio::test]
async fn types_replace_the_default_one() {
    let plain: Jwt<Claims> = builder(shared()).build().unwrap();
    let other: Jwt<Claims> = builder(shared()).types(["x+jwt"]).build().unwrap();
    let grant = || tower_jam::Grant::new("alice", Claims::new());
    let (access, own) = (
        plain.issue(grant()).await.unwrap(),
        other.issue(grant()).await.unwrap(),
    );
    for (jwt, good, bad) in [(&plain, &access, &own), (&other, &own, &access)] {
        assert!(jwt.verify(good.expose()).await.is_ok());
        let rejection = jwt.verify(bad.expose()).await.unwrap_err();
        assert_eq!(rejection.reason(), "the token is of another type");
    }
}

#[test]
fn an_engine_requires_a_valid_issuer_audience_types_and_times() {
    type Build = fn(KeyRing) -> JwtBuilder<Claims>;
    let setting = |build: Build| {
        build(shared())
            .build()
            .map(|_| ())
            .map_err(|error| &*error.setting().to_owned().leak())
    };
    let full: Build = |ring| Jwt::builder(ring).issuer(ISSUER).audience(AUDIENCE);
    assert_eq!(setting(full), Ok(()));
    let table: [(Build, &str); 12] = [
        (|ring| Jwt::builder(ring), "issuer"),
        (|ring| Jwt::builder(ring).audience(AUDIENCE), "issuer"),
        (
            |ring| Jwt::builder(ring).issuer("").audience(AUDIENCE),
            "issuer",
        ),
        (|ring| Jwt::builder(ring).issuer(ISSUER), "audience"),
        (
            |ring| Jwt::builder(ring).issuer(ISSUER).audience(""),
            "audience",
        ),
        (
            |ring| Jwt::builder(ring).issuer(ISSUER).audience("a").audience(""),
            "audience",
        ),
        (|ring| builder(ring).types([""; 0]), "typ"),
        (|ring| builder(ring).types([""]), "typ"),
        (|ring| builder(ring).types(["application/"]), "typ"),
        (|ring| builder(ring).types(["at+jwt", "a b"]), "typ"),
        (
            |ring| builder(ring).leeway(Duration::from_millis(60_001)),
            "leeway",
        ),
        (|ring| builder(ring).ttl(Duration::from_millis(999)), "ttl"),
    ];
    for (build, expected) in table {
        assert_eq!(setting(build), Err(expected));
    }
}
