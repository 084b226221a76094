//! The form of the database, and how an older form becomes the present one.
//!
//! A migration is a file that is never edited. Each runs in a transaction of its own together
//! with the new version number, so that there is nothing between two versions.

use rusqlite::{Connection, TransactionBehavior};

/// The migrations; the version of a database is the number of those that it has seen.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../assets/migrations/0001_history.sql"),
    include_str!("../../assets/migrations/0002_benches.sql"),
    include_str!("../../assets/migrations/0003_lease_process.sql"),
    include_str!("../../assets/migrations/0004_waiting.sql"),
    include_str!("../../assets/migrations/0005_journal.sql"),
    include_str!("../../assets/migrations/0006_numbers.sql"),
];

/// Marks a database as ours (`bdog`); the first migration writes it.
pub(super) const APPLICATION_ID: i32 = 0x6264_6F67;

/// The newest version that is known here.
pub(super) fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// The version of the open database.
pub(super) fn version(conn: &Connection) -> rusqlite::Result<u32> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings the database from its version to the end of `migrations`.
pub(super) fn migrate(conn: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    for (number, sql) in (1u32..).zip(migrations) {
        if version(conn)? >= number {
            continue;
        }
        let step = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster; the version counts only inside the transaction.
        if version(&step)? < number {
            step.execute_batch(sql)?;
            step.pragma_update(None, "user_version", number)?;
        }
        step.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "CREATE TABLE a (x)";
    const SECOND: &str = "ALTER TABLE a ADD COLUMN y DEFAULT 7";

    #[test]
    fn each_migration_runs_once_and_keeps_what_is_stored() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, &[FIRST]).unwrap();
        conn.execute_batch("INSERT INTO a VALUES (1)").unwrap();
        migrate(&mut conn, &[FIRST, SECOND]).unwrap();
        migrate(&mut conn, &[FIRST, SECOND]).unwrap();
        assert_eq!(version(&conn).unwrap(), 2);
        let row = conn.query_row("SELECT x, y FROM a", [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(row, Ok((1, 7)));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_version_before_it() {
        let mut conn = Connection::open_in_memory().unwrap();
        let broken = "CREATE TABLE b (x); CREATE TABLE a (x)";
        assert!(migrate(&mut conn, &[FIRST, broken]).is_err());
        assert_eq!(version(&conn).unwrap(), 1);
        let tables: u32 = conn
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'b'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 0, "half a migration stayed");
    }
}
