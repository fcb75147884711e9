//! The URI that authenticators read (Key URI Format).

use std::fmt::Write;

use super::{code::Digest, scheme::OtpScheme, secret::OtpSecret};
use crate::secret::Secret;

/// Returns an `otpauth://` URI with every parameter, even the defaults: authenticators do not agree
/// on them.
pub(super) fn uri(
    scheme: OtpScheme,
    secret: &OtpSecret,
    service: &str,
    account: &str,
) -> Secret<String> {
    // Longer than any URI, since secrets and labels are short: growing would leave a copy behind.
    let mut uri = String::with_capacity(2048);
    let kind = match scheme {
        OtpScheme::Totp(_) => "totp",
        OtpScheme::Hotp(_) => "hotp",
    };
    let digest = match scheme.digest() {
        Digest::Sha1 => "SHA1",
        Digest::Sha256 => "SHA256",
        Digest::Sha512 => "SHA512",
    };
    uri.push_str("otpauth://");
    uri.push_str(kind);
    uri.push('/');
    escape(&mut uri, service);
    uri.push(':');
    escape(&mut uri, account);
    uri.push_str("?secret=");
    uri.push_str(secret.to_base32().expose());
    uri.push_str("&issuer=");
    escape(&mut uri, service);
    let rest = match scheme {
        OtpScheme::Totp(totp) => ("period", totp.period),
        OtpScheme::Hotp(_) => ("counter", 0),
    };
    write!(
        uri,
        "&algorithm={digest}&digits={}&{}={}",
        scheme.digits(),
        rest.0,
        rest.1
    )
    .expect("writing to a string does not fail");
    Secret::new(uri)
}

/// Percent-encodes everything but the unreserved characters of RFC 3986 section 2.3.
fn escape(uri: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            _ => write!(uri, "%{byte:02X}").expect("writing to a string does not fail"),
        }
    }
}

/// The limits of the names in a label, so that label and secret fit into a QR code.
pub(super) const MAX_SERVICE_BYTES: usize = 64;
pub(super) const MAX_ACCOUNT_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::otp::{Hotp, Totp};

    fn secret() -> OtpSecret {
        OtpSecret::new(b"12345678901234567890").unwrap()
    }

    #[test]
    fn every_parameter_is_stated() {
        let totp = uri(Totp::new().into(), &secret(), "Acme", "alice");
        assert_eq!(
            totp.expose(),
            "otpauth://totp/Acme:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Acme\
             &algorithm=SHA1&digits=6&period=30"
        );
        let hotp = Hotp::new().with_digest(Digest::Sha512).with_digits(8);
        let hotp = uri(hotp.unwrap().into(), &secret(), "Acme", "alice");
        assert!(
            hotp.expose()
                .ends_with("&algorithm=SHA512&digits=8&counter=0")
        );
        let totp = Totp::new().with_digest(Digest::Sha256);
        let totp = totp.with_period(Duration::from_secs(60)).unwrap();
        let totp = uri(totp.into(), &secret(), "Acme", "alice");
        assert!(
            totp.expose()
                .ends_with("&algorithm=SHA256&digits=6&period=60")
        );
    }

    #[test]
    fn no_name_can_add_a_parameter() {
        let uri = uri(
            Totp::new().into(),
            &secret(),
            "Acme & Söhne",
            "a:b/c?secret=AAAA#é",
        );
        assert!(uri.expose().starts_with(
            "otpauth://totp/Acme%20%26%20S%C3%B6hne:a%3Ab%2Fc%3Fsecret%3DAAAA%23%C3%A9?secret=GEZ"
        ));
        assert_eq!(uri.expose().matches("secret=").count(), 1);
    }
}
