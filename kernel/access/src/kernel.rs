//! What the kernel itself brings: its roles, its permissions, its policies.

use crate::policy::{ModuleAccess, PolicyFile};
use crate::{Permission, Role, RoleHome, RoleId, permission, resource_kind};

resource_kind! {
    /// 組織（自治体または装置）の設定
    pub Organization;
}

permission! {
    /// だれに何が許されているかの一覧を見る
    pub ViewMatrix = "access.view-matrix" on Organization, view;
    /// 職員の利用者一覧を見る
    pub ViewStaff = "access.view-staff" on Organization, view;
    /// 職員の利用者を登録・変更・停止する
    pub ManageStaff = "access.manage-staff" on Organization, manage;
    /// 組織の利用者台帳（SCIM）から、職員の利用者を登録・変更・停止する
    pub ProvisionStaff = "access.provision-staff" on Organization, operate;
    /// 組織の利用者台帳（SCIM）から、管理者など見守る役割も付け外しする
    pub ProvisionOverseers = "access.provision-overseers" on Organization, operate;
    /// 機器と事業者の鍵を発行・交換・停止する
    pub ManageKeys = "access.manage-keys" on Organization, manage;
    /// 緊急用の利用者が使われたことなどの警報を見る
    pub ViewAlarms = "access.view-alarms" on Organization, view;
    /// 警報を確かめて、どうしたかを書き残す
    pub AcknowledgeAlarms = "access.acknowledge-alarms" on Organization, manage;
    /// 個人情報が利用された記録を見る
    pub ViewDisclosures = "access.view-disclosures" on Organization, view, personal;
}

/// 県管理者.
pub const PREF_ADMIN: RoleId = RoleId::new("pref-admin");
/// 市町管理者.
pub const MUNI_ADMIN: RoleId = RoleId::new("muni-admin");
/// 個人情報保護担当.
pub const DATA_OFFICER: RoleId = RoleId::new("data-officer");
/// 運用担当.
pub const OPERATOR: RoleId = RoleId::new("operator");

/// The roles that every installation has. Work with a subject matter (除雪担当, 保健師 …) is a role of its
/// module.
pub const ROLES: &[Role] = &[
    Role {
        id: "pref-admin",
        ja: "県管理者",
        en: "Prefecture administrator",
        about_ja: "県の設定と利用者を管理し、県内の状況を見ます。",
        home: RoleHome::Prefecture,
    },
    Role {
        id: "muni-admin",
        ja: "市町管理者",
        en: "Municipality administrator",
        about_ja: "市町の設定と利用者を管理します。",
        home: RoleHome::Municipality,
    },
    Role {
        id: "data-officer",
        ja: "個人情報保護担当",
        en: "Data protection officer",
        about_ja: "だれに何が許され、個人情報がどう使われたかを確かめます。",
        home: RoleHome::Government,
    },
    Role {
        id: "operator",
        ja: "運用担当",
        en: "Operator",
        about_ja: "装置全体を動かします。自治体のデータと個人情報には触れません。",
        home: RoleHome::Installation,
    },
];

/// The kernel's share, in the same form as a module's.
pub fn access() -> ModuleAccess {
    ModuleAccess {
        module: "access",
        permissions: vec![
            ViewMatrix::META,
            ViewStaff::META,
            ManageStaff::META,
            ProvisionStaff::META,
            ProvisionOverseers::META,
            ManageKeys::META,
            ViewDisclosures::META,
            ViewAlarms::META,
            AcknowledgeAlarms::META,
        ],
        roles: ROLES.to_vec(),
        policies: vec![PolicyFile {
            module: KERNEL,
            text: include_str!("../policies/kernel.cedar"),
            explanation_ja: "すべてのモジュールに効くきまり。自治体のあいだの壁、個人情報の壁、共通の役割の許可。",
        }],
    }
}

/// The owner of policies that may speak of every action.
pub(crate) const KERNEL: &str = "kernel";
