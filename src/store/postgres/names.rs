//! The schema and the prefix, and the names that are made from them.

use crate::{error::ConfigError, secret};

/// The location of the store. Only names from here are ever written into SQL, quoted; everything
/// else is bound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TableNames {
    schema: String,
    prefix: String,
}

impl TableNames {
    pub(super) fn new(schema: &str, prefix: &str) -> Result<Self, ConfigError> {
        if schema.is_empty() || !is_identifier(schema) || schema.len() > SCHEMA_BYTES {
            return Err(refusal("schema", SCHEMA_BYTES));
        }
        if schema.starts_with("pg_") {
            let reason = "names that begin with `pg_` are reserved for PostgreSQL";
            return Err(ConfigError::new("schema", reason));
        }
        if !is_identifier(prefix) || prefix.len() > PREFIX_BYTES {
            return Err(refusal("table_prefix", PREFIX_BYTES));
        }
        Ok(Self {
            schema: schema.to_owned(),
            prefix: prefix.to_owned(),
        })
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// The table of entries, as SQL.
    pub(super) fn entries(&self) -> String {
        self.table("entries")
    }

    /// The table of the version, as SQL.
    pub(super) fn version(&self) -> String {
        self.table("version")
    }

    /// The unqualified name of that table, as a value.
    pub(super) fn version_table(&self) -> String {
        format!("{}version", self.prefix)
    }

    fn table(&self, name: &str) -> String {
        format!(r#""{}"."{}{name}""#, self.schema, self.prefix)
    }

    /// An index or a constraint of the entries, which is in the schema of its table, as SQL.
    pub(super) fn of_entries(&self, suffix: &str) -> String {
        format!(r#""{}entries_{suffix}""#, self.prefix)
    }

    /// The channel of invalidations. It has the table's name, since no identifier contains a dot.
    pub(super) fn channel(&self) -> String {
        format!("{}.{}entries", self.schema, self.prefix)
    }

    /// The advisory lock of migrations.
    pub(super) fn lock(&self) -> i64 {
        let hash = secret::hash([b"tower-jam migrations ", self.channel().as_bytes()]);
        let [a, b, c, d, e, f, g, h, ..] = hash;
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

fn is_identifier(name: &str) -> bool {
    let is_part = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    name.bytes().all(is_part) && !name.starts_with(|first: char| first.is_ascii_digit())
}

fn refusal(setting: &'static str, bytes: usize) -> ConfigError {
    let reason = format!(
        "must be at most {bytes} lower-case ASCII letters, digits and `_`, and not begin with a digit"
    );
    ConfigError::new(setting, reason)
}

/// With the longest suffix, `entries`, and a dot they fill the 63 bytes to which PostgreSQL
/// truncates a name.
const SCHEMA_BYTES: usize = 31;
const PREFIX_BYTES: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_identifier_is_refused_and_named() {
        let long = "a".repeat(32);
        for schema in [
            "", "Jam", "1st", "pg_jam", "a b", "a\"b", "a.b", "a;b", "ä", "a\0", &long,
        ] {
            assert_eq!(TableNames::new(schema, "").unwrap_err().setting(), "schema");
        }
        for prefix in ["A", "1", "a-b", "a'", &long[..25]] {
            assert_eq!(
                TableNames::new("jam", prefix).unwrap_err().setting(),
                "table_prefix"
            );
        }
        assert!(TableNames::new(&long[..31], "").is_ok());
    }

    #[test]
    fn no_name_is_longer_than_what_is_kept_of_it() {
        let names = TableNames::new(&"s".repeat(31), &"p".repeat(24)).unwrap();
        assert_eq!(names.channel().len(), 63);
        for suffix in ["pkey", "group", "expiry"] {
            assert!(names.of_entries(suffix).len() <= 65, "with its quotes");
        }
    }

    #[test]
    fn each_schema_and_prefix_has_a_lock_of_its_own() {
        let names = |schema, prefix| TableNames::new(schema, prefix).unwrap();
        assert_eq!(names("a", "b").lock(), names("a", "b").lock());
        assert_ne!(names("a", "b").lock(), names("ab", "").lock());
        assert_ne!(names("a", "b").lock(), names("a", "c").lock());
    }
}
