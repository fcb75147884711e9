//! Headers and payloads that are no JSON object, or that two parsers read differently.

use super::{CLAIMS, Category, HEADER, SIZE};
use crate::jwt::forge::{Forge, SECRET, claims, encode, engine, header, shared};

pub(super) fn all() -> Vec<Category> {
    vec![headers(), payloads(), sizes()]
}

/// Variants of a valid document, `{"first":…}`, that must be rejected.
pub(crate) fn broken(good: &str) -> Vec<(String, Vec<u8>)> {
    let open = good.strip_prefix('{').unwrap();
    let body = open.strip_suffix('}').unwrap();
    let utf_16 = |mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
        let units = good.encode_utf16().flat_map(bytes);
        mark.iter().copied().chain(units).collect::<Vec<u8>>()
    };
    let nested = |depth: usize, text: &str| {
        let (opening, closing) = (r#"{"x":"#.repeat(depth), "}".repeat(depth));
        format!(r#"{{{body},"deep":{opening}{text}{closing}}}"#)
    };
    let lists = |depth: usize| {
        format!(
            r#"{{{body},"deep":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    let names = |count: usize| {
        let own = good.matches("\":").count();
        let more: Vec<_> = (own..count)
            .map(|index| format!("\"n{index}\":0"))
            .collect();
        format!("{{{body},{}}}", more.join(","))
    };

    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, text: Vec<u8>| all.push((name.to_owned(), text));
    for (name, text) in [
        ("an array of it", format!("[{good}]")),
        ("a string of it", format!("{good:?}")),
        ("a string", "\"swordfish\"".to_owned()),
        ("a number", "5".to_owned()),
        ("null", "null".to_owned()),
        ("true", "true".to_owned()),
        ("nothing", String::new()),
        ("a space", " ".to_owned()),
        ("an empty array", "[]".to_owned()),
        (
            "its members in an array",
            format!("[{}]", body.replace("\":", "\",")),
        ),
        (
            "a name twice one level down",
            format!("{{{body},\"x\":{{\"a\":1,\"b\":2,\"a\":1}}}}"),
        ),
        (
            "a name twice one level down, once escaped",
            format!("{{{body},\"x\":{{\"a\":1,\"\\u0061\":2}}}}"),
        ),
        (
            "a name twice in a list",
            format!("{{{body},\"x\":[1,[{{\"a\":1,\"a\":2}}]]}}"),
        ),
        ("a name twice deep down", nested(20, r#"{"a":{},"a":{}}"#)),
        (
            "a name twice in the key that it is bound to",
            format!("{{{body},\"cnf\":{{\"jkt\":\"a\",\"jkt\":\"b\"}}}}"),
        ),
        ("a second document", format!("{good}{{}}")),
        ("the same again", format!("{good}{good}")),
        ("the same on the next line", format!("{good}\n{good}")),
        ("a letter behind it", format!("{good}x")),
        ("a comma behind it", format!("{good},")),
        ("a brace behind it", format!("{good}}}")),
        ("a zero byte behind it", format!("{good}\0")),
        ("a zero byte before it", format!("\0{good}")),
        ("a zero byte within it", format!("{{\0{open}")),
        (
            "a zero byte in a string",
            format!("{{{body},\"x\":\"\0\"}}"),
        ),
        ("a prefix against hijacking", format!(")]}}',\n{good}")),
        ("a comment", format!("/* */{good}")),
        ("a comment within", format!("{{/* */{open}")),
        ("a line comment", format!("{good}//")),
        ("a hash comment", format!("#\n{good}")),
        ("single quotes", good.replace('"', "'")),
        ("bare names", good.replacen('"', "", 2)),
        ("a comma at the end", format!("{{{body},}}")),
        ("a comma at the start", format!("{{,{open}")),
        ("two commas", format!("{{{body},,\"x\":1}}")),
        ("an equals sign", good.replacen(':', "=", 1)),
        ("no closing brace", format!("{{{body}")),
        ("no opening brace", open.to_owned()),
        ("half of it", good[..good.len() / 2].to_owned()),
        ("YAML", "alg: HS256\n".to_owned()),
        ("a byte-order mark", format!("\u{feff}{good}")),
        ("a no-break space", format!("\u{a0}{good}")),
        ("a form feed", format!("\u{c}{good}")),
        ("nested 33 deep", nested(32, "0")),
        ("nested 100 deep", nested(100, "0")),
        ("lists nested 33 deep", lists(32)),
        ("lists nested 1000 deep", lists(1000)),
        ("lists nested 2500 deep", lists(2500)),
        (
            "3000 lists that are not closed",
            format!("{{{body},\"x\":{}", "[".repeat(3000)),
        ),
        ("5000 brackets and nothing else", "[".repeat(5000)),
        (
            "brackets behind an open string",
            format!("{{{body},\"x\":\"{}", "[".repeat(3000)),
        ),
        ("65 names", names(65)),
        ("300 names", names(300)),
    ] {
        add(name, text.into_bytes());
    }
    for value in [
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "01",
        "+1",
        ".5",
        "5.",
        "1e",
        "0x10",
        "1_000",
        "--1",
        "undefined",
        "None",
        "True",
        "TRUE",
        "\"\\x41\"",
        "\"\\u12\"",
        "\"a\nb\"",
        "\"\t\"",
        "'x'",
        "\"open",
        "[1,]",
        "{\"a\":1,}",
        "[1 2]",
        "{\"a\"}",
        "{1:2}",
        "",
    ] {
        add(
            &format!("a member with the value {value}"),
            format!("{{{body},\"x\":{value}}}").into_bytes(),
        );
    }
    for bytes in [
        &b"\xff"[..],
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
    ] {
        let text = [b"{", body.as_bytes(), b",\"x\":\"", bytes, b"\"}"].concat();
        add(&format!("a string with {bytes:?}"), text);
        let text = [b"{", body.as_bytes(), b",\"", bytes, b"\":1}"].concat();
        add(&format!("a name with {bytes:?}"), text);
    }
    add("UTF-16 of low order", utf_16(b"\xff\xfe", u16::to_le_bytes));
    add(
        "UTF-16 of high order",
        utf_16(b"\xfe\xff", u16::to_be_bytes),
    );
    add(
        "UTF-16 of low order without a mark",
        utf_16(b"", u16::to_le_bytes),
    );
    add(
        "UTF-16 of high order without a mark",
        utf_16(b"", u16::to_be_bytes),
    );
    all
}

fn headers() -> Category {
    let forge = Forge::hs256(SECRET);
    let mut category = Category::new("JSON of the header", engine(shared()), &forge);
    category.accept(forge.with_header(" {\"alg\" :\"HS256\",\r\n\t\"typ\":\"at+jwt\"} \n"));
    category.accept(forge.with_header(header(
        "HS256",
        &[
            ("x", "[[[[[[[[]]]]]]]]"),
            ("y", "1e300"),
            ("", "\"\\ud83d\\ude00\""),
        ],
    )));
    for (name, text) in broken(&forge.header) {
        category.refuse(HEADER, name, forge.with_header(text));
    }
    for text in [
        r#"{"alg":"HS256","typ":"at+jwt","alg":"HS256"}"#,
        r#"{"alg":"none","typ":"at+jwt","alg":"HS256"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","alg":"none"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","\u0061lg":"HS256"}"#,
        r#"{"alg":"HS256","typ":"JWT","typ":"at+jwt"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","t\u0079p":"at+jwt"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"a","kid":"a"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","x":1,"x":1}"#,
        r#"{"alg":"HS256","typ":"at+jwt","x":1,"\u0078":1}"#,
        r#"{"alg":"HS256","typ":"at+jwt","":1,"":1}"#,
        r#"{"alg":"HS256","typ":"at+jwt","jwk":{},"jwk":{}}"#,
    ] {
        category.refuse(HEADER, text, forge.with_header(text));
    }
    category
}

fn payloads() -> Category {
    let forge = Forge::hs256(SECRET);
    let mut category = Category::new("JSON of the claims", engine(shared()), &forge);
    category.accept(forge.with_payload(format!(" \n{}\t\r\n", claims(&[]))));
    category.accept(forge.with_payload(claims(&[
        ("x", "[[[[[[[[]]]]]]]]"),
        ("", "{}"),
        ("\\ud83d\\ude00", "\"\\u0000\""),
    ])));
    for (name, text) in broken(&claims(&[])) {
        category.refuse(CLAIMS, name, forge.with_payload(text));
    }
    // Valid JSON whose value no type can represent. In a header, it is skipped like any other
    // value.
    for value in ["1e400", "-1e400", r#""\ud800""#, r#""\udc00\ud800""#] {
        let token = forge.with_payload(claims(&[("x", value)]));
        category.refuse(CLAIMS, format!("a claim with the value {value}"), token);
    }
    let open = claims(&[]);
    let open = open.strip_suffix('}').unwrap();
    for more in [
        "\"exp\":9999999999",
        "\"e\\u0078p\":9999999999",
        "\"iss\":\"https://attacker.example\"",
        "\"is\\u0073\":\"https://auth.acme.dev\"",
        "\"sub\":\"admin\"",
        "\"su\\u0062\":\"admin\"",
        "\"aud\":\"api\"",
        "\"iat\":0",
        "\"jti\":\"x\"",
        "\"marker\":1",
        "\"m\\u0061rker\":1",
        "\"nbf\":0,\"nbf\":0",
        "\"roles\":[],\"roles\":[\"admin\"]",
        "\"scope\":\"\",\"scop\\u0065\":\"admin\"",
        "\"cnf\":{},\"cnf\":{}",
        "\"\":1,\"\":1",
        "\"\\ud83d\\ude00\":1,\"😀\":1",
    ] {
        category.refuse(
            CLAIMS,
            format!("and again {more}"),
            forge.with_payload(format!("{open},{more}}}")),
        );
    }
    category
}

/// RFC 8725 has no limit; a server needs one.
fn sizes() -> Category {
    let forge = Forge::hs256(SECRET);
    let mut category = Category::new("size", engine(shared()), &forge);
    let of_length = |length: usize| {
        // Two widths of header reach every length that base64 cannot produce with one.
        let tokens = [0, 1, 2].into_iter().flat_map(|spaces| {
            let head = format!("{}{}", forge.header, " ".repeat(spaces));
            let room = length - encode(&head).len() - 45;
            let padding = (room * 3 / 4).saturating_sub(claims(&[("x", "\"\"")]).len());
            let forge = &forge;
            (padding - 2..padding + 3).map(move |padding| {
                forge.seal(
                    &head,
                    claims(&[("x", &format!("\"{}\"", "x".repeat(padding)))]),
                )
            })
        });
        let mut tokens = tokens.filter(|token| token.len() == length);
        tokens.next().unwrap()
    };
    category.accept(of_length(8 * 1024));
    category.accept(of_length(8 * 1024 - 1));
    for length in [8 * 1024 + 1, 8 * 1024 + 2, 16 * 1024, 100 * 1024] {
        category.refuse(SIZE, format!("{length} characters"), of_length(length));
    }
    category.refuse(SIZE, "a million letters", "a".repeat(1_000_000));
    category.refuse(SIZE, "a million dots", ".".repeat(1_000_000));
    category
}
