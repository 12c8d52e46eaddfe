//! What the module hands to the binary.

use std::time::Duration;

use kenroku_access::{Permission as _, permission, resource_kind};
use kenroku_http::AppBuilder;
use kenroku_module::{HookError, Kind, Module, Setting, Values};
use kenroku_types::{MuniCode, Tenant};

use crate::contexts::Contexts;
use crate::{MIGRATIONS, api};

resource_kind! {
    /// データ連携基盤のデータ
    pub BrokerData;
}
permission! {
    /// データ連携基盤のデータを読む
    pub ReadEntities = "broker.read" on BrokerData, view;
    /// データ連携基盤のデータを書く
    pub WriteEntities = "broker.write" on BrokerData, operate;
}

/// How the broker is set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose data a request without `NGSILD-Tenant` speaks about.
    pub default_tenant: Tenant,
    /// Tenants whose data everybody may read.
    pub open: Vec<Tenant>,
    /// Everybody may write what everybody may read: for tests on one machine.
    pub open_writes: bool,
    /// Addresses inside may be called: for tests on one machine.
    pub allow_private: bool,
    /// Whether what was is forgotten with its entity.
    pub forget_with_entity: bool,
    /// How long a fetch of an @context may take.
    pub context_wait: Duration,
    /// Most entities on one page.
    pub page: usize,
    /// Most instances of an attribute in one answer about the past.
    pub instances: usize,
}

/// The broker's own services.
#[derive(Debug)]
pub struct Broker {
    /// How it is set.
    pub settings: Settings,
    /// The @contexts it knows.
    pub contexts: Contexts,
}

/// The module.
pub fn module() -> Module {
    Module::new("broker")
        .migrations(MIGRATIONS)
        .permissions(&[ReadEntities::META, WriteEntities::META])
        .policies(
            include_str!("../policies/broker.cedar"),
            "データ連携基盤のデータを、だれが読み、だれが書けるか。",
        )
        .routes(api::routes())
        .settings(&SETTINGS)
        .work(crate::subs::deliver::work)
        .start(|builder| Box::pin(start(builder)))
}

/// The tenant of a name in settings and headers: the code of a local government, or `shared`.
pub fn tenant_named(name: &str) -> Option<Tenant> {
    if name == "shared" {
        return Some(Tenant::SHARED);
    }
    name.parse::<MuniCode>().ok().map(Tenant::of)
}

async fn start(builder: &mut AppBuilder) -> Result<(), HookError> {
    let values = builder.get::<Values>().map_err(|e| e.0)?;
    let named = |n: String| {
        tenant_named(&n).ok_or_else(|| {
            HookError::from(format!("broker: “{n}” is no code of a local government and not “shared”"))
        })
    };
    let settings = Settings {
        default_tenant: named(values.text("broker.default_tenant")?)?,
        open: values.list("broker.open")?.into_iter().map(named).collect::<Result<_, _>>()?,
        open_writes: values.bool("broker.open_writes")?,
        allow_private: values.bool("broker.allow_private")?,
        forget_with_entity: values.bool("broker.forget_with_entity")?,
        context_wait: values.span("broker.context_wait")?,
        page: usize::try_from(values.int("broker.page")?).unwrap_or(1000),
        instances: usize::try_from(values.int("broker.instances")?).unwrap_or(10_000),
    };
    let contexts = Contexts::new(&settings)?;
    builder.put(Broker { settings, contexts });
    Ok(())
}

const SETTINGS: [Setting; 8] = [
    Setting {
        key: "broker.default_tenant",
        kind: Kind::Text,
        default: "shared",
        demo: Some("17000"),
        about: "Whose entities a request without NGSILD-Tenant speaks about: a code of a local government, or shared.",
    },
    Setting {
        key: "broker.open",
        kind: Kind::List,
        default: "",
        demo: Some("17000"),
        about: "Tenants whose entities everybody may read without a key; codes of local governments, or shared.",
    },
    Setting {
        key: "broker.open_writes",
        kind: Kind::Bool,
        default: "false",
        demo: None,
        about: "Lets everybody write to open tenants. For tests on one machine only.",
    },
    Setting {
        key: "broker.allow_private",
        kind: Kind::Bool,
        default: "false",
        demo: None,
        about: "Lets the broker call addresses on this machine and in private networks (@contexts, notifications). For tests only: it opens the inside of the network to whoever may write.",
    },
    Setting {
        key: "broker.forget_with_entity",
        kind: Kind::Bool,
        default: "true",
        demo: None,
        about: "Whether the history of an entity goes when the entity is deleted.",
    },
    Setting {
        key: "broker.context_wait",
        kind: Kind::Span,
        default: "3s",
        demo: None,
        about: "How long fetching an @context may take before the request is answered with 504.",
    },
    Setting {
        key: "broker.page",
        kind: Kind::Int(1, 10_000),
        default: "1000",
        demo: None,
        about: "Most entities in one answer.",
    },
    Setting {
        key: "broker.instances",
        kind: Kind::Int(1, 1_000_000),
        default: "10000",
        demo: None,
        about: "Most instances of an attribute in one answer about the past; what is behind them is asked for by time (206).",
    },
];
