//! Every statement on the entries. What changes something has a twin that announces it.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Postgres, postgres::PgArguments, query::Query};

use super::names::Names;

/// A statement with its values bound.
pub(super) type Bound = Query<'static, Postgres, PgArguments>;

/// The text of a statement, of which connections keep the prepared form.
#[derive(Clone, Debug)]
pub(super) struct Text(Arc<str>);

impl Text {
    /// `text` has no value in it, and no name but those of [`Names`].
    fn new(text: String) -> Self {
        Self(text.into())
    }

    pub(super) fn query(&self) -> Bound {
        sqlx::query(AssertSqlSafe(Arc::clone(&self.0)))
    }
}

/// A statement that changes entries. It returns a row for each of them.
#[derive(Debug)]
pub(super) struct Change {
    quiet: Text,
    announced: Text,
}

impl Change {
    /// `pg_notify` in the statement itself, so that what is rolled back is never announced and what is
    /// committed always is.
    fn new(names: &Names, change: &str, columns: &[&str]) -> Self {
        let inner = columns.iter().map(|column| format!("entry.{column}"));
        let inner = inner.collect::<Vec<_>>().join(", ");
        let outer = columns.join(", ");
        let channel = names.channel();
        let announced = format!(
            "WITH changed AS ({change} RETURNING {inner}, entry.namespace AS place, entry.digest AS name) \
             SELECT {outer}, pg_notify('{channel}', place || ' ' || encode(name, 'hex')) FROM changed"
        );
        Self {
            quiet: Text::new(format!("{change} RETURNING {inner}")),
            announced: Text::new(announced),
        }
    }

    pub(super) fn query(&self, announces: bool) -> Bound {
        match announces {
            true => self.announced.query(),
            false => self.quiet.query(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Statements {
    /// namespace, digest, now → value, version, expires_at
    pub(super) get: Text,
    /// group_namespace, group_digest, now → namespace, digest, value, version, expires_at
    pub(super) list: Text,
    /// namespace, digest, version, value, expires_at, group_namespace, group_digest
    pub(super) put_always: Change,
    /// The same, and now
    pub(super) put_absent: Change,
    /// The same, and the version expected
    pub(super) put_unchanged: Change,
    /// namespace, digest
    pub(super) remove_always: Change,
    /// namespace, digest, now, the version expected
    pub(super) remove_unchanged: Change,
    /// namespace, digest, now → value, version, expires_at
    pub(super) take: Change,
    /// namespace, digest, version, delta, expires_at, now → value
    pub(super) add: Change,
    /// group_namespace, group_digest, now
    pub(super) remove_group: Change,
    /// the hour of now, how many at most, now
    pub(super) purge: Text,
}

impl Statements {
    pub(super) fn new(names: &Names) -> Self {
        let entries = names.entries();
        let change = |change: &str, columns: &[&str]| Change::new(names, change, columns);
        let upsert = format!(
            "INSERT INTO {entries} AS entry \
             (namespace, digest, version, value, expires_at, group_namespace, group_digest) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (namespace, digest) DO UPDATE SET \
             version = excluded.version, value = excluded.value, expires_at = excluded.expires_at, \
             group_namespace = excluded.group_namespace, group_digest = excluded.group_digest"
        );
        Self {
            get: Text::new(format!(
                "SELECT value, version, expires_at FROM {entries} \
                 WHERE namespace = $1 AND digest = $2 AND expires_at > $3"
            )),
            list: Text::new(format!(
                "SELECT namespace, digest, value, version, expires_at FROM {entries} \
                 WHERE group_namespace = $1 AND group_digest = $2 AND expires_at > $3"
            )),
            put_always: change(&upsert, &["version"]),
            put_absent: change(
                &format!("{upsert} WHERE entry.expires_at <= $8"),
                &["version"],
            ),
            put_unchanged: change(
                &format!(
                    "UPDATE {entries} AS entry SET version = $3, value = $4, expires_at = $5, \
                     group_namespace = $6, group_digest = $7 \
                     WHERE namespace = $1 AND digest = $2 AND version = $9 AND expires_at > $8"
                ),
                &["version"],
            ),
            remove_always: change(
                &format!("DELETE FROM {entries} AS entry WHERE namespace = $1 AND digest = $2"),
                &["version"],
            ),
            remove_unchanged: change(
                &format!(
                    "DELETE FROM {entries} AS entry \
                     WHERE namespace = $1 AND digest = $2 AND expires_at > $3 AND version = $4"
                ),
                &["version"],
            ),
            take: change(
                &format!(
                    "DELETE FROM {entries} AS entry \
                     WHERE namespace = $1 AND digest = $2 AND expires_at > $3"
                ),
                &["value", "version", "expires_at"],
            ),
            add: change(&add(&entries), &["value"]),
            // Locked in the order of their keys, so that two calls for one group never wait for each other.
            remove_group: change(
                &format!(
                    "DELETE FROM {entries} AS entry USING (\
                     SELECT namespace, digest FROM {entries} \
                     WHERE group_namespace = $1 AND group_digest = $2 AND expires_at > $3 \
                     ORDER BY namespace, digest FOR UPDATE) AS doomed \
                     WHERE entry.namespace = doomed.namespace AND entry.digest = doomed.digest"
                ),
                &["version"],
            ),
            // What another node is purging, or a verb is replacing, is left alone. Without MATERIALIZED the
            // planner may look for a fresh batch for each row.
            purge: Text::new(format!(
                "WITH old AS MATERIALIZED (SELECT namespace, digest FROM {entries} \
                 WHERE expiry_hour < $1 LIMIT $2 FOR UPDATE SKIP LOCKED) \
                 DELETE FROM {entries} AS entry USING old \
                 WHERE entry.namespace = old.namespace AND entry.digest = old.digest \
                 AND entry.expires_at <= $3 RETURNING true"
            )),
        }
    }
}

/// What is no number is in no row of the answer, since the condition of the update fails. It is read by way of
/// `encode`, which takes any bytes and leaves digits as they are, and the sum as a `numeric`, which has no end. A sum of zero has
/// expired at once, so that it is absent by the same statement; the purge removes the row.
fn add(entries: &str) -> String {
    let (least, most) = (i64::MIN, i64::MAX);
    let text = "encode(entry.value, 'escape')";
    format!(
        "INSERT INTO {entries} AS entry (namespace, digest, version, value, expires_at) \
         VALUES ($1, $2, $3, convert_to(($4::bigint)::text, 'UTF8'), $5) \
         ON CONFLICT (namespace, digest) DO UPDATE SET version = excluded.version, \
         value = CASE WHEN entry.expires_at <= $6 THEN excluded.value ELSE convert_to(\
         greatest({least}, least({most}, {text}::numeric + $4::bigint))::text, 'UTF8') END, \
         expires_at = CASE WHEN entry.expires_at <= $6 THEN excluded.expires_at \
         WHEN {text}::numeric + $4::bigint = 0 THEN 0 ELSE entry.expires_at END, \
         group_namespace = CASE WHEN entry.expires_at <= $6 THEN NULL ELSE entry.group_namespace END, \
         group_digest = CASE WHEN entry.expires_at <= $6 THEN NULL ELSE entry.group_digest END \
         WHERE CASE WHEN entry.expires_at <= $6 THEN true \
         WHEN {text} ~ '^[+-]?[0-9]{{1,64}}$' THEN {text}::numeric BETWEEN {least} AND {most} \
         ELSE false END"
    )
}
