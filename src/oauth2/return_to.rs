//! Validates the page that a browser returns to after a login.

use std::borrow::Cow;

/// Whether `text` is a path on this origin that neither a browser, nor a proxy or router that
/// decodes it once more, interprets as another origin (RFC 9700 section 4.11).
pub(crate) fn is_own_path(text: &str) -> bool {
    // Browsers treat a backslash as a slash, and skip tabs and line breaks.
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    if text.len() > MAX_BYTES || !text.bytes().all(is_plain) {
        return false;
    }
    let path = text.split(['?', '#']).next().unwrap_or_default();
    decoded(path).is_some_and(|path| stays_on_origin(&path))
}

/// Removes all levels of percent-encoding from `path`. Returns `None` if there are too many, or the
/// result is not UTF-8.
fn decoded(path: &str) -> Option<String> {
    let mut path = path.to_owned();
    for _ in 0..MAX_ENCODINGS {
        match decode_once(&path)? {
            Cow::Borrowed(_) => return Some(path),
            Cow::Owned(shorter) => path = shorter,
        }
    }
    None
}

fn decode_once(text: &str) -> Option<Cow<'_, str>> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octet = bytes.get(at..at + 3).and_then(decode_triplet);
        decoded.push(octet.unwrap_or(bytes[at]));
        at += if octet.is_some() { 3 } else { 1 };
    }
    if decoded.len() == bytes.len() {
        Some(Cow::Borrowed(text))
    } else {
        String::from_utf8(decoded).ok().map(Cow::Owned)
    }
}

fn decode_triplet(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let &[b'%', high, low] = bytes else {
        return None;
    };
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Whether a fully decoded path stays on the origin: without its dot segments (RFC 3986 section
/// 5.2.4) it starts with one slash.
fn stays_on_origin(path: &str) -> bool {
    // The full-width forms become a slash and a backslash after normalisation (NFKC).
    let is_forbidden = |c: char| c.is_control() || matches!(c, '\\' | '\u{ff0f}' | '\u{ff3c}');
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    if rest.contains(is_forbidden) {
        return false;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in rest.split('/') {
        match segment.trim() {
            "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    segments.len() < 2 || !segments[0].is_empty()
}

const MAX_BYTES: usize = 2048;
/// More levels than any legitimate page uses.
const MAX_ENCODINGS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_on_this_origin_are_taken() {
        for good in [
            "/",
            "/cart",
            "/cart?item=1&x=//evil.dev",
            "/a#b",
            "/a//b",
            "/a/../b",
            "/..",
            "/caf%C3%A9/100%25",
            "/100%",
            "/files/a%2Fb?x=%5C%0A",
            "/cart#//evil.dev",
            "/.well-known/x",
            "/...//b",
        ] {
            assert!(is_own_path(good), "{good:?}");
        }
        let long = format!("/{}", "a".repeat(2048));
        for bad in [
            "",
            "cart",
            "//evil.dev",
            "///evil.dev",
            "/\\evil.dev",
            "\\/evil.dev",
            "\\\\evil.dev",
            "/a\\b",
            "https://evil.dev",
            "https:evil.dev",
            "javascript:alert(1)",
            "data:text/html,x",
            "@evil.dev",
            ".evil.dev",
            " /cart",
            "/cart ",
            "/\t/evil.dev",
            "/\n/evil.dev",
            "/\r\nSet-Cookie: a=b",
            "\t//evil.dev",
            "/\0",
            "/%5Cevil.test",
            "/%5cevil.test",
            "/%2Fevil.test",
            "/%2f%2fevil.test",
            "/%2F/evil.dev",
            "/%252Fevil.test",
            "/%25252525255Cevil.test",
            "/%2%35%32Fevil.test",
            "/%09/evil.test",
            "/%0d%0aset-cookie:a=b",
            "/a%00b",
            "/%7f/evil.test",
            "/%20/evil.test",
            "/a%5Cb",
            "/.//evil.test",
            "/./%2Fevil.test",
            "/%2e//evil.test",
            "/a/..//evil.test",
            "/a/%2e%2E/%5Cevil.test",
            "/..//evil.test",
            "/a%2F..%2F%2Fevil.test",
            "/%C0%AFevil.test",
            "/%EF%BC%8Fevil.test",
            "/%EF%BC%BCevil.test",
            "%2F/evil.test",
            "/ä",
            "/\u{2215}evil.dev",
            "?x=1",
            "#x",
            &long,
        ] {
            assert!(!is_own_path(bad), "{bad:?}");
        }
    }
}
