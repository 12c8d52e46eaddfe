//! `admin`: what the operator does at the machine, before anybody can sign in.

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use kenroku_access::accounts::{Accounts, KeyHolder, KeyId, NewKey, NewStaff};
use kenroku_access::kernel::{ManageKeys, ManageStaff, ViewStaff};
use kenroku_access::{Granted, Matrix, PermissionMeta, Policies, RoleId};
use kenroku_http::App;
use kenroku_identity::ManageClients;
use kenroku_identity::op::Provider;
use kenroku_identity::{IdentityError, disaster};
use kenroku_module::{Module, Values};
use kenroku_places::Places;
use kenroku_types::{Env, Id, MuniCode, Tenant};
use kenroku_vault::{LOG_TABLES, TenantWitness, Witness, verify_log};

use crate::cli::print;
use crate::exit::{Code, Stop};
use crate::progress::Progress;
use crate::{open, run};

/// The actor in logs and records.
const BY: &str = "admin";

/// What the operator can do.
#[derive(Subcommand)]
pub enum AdminCommand {
    /// Make a staff account. The password is read from --password-file, or asked for.
    AddStaff {
        /// Name to sign in with.
        login: String,
        /// Whose staff: a municipality's or the prefecture's code (17211), or `installation` for operators.
        #[arg(long, default_value = "installation")]
        tenant: String,
        /// Role; repeat for several. `kenroku admin roles` lists them.
        #[arg(long = "role", default_value = "operator")]
        roles: Vec<String>,
        /// Name that others see; the sign-in name when left out.
        #[arg(long)]
        name: Option<String>,
        /// File with the password on its first line.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Make a one-time link with which somebody sets up their password, good for 72 hours.
    SetUpLink {
        /// Name to sign in with.
        login: String,
        /// As for `add-staff`.
        #[arg(long, default_value = "installation")]
        tenant: String,
    },
    /// Make an emergency account, or seal a new credential for it. It is shown this once: print it and lock it away.
    SealBreakGlass {
        /// Name of the account.
        login: String,
        /// As for `add-staff`.
        #[arg(long, default_value = "installation")]
        tenant: String,
        /// What it may do; repeat for several.
        #[arg(long = "role", default_value = "operator")]
        roles: Vec<String>,
    },
    /// List the staff accounts of a tenant.
    ListStaff {
        /// As for `add-staff`.
        #[arg(long, default_value = "installation")]
        tenant: String,
    },
    /// Issue a key for a device, or with --scope for a vendor's program. It is shown this once.
    AddKey {
        /// What people call the device or program.
        label: String,
        /// Whose: a municipality's or the prefecture's code (17211).
        #[arg(long)]
        tenant: String,
        /// The device or program that gets a further key; a new one when left out.
        #[arg(long, value_name = "ID")]
        holder: Option<String>,
        /// Permission that the program may use at most; repeat for several. `kenroku admin matrix` lists them.
        #[arg(long = "scope")]
        scopes: Vec<String>,
        /// Days until it ends; without it the key ends when it is revoked.
        #[arg(long)]
        days: Option<u32>,
    },
    /// List the keys of devices and programs of a tenant, without the keys themselves.
    ListKeys {
        /// As for `add-key`.
        #[arg(long)]
        tenant: String,
    },
    /// Stop a key at once.
    RevokeKey {
        /// The key's id, as `list-keys` shows it.
        id: String,
        /// As for `add-key`.
        #[arg(long)]
        tenant: String,
    },
    /// Take an RSA key, made with `openssl genpkey -algorithm RSA`, to sign ID tokens of services that need RS256.
    ImportSigningKey {
        /// The key in PEM and PKCS #8, without a password. Delete the file afterwards.
        file: PathBuf,
        /// The key before may have been stolen: refuse what it signed, now.
        #[arg(long)]
        at_once: bool,
    },
    /// Declare disaster mode: until the end, cards may sign in on revocation data up to seven days old. Without --reason
    /// and --hours: say whether it holds.
    Disaster {
        /// Why, as residents read it where they sign in; 10 to 500 characters.
        #[arg(long, requires = "hours")]
        reason: Option<String>,
        /// For how long, at most 72.
        #[arg(long, requires = "reason")]
        hours: Option<u64>,
        /// End it now.
        #[arg(long, conflicts_with_all = ["reason", "hours"])]
        end: bool,
    },
    /// Compare the log of who read personal data with its witnesses, row by row: what tenants keep for each other, and
    /// the folder outside (setting vault.witness_folder).
    VerifyLog,
    /// List the roles.
    Roles,
    /// Print who may do what and by which rule.
    Matrix,
}

/// Runs one of them.
pub async fn run(modules: Vec<Module>, values: Values, what: AdminCommand) -> Result<(), Stop> {
    let policies = run::policies(&modules)?;
    match what {
        AdminCommand::Roles => {
            let lines = policies.roles().iter().map(|r| format!("{:<20} {} ({})\n", r.id, r.ja, r.en));
            print(&lines.collect::<String>())
        }
        AdminCommand::VerifyLog => verify(&values).await,
        AdminCommand::Disaster { reason, hours, end } => {
            disaster_mode(modules, &values, reason.zip(hours), end).await
        }
        AdminCommand::Matrix => print(&Matrix::new(&policies).to_string()),
        AdminCommand::AddStaff { login, tenant, roles, name, password_file } => {
            let tenant = tenant_of(&tenant)?;
            let password = password(password_file)?;
            let accounts = accounts(modules, &values).await?;
            let by: Granted<ManageStaff> = Granted::for_system(BY, tenant);
            let roles = roles_of(&policies, &roles)?;
            let name = name.as_deref().unwrap_or(&login);
            let new = NewStaff { login: &login, name, password: &password, roles: &roles };
            let id = accounts.create_staff(&by, &new).await.map_err(refused)?;
            print(&format!("{login} can sign in now (account {id})\n"))
        }
        AdminCommand::SetUpLink { login, tenant } => {
            let tenant = tenant_of(&tenant)?;
            let accounts = accounts(modules, &values).await?;
            let view: Granted<ViewStaff> = Granted::for_system(BY, tenant);
            let rows = accounts.list_staff(&view).await.map_err(refused)?;
            let row = rows.iter().find(|r| r.login == login);
            let row =
                row.ok_or_else(|| Stop::new(Code::Data, format!("there is no account “{login}” here")))?;
            let by: Granted<ManageStaff> = Granted::for_system(BY, tenant);
            let ticket = accounts.set_up_ticket(&by, row.id).await.map_err(refused)?;
            print(&format!(
                "/staff/set-up?ticket={ticket}\nGood for 72 hours, once; hand it to {login} only.\n"
            ))
        }
        AdminCommand::SealBreakGlass { login, tenant, roles } => {
            let by: Granted<ManageStaff> = Granted::for_system(BY, tenant_of(&tenant)?);
            let roles = roles_of(&policies, &roles)?;
            let accounts = accounts(modules, &values).await?;
            let secret = accounts.seal_break_glass(&by, &login, &roles).await.map_err(refused)?;
            print(&format!(
                "name       {login}\ncredential {secret}\nused at    /staff/break-glass\n\
                 Print this, seal it, lock it away: it works once and cannot be shown again.\n"
            ))
        }
        AdminCommand::AddKey { label, tenant, holder, scopes, days } => {
            let by: Granted<ManageKeys> = Granted::for_system(BY, tenant_of(&tenant)?);
            let scopes = scopes.iter().map(|id| scope(&policies, id)).collect::<Result<Vec<_>, _>>()?;
            let accounts = accounts(modules, &values).await?;
            let env = Env::system();
            let holder = if scopes.is_empty() {
                KeyHolder::Device(holder.map_or_else(|| Ok(env.id()), |id| id_of(&id))?)
            } else {
                KeyHolder::Client(holder.map_or_else(|| Ok(env.id()), |id| id_of(&id))?)
            };
            let day = Duration::from_secs(24 * 3600);
            let expires = days.map(|d| env.now().plus(day * d));
            let new = NewKey { holder, scopes: &scopes, label: &label, expires };
            let key = accounts.issue_key(&by, &new).await.map_err(refused)?;
            let (kind, id) = match holder {
                KeyHolder::Device(id) => ("device", id.to_string()),
                KeyHolder::Client(id) => ("program", id.to_string()),
            };
            print(&format!(
                "{kind} {id}\nkey id {}\nkey    {}\nWrite the key down: it cannot be shown again.\n",
                key.id, key.secret
            ))
        }
        AdminCommand::ListKeys { tenant } => {
            let by: Granted<ManageKeys> = Granted::for_system(BY, tenant_of(&tenant)?);
            let accounts = accounts(modules, &values).await?;
            let rows = accounts.list_keys(&by).await.map_err(refused)?;
            let now = Env::system().now();
            let lines = rows.iter().map(|r| {
                let state = r.ended_at(now).map_or_else(|| "active".to_owned(), |t| format!("ended {t}"));
                format!("{} {:<7}{} {state} {} {}\n", r.id, r.kind, r.holder, r.label, r.scopes)
            });
            print(&format!("{}{} keys\n", lines.collect::<String>(), rows.len()))
        }
        AdminCommand::RevokeKey { id, tenant } => {
            let by: Granted<ManageKeys> = Granted::for_system(BY, tenant_of(&tenant)?);
            let key: KeyId = id_of(&id)?;
            let accounts = accounts(modules, &values).await?;
            accounts.revoke_key(&by, key).await.map_err(refused)?;
            print(&format!("the key {id} opens nothing any more\n"))
        }
        AdminCommand::ImportSigningKey { file, at_once } => {
            let pem = std::fs::read_to_string(&file)
                .map_err(|e| Stop::new(Code::NoInput, format!("{} cannot be read: {e}", file.display())))?;
            let app = app_of(modules, &values, &["access", "identity"]).await?;
            let provider = app.get::<Provider>().map_err(|e| Stop::fault(e.0))?;
            let by: Granted<ManageClients> = Granted::for_system(BY, Tenant::SHARED);
            let key = provider.import_key(&by, &pem, at_once).await;
            let key = key.map_err(|e| Stop::new(Code::Data, e.to_string()))?;
            print(&format!("key {} signs from {}; delete {} now\n", key.kid, key.signs_from, file.display()))
        }
        AdminCommand::ListStaff { tenant } => {
            let tenant = tenant_of(&tenant)?;
            let accounts = accounts(modules, &values).await?;
            let by: Granted<ViewStaff> = Granted::for_system(BY, tenant);
            let rows = accounts.list_staff(&by).await.map_err(refused)?;
            let lines = rows.iter().map(|r| {
                let roles: Vec<String> = r.roles().iter().map(ToString::to_string).collect();
                let state = if r.disabled { "disabled" } else { "active" };
                format!("{:<24} {state:<9} {}\n", r.login, roles.join(" "))
            });
            print(&format!("{}{} accounts\n", lines.collect::<String>(), rows.len()))
        }
    }
}

async fn verify(values: &Values) -> Result<(), Stop> {
    let (outside, db, env) = (open::witness(values)?, open::access_log(values)?, Env::system());
    db.migrate(&[LOG_TABLES], env.now()).await?;
    let inside = TenantWitness::new(db.clone(), env, Vec::new());
    let mut witnesses: Vec<(&str, &dyn Witness)> = vec![("another tenant", &inside)];
    match &outside {
        Some(w) => witnesses.push(("vault.witness_folder", w)),
        None => {
            print("vault.witness_folder is not set: only what tenants keep for each other is compared\n")?
        }
    }
    let mut intact = true;
    for (name, witness) in witnesses {
        let mut progress = Progress::new("verify-log");
        let report = verify_log(&db, witness, &mut |_, rows| progress.at(rows, 0))
            .await
            .map_err(|e| Stop::new(Code::Io, e.to_string()))?;
        let seconds = progress.finish();
        let mut out = format!("witness: {name}\n");
        for (tenant, t) in &report.tenants {
            let at = t.witnessed_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
            let _ = writeln!(
                out,
                "{tenant}: {} rows, {} of them witnessed in {} checkpoints, last {at}",
                t.rows, t.witnessed_rows, t.checkpoints
            );
            for f in &t.findings {
                let _ = writeln!(out, "  row {}: {:?}: {}", f.seq, f.what, f.detail);
            }
            if t.more_findings > 0 {
                let _ = writeln!(out, "  and {} more", t.more_findings);
            }
        }
        if report.is_intact() {
            let _ = writeln!(out, "the log is as it was witnessed ({seconds:.1} s)");
        }
        intact &= report.is_intact();
        print(&out)?;
    }
    if intact {
        return Ok(());
    }
    Err(Stop::new(Code::Data, "the access log was changed; call the data officer and do not delete anything"))
}

async fn disaster_mode(
    modules: Vec<Module>,
    values: &Values,
    declare: Option<(String, u64)>,
    end: bool,
) -> Result<(), Stop> {
    let (db, env) = (open::database(values)?, Env::system());
    open::migrate(&db, &modules).await?;
    let refused = |e: IdentityError| Stop::new(Code::Data, e.to_string());
    let by = format!("system:{BY}");
    if end {
        disaster::end(&db, &env, &by).await.map_err(refused)?;
    } else if let Some((reason, hours)) = declare {
        let lasting = Duration::from_secs(hours.saturating_mul(3600));
        disaster::declare(&db, &env, &by, &reason, lasting).await.map_err(refused)?;
    }
    match disaster::current(&db, env.now()).await.map_err(refused)? {
        Some(d) => print(&format!("disaster mode holds until {}: {}\n", d.until, d.reason)),
        None => print("disaster mode does not hold\n"),
    }
}

async fn accounts(modules: Vec<Module>, values: &Values) -> Result<std::sync::Arc<Accounts>, Stop> {
    app_of(modules, values, &["access"]).await?.get::<Accounts>().map_err(|e| Stop::fault(e.0))
}

/// An app of these modules alone, over the whole schema.
async fn app_of(modules: Vec<Module>, values: &Values, names: &[&str]) -> Result<App, Stop> {
    let db = open::database(values)?;
    open::migrate(&db, &modules).await?;
    let few = modules.into_iter().filter(|m| names.contains(&m.name)).collect();
    Ok(run::put_together(few, values, db).await?.app)
}

fn refused(e: kenroku_access::accounts::AccountError) -> Stop {
    Stop::new(Code::Data, e.to_string())
}

fn roles_of(policies: &Policies, wanted: &[String]) -> Result<Vec<RoleId>, Stop> {
    let known = policies.roles();
    let one = |wanted: &String| {
        let found = known.iter().find(|r| r.id == wanted).map(|r| RoleId::new(r.id));
        let says = format!("there is no role “{wanted}”; `kenroku admin roles` lists them");
        found.ok_or_else(|| Stop::new(Code::Usage, says))
    };
    wanted.iter().map(one).collect()
}

/// The permission of an id, if a program may have it.
fn scope(policies: &Policies, id: &str) -> Result<PermissionMeta, Stop> {
    let known = policies.permissions().iter().find(|p| p.id == id && p.data.is_none());
    known.copied().ok_or_else(|| {
        let says = format!("a program cannot have “{id}”; `kenroku admin matrix` lists the permissions");
        Stop::new(Code::Usage, says)
    })
}

fn id_of<K>(text: &str) -> Result<Id<K>, Stop> {
    text.parse().map_err(|_| Stop::new(Code::Usage, format!("“{text}” is no id")))
}

/// The tenant of a code.
pub fn tenant_of(text: &str) -> Result<Tenant, Stop> {
    if text == "installation" {
        return Ok(Tenant::SHARED);
    }
    let known = Places::shared().map_err(Stop::fault)?;
    let tenant = text.parse::<MuniCode>().ok().map(Tenant::of);
    tenant.filter(|t| known.tenant_name(*t).is_some()).ok_or_else(|| {
        let all: Vec<String> =
            known.tenants().map(|(_, code, name)| format!("{} {name}", code.code5())).collect();
        Stop::new(
            Code::Usage,
            format!(
                "“{text}” is no tenant of this installation; write installation or one of\n  {}",
                all.join("\n  ")
            ),
        )
    })
}

fn password(file: Option<PathBuf>) -> Result<String, Stop> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(&path)
            .map_err(|e| Stop::new(Code::NoInput, format!("{} cannot be read: {e}", path.display())))?;
        return Ok(text.lines().next().unwrap_or("").to_owned());
    }
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        print("Password (it will be visible; use --password-file to avoid that): ")?;
        let _ = std::io::Write::flush(&mut std::io::stdout());
    }
    let mut line = String::new();
    stdin.lock().read_line(&mut line).map_err(|e| Stop::new(Code::Io, e.to_string()))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
