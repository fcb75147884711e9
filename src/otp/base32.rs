//! Base32 as people type it (RFC 4648 section 6).

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};
use zeroize::Zeroizing;

/// Encodes in upper case, without padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    LENIENT.encode(bytes)
}

/// Decodes `text`; returns `None` for any other character, or for a length that no bytes encode to.
///
/// Spaces, hyphens, case and padding are ignored. So are bits beyond the last whole byte, as in
/// authenticators: some systems generate random characters instead of bytes.
pub(super) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.trim_end_matches(['=', ' ']).as_bytes();
    let mut bytes = Zeroizing::new(vec![0; LENIENT.decode_len(text.len()).ok()?]);
    let length = LENIENT.decode_mut(text, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

static LENIENT: LazyLock<Encoding> = LazyLock::new(|| {
    let mut base32 = Specification::new();
    base32.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    base32.translate.from.push_str("abcdefghijklmnopqrstuvwxyz");
    base32.translate.to.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    base32.ignore.push_str(" -");
    base32.check_trailing_bits = false;
    base32.encoding().expect("the specification is consistent")
});

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 section 10.
    #[test]
    fn texts_are_those_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY======"),
            ("fo", "MZXQ===="),
            ("foo", "MZXW6==="),
            ("foob", "MZXW6YQ="),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI======"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text.trim_end_matches('='));
            assert_eq!(*decode(text).unwrap(), bytes.as_bytes());
        }
    }

    #[test]
    fn what_people_do_to_a_text_does_not_matter() {
        for text in [
            "mzxw6ytboi",
            "MZXW 6YTB OI",
            "mzxw-6ytb-oi",
            " MZXW6YTBOI====== ",
            "MZXW6YTBOJ",
        ] {
            assert_eq!(*decode(text).unwrap(), b"foobar", "{text}");
        }
        for text in [
            "MZXW6YTB0I",
            "MZXW1",
            "M",
            "MZX",
            "MZXW6Y",
            "MZ=XQ",
            "МZXQ",
            "MZXQ\n",
        ] {
            assert!(decode(text).is_none(), "{text}");
        }
    }
}
