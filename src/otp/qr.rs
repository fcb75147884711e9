//! The URI as a QR code.

use qrcode::{
    QrCode,
    render::{svg, unicode::Dense1x2},
};

use super::uri::{MAX_ACCOUNT_BYTES, MAX_SERVICE_BYTES};
use crate::secret::Secret;

/// Returns an SVG document, black on white.
pub(super) fn svg(uri: &str) -> Secret<String> {
    let code = encode(uri);
    let mut renderer = code.render::<svg::Color<'_>>();
    Secret::new(renderer.min_dimensions(SIDE, SIDE).build())
}

/// Returns lines of half blocks, for a terminal with light text on a dark background.
pub(super) fn text(uri: &str) -> Secret<String> {
    let code = encode(uri);
    let mut renderer = code.render::<Dense1x2>();
    let renderer = renderer
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark);
    Secret::new(renderer.build())
}

fn encode(uri: &str) -> QrCode {
    // Each byte of a name takes three characters, the service occurs twice, and secret and
    // parameters take less than 400.
    const { assert!(3 * (2 * MAX_SERVICE_BYTES + MAX_ACCOUNT_BYTES) + 400 < CAPACITY) };
    QrCode::new(uri).expect("names are shorter than what a QR code holds")
}

/// The capacity in bytes of the largest QR code with error correction M.
const CAPACITY: usize = 2331;
/// The size in pixels, unless it is scaled.
const SIDE: u32 = 240;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_drawn_for_the_page_and_for_the_terminal() {
        let uri = "otpauth://totp/Acme:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let svg = svg(uri);
        assert!(svg.expose().contains("<svg ") && svg.expose().ends_with("</svg>"));
        let text = text(uri);
        let widths: Vec<_> = text
            .expose()
            .lines()
            .map(|line| line.chars().count())
            .collect();
        assert!(widths.len() > 10 && widths.iter().all(|width| *width == widths[0]));
        assert!(text.expose().starts_with('█'), "the quiet zone is light");
    }

    #[test]
    fn the_longest_names_fit() {
        let uri = super::super::uri::uri(
            super::super::Totp::new().into(),
            &super::super::OtpSecret::of_length(128),
            &"é".repeat(MAX_SERVICE_BYTES / 2),
            &"é".repeat(MAX_ACCOUNT_BYTES / 2),
        );
        assert!(svg(uri.expose()).expose().len() > 1000);
    }
}
