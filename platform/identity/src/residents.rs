//! [`Residents`]: the door's way to know residents' sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kenroku_access::{Actor, Answer, Authenticator};
use kenroku_store::Db;
use kenroku_types::ids::SubjectId;
use kenroku_types::{Env, Problem};

use crate::model::PersonId;
use crate::{Rules, session, subject};

/// Pseudonyms held in memory; they never change while a sector keeps them.
const HELD: usize = 20_000;

/// Turns the cookie of a resident into an [`Actor::Resident`] with the pseudonym of the module that is asked.
#[derive(Clone, Debug)]
pub struct Residents {
    db: Db,
    env: Env,
    idle: Duration,
    held: Arc<Mutex<HashMap<(PersonId, String), SubjectId>>>,
}

impl Residents {
    /// Over the tables in `db`.
    pub fn new(db: Db, env: Env) -> Self {
        Residents { db, env, idle: Rules::default().idle, held: Arc::default() }
    }

    async fn actor(&self, token: &str, module: &str) -> crate::Result<Option<Actor>> {
        let Some(s) = session::find(&self.db, &self.env, self.idle, token).await? else { return Ok(None) };
        let key = (s.person, module.to_owned());
        let known = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        let subject = match known {
            Some(subject) => subject,
            None => {
                let subject = subject::of(&self.db, &self.env, s.person, module).await?;
                let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
                if held.len() >= HELD {
                    held.clear();
                }
                held.insert(key, subject);
                subject
            }
        };
        Ok(Some(Actor::Resident { subject, sign_in: s.sign_in }))
    }
}

impl Authenticator for Residents {
    fn session<'a>(&'a self, token: &'a str, module: &'a str) -> Answer<'a, Option<Actor>> {
        Box::pin(async move { self.actor(token, module).await.map_err(Problem::from) })
    }

    fn key<'a>(&'a self, _: &'a str) -> Answer<'a, Option<Actor>> {
        Box::pin(async { Ok(None) })
    }
}
