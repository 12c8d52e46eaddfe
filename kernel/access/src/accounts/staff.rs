//! Accounts of staff: made, changed and disabled by whoever may manage them in that tenant.

use kenroku_store::{Error as StoreError, Sql, Tx, params, row, sql};
use kenroku_types::ids::StaffId;
use kenroku_types::{Tenant, Timestamp};
use unicode_normalization::UnicodeNormalization as _;

use super::{AccountError, Accounts, Result, password, session};
use crate::kernel::{ManageStaff, ViewStaff};
use crate::{Actor, Granted, Role, RoleHome, RoleId};

/// What a new account needs.
#[derive(Clone, Debug)]
pub struct NewStaff<'a> {
    /// The name to sign in with, unique in the installation.
    pub login: &'a str,
    /// The name that others see.
    pub name: &'a str,
    /// The first password.
    pub password: &'a str,
    /// What they are there for.
    pub roles: &'a [RoleId],
}

/// An account as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffRow {
    /// The account.
    pub id: StaffId,
    /// The name to sign in with.
    pub login: String,
    /// The name that others see.
    pub name: String,
    /// Roles, separated by spaces.
    roles: String,
    /// Whether it cannot sign in.
    pub disabled: bool,
    /// For optimistic changes.
    pub version: i64,
    /// What the organisation's directory calls it.
    pub external_id: Option<String>,
    /// Address at work; empty when unknown.
    pub email: String,
    /// Family name; empty when unknown.
    pub family_name: String,
    /// Given name; empty when unknown.
    pub given_name: String,
    /// Whether it has a password; otherwise it waits for its owner to set one up.
    pub has_password: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Timestamp,
}
row!(StaffRow {
    id,
    login,
    name,
    roles,
    disabled,
    version,
    external_id,
    email,
    family_name,
    given_name,
    has_password,
    created_at,
    changed_at
});

impl StaffRow {
    /// What they are there for.
    pub fn roles(&self) -> Vec<RoleId> {
        split_roles(&self.roles)
    }
}

const ADD: &Sql = sql!(
    "insert into access_staff (tenant, id, login, name, password, roles, disabled, version, created_at, changed_at)
     values ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9)"
);
const LIST: &Sql = sql!(
    "select id, login, name, roles, disabled, version, external_id, email, family_name, given_name,
       password <> '-', created_at, changed_at
     from access_staff where tenant = $1 and kind = 'staff' and removed_at is null order by login"
);
const ONE: &Sql = sql!(
    "select id, login, name, roles, disabled, version, external_id, email, family_name, given_name,
       password <> '-', created_at, changed_at
     from access_staff where tenant = $1 and id = $2 and kind = 'staff' and removed_at is null"
);
const SET_ROLES: &Sql = sql!(
    "update access_staff set roles = $4, version = version + 1, changed_at = $5
     where tenant = $1 and id = $2 and version = $3 and kind = 'staff' and removed_at is null"
);
const SET_DISABLED: &Sql = sql!(
    "update access_staff set disabled = $4, version = version + 1, changed_at = $5
     where tenant = $1 and id = $2 and version = $3 and kind = 'staff' and removed_at is null"
);
const SET_PASSWORD: &Sql = sql!(
    "update access_staff set password = $3, version = version + 1, changed_at = $4 where tenant = $1 and id = $2"
);
const LOGIN_OF: &Sql = sql!(
    "select login, password from access_staff
     where tenant = $1 and id = $2 and kind = 'staff' and removed_at is null"
);

/// Stands for the password of an account that has none yet: nothing hashes to it.
pub(super) const NO_PASSWORD: &str = "-";

pub(super) async fn store_password(
    tx: &mut Tx,
    tenant: Tenant,
    id: StaffId,
    hash: &str,
    now: Timestamp,
) -> Result<()> {
    Ok(tx.execute_one(SET_PASSWORD, params![tenant, id, hash, now]).await?)
}

pub(super) fn split_roles(text: &str) -> Vec<RoleId> {
    text.split_whitespace().map(|r| RoleId::stored(r.to_owned())).collect()
}

/// The one form of a login name: NFKC, small letters.
pub(super) fn normal_login(login: &str) -> String {
    login.trim().nfkc().collect::<String>().to_lowercase()
}

/// The one form of a login name, if it can be one.
pub(super) fn check_login(login: &str) -> Result<String> {
    let login = normal_login(login);
    let fits = |c: char| c.is_alphanumeric() || ".-_@".contains(c);
    if !(2..=64).contains(&login.chars().count()) || !login.chars().all(fits) {
        return Err(AccountError::LoginForm);
    }
    Ok(login)
}

pub(super) async fn one(tx: &mut Tx, tenant: Tenant, id: StaffId) -> Result<StaffRow> {
    tx.opt(ONE, params![tenant, id]).await?.ok_or(AccountError::NotFound)
}

pub(super) async fn list(tx: &mut Tx, tenant: Tenant) -> Result<Vec<StaffRow>> {
    Ok(tx.all(LIST, params![tenant]).await?)
}

/// Writes other roles, if the account is still as it was read.
pub(super) async fn store_roles(
    tx: &mut Tx,
    tenant: Tenant,
    row: &StaffRow,
    roles: &str,
    now: Timestamp,
) -> Result<()> {
    Ok(tx.execute_one(SET_ROLES, params![tenant, row.id, row.version, roles, now]).await?)
}

impl Accounts {
    /// Makes an account in the tenant of the proof.
    ///
    /// # Errors
    /// [`AccountError`] for a name, password or role that cannot be used.
    pub async fn create_staff(&self, by: &Granted<ManageStaff>, new: &NewStaff<'_>) -> Result<StaffId> {
        let login = check_login(new.login)?;
        password::check(new.password, &login)?;
        let roles = self.check_roles(by.tenant(), new.roles)?;
        let hash = self.0.passwords.hash(new.password, &self.0.env.rng).await?;
        let (id, now) = (self.0.env.id(), self.0.env.now());
        let mut tx = self.0.db.begin().await?;
        let row = params![by.tenant(), id, &login, new.name, &hash, &roles, false, now, now];
        match tx.execute(ADD, row).await {
            Err(StoreError::Unique(_)) => return Err(AccountError::LoginTaken),
            other => other?,
        };
        self.note(&mut tx, by.tenant(), id, "made", by.actor(), &roles).await?;
        tx.commit().await?;
        tracing::info!(by = %by.actor(), staff = %id, tenant = %by.tenant(), roles, "staff account made");
        Ok(id)
    }

    /// The accounts of the tenant.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list_staff(&self, by: &Granted<ViewStaff>) -> Result<Vec<StaffRow>> {
        Ok(self.0.db.read().await?.all(LIST, params![by.tenant()]).await?)
    }

    /// Gives an account other roles; they hold from its next request.
    ///
    /// # Errors
    /// [`AccountError::OwnAccount`], [`AccountError::Stale`] when `version` is not the newest, or unknown roles.
    pub async fn set_roles(
        &self,
        by: &Granted<ManageStaff>,
        id: StaffId,
        version: i64,
        roles: &[RoleId],
    ) -> Result<()> {
        not_oneself(by.actor(), id)?;
        let roles = self.check_roles(by.tenant(), roles)?;
        let mut tx = self.0.db.begin().await?;
        tx.execute_one(SET_ROLES, params![by.tenant(), id, version, &roles, self.0.env.now()]).await?;
        self.note(&mut tx, by.tenant(), id, "roles", by.actor(), &roles).await?;
        tx.commit().await?;
        tracing::info!(by = %by.actor(), staff = %id, roles, "roles changed");
        Ok(())
    }

    /// Stops or re-opens an account; stopping ends its sessions at once.
    ///
    /// # Errors
    /// As [`Accounts::set_roles`].
    pub async fn set_disabled(
        &self,
        by: &Granted<ManageStaff>,
        id: StaffId,
        version: i64,
        disabled: bool,
    ) -> Result<()> {
        not_oneself(by.actor(), id)?;
        let mut tx = self.0.db.begin().await?;
        tx.execute_one(SET_DISABLED, params![by.tenant(), id, version, disabled, self.0.env.now()]).await?;
        if disabled {
            session::end_all(&mut tx, by.tenant(), id).await?;
        }
        let what = if disabled { "stopped" } else { "reopened" };
        self.note(&mut tx, by.tenant(), id, what, by.actor(), "").await?;
        tx.commit().await?;
        tracing::info!(by = %by.actor(), staff = %id, disabled, "account switched");
        Ok(())
    }

    /// Gives an account a new password and ends its sessions: for somebody who forgot theirs.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when the tenant has no such account; a weak password.
    pub async fn reset_password(&self, by: &Granted<ManageStaff>, id: StaffId, new: &str) -> Result<()> {
        let (login, _) = self.login_of(by.tenant(), id).await?;
        self.replace_password(by.tenant(), id, &login, new, by.actor()).await?;
        tracing::info!(by = %by.actor(), staff = %id, "password reset");
        Ok(())
    }

    /// Changes one's own password, knowing the old one. Every session ends, this one included.
    ///
    /// # Errors
    /// [`AccountError::SignInRefused`] when the old password is wrong (such failures count like sign-ins);
    /// a weak password.
    pub async fn change_own_password(
        &self,
        actor: &Actor,
        from: std::net::IpAddr,
        old: &str,
        new: &str,
    ) -> Result<()> {
        let Actor::Staff { id, tenant, .. } = actor else { return Err(AccountError::NotFound) };
        let login = self.own_password(actor, from, old).await?;
        self.replace_password(*tenant, *id, &login, new, actor).await
    }

    /// Checks one's own password once more; gives the sign-in name.
    ///
    /// # Errors
    /// [`AccountError::SignInRefused`]; such failures count like sign-ins.
    pub async fn own_password(
        &self,
        actor: &Actor,
        from: std::net::IpAddr,
        password: &str,
    ) -> Result<String> {
        let Actor::Staff { id, tenant, .. } = actor else { return Err(AccountError::NotFound) };
        let (login, _) = self.login_of(*tenant, *id).await?;
        let signed = self.check_password(&login, password, from).await?;
        if signed == (*tenant, *id) { Ok(login) } else { Err(AccountError::SignInRefused) }
    }

    /// One's own account.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] for whoever is no staff, and for emergency accounts.
    pub async fn own_account(&self, actor: &Actor) -> Result<StaffRow> {
        let Actor::Staff { id, tenant, .. } = actor else { return Err(AccountError::NotFound) };
        let mut tx = self.0.db.read().await?;
        one(&mut tx, *tenant, *id).await
    }

    async fn login_of(&self, tenant: Tenant, id: StaffId) -> Result<(String, String)> {
        let found = self.0.db.read().await?.opt(LOGIN_OF, params![tenant, id]).await?;
        found.ok_or(AccountError::NotFound)
    }

    async fn replace_password(
        &self,
        tenant: Tenant,
        id: StaffId,
        login: &str,
        new: &str,
        by: &Actor,
    ) -> Result<()> {
        password::check(new, login)?;
        let hash = self.0.passwords.hash(new, &self.0.env.rng).await?;
        let mut tx = self.0.db.begin().await?;
        store_password(&mut tx, tenant, id, &hash, self.0.env.now()).await?;
        session::end_all(&mut tx, tenant, id).await?;
        self.note(&mut tx, tenant, id, "password", by, "").await?;
        Ok(tx.commit().await?)
    }

    /// Whether a tenant of that kind has such staff.
    pub(super) fn fits(&self, tenant: Tenant, role: &Role) -> bool {
        let (shared, inside) = (tenant == Tenant::SHARED, self.0.tenants.above(tenant).len() > 1);
        match role.home {
            RoleHome::Installation => shared,
            RoleHome::Municipality => inside,
            RoleHome::Prefecture => !shared && !inside,
            RoleHome::Government => !shared,
        }
    }

    /// Roles must exist and fit the tenant: an office of a town has no prefecture administrator.
    pub(super) fn check_roles(&self, tenant: Tenant, roles: &[RoleId]) -> Result<String> {
        let mut names = Vec::new();
        for r in roles {
            let known = self.0.roles.iter().find(|known| known.id == r.as_str());
            let known = known.ok_or_else(|| AccountError::UnknownRole(r.to_string()))?;
            if !self.fits(tenant, known) {
                return Err(AccountError::RoleNotHere(r.to_string()));
            }
            names.push(known.id);
        }
        names.sort_unstable();
        names.dedup();
        Ok(names.join(" "))
    }
}

pub(super) fn not_oneself(actor: &Actor, id: StaffId) -> Result<()> {
    match actor {
        Actor::Staff { id: own, .. } if *own == id => Err(AccountError::OwnAccount),
        _ => Ok(()),
    }
}
