//! Where a browser goes after a login.

/// Whether `text` is a path on this very origin, and nothing that a browser takes for another (RFC 9700 section 4.11).
pub(super) fn is_own_path(text: &str) -> bool {
    let mut bytes = text.bytes();
    // Browsers read a backslash as a slash, and skip tabs and line breaks.
    text.len() <= MAX_BYTES
        && bytes.next() == Some(b'/')
        && bytes.next() != Some(b'/')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

const MAX_BYTES: usize = 2048;

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
            "/%2F/evil.dev",
            "/a//b",
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
