//! The examples of RFC 9449.

use std::{sync::Arc, time::Duration};

use http::Method;

use super::*;
use crate::{store::MemoryStore, testing::ManualClock};

/// A verifier for the service at `url`, at this second.
fn dpop(url: &str, now: u64) -> Dpop {
    let clock = Arc::new(ManualClock::at(Timestamp::from_secs(now)));
    let store = Arc::new(MemoryStore::new().with_clock(clock.clone()));
    let builder = Dpop::builder(
        &Env::new("self", store, &crate::secret::MasterSecret::generate()).with_clock(clock),
        url,
    );
    builder.build().unwrap()
}

#[tokio::test]
async fn the_proof_of_a_token_request_in_rfc_9449_is_valid_once() {
    let dpop = dpop("https://server.example.com", 1_562_262_616);
    let key = dpop.verify(TOKEN_REQUEST, &Method::POST, "/token").await;
    assert_eq!(key.unwrap().thumbprint(), THUMBPRINT);
    let again = dpop.verify(TOKEN_REQUEST, &Method::POST, "/token").await;
    assert_eq!(again.unwrap_err().reason(), "the proof was used before");
}

#[test]
fn the_proof_of_a_resource_request_in_rfc_9449_is_for_its_token() {
    let dpop = dpop("https://resource.example.org", 1_562_262_618);
    let read =
        |token| dpop.check_proof(RESOURCE_REQUEST, &Method::GET, "/protectedresource", token);
    let proof = read(Some(ACCESS_TOKEN)).unwrap();
    assert_eq!(proof.key.thumbprint(), THUMBPRINT);
    for (token, reason) in [
        (
            "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxu",
            "the proof is for another token",
        ),
        ("", "the proof is for another token"),
    ] {
        assert_eq!(read(Some(token)).err().unwrap().reason(), reason);
    }
}

#[test]
fn the_examples_of_rfc_9449_are_for_their_method_address_and_time() {
    let reason = |url: &str, now: u64, method: &Method, path: &str| {
        let result = dpop(url, now).check_proof(TOKEN_REQUEST, method, path, None);
        result.map_or_else(|it| it.reason().to_owned(), |_| "good".to_owned())
    };
    let (url, at) = ("https://server.example.com", 1_562_262_616);
    let window = Duration::from_secs(60).as_secs();
    for (url, now, method, path, expected) in [
        (url, at, Method::POST, "/token", "good"),
        (url, at + window, Method::POST, "/token", "good"),
        (url, at - window, Method::POST, "/token", "good"),
        (
            url,
            at + window + 1,
            Method::POST,
            "/token",
            "the `iat` of the proof is too far from now",
        ),
        (
            url,
            at - window - 1,
            Method::POST,
            "/token",
            "the `iat` of the proof is too far from now",
        ),
        (
            url,
            at,
            Method::GET,
            "/token",
            "the proof is for another method",
        ),
        (
            url,
            at,
            Method::POST,
            "/tokens",
            "the proof is for another URL",
        ),
        (
            "https://server.example.org",
            at,
            Method::POST,
            "/token",
            "the proof is for another URL",
        ),
    ] {
        assert_eq!(
            reason(url, now, &method, path),
            expected,
            "{url} {now} {method} {path}"
        );
    }
}

/// Section 4.1, figure 2.
const TOKEN_REQUEST: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
/// Section 7.1, figure 13, and the token that it is for.
const RESOURCE_REQUEST: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
const ACCESS_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
/// Section 6.1, figure 9.
const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
