//! The official vectors of PASETO and PASERK, and when two keys are the same.

use serde_json::Value;

use super::*;

mod keys;
mod tokens;

macro_rules! vectors {
    ($($path:literal),+) => {
        serde_json::from_str::<Value>(include_str!(concat!(
            "../../../../tests/vectors/paseto/",
            $($path),+
        )))
        .unwrap()["tests"]
            .as_array()
            .unwrap()
            .clone()
    };
}
use vectors;

/// The bytes of a member in hexadecimal, or those of its text if it is not hexadecimal.
fn bytes(vector: &Value, name: &str) -> Vec<u8> {
    let text = vector[name].as_str().unwrap();
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let decoded: Option<Vec<u8>> = (0..text.len()).step_by(2).map(pair).collect();
    decoded.unwrap_or_else(|| text.as_bytes().to_vec())
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap()
}

fn fails(vector: &Value) -> bool {
    vector["expect-fail"].as_bool().unwrap()
}
