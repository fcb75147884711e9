//! What a header may claim about the token: its algorithm, its type, its extensions.

use aws_lc_rs::hmac;

use super::{ALGORITHM, Category, HEADER, TYPE};
use crate::jwt::forge::{Forge, SECRET, claims, encode, engine, header, shared};

pub(super) fn all() -> Vec<Category> {
    vec![algorithms(), types(), extensions()]
}

fn algorithms() -> Category {
    let forge = Forge::hs256(SECRET);
    let mut category = Category::new("alg", engine(shared()), &forge);
    for alg in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "nonе",
        "none\\u0000",
        "null",
        "",
    ] {
        let head = header(alg, &[]);
        category.refuse(
            ALGORITHM,
            format!("{alg:?}, signed"),
            forge.with_header(&head),
        );
        let unsigned = format!("{}.{}.", encode(&head), encode(claims(&[])));
        category.refuse(ALGORITHM, format!("{alg:?}, unsigned"), unsigned);
    }
    for alg in [
        "hs256",
        "Hs256",
        "HS256 ",
        " HS256",
        "HS-256",
        "HS 256",
        "HS256\\n",
        "HS256\\u0000",
        "ＨＳ256",
        "HS384",
        "HS512",
        "HS1",
        "RS256",
        "RS512",
        "PS256",
        "ES256",
        "ES256K",
        "ES512",
        "EdDSA",
        "Ed25519",
        "dir",
        "A256KW",
        "A256GCM",
        "PBES2-HS256+A128KW",
        "HMACSHA256",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
    ] {
        category.refuse(ALGORITHM, alg, forge.with_header(header(alg, &[])));
    }
    for value in [
        "",
        "null",
        "0",
        "256",
        "true",
        "[\"HS256\"]",
        "[]",
        "{}",
        "{\"alg\":\"HS256\"}",
    ] {
        let token = forge.with_header(header("", &[("alg", value)]));
        category.refuse(HEADER, format!("alg is {value}"), token);
    }
    category.refuse(
        HEADER,
        "another case of the name",
        forge.with_header(r#"{"ALG":"HS256","typ":"at+jwt"}"#),
    );
    category.refuse(HEADER, "no header", forge.with_header("{}"));
    for (alg, hash) in [("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)] {
        let key = hmac::Key::new(hash, SECRET);
        let longer = Forge::new(alg, move |message| {
            hmac::sign(&key, message).as_ref().to_vec()
        });
        category.refuse(
            ALGORITHM,
            format!("rightly signed with {alg}"),
            longer.seal(&longer.header, claims(&[("hash", "\"longer\"")])),
        );
        category.refuse(
            super::SIGNATURE,
            format!("{alg} passed off as HS256"),
            longer.with_header(&forge.header),
        );
    }
    category
}

fn types() -> Category {
    let forge = Forge::hs256(SECRET);
    let mut category = Category::new("typ", engine(shared()), &forge);
    for typ in [
        "AT+JWT",
        "aT+jWt",
        "application/at+jwt",
        "APPLICATION/AT+JWT",
        "Application/At+Jwt",
        "at\\u002bjwt",
    ] {
        category.accept(forge.with_header(header("HS256", &[("typ", &format!("\"{typ}\""))])));
    }
    for typ in [
        "",
        "JWT",
        "jwt",
        "application/jwt",
        "JOSE",
        "id+jwt",
        "id_token",
        "logout+jwt",
        "refresh+jwt",
        "rt+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "token-introspection+jwt",
        "oauth-authz-req+jwt",
        "at",
        "at+",
        "+jwt",
        "at jwt",
        "at-jwt",
        "at+jwt ",
        " at+jwt",
        "at+jwts",
        "at+jwt;charset=utf-8",
        "at+jwt,JWT",
        "at+jwt\\u0000",
        "text/at+jwt",
        "application/",
        "application",
        "application/application/at+jwt",
        "application//at+jwt",
        "/at+jwt",
        "applicatioñ/at+jwt",
        "*",
        "*/*",
    ] {
        let token = forge.with_header(header("HS256", &[("typ", &format!("\"{typ}\""))]));
        category.refuse(TYPE, format!("typ is {typ:?}"), token);
    }
    category.refuse(
        TYPE,
        "no typ",
        forge.with_header(header("HS256", &[("typ", "")])),
    );
    for value in ["null", "5", "true", "[\"at+jwt\"]", "{\"at+jwt\":true}"] {
        let token = forge.with_header(header("HS256", &[("typ", value)]));
        category.refuse(HEADER, format!("typ is {value}"), token);
    }
    category
}

/// RFC 7515 section 4.1.11, RFC 7797, RFC 7516 section 4.1, RFC 7519 section 5.2.
fn extensions() -> Category {
    let forge = Forge::hs256(SECRET);
    let mut category = Category::new("extensions", engine(shared()), &forge);
    for (name, value) in [
        ("b64", "true"),
        ("cty", "\"json\""),
        ("cty", "\"at+jwt\""),
        ("critical", "[\"exp\"]"),
        ("x", "{\"crit\":[]}"),
    ] {
        category.accept(forge.with_header(header("HS256", &[(name, value)])));
    }
    for value in [
        "[\"exp\"]",
        "[]",
        "[\"b64\"]",
        "[\"alg\"]",
        "[\"typ\"]",
        "[\"crit\"]",
        "[\"\"]",
        "[\"x\",\"x\"]",
        "[\"http://example.invalid/UNDEFINED\"]",
        "[1]",
        "[null]",
        "[[\"exp\"]]",
        "null",
        "\"exp\"",
        "\"\"",
        "{}",
        "{\"exp\":true}",
        "5",
        "0",
        "true",
        "false",
    ] {
        let token = forge.with_header(header("HS256", &[("crit", value)]));
        category.refuse(HEADER, format!("crit is {value}"), token);
    }
    for (name, members) in [
        (
            "crit with its extension",
            &[("crit", "[\"exp\"]"), ("exp", "1")][..],
        ),
        ("crit b64 false", &[("crit", "[\"b64\"]"), ("b64", "false")]),
        ("crit b64 true", &[("crit", "[\"b64\"]"), ("b64", "true")]),
        ("crit by an escape", &[("cr\\u0069t", "[\"exp\"]")]),
    ] {
        category.refuse(HEADER, name, forge.with_header(header("HS256", members)));
    }
    let first = r#"{"crit":["x"],"x":1,"alg":"HS256","typ":"at+jwt"}"#;
    category.refuse(HEADER, "crit first", forge.with_header(first));
    for (name, values) in [
        (
            "b64",
            &[
                "false",
                "null",
                "\"false\"",
                "\"true\"",
                "0",
                "1",
                "[]",
                "{}",
            ][..],
        ),
        (
            "zip",
            &["\"DEF\"", "\"\"", "\"none\"", "null", "false", "[]"],
        ),
        ("enc", &["\"A256GCM\"", "\"\"", "null", "false"]),
        (
            "cty",
            &[
                "\"JWT\"",
                "\"jwt\"",
                "\"JwT\"",
                "\"application/jwt\"",
                "\"APPLICATION/JWT\"",
                "\"\\u004aWT\"",
                "null",
                "5",
                "[\"JWT\"]",
            ],
        ),
    ] {
        for value in values {
            let token = forge.with_header(header("HS256", &[(name, value)]));
            category.refuse(HEADER, format!("{name} is {value}"), token);
        }
    }
    let nested = forge.seal(header("HS256", &[("cty", "\"JWT\"")]), forge.good());
    category.refuse(HEADER, "a token within a token", nested);
    // The payload as it is, which RFC 7797 signs without encoding it.
    let raw = forge.seal_parts(
        &encode(header("HS256", &[("b64", "false"), ("crit", "[\"b64\"]")])),
        "swordfish",
    );
    category.refuse(HEADER, "an unencoded payload", raw);
    category
}
