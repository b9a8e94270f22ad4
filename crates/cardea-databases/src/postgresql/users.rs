//! What is done to users, in the order in which it is safe.
//!
//! Creating: everything in one transaction that holds a lock on the name, so that a revocation that follows a lost answer
//! waits until the commit was decided, and never looks too early. Revoking: first no new sessions, then no old ones, then
//! the user goes, then one more look for sessions.

use crate::postgresql::fault::{self, Moment};
use crate::postgresql::pool::Session;
use crate::postgresql::sql::{Values, identifier};
use cardea_sdk::ExternalError;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use zeroize::Zeroizing;

/// Default statement of a renewal.
pub const RENEW: &str = "ALTER ROLE \"{{name}}\" VALID UNTIL '{{expiration}}'";
/// Default statement of a change of password.
pub const SET_PASSWORD: &str = "ALTER ROLE \"{{name}}\" WITH PASSWORD '{{password}}'";

/// Pause between two looks at sessions that were told to end. Two looks in a row must find none: a session that was just
/// let in shows itself only after its login is done.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// Part of the lock key, so that locks of applications on the same number space do not meet ours by design.
const LOCK_DOMAIN: &[u8] = b"cardea user\0";

/// Asks something harmless.
pub async fn verify(session: &mut Session) -> Result<(), ExternalError> {
    session.mark_used();
    let deadline = Instant::now() + session.limits().statement;
    match session.step(deadline, |client| client.check_connection()).await {
        Ok(Ok(())) => {
            session.mark_clean();
            Ok(())
        }
        Ok(Err(error)) => Err(fault::of(&error, Moment::BeforeCommit, "a harmless question", &[])),
        Err(_) => Err(fault::late(Moment::BeforeCommit)),
    }
}

/// Creates the user: all statements or none. If the user exists, this is the repetition of a call whose answer was lost
/// (names are random): it gets the password and the end that the caller was promised.
pub async fn create(
    session: &mut Session,
    values: &Values<'_>,
    statements: &[Zeroizing<String>],
) -> Result<(), ExternalError> {
    let transaction = Transaction::begin(session, values).await?;
    let done = create_inside(&transaction, values, statements).await;
    transaction.finish(done).await
}

async fn create_inside(
    transaction: &Transaction<'_>,
    values: &Values<'_>,
    statements: &[Zeroizing<String>],
) -> Result<(), ExternalError> {
    transaction.lock_name().await?;
    let statements = match transaction.role().await? {
        None => statements,
        Some(role) if role.powerful => {
            return Err(ExternalError::refused("a user of that name exists and is not one of Cardea's making", ""));
        }
        Some(_) => {
            let again = format!("{} LOGIN VALID UNTIL '{{{{expiration}}}}'", SET_PASSWORD);
            let again = crate::postgresql::sql::parse_all(&[again])?;
            let again = crate::postgresql::sql::render_all(&again, values)?;
            return transaction.run(&again).await;
        }
    };
    transaction.run(statements).await?;
    match transaction.role().await? {
        Some(_) => Ok(()),
        None => Err(ExternalError::refused("the creation statements did not create a user named {{name}}", "")),
    }
}

/// Runs statements that change a user.
pub async fn change(
    session: &mut Session,
    values: &Values<'_>,
    statements: &[Zeroizing<String>],
) -> Result<(), ExternalError> {
    let transaction = Transaction::begin(session, values).await?;
    let done = transaction.run(statements).await;
    transaction.finish(done).await
}

/// Makes sure that a second user is there with this password, who may do what `user` may: a member of it, whose sessions act
/// as it, so that what either of the two makes belongs to one. A user of that name with powers of its own is refused.
pub async fn clone(session: &mut Session, values: &Values<'_>, user: &str) -> Result<(), ExternalError> {
    let (clone, user) = (identifier(values.name), identifier(user));
    let password = crate::postgresql::sql::parse_all(&[format!("{SET_PASSWORD} LOGIN VALID UNTIL 'infinity'")])?;
    let password = crate::postgresql::sql::render_all(&password, values)?;
    let transaction = Transaction::begin(session, values).await?;
    let done = async {
        transaction.lock_name().await?;
        match transaction.role().await? {
            None => transaction.execute(&format!("CREATE ROLE {clone} NOLOGIN"), "CREATE ROLE").await?,
            Some(role) if role.powerful => {
                return Err(ExternalError::refused("a user of the second name exists and has powers of its own", ""));
            }
            Some(_) => {}
        }
        transaction.execute(&format!("GRANT {user} TO {clone}"), "GRANT").await?;
        transaction.execute(&format!("ALTER ROLE {clone} SET role TO {user}"), "ALTER ROLE … SET role").await?;
        transaction.run(&password).await
    }
    .await;
    transaction.finish(done).await
}

/// Ends the user's sessions and removes it. Without statements: what it owns goes to Cardea's own role, what it may do is
/// revoked, and it is dropped; a user with rights or possessions in other databases needs statements of its own.
pub async fn revoke(
    session: &mut Session,
    values: &Values<'_>,
    statements: &[Zeroizing<String>],
) -> Result<(), ExternalError> {
    let transaction = Transaction::begin(session, values).await?;
    let closed = close_the_door(&transaction, statements.is_empty()).await;
    let role = match transaction.finish(closed).await? {
        Some(role) => role,
        None => return Ok(()),
    };
    end_sessions(session, role.oid).await?;
    let transaction = Transaction::begin(session, values).await?;
    let removed = remove(&transaction, statements).await;
    transaction.finish(removed).await?;
    end_sessions(session, role.oid).await
}

/// No new sessions from here on, and the right to end the old ones. Returns nothing if there is no such user.
async fn close_the_door(transaction: &Transaction<'_>, by_default: bool) -> Result<Option<Role>, ExternalError> {
    // Waits for a creation whose answer was lost and whose commit is still on its way.
    transaction.lock_name().await?;
    let Some(role) = transaction.role().await? else { return Ok(None) };
    let name = identifier(transaction.name);
    match transaction.attempt(&format!("ALTER ROLE {name} NOLOGIN")).await? {
        Ok(()) => {}
        Err(error) if fault::is_absent(&error) => return Ok(None),
        // Whoever wrote statements may have given the right to a function only.
        Err(error) if fault::is_forbidden(&error) && !by_default => {}
        Err(error) => return Err(transaction.fault(&error, "ALTER ROLE … NOLOGIN")),
    }
    if !transaction.has_rights_of(role.oid).await? {
        // Ending its sessions and taking what it owns need its rights. Where this fails, the steps that need it say so.
        let _ = transaction.attempt(&format!("GRANT {name} TO CURRENT_USER")).await?;
    }
    Ok(Some(role))
}

async fn remove(transaction: &Transaction<'_>, statements: &[Zeroizing<String>]) -> Result<(), ExternalError> {
    transaction.lock_name().await?;
    let Some(role) = transaction.role().await? else { return Ok(()) };
    let name = identifier(transaction.name);
    if !statements.is_empty() {
        for (index, statement) in statements.iter().enumerate() {
            match transaction.attempt(statement).await? {
                Ok(()) => {}
                // An earlier statement removed the user, or it never was.
                Err(error) if fault::is_absent(&error) && transaction.role().await?.is_none() => {}
                Err(error) => return Err(transaction.fault(&error, &numbered(index, statements.len()))),
            }
        }
        return Ok(());
    }
    if transaction.has_rights_of(role.oid).await? {
        // No name of a schema, table or function is ever written into a statement: the server finds them itself.
        transaction.execute(&format!("REASSIGN OWNED BY {name} TO CURRENT_USER"), "REASSIGN OWNED").await?;
        transaction.execute(&format!("DROP OWNED BY {name}"), "DROP OWNED").await?;
    }
    transaction.execute(&format!("DROP ROLE IF EXISTS {name}"), "DROP ROLE").await
}

/// Open sessions of a user.
pub async fn sessions(session: &mut Session, name: &str) -> Result<u64, ExternalError> {
    // By whom they logged in, whatever role they act as now.
    const COUNT: &str = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a \
        JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid WHERE r.rolname = $1::text::name";
    session.mark_used();
    let deadline = Instant::now() + session.limits().statement;
    let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&name, Type::TEXT)];
    match session.step(deadline, |client| client.query_typed(COUNT, &parameters)).await {
        Ok(Ok(rows)) => {
            let found = rows.first().and_then(|row| u64::try_from(number(row, 0)).ok());
            session.mark_clean();
            found.ok_or_else(|| ExternalError::refused("the database did not count the sessions", "no row"))
        }
        Ok(Err(error)) => Err(fault::of(&error, Moment::BeforeCommit, "to count sessions", &[])),
        Err(_) => Err(fault::late(Moment::BeforeCommit)),
    }
}

/// Ends the sessions of a user who stays, and waits until they are gone. The right to do so is taken in a transaction that
/// is rolled back: Cardea's role is a member of nothing afterwards that it was not before.
pub async fn quit(session: &mut Session, values: &Values<'_>) -> Result<(), ExternalError> {
    let deadline = Instant::now() + session.limits().sessions;
    let mut quiet_looks = 0;
    while quiet_looks < 2 {
        let found = match sessions(session, values.name).await? {
            0 => 0,
            open => {
                let transaction = Transaction::begin(session, values).await?;
                let told = tell_to_quit(&transaction).await;
                transaction.undo(told).await?;
                open
            }
        };
        quiet_looks = if found == 0 { quiet_looks + 1 } else { 0 };
        if quiet_looks < 2 {
            if Instant::now() >= deadline {
                return Err(ExternalError::unknown("sessions of the user do not end", "time limit"));
            }
            sleep(LOOK_AGAIN).await;
        }
    }
    Ok(())
}

async fn tell_to_quit(transaction: &Transaction<'_>) -> Result<(), ExternalError> {
    const TERMINATE: &str = "SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid)) \
        FROM pg_catalog.pg_stat_activity WHERE usesysid = $1 AND pid <> pg_catalog.pg_backend_pid()";
    transaction.lock_name().await?;
    let Some(role) = transaction.role().await? else { return Ok(()) };
    if role.powerful {
        return Err(ExternalError::refused("the user has powers of its own: its sessions are not ended from here", ""));
    }
    if !transaction.has_rights_of(role.oid).await? {
        // Where this fails, the next statement says what is missing, or works by `pg_signal_backend`.
        let name = identifier(transaction.name);
        let _ = transaction.attempt(&format!("GRANT {name} TO CURRENT_USER")).await?;
    }
    transaction.query(TERMINATE, &[(&role.oid, Type::OID)]).await.map(|_| ())
}

/// Terminates all sessions of a role and waits until they are gone. By oid: a name is gone before its last session is.
async fn end_sessions(session: &mut Session, oid: u32) -> Result<(), ExternalError> {
    const TERMINATE: &str = "SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid)) \
        FROM pg_catalog.pg_stat_activity WHERE usesysid = $1 AND pid <> pg_catalog.pg_backend_pid()";
    session.mark_used();
    let deadline = Instant::now() + session.limits().sessions;
    let mut quiet_looks = 0;
    while quiet_looks < 2 {
        let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&oid, Type::OID)];
        let rows = match session.step(deadline, |client| client.query_typed(TERMINATE, &parameters)).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => {
                let words =
                    "to end the user's sessions; Cardea's own role lacks a right, see docs/operate/postgresql.md";
                let mut failed = fault::of(&error, Moment::Committing, words, &[]);
                failed.nothing_happened = false;
                return Err(failed);
            }
            Err(_) => return Err(ExternalError::unknown("sessions of the user do not end", "time limit")),
        };
        let found = rows.first().map_or(0, |row| number(row, 0));
        quiet_looks = if found == 0 { quiet_looks + 1 } else { 0 };
        if quiet_looks < 2 {
            sleep(LOOK_AGAIN).await;
        }
        if Instant::now() >= deadline {
            return Err(ExternalError::unknown("sessions of the user do not end", "time limit"));
        }
    }
    session.mark_clean();
    Ok(())
}

fn number(row: &Row, column: usize) -> i64 {
    row.try_get(column).unwrap_or(0)
}

fn numbered(index: usize, of: usize) -> String {
    format!("statement {} of {of}", index + 1)
}

/// What we know of an existing role.
struct Role {
    oid: u32,
    /// Whether it has powers that no user of our making gets by accident, or is our own.
    powerful: bool,
}

/// A transaction that was begun. Dropped without [`Transaction::finish`], its connection is closed, which ends it.
struct Transaction<'s> {
    session: &'s mut Session,
    name: &'s str,
    secrets: Vec<&'s str>,
    deadline: Instant,
}

impl<'s> Transaction<'s> {
    async fn begin(session: &'s mut Session, values: &Values<'s>) -> Result<Transaction<'s>, ExternalError> {
        session.mark_used();
        let limits = *session.limits();
        let secrets = [Some(values.name), values.password.map(cardea_model::SecretText::expose)];
        let transaction = Transaction {
            deadline: Instant::now() + limits.statement,
            session,
            name: values.name,
            secrets: secrets.into_iter().flatten().collect(),
        };
        // The server gives up by itself, too: a lost connection must not leave locks behind. Backslashes in literals mean
        // what `sql` believes they mean.
        let begin = format!(
            "BEGIN; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; \
             SET LOCAL standard_conforming_strings = on",
            limits.statement.as_millis(),
            limits.lock.as_millis()
        );
        transaction.execute(&begin, "BEGIN").await?;
        Ok(transaction)
    }

    fn fault(&self, error: &tokio_postgres::Error, what: &str) -> ExternalError {
        fault::of(error, Moment::BeforeCommit, what, &self.secrets)
    }

    async fn execute(&self, statement: &str, what: &str) -> Result<(), ExternalError> {
        match self.session.step(self.deadline, |client| client.batch_execute(statement)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.fault(&error, what)),
            Err(_) => Err(fault::late(Moment::BeforeCommit)),
        }
    }

    async fn run(&self, statements: &[Zeroizing<String>]) -> Result<(), ExternalError> {
        for (index, statement) in statements.iter().enumerate() {
            self.execute(statement, &numbered(index, statements.len())).await?;
        }
        Ok(())
    }

    /// A statement whose failure the transaction survives.
    async fn attempt(&self, statement: &str) -> Result<Result<(), tokio_postgres::Error>, ExternalError> {
        self.execute("SAVEPOINT cardea", "SAVEPOINT").await?;
        match self.session.step(self.deadline, |client| client.batch_execute(statement)).await {
            Ok(Ok(())) => {
                self.execute("RELEASE SAVEPOINT cardea", "RELEASE SAVEPOINT").await?;
                Ok(Ok(()))
            }
            Ok(Err(error)) if error.as_db_error().is_some() => {
                self.execute("ROLLBACK TO SAVEPOINT cardea", "ROLLBACK TO SAVEPOINT").await?;
                Ok(Err(error))
            }
            Ok(Err(error)) => Err(self.fault(&error, "a statement")),
            Err(_) => Err(fault::late(Moment::BeforeCommit)),
        }
    }

    async fn query(
        &self,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, ExternalError> {
        match self.session.step(self.deadline, |client| client.query_typed(statement, parameters)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => Err(self.fault(&error, "a question")),
            Err(_) => Err(fault::late(Moment::BeforeCommit)),
        }
    }

    /// One transaction at a time for a name, until it ends.
    async fn lock_name(&self) -> Result<(), ExternalError> {
        let digest = cardea_crypto::mac::sha256(&[LOCK_DOMAIN, self.name.as_bytes()]);
        let mut key = [0; 8];
        key.copy_from_slice(&digest[..8]);
        let key = i64::from_be_bytes(key);
        self.query("SELECT pg_catalog.pg_advisory_xact_lock($1)", &[(&key, Type::INT8)]).await.map(|_| ())
    }

    async fn role(&self) -> Result<Option<Role>, ExternalError> {
        const FIND: &str = "SELECT oid, rolsuper OR rolcreaterole OR rolreplication OR rolbypassrls \
            OR rolname = CURRENT_USER FROM pg_catalog.pg_roles WHERE rolname = $1::text::name";
        let rows = self.query(FIND, &[(&self.name, Type::TEXT)]).await?;
        Ok(rows
            .first()
            .map(|row| Role { oid: row.try_get(0).unwrap_or_default(), powerful: row.try_get(1).unwrap_or(true) }))
    }

    /// Whether Cardea's own role can act for a role.
    async fn has_rights_of(&self, oid: u32) -> Result<bool, ExternalError> {
        let rows = self.query("SELECT pg_catalog.pg_has_role($1::oid, 'USAGE')", &[(&oid, Type::OID)]).await?;
        Ok(rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false)))
    }

    /// Takes everything back, whatever came of it.
    async fn undo<T>(self, done: Result<T, ExternalError>) -> Result<T, ExternalError> {
        let deadline = Instant::now() + self.session.limits().statement;
        let rolled_back = self.session.step(deadline, |client| client.batch_execute("ROLLBACK")).await;
        if matches!(rolled_back, Ok(Ok(()))) {
            self.session.mark_clean();
        }
        done
    }

    /// Commits what went well, and takes back what did not.
    async fn finish<T>(self, done: Result<T, ExternalError>) -> Result<T, ExternalError> {
        let failed = match done {
            Ok(value) => {
                let deadline = Instant::now() + self.session.limits().statement;
                return match self.session.step(deadline, |client| client.batch_execute("COMMIT")).await {
                    Ok(Ok(())) => {
                        self.session.mark_clean();
                        Ok(value)
                    }
                    Ok(Err(error)) => Err(fault::of(&error, Moment::Committing, "to commit", &self.secrets)),
                    Err(_) => Err(fault::late(Moment::Committing)),
                };
            }
            Err(failed) => failed,
        };
        let rolled_back = self.session.step(self.deadline, |client| client.batch_execute("ROLLBACK")).await;
        if matches!(rolled_back, Ok(Ok(()))) {
            self.session.mark_clean();
        }
        Err(failed)
    }
}
