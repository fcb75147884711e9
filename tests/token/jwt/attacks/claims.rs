//! Claims of the wrong type, out of range, for another audience or at another time.

use super::{CLAIMS, Category};
use crate::jwt::forge::{Forge, LEEWAY, NOW, SECRET, claims, engine, shared};

pub(super) fn all() -> Vec<Category> {
    vec![dates(), names(), others()]
}

/// Values that are no NumericDate of RFC 7519 section 2 between 1970 and 9999.
const NO_DATES: [&str; 25] = [
    "null",
    "true",
    "false",
    "\"\"",
    "\"9999999999\"",
    "\"2099-01-01T00:00:00Z\"",
    "\"NaN\"",
    "\"Infinity\"",
    "[]",
    "[9999999999]",
    "{}",
    "{\"exp\":9999999999}",
    "-1",
    "-0.5",
    "-9999999999",
    "253402300800",
    "1767225600000",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "1e15",
    "1e308",
    "-1e308",
];

fn dates() -> Category {
    let forge = Forge::hs256(SECRET);
    let mut category = Category::new("dates", engine(shared()), &forge);
    let with = |name: &str, value: &str| forge.with_payload(claims(&[(name, value)]));
    let leeway = LEEWAY.as_secs();

    for value in NO_DATES {
        for name in ["exp", "nbf", "iat", "auth_time"] {
            category.refuse(CLAIMS, format!("{name} is {value}"), with(name, value));
        }
    }
    const EXPIRED: &str = "the token has expired";
    category.refuse("the token has no `exp`", "no exp", with("exp", ""));
    category.refuse(
        "the token has no `exp`",
        "Exp",
        forge.with_payload(claims(&[("exp", ""), ("Exp", "9999999999")])),
    );
    for value in ["0", "-0", "0.0", "1", "1.5e9", "1e-300"] {
        category.refuse(EXPIRED, format!("exp is {value}"), with("exp", value));
    }
    // Expired from `exp` plus leeway on, and not a moment before.
    let end = NOW - leeway;
    for value in [
        end.to_string(),
        format!("{end}.0"),
        format!("{end}e0"),
        format!("{}.999", end - 1),
        (end - 1).to_string(),
    ] {
        category.refuse(EXPIRED, format!("exp is {value}"), with("exp", &value));
    }
    for value in [
        format!("{end}.001"),
        (end + 1).to_string(),
        NOW.to_string(),
        "253402300799".to_owned(),
        "2.5e11".to_owned(),
    ] {
        category.accept(with("exp", &value));
    }

    let latest = NOW + leeway;
    for (name, reason) in [
        ("nbf", "the token is not valid yet"),
        ("iat", "the token was issued in the future"),
    ] {
        for value in [
            (latest + 1).to_string(),
            format!("{latest}.001"),
            "253402300799".to_owned(),
            "2e11".to_owned(),
        ] {
            category.refuse(reason, format!("{name} is {value}"), with(name, &value));
        }
        for value in [
            "0",
            "-0",
            "1.5",
            &latest.to_string(),
            &format!("{latest}.0"),
        ] {
            category.accept(with(name, value));
        }
    }
    category.accept(with("iat", ""));
    category
}

fn names() -> Category {
    let forge = Forge::hs256(SECRET);
    let mut category = Category::new("iss, aud and sub", engine(shared()), &forge);
    let with = |name: &str, value: &str| forge.with_payload(claims(&[(name, value)]));

    const ISSUER: &str = "the token is from another issuer";
    for value in [
        "",
        "\"\"",
        "\"https://auth.acme.dev/\"",
        "\"https://auth.acme.de\"",
        "\"https://auth.acme.dev.attacker.example\"",
        "\"https://auth.acme.dev@attacker.example\"",
        "\"https://AUTH.acme.dev\"",
        "\"HTTPS://auth.acme.dev\"",
        "\"http://auth.acme.dev\"",
        "\"auth.acme.dev\"",
        "\"https://auth.acme.dev:443\"",
        "\" https://auth.acme.dev\"",
        "\"https://auth.acme.dev \"",
        "\"https://auth.acme.dev\\n\"",
        "\"https://auth.acme.dev\\u0000\"",
        "\"https://auth.асme.dev\"",
        "\"https://attacker.example\"",
        "\"https://auth.acme.dev#\"",
        "\"*\"",
        "\"null\"",
    ] {
        category.refuse(ISSUER, format!("iss is {value}"), with("iss", value));
    }
    for name in ["iss", "sub", "jti", "sid"] {
        for value in [
            "null",
            "0",
            "42",
            "1.5",
            "true",
            "false",
            "[]",
            "[\"https://auth.acme.dev\"]",
            "{}",
            "{\"iss\":\"https://auth.acme.dev\"}",
        ] {
            category.refuse(CLAIMS, format!("{name} is {value}"), with(name, value));
        }
    }
    category.accept(with("iss", "\"https:\\/\\/auth.acme.dev\""));

    const AUDIENCE: &str = "the token is for another audience";
    for value in [
        "",
        "\"\"",
        "\"API\"",
        "\"Api\"",
        "\"ap\"",
        "\"apis\"",
        "\"pi\"",
        "\" api\"",
        "\"api \"",
        "\"api,other\"",
        "\"other api\"",
        "\"api/\"",
        "\"*\"",
        "\"аpi\"",
        "\"api\\u0000\"",
        "null",
        "0",
        "5",
        "true",
        "{}",
        "{\"api\":true}",
        "{\"aud\":\"api\"}",
        "[]",
        "[\"other\"]",
        "[\"\"]",
        "[\"a\",\"p\",\"i\"]",
        "[[\"api\"]]",
        "[\"api\",5]",
        "[5,\"api\"]",
        "[\"api\",null]",
        "[\"api\",[\"other\"]]",
        "[\"api\",{}]",
        "[\"api\",true]",
        "[null]",
        "[{\"api\":1}]",
    ] {
        category.refuse(AUDIENCE, format!("aud is {value}"), with("aud", value));
    }
    for value in [
        "[\"api\"]",
        "[\"other\",\"api\"]",
        "[\"\",\"api\"]",
        "[\"api\",\"api\"]",
        "\"\\u0061pi\"",
    ] {
        category.accept(with("aud", value));
    }

    for value in ["", "\"\""] {
        category.refuse(
            "the token has no `sub`",
            format!("sub is {value}"),
            with("sub", value),
        );
    }
    for value in ["\" \"", "\"\\u0000\"", "\"😀\""] {
        category.accept(with("sub", value));
    }
    category
}

/// RFC 7800, and claims of other kinds of token.
fn others() -> Category {
    let forge = Forge::hs256(SECRET);
    let mut category = Category::new("cnf and none at all", engine(shared()), &forge);
    for value in [
        "{}",
        "null",
        "[]",
        "\"\"",
        "\"swordfish\"",
        "5",
        "true",
        "false",
        "{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}",
        "{\"x5t#S256\":\"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2\"}",
        "{\"kid\":\"x\"}",
        "{\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}}",
        "{\"unknown\":1}",
        "[[[[1]]]]",
    ] {
        let token = forge.with_payload(claims(&[("cnf", value)]));
        category.refuse(
            "the token is bound to a key, and nothing here checks that",
            format!("cnf is {value}"),
            token,
        );
    }
    let escaped = forge.with_payload(claims(&[("c\\u006ef", "{}")]));
    category.refuse(
        "the token is bound to a key, and nothing here checks that",
        "cnf by an escape",
        escaped,
    );
    category.refuse(
        "the token has no `exp`",
        "no claims",
        forge.with_payload("{}"),
    );
    category.refuse(
        "the token has no `exp`",
        "foreign claims",
        forge.with_payload(r#"{"user":"admin","admin":true}"#),
    );
    category.refuse(
        "the token has no `exp`",
        "claims within",
        forge.with_payload(format!(r#"{{"claims":{}}}"#, claims(&[]))),
    );
    // A claim of another form grants nothing, and is no reason to reject.
    for (name, value) in [
        ("roles", "5"),
        ("roles", "null"),
        ("scope", "{}"),
        ("amr", "true"),
        ("proofs", "[]"),
    ] {
        category.accept(forge.with_payload(claims(&[(name, value)])));
    }
    category
}
