//! Accounts as a directory keeps them: made without a password, described, given roles, stopped and removed, by an
//! administrator or by the directory of the organisation (SCIM, platform/scim).
//!
//! A directory's key goes less far than an administrator: roles that watch over others (those of the kernel), and
//! everybody who has one, are out of its reach unless it also has [`ProvisionOverseers`].

use kenroku_store::{Error as StoreError, Sql, Tx, params, sql};
use kenroku_types::ids::StaffId;
use kenroku_types::{Tenant, Timestamp};

use super::staff::{self, NO_PASSWORD, StaffRow, check_login, not_oneself};
use super::{AccountError, Accounts, Result, code, session, ticket};
use crate::kernel::{ManageStaff, ProvisionOverseers, ProvisionStaff, ROLES};
use crate::{Actor, Granted, Role, RoleId};

/// Who keeps accounts, and how far they may go.
#[derive(Clone, Copy, Debug)]
pub enum Steward<'a> {
    /// An administrator of the tenant.
    Administrator(&'a Granted<ManageStaff>),
    /// The organisation's directory.
    Directory {
        /// Its proof.
        by: &'a Granted<ProvisionStaff>,
        /// Its proof for roles that watch over others, when it has one.
        overseers: Option<&'a Granted<ProvisionOverseers>>,
    },
}

impl Steward<'_> {
    /// Whose accounts.
    pub const fn tenant(&self) -> Tenant {
        match self {
            Steward::Administrator(by) => by.tenant(),
            Steward::Directory { by, .. } => by.tenant(),
        }
    }

    /// Who it is, for the history.
    pub const fn actor(&self) -> &Actor {
        match self {
            Steward::Administrator(by) => by.actor(),
            Steward::Directory { by, .. } => by.actor(),
        }
    }

    /// Refuses a role that is out of reach.
    fn reaches(&self, role: &str) -> Result<()> {
        match self {
            Steward::Directory { by, overseers }
                if ROLES.iter().any(|r| r.id == role)
                    && overseers.is_none_or(|o| o.tenant() != by.tenant()) =>
            {
                Err(AccountError::Overseer(role.to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Refuses an account that is out of reach, or one's own.
    fn may_change(&self, row: &StaffRow) -> Result<()> {
        not_oneself(self.actor(), row.id)?;
        row.roles().iter().try_for_each(|r| self.reaches(r.as_str()))
    }
}

/// What is known of somebody, besides what they may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The name to sign in with, unique in the installation.
    pub login: String,
    /// The name that others see.
    pub name: String,
    /// Family name; may be empty.
    pub family_name: String,
    /// Given name; may be empty.
    pub given_name: String,
    /// Address at work; may be empty.
    pub email: String,
    /// What the organisation's directory calls them.
    pub external_id: Option<String>,
    /// Whether they may sign in.
    pub active: bool,
}

impl Profile {
    /// The same in the form in which it is kept.
    fn checked(&self) -> Result<Profile> {
        let login = check_login(&self.login)?;
        let fits =
            |text: &str, most: usize| text.chars().count() <= most && !text.chars().any(char::is_control);
        let trimmed = |text: &str| text.trim().to_owned();
        let name = if self.name.trim().is_empty() { login.clone() } else { trimmed(&self.name) };
        let names = [&name, &self.family_name, &self.given_name];
        if !names.iter().all(|n| fits(n, 100)) {
            return Err(AccountError::Profile("a name has at most 100 characters in one line"));
        }
        let email = trimmed(&self.email);
        if !fits(&email, 254) || !(email.is_empty() || email.contains('@')) {
            return Err(AccountError::Profile("an address has an @ and at most 254 characters"));
        }
        let external_id = self.external_id.as_deref().map(trimmed).filter(|x| !x.is_empty());
        if !external_id.iter().all(|x| fits(x, 255)) {
            return Err(AccountError::Profile("an external id has at most 255 characters in one line"));
        }
        let (family_name, given_name) = (trimmed(&self.family_name), trimmed(&self.given_name));
        Ok(Profile { login, name, family_name, given_name, email, external_id, active: self.active })
    }
}

impl From<&StaffRow> for Profile {
    fn from(row: &StaffRow) -> Profile {
        Profile {
            login: row.login.clone(),
            name: row.name.clone(),
            family_name: row.family_name.clone(),
            given_name: row.given_name.clone(),
            email: row.email.clone(),
            external_id: row.external_id.clone(),
            active: !row.disabled,
        }
    }
}

const ADD: &Sql = sql!(
    "insert into access_staff (tenant, id, login, name, password, roles, disabled, version, created_at, changed_at,
       external_id, email, family_name, given_name)
     values ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8, $9, $10, $11, $12)"
);
const CHANGE: &Sql = sql!(
    "update access_staff set login = $4, name = $5, family_name = $6, given_name = $7, email = $8,
       external_id = $9, disabled = $10, version = version + 1, changed_at = $11
     where tenant = $1 and id = $2 and version = $3"
);
const REMOVE: &Sql = sql!(
    "update access_staff set former_login = login, login = $4, password = $5, roles = '', email = '',
       external_id = null, disabled = $6, removed_at = $7, version = version + 1, changed_at = $7
     where tenant = $1 and id = $2 and version = $3"
);

impl Accounts {
    /// Makes an account without a password: its owner sets one up by a one-time link.
    ///
    /// # Errors
    /// [`AccountError`] for a profile or role that cannot be used or is out of reach.
    pub async fn provision(&self, by: Steward<'_>, new: &Profile, roles: &[RoleId]) -> Result<StaffRow> {
        let p = new.checked()?;
        roles.iter().try_for_each(|r| by.reaches(r.as_str()))?;
        let roles = self.check_roles(by.tenant(), roles)?;
        let (id, now): (StaffId, Timestamp) = (self.0.env.id(), self.0.env.now());
        let mut tx = self.0.db.begin().await?;
        let row = params![
            by.tenant(),
            id,
            &p.login,
            &p.name,
            NO_PASSWORD,
            &roles,
            !p.active,
            now,
            p.external_id.as_deref(),
            &p.email,
            &p.family_name,
            &p.given_name,
        ];
        match tx.execute(ADD, row).await {
            Err(StoreError::Unique(_)) => return Err(AccountError::LoginTaken),
            other => other?,
        };
        self.note(&mut tx, by.tenant(), id, "made", by.actor(), &roles).await?;
        let made = staff::one(&mut tx, by.tenant(), id).await?;
        tx.commit().await?;
        tracing::info!(by = %by.actor(), staff = %id, tenant = %by.tenant(), roles, "staff account made");
        Ok(made)
    }

    /// The accounts of the tenant, by sign-in name. Emergency accounts and removed ones are not among them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn directory(&self, by: Steward<'_>) -> Result<Vec<StaffRow>> {
        let mut tx = self.0.db.read().await?;
        staff::list(&mut tx, by.tenant()).await
    }

    /// One of them.
    ///
    /// # Errors
    /// [`AccountError::NotFound`].
    pub async fn directory_entry(&self, by: Steward<'_>, id: StaffId) -> Result<StaffRow> {
        let mut tx = self.0.db.read().await?;
        staff::one(&mut tx, by.tenant(), id).await
    }

    /// Describes an account anew. One that becomes inactive loses its sessions at once.
    ///
    /// # Errors
    /// [`AccountError::Stale`] when `version` is not the newest; otherwise as [`Accounts::provision`].
    pub async fn set_profile(
        &self,
        by: Steward<'_>,
        id: StaffId,
        version: i64,
        new: &Profile,
    ) -> Result<StaffRow> {
        let p = new.checked()?;
        let mut tx = self.0.db.begin().await?;
        let old = staff::one(&mut tx, by.tenant(), id).await?;
        by.may_change(&old)?;
        if p == Profile::from(&old) && old.version == version {
            tx.rollback().await?;
            return Ok(old);
        }
        let row = params![
            by.tenant(),
            id,
            version,
            &p.login,
            &p.name,
            &p.family_name,
            &p.given_name,
            &p.email,
            p.external_id.as_deref(),
            !p.active,
            self.0.env.now(),
        ];
        match tx.execute_one(CHANGE, row).await {
            Err(StoreError::Unique(_)) => return Err(AccountError::LoginTaken),
            other => other?,
        }
        if !p.active {
            session::end_all(&mut tx, by.tenant(), id).await?;
        }
        let what = match (old.disabled, p.active) {
            (false, false) => "stopped",
            (true, true) => "reopened",
            _ => "profile",
        };
        self.note(&mut tx, by.tenant(), id, what, by.actor(), "").await?;
        let new = staff::one(&mut tx, by.tenant(), id).await?;
        tx.commit().await?;
        tracing::info!(by = %by.actor(), staff = %id, what, "staff account changed");
        Ok(new)
    }

    /// Removes an account: it cannot sign in, its roles, address and password are gone, its sign-in name is free. Its
    /// number, names and history stay, so that logs can be read.
    ///
    /// # Errors
    /// As [`Accounts::set_profile`].
    pub async fn remove_staff(&self, by: Steward<'_>, id: StaffId, version: i64) -> Result<()> {
        let mut tx = self.0.db.begin().await?;
        let old = staff::one(&mut tx, by.tenant(), id).await?;
        by.may_change(&old)?;
        // No sign-in name can begin so.
        let gone = format!("~{id}");
        let row = params![by.tenant(), id, version, &gone, NO_PASSWORD, true, self.0.env.now()];
        tx.execute_one(REMOVE, row).await?;
        code::forget(&mut tx, by.tenant(), id).await?;
        ticket::forget(&mut tx, by.tenant(), id, ticket::For::SetUp).await?;
        session::end_all(&mut tx, by.tenant(), id).await?;
        self.note(&mut tx, by.tenant(), id, "removed", by.actor(), "").await?;
        tx.commit().await?;
        tracing::info!(by = %by.actor(), staff = %id, "staff account removed");
        Ok(())
    }

    /// The roles that staff of the tenant can have.
    pub fn roles_of(&self, tenant: Tenant) -> impl Iterator<Item = &Role> {
        self.0.roles.iter().filter(move |r| self.fits(tenant, r))
    }

    /// Gives a role to some accounts and takes it from others, all or none. `select` sees who has it now and says who
    /// shall have it.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when the tenant has no such role or account; [`AccountError::Overseer`];
    /// whatever `select` refuses.
    pub async fn set_members<E: From<AccountError>>(
        &self,
        by: Steward<'_>,
        role: &str,
        select: impl FnOnce(&[StaffRow], Vec<StaffId>) -> std::result::Result<Vec<StaffId>, E>,
    ) -> std::result::Result<(), E> {
        let tenant = by.tenant();
        let role = self.roles_of(tenant).find(|r| r.id == role).ok_or(AccountError::NotFound)?.id;
        by.reaches(role)?;
        let mut tx = self.0.db.begin().await.map_err(AccountError::from)?;
        let rows = staff::list(&mut tx, tenant).await?;
        let has = |row: &StaffRow| row.roles().iter().any(|r| r.as_str() == role);
        let now_have = rows.iter().filter(|r| has(r)).map(|r| r.id).collect();
        let shall = select(&rows, now_have)?;
        if !shall.iter().all(|id| rows.iter().any(|r| r.id == *id)) {
            return Err(AccountError::NotFound.into());
        }
        for row in rows.iter().filter(|r| has(r) != shall.contains(&r.id)) {
            self.switch_role(&mut tx, by, row, role, !has(row)).await?;
        }
        tx.commit().await.map_err(AccountError::from)?;
        Ok(())
    }

    async fn switch_role(
        &self,
        tx: &mut Tx,
        by: Steward<'_>,
        row: &StaffRow,
        role: &'static str,
        give: bool,
    ) -> Result<()> {
        by.may_change(row)?;
        let mut roles = row.roles();
        if give {
            roles.push(RoleId::new(role));
        } else {
            roles.retain(|r| r.as_str() != role);
        }
        // What the account had stays, whether or not the module that declared it is still there.
        let mut names: Vec<&str> = roles.iter().map(RoleId::as_str).collect();
        names.sort_unstable();
        names.dedup();
        let names = names.join(" ");
        staff::store_roles(tx, by.tenant(), row, &names, self.0.env.now()).await?;
        self.note(tx, by.tenant(), row.id, "roles", by.actor(), &names).await?;
        tracing::info!(by = %by.actor(), staff = %row.id, roles = names, "roles changed");
        Ok(())
    }
}
