//! Accounts of staff, their sessions, and the keys of devices and programs.
//!
//! **What it is.** Sign-in by password for staff until the identity provider takes over, sessions in browsers,
//! and keys for machines. [`Accounts`] is the kernel's [`Authenticator`].
//!
//! **What it is not.** It knows no residents. The seeds of one-time codes are sealed by the vault, which stands above:
//! the caller compares the code, this crate keeps the order of the steps.
//!
//! **Invariants.** Passwords, tokens and keys are stored as hashes only. A sign-in takes the same work whether
//! the account exists, is disabled, or the password is wrong, and gets the same answer. A failed attempt is on
//! the disk before the password is looked at, so parallel guessing counts in full. Disabling an account ends
//! its sessions; changed roles hold from the next request.

mod code;
mod directory;
mod history;
mod key;
mod password;
mod seal;
mod session;
mod staff;
mod throttle;
mod ticket;

use std::sync::Arc;
use std::time::Duration;

use kenroku_store::{Db, ModuleMigrations, migrations};
use kenroku_types::{Env, Problem, id_kind};
use ring::digest::{SHA256, digest};

use crate::policy::Policies;
use crate::{Actor, Answer, Authenticator, Role, TenantTree};

pub use code::{Begun, Waiting, oversees};
pub use directory::{Profile, Steward};
pub use history::HistoryRow;
pub use key::{IssuedKey, KeyHolder, KeyRow, ManagesKeys, NewKey};
pub use password::{Passwords, check as check_password};
pub use seal::{AlarmId, AlarmRow, BREAK_GLASS_LASTS, Broken, Seal, SealRow};
pub use session::{Session, SessionRow, SessionRules};
pub use staff::{NewStaff, StaffRow};
pub use throttle::{Attempt, Limit, ThrottleRules};

id_kind! {
    /// A key of a device or of a vendor's program.
    Key => KeyId;
}

/// The tables of this crate.
pub const MIGRATIONS: ModuleMigrations = migrations!(
    "access",
    [
        "0001_init",
        "0002_staff_login",
        "0003_session_token",
        "0004_key_hash",
        "0005_directory",
        "0006_history",
        "0007_second_step",
        "0008_ticket_token"
    ]
);

/// What can go wrong with accounts, sessions and keys.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AccountError {
    /// Wrong name, wrong password or disabled: which of them is not told.
    #[error("the name or the password is wrong")]
    SignInRefused,
    /// Too many failures; wait this many seconds.
    #[error("too many failed attempts; blocked for {0} s")]
    TooManyAttempts(u32),
    /// Too many sign-ins wait for their password to be checked.
    #[error("too many sign-ins at once")]
    Busy,
    /// The login name cannot be used.
    #[error("the login name must be 2 to 64 letters, digits or . _ @ - without spaces")]
    LoginForm,
    /// Another account has the name.
    #[error("the login name is taken")]
    LoginTaken,
    /// The password is too easy to guess; the text says what is needed.
    #[error("the password {0}")]
    WeakPassword(&'static str),
    /// No module declares this role.
    #[error("there is no role “{0}”")]
    UnknownRole(String),
    /// The role does not fit the organisation.
    #[error("the role “{0}” is not for this kind of organisation")]
    RoleNotHere(String),
    /// The password was right, and a one-time code is needed as well.
    #[error("a one-time code is needed")]
    CodeNeeded,
    /// A reason or a note is missing.
    #[error("10 to 500 characters are needed")]
    Words,
    /// A part of the profile cannot be stored; the text says what is accepted.
    #[error("{0}")]
    Profile(&'static str),
    /// The role, or somebody who has it, watches over others: the directory's key may not touch it.
    #[error("the key may not touch the role “{0}” or those who have it")]
    Overseer(String),
    /// Nobody changes what they themselves may do.
    #[error("somebody else must change one's own account")]
    OwnAccount,
    /// There is no such account or key in this tenant.
    #[error("not found")]
    NotFound,
    /// Somebody else changed it first.
    #[error("changed by somebody else")]
    Stale,
    /// The store failed.
    #[error("{0}")]
    Store(Box<Problem>),
}

/// The result of an account operation.
pub type Result<T> = std::result::Result<T, AccountError>;

impl From<kenroku_store::Error> for AccountError {
    fn from(e: kenroku_store::Error) -> Self {
        match e {
            kenroku_store::Error::Stale => AccountError::Stale,
            other => {
                tracing::error!(error = %other, "accounts: the store failed");
                AccountError::Store(Box::new(other.into()))
            }
        }
    }
}

impl From<AccountError> for Problem {
    fn from(e: AccountError) -> Problem {
        let says = e.to_string();
        let wrong = |field: &'static str, code: &'static str| {
            Problem::new(422, code, "This cannot be stored as it is")
                .next("Correct the marked field and send it again.")
                .field(field, code, says.clone())
        };
        match e {
            AccountError::SignInRefused => {
                Problem::new(401, "access.sign-in-refused", "The name or the password is wrong").next(
                    "Try again; if you forgot the password, ask the administrator of your organisation.",
                )
            }
            AccountError::TooManyAttempts(seconds) => {
                Problem::new(429, "access.too-many-attempts", "Too many failed attempts")
                    .next("Wait for the time given in Retry-After, then try again.")
                    .retry_after(seconds)
            }
            AccountError::Busy => Problem::unavailable("Many people are signing in at this moment."),
            AccountError::LoginForm => wrong("login", "access.login-form"),
            AccountError::LoginTaken => wrong("login", "access.login-taken"),
            AccountError::WeakPassword(_) => wrong("password", "access.weak-password"),
            AccountError::UnknownRole(_) => wrong("roles", "access.unknown-role"),
            AccountError::RoleNotHere(_) => wrong("roles", "access.role-not-here"),
            AccountError::CodeNeeded => Problem::new(401, "access.code-needed", "A one-time code is needed")
                .next("Sign in on the page for staff."),
            AccountError::Words => wrong("reason", "access.words"),
            AccountError::Profile(_) => wrong("name", "access.profile"),
            AccountError::Overseer(_) => Problem::new(403, "access.overseer", "Not by this key")
                .detail(says)
                .next("Let an administrator do it, or issue a key with access.provision-overseers."),
            AccountError::OwnAccount => Problem::new(403, "access.own-account", "Not for one's own account")
                .next("Ask another administrator to change it."),
            AccountError::NotFound => Problem::not_found(),
            AccountError::Stale => Problem::conflict("Somebody else changed it since it was loaded."),
            AccountError::Store(p) => *p,
        }
    }
}

/// The rules of the house for accounts.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccountRules {
    /// How long sessions live.
    pub session: SessionRules,
    /// How failed sign-ins are slowed down.
    pub throttle: ThrottleRules,
    /// Whoever has a role that watches over others needs a one-time code to sign in.
    pub codes_for_overseers: bool,
}

/// Staff accounts, sessions and keys in the store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Accounts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    env: Env,
    passwords: Passwords,
    rules: AccountRules,
    roles: Vec<Role>,
    tenants: TenantTree,
}

impl Accounts {
    /// Accounts in `db`, with the roles and tenants that the policies know.
    pub fn new(db: Db, env: Env, policies: &Policies, passwords: Passwords, rules: AccountRules) -> Self {
        let (roles, tenants) = (policies.roles().to_vec(), policies.tenants().clone());
        Accounts(Arc::new(Inner { db, env, passwords, rules, roles, tenants }))
    }
}

impl Authenticator for Accounts {
    fn session<'a>(&'a self, token: &'a str, _: &'a str) -> Answer<'a, Option<Actor>> {
        Box::pin(async move {
            // Tokens of staff are bare hexadecimal; others belong to another authenticator.
            if token.len() != session::TOKEN_LEN {
                return Ok(None);
            }
            Ok(self.authenticate(token).await?.map(|s| s.actor))
        })
    }

    fn key<'a>(&'a self, key: &'a str) -> Answer<'a, Option<Actor>> {
        Box::pin(async move { Ok(self.authenticate_key(key).await?) })
    }

    fn act<'a>(&'a self, actor: &'a Actor, what: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { Ok(self.note_act(actor, what).await?) })
    }
}

/// SHA-256, for secrets that are long and random already: nothing to guess, so nothing to slow down. Finding a
/// row by the hash tells an attacker's clock nothing about the secret.
fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, &parts.concat()).as_ref());
    out
}

/// Whole seconds until a wait is over, at least one.
fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs().saturating_add(1)).unwrap_or(u32::MAX)
}
