//! A small world: a prefecture, two of its municipalities, one elsewhere, and a module about snow.

pub use kenroku_access::testing::{resident, staff};
use kenroku_access::{
    Actor, ClientId, ModuleAccess, Permission, Policies, PolicyFile, Role, RoleHome, TenantTree, permission,
    resource_kind, testing,
};
use kenroku_types::{MuniCode, Tenant};
use uuid::Uuid;

resource_kind! {
    /// 除雪の区域
    pub SnowArea;
    /// 除雪の要望
    pub SnowRequest;
}

permission! {
    /// 除雪の状況を遅れなしで見る
    pub ViewLive = "snow.view-live" on SnowArea, view;
    /// 除雪機械の位置を届ける
    pub PostFix = "snow.post-fix" on SnowArea, operate;
    /// 運転者の連絡先を見る
    pub ViewDrivers = "snow.view-drivers" on SnowArea, view, personal, hidden;
    /// 除雪の要望を読む
    pub ReadRequest = "snow.read-request" on SnowRequest, view, personal, hidden;
    /// 公開された除雪の状況を見る
    pub ViewPublic = "snow.view-public" on SnowArea, view;
}

pub const POLICIES: &str = r#"
@id("snow.desk-works")
@ja("除雪担当は、自分の自治体の除雪の状況と運転者の連絡先を見られる。")
permit (principal in Role::"snow-desk", action in [Action::"snow.view-live", Action::"snow.view-drivers"], resource)
when { resource.tenant == principal.tenant };

@id("snow.device-posts")
@ja("登録された機器は位置を届けられる。")
permit (principal is Device, action == Action::"snow.post-fix", resource);

@id("snow.client-views")
@ja("許された事業者のプログラムは除雪の状況を見られる。")
permit (principal is Client, action == Action::"snow.view-live", resource);

@id("snow.own-request")
@ja("住民は自分の要望を読める。")
permit (principal is Resident, action == Action::"snow.read-request", resource)
when { resource has owner && resource.owner == principal };

@id("snow.public")
@ja("公開された状況はだれでも見られる。")
permit (principal, action == Action::"snow.view-public", resource);
"#;

pub fn snow(text: &'static str) -> ModuleAccess {
    ModuleAccess {
        module: "snow",
        permissions: vec![
            ViewLive::META,
            PostFix::META,
            ViewDrivers::META,
            ReadRequest::META,
            ViewPublic::META,
        ],
        roles: vec![Role {
            id: "snow-desk",
            ja: "除雪担当",
            en: "Snow desk",
            about_ja: "除雪の手配と状況の確認をします。",
            home: RoleHome::Government,
        }],
        policies: vec![PolicyFile {
            module: "snow",
            text,
            explanation_ja: "除雪について、だれが何をできるか。",
        }],
    }
}

pub fn pref() -> Tenant {
    Tenant::of(MuniCode::new(17000).unwrap())
}
pub fn nomi() -> Tenant {
    Tenant::of(MuniCode::new(17211).unwrap())
}
pub fn kaga() -> Tenant {
    Tenant::of(MuniCode::new(17206).unwrap())
}

pub fn tree() -> TenantTree {
    TenantTree::new([(pref(), None), (nomi(), Some(pref())), (kaga(), Some(pref()))]).unwrap()
}

pub fn policies() -> Policies {
    Policies::new(tree(), [snow(POLICIES)]).unwrap_or_else(|e| panic!("{e}"))
}

pub fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

pub fn device(tenant: Tenant) -> Actor {
    testing::device(tenant, 2)
}

pub fn client(tenant: Tenant, scopes: &[&str]) -> Actor {
    let scopes = scopes.iter().map(|s| (*s).to_owned()).collect();
    Actor::Client { id: ClientId::from_uuid(id(3)), tenant, scopes }
}
