//! Tokens that must be rejected, each with the reason that is logged for it. A reason from a later
//! step than the attack shows that the forgery is correct in everything else.

use tower_jam::{Algorithm, Claims, Grant, Jwt, Key, KeyRing, Paseto};

use super::world::{AUDIENCE, ISSUER, Subject, claims, clock, decode, encode};

/// Attacks on one engine, and tokens from the same forge that it accepts.
pub struct Category {
    pub name: String,
    pub paseto: Paseto<Claims>,
    pub controls: Vec<String>,
    pub attacks: Vec<Attack>,
}

pub struct Attack {
    pub name: String,
    pub token: String,
    pub reason: &'static str,
}

impl Category {
    fn refuse(&mut self, reason: &'static str, name: impl Into<String>, token: String) {
        self.attacks.push(Attack {
            name: name.into(),
            token,
            reason,
        });
    }
}

/// Every attack, on the engine of every version and purpose.
pub async fn all() -> Vec<Category> {
    let mut all = Vec::new();
    for subject in Subject::all() {
        let good = subject.minted().await;
        let category = |name| Category {
            name: format!("{} {name}", subject.name),
            paseto: subject.paseto.clone(),
            controls: vec![good.clone()],
            attacks: Vec::new(),
        };
        all.push(parts(category("parts"), &good));
        all.push(bits(category("bits"), &good));
        all.push(kinds(category("kinds"), &subject, &good).await);
        all.push(footers(category("footers"), &subject));
        all.push(dates(category("dates"), &subject));
        all.push(contents(category("claims"), &subject));
        all.push(sizes(category("sizes"), &subject));
    }
    all
}

fn parts(mut category: Category, good: &str) -> Category {
    let pieces: Vec<_> = good.split('.').collect();
    let [version, purpose, body, footer] = pieces[..] else {
        panic!("{good}")
    };
    let bare = format!("{version}.{purpose}.{body}");
    category.refuse(KEY, "no footer", bare.clone());
    category.refuse(EMPTY, "an empty fourth part", format!("{bare}."));
    category.refuse(PARTS, "an empty fifth part", format!("{good}."));
    category.refuse(PARTS, "five parts", format!("{good}.{footer}"));
    category.refuse(
        PARTS,
        "an empty fourth part of five",
        format!("{bare}..{footer}"),
    );
    category.refuse(KIND, "two parts", format!("{version}.{purpose}"));
    category.refuse(KIND, "one part", body.to_owned());
    category.refuse(KIND, "nothing", String::new());
    category.refuse(
        KEY,
        "no body and a footer",
        format!("{version}.{purpose}..{footer}"),
    );
    category.refuse(
        EMPTY,
        "no body and no footer",
        format!("{version}.{purpose}.."),
    );
    let with_body = |body: &str| format!("{version}.{purpose}.{body}.{footer}");
    for (name, body) in [
        ("padding", format!("{body}=")),
        ("two of padding", format!("{body}==")),
        ("a space behind it", format!("{body} ")),
        (
            "a line break in it",
            format!("{}\n{}", &body[..9], &body[9..]),
        ),
        ("the alphabet with a plus", format!("+{}", &body[1..])),
        ("the alphabet with a slash", format!("/{}", &body[1..])),
        ("a character less", body[..body.len() - 1].to_owned()),
        ("four characters less", body[..body.len() - 4].to_owned()),
        ("a character more", format!("{body}A")),
        ("four characters more", format!("{body}AAAA")),
        ("four characters before", format!("AAAA{body}")),
        ("a short one", "AAAA".to_owned()),
        ("zeroes", encode([0; 200])),
        ("an unused bit", unused_bit(body)),
    ] {
        if body != pieces[2] {
            category.refuse(KEY, format!("body: {name}"), with_body(&body));
        }
    }
    let with_footer = |footer: &str| format!("{bare}.{footer}");
    for (name, text) in [
        ("padding", format!("{footer}=")),
        ("a space", format!("{footer} ")),
        ("a plus", format!("{footer}+")),
        ("an unused bit", unused_bit(footer)),
    ] {
        if text != footer {
            category.refuse(FOOTER_BASE64, format!("footer: {name}"), with_footer(&text));
        }
    }
    category
}

/// The same bytes with one of the unused bits of the last character set, if there are any.
fn unused_bit(text: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    if text.len().is_multiple_of(4) {
        return text.to_owned();
    }
    let (rest, last) = text.split_at(text.len() - 1);
    let at = ALPHABET.find(last).unwrap();
    format!("{rest}{}", &ALPHABET[at + 1..at + 2])
}

/// Nonce, text, tag or signature, and footer, each bit of every third byte.
fn bits(mut category: Category, good: &str) -> Category {
    let pieces: Vec<_> = good.split('.').collect();
    let (body, footer) = (decode(pieces[2]), decode(pieces[3]));
    for at in (0..body.len()).step_by(3) {
        let mut changed = body.clone();
        changed[at] ^= 1 << (at % 8);
        let token = format!(
            "{}.{}.{}.{}",
            pieces[0],
            pieces[1],
            encode(changed),
            pieces[3]
        );
        category.refuse(KEY, format!("bit {} of byte {at}", at % 8), token);
    }
    for at in 0..footer.len() {
        let mut changed = footer.clone();
        changed[at] ^= 1 << (at % 7);
        let token = format!(
            "{}.{}.{}.{}",
            pieces[0],
            pieces[1],
            pieces[2],
            encode(changed)
        );
        category.refuse(
            ANY,
            format!("bit {} of the footer's byte {at}", at % 7),
            token,
        );
    }
    category
}

/// Tokens of other versions, purposes and kinds, also with the body of a valid one.
async fn kinds(mut category: Category, subject: &Subject, good: &str) -> Category {
    let (_, rest) = good.split_at(subject.name.len());
    for name in [
        "v1.local",
        "v1.public",
        "v2.local",
        "v2.public",
        "v3.local",
        "v3.public",
        "v4.local",
        "v4.public",
        "v5.local",
        "v4.Local",
        "V4.public",
        "v4.local.v4.local",
        "v04.local",
        "v4..local",
        "v2.secret",
        " v4.local",
        ".v4.local",
        "k4.local",
        "local.v4",
        "v4",
    ] {
        if name != subject.name {
            let reason = match name.strip_prefix(subject.name) {
                Some(_) => PARTS,
                None => KIND,
            };
            category.refuse(reason, format!("named {name}"), format!("{name}{rest}"));
        }
    }
    for other in Subject::all() {
        let token = other.minted().await;
        if other.name == subject.name {
            category.refuse(KID, "by another key", token);
        } else {
            category.refuse(KIND, format!("a token of {}", other.name), token);
        }
    }
    let ring = KeyRing::new(Key::generate(Algorithm::EdDsa).unwrap());
    let jwt = Jwt::builder(ring)
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .clock(clock());
    let jwt = jwt.build().unwrap();
    let jwt = jwt.issue(Grant::new("alice", Claims::new()));
    category.refuse(KIND, "a JWT", jwt.await.unwrap().expose().clone());
    // The public vector of version 1, 2-F-3.
    let v1 = "v1.local.vXWMCh8nxf_RMqrLREJVOWyu01yRzb-miB6mkG1zQ8LS4_W5nQdTOpexZq482ReJ0sv5uFfAWRGpJaONiMqFaAAo-dsbWG2vo63xUmwFGxHNhu9plfFav2SaGDERFGn7IQ20gNQl87eOLaxf2GDsWdfu5hrFaQ.YXJiaXRyYXJ5LXN0cmluZy10aGF0LWlzbid0LWpzb24";
    category.refuse(KIND, "version 1 as published", v1.to_owned());
    if let Some(seal) = &subject.seal
        && !subject.name.starts_with("v2")
    {
        let token = seal(&claims(&[]), &subject.footer(), "tenant-7");
        category.refuse(KEY, "an implicit assertion", token);
    }
    category
}

fn footers(mut category: Category, subject: &Subject) -> Category {
    let Some(seal) = &subject.seal else {
        return category;
    };
    let with = |footer: &str| seal(&claims(&[]), footer, "");
    let kid = &subject.kid;
    for footer in [
        String::new(),
        "arbitrary-string-that-isn't-json".to_owned(),
        "{}".replace("{}", "[\"kid\"]"),
        r#"{"tenant":"acme"}"#.to_owned(),
        format!(r#" {{"kid":"{kid}"}}"#),
        format!(r#"{{"a":{{"kid":"other"}},"kid":"{kid}"}}"#),
        format!(r#"{{"kid":"{kid}","jwk":{{}},"jku":"https://evil.example"}}"#),
    ] {
        category.controls.push(with(&footer));
    }
    for (name, footer) in [
        ("an unknown kid", r#"{"kid":"other"}"#.to_owned()),
        ("an empty kid", r#"{"kid":""}"#.to_owned()),
        (
            "another case",
            format!(r#"{{"kid":"{}"}}"#, kid.to_uppercase()),
        ),
        ("a kid and a space", format!(r#"{{"kid":"{kid} "}}"#)),
        ("a kid and a zero", format!(r#"{{"kid":"{kid}\u0000"}}"#)),
        ("a path", r#"{"kid":"../../dev/null"}"#.to_owned()),
        ("SQL", r#"{"kid":"' OR 1=1 --"}"#.to_owned()),
    ] {
        category.refuse(KID, name, with(&footer));
    }
    for (name, footer) in [
        ("a kid that is a number", r#"{"kid":1}"#.to_owned()),
        ("a kid that is null", r#"{"kid":null}"#.to_owned()),
        ("a list of kids", format!(r#"{{"kid":["{kid}"]}}"#)),
        ("two kids", format!(r#"{{"kid":"{kid}","kid":"{kid}"}}"#)),
        (
            "two kids, one escaped",
            format!(r#"{{"kid":"{kid}","k\u0069d":"other"}}"#),
        ),
        (
            "another name twice",
            format!(r#"{{"kid":"{kid}","a":1,"a":2}}"#),
        ),
        (
            "a wrapped key",
            format!(r#"{{"kid":"{kid}","wpk":"k4.local-wrap.pie.x"}}"#),
        ),
        ("two documents", format!(r#"{{"kid":"{kid}"}}{{}}"#)),
        ("a letter behind it", format!(r#"{{"kid":"{kid}"}}x"#)),
        ("a comma at the end", format!(r#"{{"kid":"{kid}",}}"#)),
        ("half of it", format!(r#"{{"kid":"{kid}"#)),
        (
            "33 levels",
            format!(
                r#"{{"kid":"{kid}","a":{}{}}}"#,
                "[".repeat(32),
                "]".repeat(32)
            ),
        ),
        ("65 names", {
            let names: Vec<_> = (0..64).map(|n| format!("\"{n}\":0")).collect();
            format!(r#"{{"kid":"{kid}",{}}}"#, names.join(","))
        }),
    ] {
        category.refuse(FOOTER, name, with(&footer));
    }
    // Here the seal is valid, and only the form is not.
    category.refuse(EMPTY, "a good token and a dot", with("") + ".");
    let long = |bytes: usize| format!(r#"{{"kid":"{kid}","a":"{}"}}"#, "a".repeat(bytes));
    let over = 768 - long(0).len();
    category.controls.push(with(&long(over)));
    category.refuse(FOOTER_SIZE, "a byte more than 1 KiB", with(&long(over + 1)));
    category.refuse(FOOTER_SIZE, "a footer of 3 KB", with(&long(3000)));
    category.refuse(FOOTER_SIZE, "a text of 3 KB", with(&"a".repeat(3000)));
    category
}

fn dates(mut category: Category, subject: &Subject) -> Category {
    let Some(seal) = &subject.seal else {
        return category;
    };
    let with = |changes: &[(&str, &str)]| seal(&claims(changes), &subject.footer(), "");
    for date in [
        "2026-01-01T00:00:00Z",
        "2026-01-01T05:30:00+05:30",
        "2025-12-31T16:00:00-08:00",
        "2026-01-01T00:00:00.000001Z",
        "2026-01-01T00:00:29Z",
    ] {
        for name in ["exp", "nbf", "iat"] {
            category
                .controls
                .push(with(&[(name, &format!("\"{date}\""))]));
        }
    }
    category.controls.push(with(&[("iat", "")]));
    for name in ["exp", "nbf", "iat"] {
        for value in [
            "1767226200",
            "1767226200.5",
            "\"1767226200\"",
            "null",
            "true",
            "[]",
            "{}",
            "\"\"",
            "[\"2026-01-01T00:00:00Z\"]",
            "\"2026-01-01\"",
            "\"2026-01-01T00:00:00\"",
            "\"2026-01-01 00:00:00Z\"",
            "\"2026-01-01t00:00:00z\"",
            "\"2026-01-01T00:00:00+0000\"",
            "\"2026-01-01T00:00:00+24:00\"",
            "\"2026-01-01T00:00:60Z\"",
            "\"2026-01-01T24:00:00Z\"",
            "\"2026-02-30T00:00:00Z\"",
            "\"10000-01-01T00:00:00Z\"",
            "\"1969-12-31T23:59:59Z\"",
            "\"2026-01-01T00:00:00Z \"",
            "\"NaN\"",
            "\"Infinity\"",
            "\"9999-12-31T23:59:59-23:59\"",
            "NaN",
            "1e400",
        ] {
            category.refuse(CLAIMS, format!("{name} {value}"), with(&[(name, value)]));
        }
    }
    category.refuse("the token has no `exp`", "no exp", with(&[("exp", "")]));
    for (name, exp) in [
        ("at exp and the leeway", "2025-12-31T23:59:30Z"),
        (
            "at exp and the leeway, elsewhere",
            "2026-01-01T09:59:30+10:00",
        ),
        ("long ago", "1970-01-01T00:00:00Z"),
    ] {
        category.refuse(
            "the token has expired",
            name,
            with(&[("exp", &format!("\"{exp}\""))]),
        );
    }
    let future = "\"2026-01-01T00:00:30.001Z\"";
    category.refuse(
        "the token is not valid yet",
        "nbf ahead",
        with(&[("nbf", future)]),
    );
    category.refuse(
        "the token was issued in the future",
        "iat ahead",
        with(&[("iat", future)]),
    );
    category
}

fn contents(mut category: Category, subject: &Subject) -> Category {
    let Some(seal) = &subject.seal else {
        return category;
    };
    let sealed = |payload: &str| seal(payload, &subject.footer(), "");
    let with = |changes: &[(&str, &str)]| sealed(&claims(changes));
    for (reason, changes) in [
        ("the token is from another issuer", &[("iss", "")][..]),
        (
            "the token is from another issuer",
            &[("iss", "\"https://auth.acme.dev/\"")],
        ),
        ("the token is for another audience", &[("aud", "")]),
        ("the token is for another audience", &[("aud", "\"web\"")]),
        (
            "the token is for another audience",
            &[("aud", "[\"api\",1]")],
        ),
        ("the token has no `sub`", &[("sub", "")]),
        ("the token has no `sub`", &[("sub", "\"\"")]),
        (CLAIMS, &[("sub", "1")]),
        (CLAIMS, &[("iss", "null")]),
        (CLAIMS, &[("jti", "1")]),
        (
            "the token is bound to a key, and nothing here checks that",
            &[("cnf", "{}")],
        ),
    ] {
        category.refuse(reason, format!("{changes:?}"), with(changes));
    }
    category
        .controls
        .push(with(&[("aud", "[\"web\",\"api\"]")]));
    let good = claims(&[]);
    let open = good.strip_suffix('}').unwrap();
    for (name, payload) in [
        (
            "exp twice",
            format!("{open},\"exp\":\"2027-01-01T00:00:00Z\"}}"),
        ),
        ("sub twice", format!("{open},\"sub\":\"admin\"}}")),
        (
            "sub twice, once escaped",
            format!("{open},\"s\\u0075b\":\"admin\"}}"),
        ),
        (
            "a claim of the user twice",
            format!("{open},\"marker\":1}}"),
        ),
        ("two documents", format!("{good}{{}}")),
        ("a byte-order mark", format!("\u{feff}{good}")),
        ("an array", format!("[{good}]")),
        ("text", "swordfish".to_owned()),
        ("a comma at the end", format!("{open},}}")),
        (
            "nested 33 deep",
            format!("{open},\"a\":{}{}}}", "[".repeat(33), "]".repeat(33)),
        ),
        ("65 names", {
            let names: Vec<_> = (0..60).map(|n| format!("\"{n}\":0")).collect();
            format!("{open},{}}}", names.join(","))
        }),
    ] {
        category.refuse(CLAIMS, name, sealed(&payload));
    }
    category
}

fn sizes(mut category: Category, subject: &Subject) -> Category {
    let Some(seal) = &subject.seal else {
        return category;
    };
    let sealed = |fill: usize| {
        let fill = format!("\"{}\"", "a".repeat(fill));
        seal(&claims(&[("fill", &fill)]), &subject.footer(), "")
    };
    let fills: Vec<usize> = (0..8192).collect();
    let fill = fills.partition_point(|fill| sealed(*fill).len() <= 8192) - 1;
    category.controls.push(sealed(fill));
    category.refuse(SIZE, "a byte more", sealed(fill + 1));
    category.refuse(SIZE, "100 KB", sealed(100_000));
    category.refuse(SIZE, "dots", ".".repeat(8193));
    category
}

/// For a changed footer, which is detected at different steps.
pub const ANY: &str = "";
const KIND: &str = "the token is of another version or purpose";
const EMPTY: &str = "the token's fourth part is empty";
const PARTS: &str = "the token has more than four parts";
const KEY: &str = "the token is not by its key";
const KID: &str = "no key of the ring has this kid";
const FOOTER: &str = "the token's footer is not an acceptable JSON object";
const FOOTER_BASE64: &str = "the token's footer is not base64url";
const FOOTER_SIZE: &str = "the token's footer is longer than 768 bytes";
const CLAIMS: &str = "the claims are not an acceptable JSON object";
const SIZE: &str = "the token is longer than 8 KiB";
