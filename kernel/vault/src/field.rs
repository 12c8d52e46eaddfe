//! [`Field`]: what a module stores sealed, with its legal class and how long it is kept.

use kenroku_access::DataClass;
use kenroku_types::ids::SubjectId;
use uuid::Uuid;

/// The categories of personal data that purposes name (docs/adr/0008-vault.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// 個人
    Person,
    /// 世帯
    Household,
    /// 不動産
    RealEstate,
    /// 動産
    MovableProperty,
    /// 所得
    Income,
    /// 収支
    Finances,
    /// 健康
    Health,
    /// 医療
    Medical,
    /// 介護
    Care,
    /// 保育
    Childcare,
}

impl Category {
    /// Every category.
    pub const ALL: [Category; 10] = [
        Category::Person,
        Category::Household,
        Category::RealEstate,
        Category::MovableProperty,
        Category::Income,
        Category::Finances,
        Category::Health,
        Category::Medical,
        Category::Care,
        Category::Childcare,
    ];

    /// Stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Category::Person => "person",
            Category::Household => "household",
            Category::RealEstate => "real-estate",
            Category::MovableProperty => "movable-property",
            Category::Income => "income",
            Category::Finances => "finances",
            Category::Health => "health",
            Category::Medical => "medical",
            Category::Care => "care",
            Category::Childcare => "childcare",
        }
    }

    /// In Japanese.
    pub const fn ja(self) -> &'static str {
        match self {
            Category::Person => "個人",
            Category::Household => "世帯",
            Category::RealEstate => "不動産",
            Category::MovableProperty => "動産",
            Category::Income => "所得",
            Category::Finances => "収支",
            Category::Health => "健康",
            Category::Medical => "医療",
            Category::Care => "介護",
            Category::Childcare => "保育",
        }
    }
}

/// How long something is kept, and why. Everything of one person in one class shares a key, so that a class can
/// end without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetentionClass {
    /// Stable code, `module.words`; it is part of the key's name and never changes.
    pub code: &'static str,
    /// In Japanese.
    pub ja: &'static str,
    /// Days after the matter is closed; `None` as long as the person is registered.
    pub days: Option<u32>,
    /// The law, ordinance or document schedule that says so.
    pub source: &'static str,
}

/// A column that holds [`Sealed`](crate::Sealed) values. A constant of a module, listed in its
/// [`ModuleVault`](crate::ModuleVault). Its names are part of every sealed value: a renamed column needs
/// [resealing](crate::Reseal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// The module.
    pub module: &'static str,
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// In Japanese, as the person reads it in their list of accesses.
    pub ja: &'static str,
    /// How long it is kept.
    pub class: RetentionClass,
    /// What sort of data.
    pub category: Category,
    /// Its legal class.
    pub data: DataClass,
    /// Whether it belongs to the installation as a whole, so that staff of a government can read it with
    /// [`Disclosure::of_everybody`](crate::Disclosure::of_everybody).
    pub shared: bool,
}

impl Field {
    /// A field with personal data (個人情報).
    pub const fn new(
        module: &'static str,
        table: &'static str,
        column: &'static str,
        ja: &'static str,
        class: RetentionClass,
        category: Category,
    ) -> Self {
        Field { module, table, column, ja, class, category, data: DataClass::Personal, shared: false }
    }

    /// It belongs to the installation as a whole, such as the ID that all municipalities share.
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// It needs special care (要配慮個人情報): only a permission of that class opens it.
    #[must_use]
    pub const fn special_care(mut self) -> Self {
        self.data = DataClass::SpecialCare;
        self
    }

    /// `module.table.column`, as the log names it.
    pub fn name(&self) -> String {
        format!("{}.{}.{}", self.module, self.table, self.column)
    }

    /// This field in one row of one person.
    pub const fn at(&'static self, subject: SubjectId, row: Uuid) -> Slot {
        Slot { field: self, subject, row }
    }
}

/// The one place a sealed value belongs to: field, person and row. It opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub(crate) field: &'static Field,
    pub(crate) subject: SubjectId,
    pub(crate) row: Uuid,
}

impl Slot {
    /// The person.
    pub const fn subject(&self) -> SubjectId {
        self.subject
    }

    /// The field.
    pub const fn field(&self) -> &'static Field {
        self.field
    }
}
