//! What the module hands to the binary.

use std::sync::Arc;

use axum::http::Method;
use kenroku_access::accounts::ManagesKeys;
use kenroku_access::{Permission, Role, RoleHome, RoleId, permission, resource_kind};
use kenroku_contracts::snow_overview::SnowOverviewPort;
use kenroku_http::{AppBuilder, Op, Routes, op};
use kenroku_module::{Card, CardLine, HookError, Kind, Module, Setting, Values};
use kenroku_places::Places;
use kenroku_roads::Roads;

use crate::app::Overview;
use crate::model::Status;
use crate::pages::{devices, list, refused, staff};
use crate::retention::Keep;
use crate::{MIGRATIONS, Settings, Snow, api, pages, retention};

resource_kind! {
    /// 除雪
    pub SnowWork;
}
permission! {
    /// 除雪の状況を遅れなしで、車両ごとに見る
    pub ViewLive = "snow.view-live" on SnowWork, view;
    /// 除雪車の位置を知らせる
    pub ReportPosition = "snow.report-position" on SnowWork, operate;
    /// 出動を始める、終える
    pub OperateEvent = "snow.operate-event" on SnowWork, operate;
    /// 位置を送る機器を登録する、止める
    pub ManageDevices = "snow.manage-devices" on SnowWork, manage;
    /// 使えなかった位置の記録を見て、片付ける
    pub HandleRefused = "snow.handle-refused" on SnowWork, operate;
}

/// Whoever registers a device gives it its key.
impl ManagesKeys for ManageDevices {}

const SNOW_DESK_ID: &str = "snow-desk";
/// 除雪担当.
pub const SNOW_DESK: RoleId = RoleId::new(SNOW_DESK_ID);

/// The module.
pub fn module() -> Module {
    Module::new("snow")
        .migrations(MIGRATIONS)
        .permissions(&[
            ViewLive::META,
            ReportPosition::META,
            OperateEvent::META,
            ManageDevices::META,
            HandleRefused::META,
        ])
        .roles(&[Role {
            id: SNOW_DESK_ID,
            ja: "除雪担当",
            en: "Snow desk",
            about_ja: "除雪の状況を見て、出動を始め、除雪車の機器を登録します。",
            home: RoleHome::Government,
        }])
        .policies(include_str!("../policies/snow.cedar"), "除雪の状況をだれが見られ、だれが動かせるか。")
        .routes(routes())
        .locales(kenroku_ui::locales!("snow", "../i18n"))
        .card(Card::new("snow-card-title", "snow-card-text", "/snow").order(10).status(|app| {
            Box::pin(async move {
                let snow = app.get::<Snow>().map_err(|e| e.0)?;
                let view = snow.public();
                let of = |s: Status| view.segments.iter().filter(|v| v.status == s).count();
                let all = view.segments.len() - of(Status::OutOfScope);
                Ok(Some(CardLine {
                    key: "snow-card-status",
                    args: vec![("done", of(Status::Cleared).to_string()), ("all", all.to_string())],
                    simulated: snow.network().provenance().simulated,
                }))
            })
        }))
        .tool("snow-tool", "/staff/snow", OperateEvent::META)
        .settings(&SETTINGS)
        .work(retention::work)
        .demo(|app| Box::pin(crate::seed::demo(app)))
        .start(|builder| Box::pin(start(builder)))
}

/// The operations and pages.
pub fn routes() -> Routes {
    Routes::new()
        .add(op!(api::positions::take_positions).body_limit(api::positions::BODY))
        .add(op!(api::state::state))
        .add(op!(api::state::segments))
        .add(op!(api::tracker_app::by_query))
        .add(op!(api::tracker_app::by_body).body_limit(64 * 1024))
        .get("/snow", list::list)
        .get("/snow/segments/{id}", pages::segment::segment)
        .add(Op::new(Method::GET, "/staff/snow", staff::board).staff())
        .add(Op::new(Method::GET, "/staff/snow/roads", list::desk_list).staff())
        .add(Op::new(Method::GET, "/staff/snow/state", list::desk_state).staff())
        .add(Op::new(Method::POST, "/staff/snow/events", staff::begin_event).staff())
        .add(Op::new(Method::POST, "/staff/snow/events/end", staff::end_event).staff())
        .add(Op::new(Method::GET, "/staff/snow/refused", refused::list).staff())
        .add(Op::new(Method::POST, "/staff/snow/refused/dismiss", refused::dismiss).staff())
        .add(Op::new(Method::GET, "/staff/snow/devices", devices::list).staff())
        .add(Op::new(Method::POST, "/staff/snow/devices", devices::register).staff())
        .add(Op::new(Method::POST, "/staff/snow/devices/revoke", devices::revoke).staff())
}

async fn start(builder: &mut AppBuilder) -> Result<(), HookError> {
    let values = builder.get::<Values>().map_err(|e| e.0)?;
    let settings = Settings {
        public_delay: values.span("snow.public_delay")?,
        refresh: values.span("snow.refresh")?,
        stale_after: values.span("snow.stale_after")?,
        keep: Keep::read(&values)?,
        ..Settings::new(Places::shared()?.prefecture().code)
    };
    let roads = builder.get::<Roads>().map_err(|e| e.0)?;
    let snow = Snow::new(builder.db().clone(), builder.bus().clone(), roads, settings)?;
    snow.follow().await?;
    builder.put(SnowOverviewPort(Arc::new(Overview(snow.clone()))));
    let counted = snow.clone();
    builder.metrics().source(move || counted.samples());
    builder.put(snow);
    Ok(())
}

const SETTINGS: [Setting; 7] = [
    Setting {
        key: "snow.public_delay",
        kind: Kind::Span,
        default: "10m",
        demo: Some("15s"),
        about: "How much later the public sees what ploughs did. Following a plough by its live position endangers its driver.",
    },
    Setting {
        key: "snow.refresh",
        kind: Kind::Span,
        default: "60s",
        demo: Some("5s"),
        about: "How often the public's view of the roads is made anew; caches keep it as long.",
    },
    Setting {
        key: "snow.stale_after",
        kind: Kind::Span,
        default: "5m",
        demo: None,
        about: "A source or vehicle that sends nothing for this long is called silent.",
    },
    Setting {
        key: "snow.keep_positions",
        kind: Kind::Span,
        default: "60d",
        demo: None,
        about: "How long positions of ploughs are kept, at least 72h. They tell where a driver was: keep them only until a month's work is settled.",
    },
    Setting {
        key: "snow.keep_passes",
        kind: Kind::Span,
        default: "730d",
        demo: None,
        about: "How long passes (which vehicle drove along which road when, and whether it worked) are kept: reports and settlement are made of them.",
    },
    Setting {
        key: "snow.keep_states",
        kind: Kind::Span,
        default: "7d",
        demo: None,
        about: "How long the state of every road is kept after its event ended, at least 48h; it can be computed again from the passes.",
    },
    Setting {
        key: "snow.keep_refused",
        kind: Kind::Span,
        default: "30d",
        demo: None,
        about: "How long positions that could not be used are kept for whoever repairs the device.",
    },
];
