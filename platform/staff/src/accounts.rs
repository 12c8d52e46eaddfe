//! `/staff/accounts`: the accounts of one government: made, given roles, stopped, helped, looked at.

use askama::Template;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use kenroku_access::accounts::{AccountError, Accounts, Profile, StaffRow, Steward};
use kenroku_access::kernel::{ManageStaff, ViewStaff};
use kenroku_access::{Actor, Authz, Granted, RoleId};
use kenroku_http::{App, Form, Op, Path, Result, Routes};
use kenroku_types::Problem;
use kenroku_types::ids::StaffId;
use kenroku_ui::parts::{Choice, Wrong};
use kenroku_ui::{Html, Locale, Page, Phrase};

use crate::door::see_other;
use crate::own::{HistoryLine, SessionLine, history_line, session_line};
use crate::{console, role_names, set_up};

/// The page's address.
pub(crate) const ADDRESS: &str = "/staff/accounts";

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(Op::new(Method::GET, ADDRESS, list).staff())
        .add(Op::new(Method::POST, ADDRESS, make).staff())
        .add(Op::new(Method::GET, "/staff/accounts/{id}", one).staff())
        .add(Op::new(Method::POST, "/staff/accounts/{id}", act).staff())
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct List {
    page: Page,
    may: bool,
    form: New,
    roles: Vec<Choice>,
    rows: Vec<Line>,
    wrongs: Vec<Wrong>,
}

#[derive(Default)]
struct New {
    login: String,
    name: String,
    email: String,
}

struct Line {
    href: String,
    login: String,
    name: String,
    roles: String,
    state: Phrase,
}

#[derive(Template)]
#[template(path = "account.html")]
struct One {
    page: Page,
    may: bool,
    href: String,
    row: StaffRow,
    state: Phrase,
    own: bool,
    has_code: bool,
    link: Option<String>,
    roles: Vec<Choice>,
    sessions: Vec<SessionLine>,
    history: Vec<HistoryLine>,
}

fn state(page: &Page, row: &StaffRow) -> Phrase {
    let key = match (row.disabled, row.has_password) {
        (true, _) => "staff-state-stopped",
        (false, true) => "staff-state-active",
        (false, false) => "staff-state-waits",
    };
    page.t(key).phrase()
}

fn may_manage(app: &App, authz: &Authz<ViewStaff>) -> bool {
    app.access().grant_at_home::<ManageStaff>(authz.actor()).is_ok()
}

/// The roles that staff of the tenant can have.
fn choices(
    accounts: &Accounts,
    page: &Page,
    tenant: kenroku_types::Tenant,
    chosen: &[RoleId],
) -> Vec<Choice> {
    let name = |r: &kenroku_access::Role| if page.locale == Locale::En { r.en } else { r.ja };
    let has = |id: &str| chosen.iter().any(|r| r.as_str() == id);
    accounts.roles_of(tenant).map(|r| Choice::new(r.id, Phrase::text(name(r)), has(r.id))).collect()
}

async fn list(authz: Authz<ViewStaff>, app: App, page: Page) -> Result<Html<List>> {
    let may = may_manage(&app, &authz);
    let rows = app.get::<Accounts>()?.list_staff(&authz.granted).await.map_err(Problem::from)?;
    show(&app, page, authz.tenant(), may, rows, New::default(), &[], Vec::new())
}

#[expect(clippy::too_many_arguments, reason = "what the page shows, once for looking and once for a refusal")]
fn show(
    app: &App,
    page: Page,
    tenant: kenroku_types::Tenant,
    may: bool,
    rows: Vec<StaffRow>,
    form: New,
    chosen: &[RoleId],
    wrongs: Vec<Wrong>,
) -> Result<Html<List>> {
    let accounts = app.get::<Accounts>()?;
    let line = |r: StaffRow| Line {
        href: format!("{ADDRESS}/{}", r.id),
        roles: role_names(app, &page, &r.roles()),
        state: state(&page, &r),
        login: r.login,
        name: r.name,
    };
    let rows = rows.into_iter().map(line).collect();
    let roles = choices(&accounts, &page, tenant, chosen);
    let title = page.t("staff-accounts").phrase();
    let frame = console(&page, tenant, ("staff-accounts", ADDRESS));
    Ok(Html(List { page: page.title(title).console(frame), may, form, roles, rows, wrongs }))
}

/// A form's fields; `role` may stand in it several times.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn text(&self, name: &str) -> String {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.trim().to_owned()).unwrap_or_default()
    }
    fn roles(&self) -> Vec<RoleId> {
        self.0.iter().filter(|(n, _)| n == "role").map(|(_, v)| RoleId::stored(v.clone())).collect()
    }
}

async fn make(
    authz: Authz<ManageStaff>,
    app: App,
    page: Page,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let (f, accounts) = (Fields(fields), app.get::<Accounts>()?);
    let steward = Steward::Administrator(&authz.granted);
    let (login, name, email) = (f.text("login"), f.text("name"), f.text("email"));
    let new = Profile {
        login: login.clone(),
        name: name.clone(),
        email: email.clone(),
        active: true,
        ..Profile::default()
    };
    let (field, key) = match accounts.provision(steward, &new, &f.roles()).await {
        Ok(row) => {
            let ticket = accounts.set_up_ticket(&authz.granted, row.id).await.map_err(Problem::from)?;
            return detail(&authz, &app, page, row.id, Some(ticket)).await;
        }
        Err(AccountError::LoginForm) => ("staff-login", "staff-login-form"),
        Err(AccountError::LoginTaken) => ("staff-login", "staff-login-taken"),
        Err(AccountError::Profile(_)) => ("staff-email", "staff-profile-form"),
        Err(e) => return Err(Problem::from(e).into()),
    };
    let rows = accounts.directory(steward).await.map_err(Problem::from)?;
    let wrongs = vec![Wrong { field: field.to_owned(), text: page.t(key).phrase() }];
    let again = show(&app, page, authz.tenant(), true, rows, New { login, name, email }, &f.roles(), wrongs)?;
    Ok((axum::http::StatusCode::UNPROCESSABLE_ENTITY, again).into_response())
}

async fn one(authz: Authz<ViewStaff>, app: App, page: Page, Path(id): Path<StaffId>) -> Result<Html<One>> {
    let may = may_manage(&app, &authz);
    Ok(Html(view(&authz.granted, &app, page, id, may, None).await?))
}

async fn view(
    by: &Granted<ViewStaff>,
    app: &App,
    page: Page,
    id: StaffId,
    may: bool,
    ticket: Option<String>,
) -> Result<One> {
    let (accounts, tenant) = (app.get::<Accounts>()?, by.tenant());
    let all = accounts.list_staff(by).await.map_err(Problem::from)?;
    let row = all.iter().find(|r| r.id == id).cloned().ok_or_else(Problem::not_found)?;
    let sessions = accounts.sessions_of(by, id).await.map_err(Problem::from)?;
    let history = accounts.staff_history(by, id).await.map_err(Problem::from)?;
    let title = Phrase::text(&row.name);
    let frame = console(&page, tenant, ("staff-accounts", ADDRESS));
    Ok(One {
        may,
        href: format!("{ADDRESS}/{id}"),
        state: state(&page, &row),
        own: matches!(by.actor(), Actor::Staff { id: me, .. } if *me == id),
        has_code: accounts.has_code(tenant, id).await.map_err(Problem::from)?,
        link: ticket.map(|t| format!("{}?ticket={t}", set_up::ADDRESS)),
        roles: choices(&accounts, &page, tenant, &row.roles()),
        sessions: sessions.into_iter().map(|s| session_line(&page, s)).collect(),
        history: history.into_iter().map(|h| history_line(app, &page, &all, h)).collect(),
        row,
        page: page.title(title).console(frame),
    })
}

/// The page of an account for whoever manages it.
async fn detail(
    authz: &Authz<ManageStaff>,
    app: &App,
    page: Page,
    id: StaffId,
    ticket: Option<String>,
) -> Result<Response> {
    let by = app.access().grant_at_home::<ViewStaff>(authz.actor()).map_err(Problem::from)?;
    Ok(Html(view(&by, app, page, id, true, ticket).await?).into_response())
}

async fn act(
    authz: Authz<ManageStaff>,
    app: App,
    page: Page,
    Path(id): Path<StaffId>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response> {
    let (f, accounts, by) = (Fields(fields), app.get::<Accounts>()?, &authz.granted);
    let version = f.text("version").parse::<i64>().unwrap_or_default();
    let done = match f.text("do").as_str() {
        "roles" => accounts.set_roles(by, id, version, &f.roles()).await,
        "stop" => accounts.set_disabled(by, id, version, true).await,
        "open" => accounts.set_disabled(by, id, version, false).await,
        "end" => accounts.revoke_sessions(by, id).await.map(drop),
        "code" => accounts.remove_code(by, id).await,
        "link" => {
            let ticket = accounts.set_up_ticket(by, id).await.map_err(Problem::from)?;
            return detail(&authz, &app, page, id, Some(ticket)).await;
        }
        _ => return Err(Problem::bad_request("do is roles, stop, open, end, code or link").into()),
    };
    done.map_err(Problem::from)?;
    Ok(see_other(&format!("{ADDRESS}/{id}")))
}
