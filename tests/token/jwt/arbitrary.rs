//! Arbitrary bytes lead to a rejection or a correct result, and never to a panic.

use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use tower_jam::{Jwt, Rejection, RejectionKind};

use super::forge::{Forge, SECRET, builder, engine, header, shared};

/// Runs a future that is ready at once.
fn verify<U>(jwt: &Jwt<U>, token: &str) -> Result<(), Rejection>
where
    U: serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(jwt.verify(token)).map(|_| ())
}

fn assert_invalid(verdict: Result<(), Rejection>) -> Result<(), TestCaseError> {
    match verdict {
        Ok(()) => Err(TestCaseError::fail("it was accepted")),
        Err(rejection) => {
            prop_assert_eq!(rejection.kind(), &RejectionKind::Invalid);
            Ok(())
        }
    }
}

/// JSON of every shape, with meaningful names among the others.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((name(), inner), 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    let known = [
        "alg",
        "typ",
        "kid",
        "crit",
        "b64",
        "zip",
        "enc",
        "cty",
        "jwk",
        "jku",
        "x5c",
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "sid",
        "cnf",
        "scope",
        "roles",
        "amr",
        "auth_time",
        "proofs",
        "$serde_json::private::RawValue",
        "$serde_json::private::Number",
    ];
    prop_oneof![
        proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        ".{0,8}"
    ]
}

fn object() -> impl Strategy<Value = Value> {
    vec((name(), json()), 0..12).prop_map(|members| members.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_refused(token in ".{0,200}", ascii in "[ -~]{0,200}", three in "[A-Za-z0-9_-]{0,80}(\\.[A-Za-z0-9_-]{0,80}){0,4}") {
        let jwt = engine(shared());
        for token in [token, ascii, three] {
            assert_invalid(verify(&jwt, &token))?;
        }
    }

    #[test]
    fn any_signed_bytes_are_refused(header in vec(any::<u8>(), 0..80), payload in vec(any::<u8>(), 0..80)) {
        let (jwt, forge) = (engine(shared()), Forge::hs256(SECRET));
        assert_invalid(verify(&jwt, &forge.with_payload(&payload)))?;
        assert_invalid(verify(&jwt, &forge.with_header(&header)))?;
        assert_invalid(verify(&jwt, &forge.seal(&header, &payload)))?;
    }

    #[test]
    fn any_signed_json_is_refused(header in json(), payload in json()) {
        let (jwt, forge) = (engine(shared()), Forge::hs256(SECRET));
        let (header, payload) = (header.to_string(), payload.to_string());
        assert_invalid(verify(&jwt, &forge.with_payload(&payload)))?;
        assert_invalid(verify(&jwt, &forge.with_header(&header)))?;
    }

    /// Random members beside the valid ones: the token is accepted or not, alike for every user
    /// type that reads nothing, and there is no panic.
    #[test]
    fn any_additional_members_are_read_or_rejected(more in object(), beside in object()) {
        let forge = Forge::hs256(SECRET);
        let add = |good: String, more: &Value| {
            let mut good: Value = serde_json::from_str(&good).unwrap();
            let object = good.as_object_mut().unwrap();
            for (name, value) in more.as_object().unwrap() {
                object.entry(name.clone()).or_insert_with(|| value.clone());
            }
            good.to_string()
        };
        let payload = add(super::forge::claims(&[]), &more);
        let head = add(header("HS256", &[]), &beside);
        let reads_all = verify(&engine(shared()), &forge.with_payload(&payload));
        let reads_none = verify(&builder::<()>(shared()).build().unwrap(), &forge.with_payload(&payload));
        prop_assert!(reads_all.is_err() || reads_none.is_ok());
        let refused = ["crit", "zip", "enc"].iter().any(|name| beside.get(name).is_some());
        let verdict = verify(&engine(shared()), &forge.with_header(&head));
        prop_assert!(!refused || verdict.is_err());
        for verdict in [reads_all, reads_none, verdict] {
            if let Err(rejection) = verdict {
                prop_assert_eq!(rejection.kind(), &RejectionKind::Invalid);
            }
        }
    }

    /// One byte of a valid token changed to any other, inserted or removed.
    #[test]
    fn any_change_of_a_byte_is_refused(at in any::<prop::sample::Index>(), to in any::<char>(), cut in any::<bool>()) {
        let (jwt, good) = (engine(shared()), Forge::hs256(SECRET).good());
        let at = at.index(good.len());
        let end = if cut { at + 1 } else { at };
        let changed = format!("{}{to}{}", &good[..at], &good[end..]);
        prop_assume!(changed != good);
        assert_invalid(verify(&jwt, &changed))?;
    }
}

/// serde_json treats a name that starts like its own crate specially when it reads a [`Value`]: it
/// parses the text beside it as JSON. Such nesting is bounded by the length of a token, not by the
/// depth limit.
#[test]
fn json_hidden_in_text_neither_overflows_the_stack_nor_replaces_claims() {
    let forge = Forge::hs256(SECRET);
    let mut hidden = "1".to_owned();
    let mut deepest = 0;
    loop {
        let nested = format!("{}{hidden}{}", "[".repeat(100), "]".repeat(100));
        let text = serde_json::to_string(&nested).unwrap();
        let member = format!(r#"{{"$serde_json::private::RawValue":{text}}}"#);
        let token = forge.with_payload(super::forge::claims(&[("x", &member)]));
        if token.len() > 8 * 1024 {
            break;
        }
        let _ = verify(&engine(shared()), &token);
        let _ = verify(&builder::<Value>(shared()).build().unwrap(), &token);
        (hidden, deepest) = (member, deepest + 1);
    }
    assert!(deepest > 5, "{deepest}");
    let claims = super::forge::claims(&[]);
    let text = serde_json::to_string(&claims).unwrap();
    for payload in [
        format!(r#"{{"$serde_json::private::RawValue":{text}}}"#),
        format!(r#"{{"$serde_json::private::RawValue":{text},"exp":1}}"#),
    ] {
        assert_invalid(verify(&engine(shared()), &forge.with_payload(&payload))).unwrap();
        let value: Jwt<Value> = builder(shared()).build().unwrap();
        assert_invalid(verify(&value, &forge.with_payload(&payload))).unwrap();
    }
}
