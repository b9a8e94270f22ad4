//! A system behind the server that has users: it remembers every user, session and call, and can be down, slow, refuse, or
//! do what it is asked and lose the answer. Shares the plan of faults of a run, so that its calls are numbered points too.

use crate::behind::Behind;
use async_trait::async_trait;
use cardea_model::{SecretText, Timestamp};
use cardea_sdk::ExternalError;
use cardea_sdk::database::{Connection, Database, NewUser, Purpose};
use cardea_storage::failing::{Fault, FaultPlan};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

/// How it behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    #[default]
    Up,
    /// Nobody answers; nothing happens.
    Down,
    /// It answers, and says no.
    Refusing,
    /// It does what it is asked, and the answer is lost.
    LosingAnswers,
    /// It does what it is asked at once, and answers after this long by the runtime's clock.
    Slow(Duration),
}

/// A user at the source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub password: String,
    pub expires_ms: u64,
    /// Connections open under this user.
    pub sessions: u32,
}

#[derive(Clone, Default)]
struct State {
    users: BTreeMap<String, User>,
    mode: Mode,
    /// Users that cannot be removed: they own something, say.
    pinned: BTreeSet<String>,
    /// Users that were ever made, and every call that had an effect, in order.
    created: Vec<String>,
    effects: Vec<(&'static str, String)>,
    calls: u64,
}

/// The source. Clones are the same source.
#[derive(Clone, Default)]
pub struct FakeSource(Behind<State>);

impl FakeSource {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state()
    }

    /// Another source in the same state.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(self.0.fork())
    }

    /// From now on calls are counted and broken by this plan.
    pub fn arm(&self, plan: Arc<FaultPlan>) {
        self.0.arm(plan);
    }

    pub fn set_mode(&self, mode: Mode) {
        self.state().mode = mode;
    }

    #[must_use]
    pub fn users(&self) -> BTreeMap<String, User> {
        self.state().users.clone()
    }

    #[must_use]
    pub fn user_count(&self) -> usize {
        self.state().users.len()
    }

    /// Names of all users that were ever made.
    #[must_use]
    pub fn created(&self) -> Vec<String> {
        self.state().created.clone()
    }

    /// Every call that changed something: what it did, and to whom.
    #[must_use]
    pub fn effects(&self) -> Vec<(&'static str, String)> {
        self.state().effects.clone()
    }

    /// Calls that reached it, whatever came of them.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Opens a session as a client of the source would; `false` if it may not.
    pub fn connect(&self, username: &str, password: &str) -> bool {
        match self.state().users.get_mut(username) {
            Some(user) if user.password == password => {
                user.sessions += 1;
                true
            }
            _ => false,
        }
    }

    /// The clients of a user close their sessions.
    pub fn disconnect(&self, username: &str) {
        if let Some(user) = self.state().users.get_mut(username) {
            user.sessions = 0;
        }
    }

    /// A user that was there before any server: an administrator, say.
    pub fn add_user(&self, username: &str, password: &str) {
        let user = User { password: password.to_owned(), expires_ms: u64::MAX, sessions: 0 };
        self.state().users.insert(username.to_owned(), user);
    }

    /// From now on the source refuses to remove these users, and no others.
    pub fn pin(&self, usernames: impl IntoIterator<Item = String>) {
        self.state().pinned = usernames.into_iter().collect();
    }

    /// Somebody else removed the user.
    pub fn drop_user(&self, username: &str) {
        self.state().users.remove(username);
    }

    /// One call: counted, perhaps broken, and admitted only with a password that opens the source.
    async fn call(
        &self,
        who: Option<&Connection>,
        effect: impl FnOnce(&mut State) -> Result<(), ExternalError> + Send,
    ) -> Result<(), ExternalError> {
        let lost = || ExternalError::unknown("the source did not answer", "answer lost");
        let mode = {
            let mut state = self.state();
            state.calls += 1;
            state.mode
        };
        let fault = self.0.admit(mode == Mode::Down, lost)?;
        if mode == Mode::Refusing {
            return Err(ExternalError::refused("the source refused the statement", "refused"));
        }
        {
            let mut state = self.state();
            if let Some(connection) = who {
                let known = state.users.get(&connection.username);
                if known.is_none_or(|user| user.password != connection.password.expose()) {
                    return Err(ExternalError::refused("the source refused the login", "login refused"));
                }
            }
            effect(&mut state)?;
        }
        if let Mode::Slow(span) = mode {
            tokio::time::sleep(span).await;
        }
        if fault == Fault::LoseAnswer || mode == Mode::LosingAnswers { Err(lost()) } else { Ok(()) }
    }

    /// Makes a user; the same user again is no error.
    pub async fn create(&self, username: &str, password: &SecretText, expires: Timestamp) -> Result<(), ExternalError> {
        self.call(None, |state| state.create(username, password, expires)).await
    }

    pub async fn renew(&self, username: &str, expires: Timestamp) -> Result<(), ExternalError> {
        self.call(None, |state| state.renew(username, expires)).await
    }

    /// Removes a user with its sessions; "already gone" is success.
    pub async fn revoke(&self, username: &str) -> Result<(), ExternalError> {
        self.call(None, |state| state.revoke(username)).await
    }

    /// Sets a password; makes the user if it is not there (an administrator's account).
    pub async fn set_password(&self, username: &str, password: &SecretText) -> Result<(), ExternalError> {
        self.call(None, |state| state.set_password(username, password)).await
    }
}

impl State {
    fn create(&mut self, username: &str, password: &SecretText, expires: Timestamp) -> Result<(), ExternalError> {
        let user = User { password: password.expose().to_owned(), expires_ms: expires.0, sessions: 0 };
        match self.users.get(username) {
            Some(there) if there.password == user.password => return Ok(()),
            Some(_) => return Err(ExternalError::refused("the user exists", "user exists")),
            None => {}
        }
        self.users.insert(username.to_owned(), user);
        self.created.push(username.to_owned());
        self.effects.push(("create", username.to_owned()));
        Ok(())
    }

    fn renew(&mut self, username: &str, expires: Timestamp) -> Result<(), ExternalError> {
        let Some(user) = self.users.get_mut(username) else {
            return Err(ExternalError::refused("the user does not exist", "no such user"));
        };
        user.expires_ms = expires.0;
        self.effects.push(("renew", username.to_owned()));
        Ok(())
    }

    fn revoke(&mut self, username: &str) -> Result<(), ExternalError> {
        if self.pinned.contains(username) {
            return Err(ExternalError::refused("the source refused to remove the user", "objects depend on it"));
        }
        if self.users.remove(username).is_some() {
            self.effects.push(("revoke", username.to_owned()));
        }
        Ok(())
    }

    fn set_password(&mut self, username: &str, password: &SecretText) -> Result<(), ExternalError> {
        let nobody = User { password: String::new(), expires_ms: u64::MAX, sessions: 0 };
        let user = self.users.entry(username.to_owned()).or_insert(nobody);
        password.expose().clone_into(&mut user.password);
        self.effects.push(("password", username.to_owned()));
        Ok(())
    }
}

#[async_trait]
impl Database for FakeSource {
    fn kind(&self) -> &'static str {
        "fake-database-plugin"
    }

    fn default_statements(&self, purpose: Purpose) -> &'static [&'static str] {
        match purpose {
            Purpose::Create => &["CREATE {{name}} {{password}} {{expiration}}"],
            Purpose::Renew => &["RENEW {{name}} {{expiration}}"],
            Purpose::Revoke => &["DROP {{name}}"],
            Purpose::RotateRoot => &["ALTER {{name}} {{password}}"],
        }
    }

    async fn verify(&self, connection: &Connection) -> Result<(), ExternalError> {
        self.call(Some(connection), |_| Ok(())).await
    }

    /// A statement with the word `FAIL` fails.
    async fn create_user(&self, connection: &Connection, user: &NewUser<'_>) -> Result<(), ExternalError> {
        if user.statements.iter().any(|statement| statement.contains("FAIL")) {
            return Err(ExternalError::refused("a creation statement of the role failed", "syntax error"));
        }
        self.call(Some(connection), |state| state.create(user.username, user.password, user.expires)).await
    }

    async fn renew_user(
        &self,
        connection: &Connection,
        username: &str,
        expires: Timestamp,
        _statements: &[String],
    ) -> Result<(), ExternalError> {
        self.call(Some(connection), |state| state.renew(username, expires)).await
    }

    async fn revoke_user(
        &self,
        connection: &Connection,
        username: &str,
        _statements: &[String],
    ) -> Result<(), ExternalError> {
        self.call(Some(connection), |state| state.revoke(username)).await
    }

    async fn set_password(
        &self,
        connection: &Connection,
        username: &str,
        password: &SecretText,
        _statements: &[String],
    ) -> Result<(), ExternalError> {
        self.call(Some(connection), |state| state.set_password(username, password)).await
    }

    async fn clone_user(
        &self,
        connection: &Connection,
        user: &str,
        clone: &str,
        password: &SecretText,
    ) -> Result<(), ExternalError> {
        self.call(Some(connection), |state| match state.users.contains_key(user) {
            true => state.set_password(clone, password),
            false => Err(ExternalError::refused("the user to be cloned does not exist", "no such user")),
        })
        .await
    }

    async fn sessions(&self, connection: &Connection, username: &str) -> Result<Option<u64>, ExternalError> {
        let mut open = 0;
        self.call(Some(connection), |state| {
            open = state.users.get(username).map_or(0, |user| user.sessions);
            Ok(())
        })
        .await?;
        Ok(Some(u64::from(open)))
    }

    async fn end_sessions(&self, connection: &Connection, username: &str) -> Result<(), ExternalError> {
        self.call(Some(connection), |state| {
            if let Some(user) = state.users.get_mut(username) {
                user.sessions = 0;
                state.effects.push(("sessions", username.to_owned()));
            }
            Ok(())
        })
        .await
    }

    async fn forget(&self, _connection_id: &str) {}
}
