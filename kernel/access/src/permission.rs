//! Permissions as types: what may be asked for, on which kind of thing, with what the law says about it.

use std::fmt;

/// A kind of thing that permissions are about: `SnowArea`, `Shelter`. Declare with
/// [`resource_kind!`](crate::resource_kind).
pub trait ResourceKind: Send + Sync + 'static {
    /// Its name for policies and people.
    const META: KindMeta;
}

/// What is known of a resource kind at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KindMeta {
    /// The entity type in Cedar; the Rust type has the same name.
    pub name: &'static str,
    /// The Japanese name.
    pub ja: &'static str,
}

/// What sort of act a permission allows. Each is an action group of the policies, so that a rule can speak
/// of “everything that only looks”.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Act {
    /// Looks, changes nothing.
    View,
    /// Does the daily work: enters, reports, decides.
    Operate,
    /// Sets things up for others: accounts, keys, master data.
    Manage,
}

impl Act {
    /// Every act.
    pub const ALL: [Act; 3] = [Act::View, Act::Operate, Act::Manage];

    /// The action group in Cedar.
    pub const fn group(self) -> &'static str {
        match self {
            Act::View => "view",
            Act::Operate => "operate",
            Act::Manage => "manage",
        }
    }

    /// In Japanese.
    pub const fn ja(self) -> &'static str {
        match self {
            Act::View => "閲覧",
            Act::Operate => "業務",
            Act::Manage => "管理",
        }
    }
}

/// The legal class of the data that a permission opens. The Individual Number (特定個人情報) has no class here,
/// because it is never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataClass {
    /// 個人情報: 個人情報の保護に関する法律 §2(1).
    Personal,
    /// 要配慮個人情報 (health, disability, crime …): the same law §2(3).
    SpecialCare,
}

impl DataClass {
    /// The action group that every personal permission is in.
    pub const GROUP: &'static str = "personal";

    /// As the law calls it.
    pub const fn ja(self) -> &'static str {
        match self {
            DataClass::Personal => "個人情報",
            DataClass::SpecialCare => "要配慮個人情報",
        }
    }
}

/// A permission: a type without values, so that having the right is something the compiler can ask for.
/// Declare with [`permission!`](crate::permission).
pub trait Permission: Send + Sync + 'static {
    /// The kind of thing it is about.
    type On: ResourceKind;
    /// What is known of it at run time.
    const META: PermissionMeta;
}

/// What is known of a permission at run time: a module hands these to the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PermissionMeta {
    /// Stable id, `module.verb-object`; also the action in Cedar and the scope of an API key.
    pub id: &'static str,
    /// What it allows, in Japanese, as the data officer reads it.
    pub ja: &'static str,
    /// The kind of thing it is about.
    pub on: KindMeta,
    /// The sort of act.
    pub act: Act,
    /// The legal class of personal data it opens; `None` when it opens none.
    pub data: Option<DataClass>,
    /// Whether even the existence of the thing is secret: a refusal then looks like “not found” (404).
    pub hidden: bool,
}

impl PermissionMeta {
    const fn new(id: &'static str, ja: &'static str, on: KindMeta, act: Act) -> Self {
        PermissionMeta { id, ja, on, act, data: None, hidden: false }
    }

    /// A permission that only looks.
    pub const fn view(id: &'static str, ja: &'static str, on: KindMeta) -> Self {
        Self::new(id, ja, on, Act::View)
    }

    /// A permission of the daily work.
    pub const fn operate(id: &'static str, ja: &'static str, on: KindMeta) -> Self {
        Self::new(id, ja, on, Act::Operate)
    }

    /// A permission that sets things up for others.
    pub const fn manage(id: &'static str, ja: &'static str, on: KindMeta) -> Self {
        Self::new(id, ja, on, Act::Manage)
    }

    /// It opens personal data (個人情報).
    #[must_use]
    pub const fn personal(mut self) -> Self {
        self.data = Some(DataClass::Personal);
        self
    }

    /// It opens personal data that needs special care (要配慮個人情報).
    #[must_use]
    pub const fn special_care(mut self) -> Self {
        self.data = Some(DataClass::SpecialCare);
        self
    }

    /// A refusal must look like “not found”.
    #[must_use]
    pub const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// The module part of the id.
    pub fn module(&self) -> &'static str {
        self.id.split_once('.').map_or(self.id, |(m, _)| m)
    }
}

impl fmt::Debug for PermissionMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permission({})", self.id)
    }
}

/// Declares kinds of things that permissions are about. The documentation comment is the Japanese name.
///
/// ```
/// kenroku_access::resource_kind! {
///     /// 除雪の区域
///     pub SnowArea;
/// }
/// use kenroku_access::ResourceKind;
/// assert_eq!((SnowArea::META.name, SnowArea::META.ja), ("SnowArea", "除雪の区域"));
/// ```
#[macro_export]
macro_rules! resource_kind {
    ($(#[doc = $ja:literal] $vis:vis $name:ident;)+) => {$(
        #[doc = $ja]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name {}
        impl $crate::ResourceKind for $name {
            const META: $crate::KindMeta = $crate::KindMeta {
                name: stringify!($name),
                ja: $ja.trim_ascii(),
            };
        }
    )+};
}

/// Declares permissions. The documentation comment is the description that the data officer reads.
///
/// `view`, `operate` or `manage` says what sort of act it is; `personal` or `special_care` that it opens such
/// data; `hidden` that a refusal must look like “not found”.
///
/// ```
/// use kenroku_access::{permission, resource_kind, Permission};
/// resource_kind! {
///     /// 除雪の区域
///     pub SnowArea;
/// }
/// permission! {
///     /// 除雪の状況を遅れなしで見る
///     pub ViewLiveSnow = "snow.view-live" on SnowArea, view;
///     /// 除雪機械の運転者の連絡先を見る
///     pub ViewDrivers = "snow.view-drivers" on SnowArea, view, personal, hidden;
/// }
/// assert_eq!(ViewLiveSnow::META.ja, "除雪の状況を遅れなしで見る");
/// assert!(!ViewLiveSnow::META.hidden && ViewDrivers::META.hidden);
/// ```
#[macro_export]
macro_rules! permission {
    ($(#[doc = $ja:literal] $vis:vis $name:ident = $id:literal on $kind:ty, $act:ident $(, $flag:ident)*;)+) => {$(
        #[doc = $ja]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name {}
        impl $crate::Permission for $name {
            type On = $kind;
            const META: $crate::PermissionMeta =
                $crate::PermissionMeta::$act($id, $ja.trim_ascii(), <$kind as $crate::ResourceKind>::META)
                    $(.$flag())*;
        }
    )+};
}
