//! Other spellings of base64url and of the compact form. All of them are signed as spelled.

use super::{Category, HEADER, LENGTH, PARTS};
use crate::jwt::forge::{Forge, SECRET, claims, encode, engine, shared};

pub(super) fn all() -> Vec<Category> {
    vec![base64(), parts()]
}

/// Spellings of `part` that a lenient decoder decodes to the same bytes or nearly the same.
fn spellings(part: &str) -> Vec<(String, String)> {
    let middle = part.len() / 2;
    let mut all = Vec::new();
    for (name, text) in [
        ("space", " "),
        ("line break", "\n"),
        ("CRLF", "\r\n"),
        ("tab", "\t"),
        ("zero byte", "\0"),
        ("equals sign", "="),
        ("two equals signs", "=="),
        ("percent escape", "%3D"),
        ("plus", "+"),
        ("slash", "/"),
        ("star", "*"),
        ("comma", ","),
        ("tilde", "~"),
        ("umlaut", "ä"),
        ("wide letter", "Ａ"),
        ("no-break space", "\u{a0}"),
    ] {
        all.push((format!("a {name} before"), format!("{text}{part}")));
        all.push((
            format!("a {name} within"),
            format!("{}{text}{}", &part[..middle], &part[middle..]),
        ));
        all.push((format!("a {name} behind"), format!("{part}{text}")));
    }
    all
}

/// The same with one of the unused bits set.
fn with_spare_bit(part: &str) -> Option<String> {
    let last = part.chars().last()?;
    let index = ALPHABET.find(last)?;
    let next = ALPHABET.chars().nth(index + 1)?;
    let unused = match part.len() % 4 {
        2 => 16,
        3 => 4,
        _ => return None,
    };
    (index % unused == 0).then(|| format!("{}{next}", &part[..part.len() - 1]))
}

fn base64() -> Category {
    let forge = Forge::hs256(SECRET);
    let mut category = Category::new("base64url", engine(shared()), &forge);
    let header = encode(&forge.header);
    let payload = encode(claims(&[]));
    for (name, other) in spellings(&header) {
        category.refuse(
            "the token's header is not base64url",
            format!("header: {name}"),
            forge.seal_parts(&other, &payload),
        );
    }
    for (name, other) in spellings(&payload) {
        category.refuse(
            "the token's payload is not base64url",
            format!("payload: {name}"),
            forge.seal_parts(&header, &other),
        );
    }
    let (message, signature) = forge.good_parts();
    let signature = encode(signature);
    for (name, other) in spellings(&signature) {
        // A token of the compact form with the correct MAC, except for its spelling.
        category.refuse(
            "the signature is not base64url",
            format!("signature: {name}"),
            format!("{message}.{other}"),
        );
    }

    // Members that make the last character carry two and four unused bits.
    for (padding, name) in [("", "no"), ("x", "one"), ("xx", "two")] {
        let head = encode(super::super::forge::header(
            "HS256",
            &[("x", &format!("\"{padding}\""))],
        ));
        if let Some(other) = with_spare_bit(&head) {
            category.accept(forge.seal_parts(&head, &payload));
            category.refuse(
                "the token's header is not base64url",
                format!("header: spare bits after {name} letter"),
                forge.seal_parts(&other, &payload),
            );
        }
        let body = encode(claims(&[("x", &format!("\"{padding}\""))]));
        if let Some(other) = with_spare_bit(&body) {
            category.accept(forge.seal_parts(&header, &body));
            category.refuse(
                "the token's payload is not base64url",
                format!("payload: spare bits after {name} letter"),
                forge.seal_parts(&header, &other),
            );
        }
    }
    let spare = with_spare_bit(&signature).unwrap();
    category.refuse(
        "the signature is not base64url",
        "signature: spare bits",
        format!("{message}.{spare}"),
    );

    // Bytes whose base64url contains both characters that the standard alphabet lacks.
    let text = claims(&[("x", "\"???>>>~~~ÿÿÿ\"")]);
    let standard = encode(&text).replace('-', "+").replace('_', "/");
    assert_ne!(standard, encode(&text));
    category.accept(forge.with_payload(&text));
    category.refuse(
        "the token's payload is not base64url",
        "payload: standard alphabet",
        forge.seal_parts(&header, &standard),
    );
    let head = super::super::forge::header("HS256", &[("x", "\"???>>>~~~ÿÿÿ\"")]);
    let standard = encode(&head).replace('-', "+").replace('_', "/");
    assert_ne!(standard, encode(&head));
    category.accept(forge.with_header(&head));
    category.refuse(
        "the token's header is not base64url",
        "header: standard alphabet",
        forge.seal_parts(&standard, &payload),
    );
    let token = (0..).map(|number| forge.with_payload(claims(&[("x", &number.to_string())])));
    let mut token = token.filter(|token| token.rsplit('.').next().unwrap().contains(['-', '_']));
    let token = token.next().unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let standard = signature.replace('-', "+").replace('_', "/");
    category.refuse(
        "the signature is not base64url",
        "signature: standard alphabet",
        format!("{message}.{standard}"),
    );
    category.accept(token);
    category
}

/// RFC 7515 section 7.1, and the serializations of section 7.2, which are rejected.
fn parts() -> Category {
    let forge = Forge::hs256(SECRET);
    let mut category = Category::new("parts", engine(shared()), &forge);
    let good = forge.good();
    let pieces: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = pieces[..] else {
        panic!("a token has three parts");
    };
    for (name, token) in [
        ("nothing", String::new()),
        ("a dot", ".".to_owned()),
        ("three dots", "...".to_owned()),
        ("a word", "swordfish".to_owned()),
        ("the header", header.to_owned()),
        ("header and payload", format!("{header}.{payload}")),
        ("header and signature", format!("{header}.{signature}")),
        ("payload and signature", format!("{payload}.{signature}")),
        ("a dot behind", format!("{good}.")),
        ("a dot before", format!(".{good}")),
        ("a fourth part", format!("{good}.{signature}")),
        ("a fifth part", format!("{good}.{payload}.{signature}")),
        ("twice", format!("{good}.{good}")),
        ("two dots between", good.replace('.', "..")),
        ("four empty parts", "....".to_owned()),
        ("joined with commas", good.replace('.', ",")),
        ("joined with colons", good.replace('.', ":")),
        ("joined with escapes", good.replace('.', "%2E")),
        ("joined with wide dots", good.replace('.', "．")),
        (
            "flattened JSON",
            format!(
                r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#
            ),
        ),
        (
            "general JSON",
            format!(
                r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
            ),
        ),
    ] {
        category.refuse(PARTS, name, token);
    }
    category.refuse(
        "the token's header is not base64url",
        "the scheme",
        format!("Bearer {good}"),
    );
    category.refuse(
        "the token's header is not base64url",
        "quotes",
        format!("\"{good}\""),
    );
    category.refuse(HEADER, "two dots", "..".to_owned());
    category.refuse(HEADER, "an empty header", forge.seal_parts("", payload));
    category.refuse(
        HEADER,
        "an empty header and payload",
        forge.seal_parts("", ""),
    );
    category.refuse(
        HEADER,
        "header and payload exchanged",
        forge.seal_parts(payload, header),
    );
    category.refuse(
        super::CLAIMS,
        "an empty payload",
        forge.seal_parts(header, ""),
    );
    category.refuse(
        super::CLAIMS,
        "the header as payload, encoded twice",
        forge.seal_parts(header, &encode(header)),
    );
    category.refuse(
        "the token has no `exp`",
        "the header as payload",
        forge.seal_parts(header, header),
    );
    category.refuse(LENGTH, "an empty signature", format!("{header}.{payload}."));
    category.refuse(
        super::SIGNATURE,
        "another dot",
        forge
            .good()
            .replace(
                &format!("{header}.{payload}"),
                &format!("{payload}.{header}"),
            )
            .replacen(payload, header, 1),
    );
    category
}

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
