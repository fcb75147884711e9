//! Base32 as people type it (RFC 4648 section 6).

use zeroize::Zeroizing;

/// Encodes in upper case, without padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut padded = Zeroizing::new([0; 8]);
        padded[3..3 + chunk.len()].copy_from_slice(chunk);
        let group = u64::from_be_bytes(*padded);
        for at in 0..(chunk.len() * 8).div_ceil(5) {
            let index = (group >> (35 - 5 * at)) & 31;
            text.push(char::from(ALPHABET[usize::from(index as u8)]));
        }
    }
    text
}

/// Decodes `text`; returns `None` for any other character, or for a length that no bytes encode to.
///
/// Spaces, hyphens, case and padding are ignored. So are bits beyond the last whole byte, as in
/// authenticators: some systems generate random characters instead of bytes.
pub(super) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.trim_end_matches(['=', ' ']);
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() * 5 / 8));
    let (mut pending, mut bits, mut characters) = (0_u32, 0, 0_usize);
    for c in text.bytes().filter(|c| !matches!(c, b' ' | b'-')) {
        let c = c.to_ascii_uppercase();
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'2'..=b'7' => c - b'2' + 26,
            _ => return None,
        };
        pending = (pending << 5) | u32::from(value);
        (bits, characters) = (bits + 5, characters + 1);
        if bits >= 8 {
            bits -= 8;
            let [.., byte] = (pending >> bits).to_be_bytes();
            bytes.push(byte);
            pending &= (1 << bits) - 1;
        }
    }
    let is_whole = !matches!(characters % 8, 1 | 3 | 6);
    is_whole.then_some(bytes)
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

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
