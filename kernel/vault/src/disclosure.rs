//! [`Purpose`] and [`Disclosure`]: for what, by whom and on which legal basis somebody reads personal data.

use std::collections::{HashMap, HashSet};

use kenroku_access::{Actor, DataClass, Granted, Permission};
use kenroku_types::Tenant;
use kenroku_types::ids::{ConsentId, RequestId, SubjectId};

use crate::error::{Error, Result};
use crate::field::{Category, Field};
use crate::register::Register;

/// On what a purpose rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LegalBasis {
    /// A law or ordinance, cited: `個人情報の保護に関する法律 第69条第1項`.
    Statute(&'static str),
    /// The consent of each person (the same law §27(1), §69(2)一); every disclosure names it, and the register in
    /// which it is kept is asked each time whether it holds.
    Consent(Register),
    /// An entry that an office made with its article of law; every disclosure names it, and its register is asked.
    Entered(Register),
    /// Danger to life, body or property, cited; the person is told afterwards.
    Emergency(&'static str),
    /// The person looks at their own data (the same law §76).
    Own,
}

/// What personal data is used for (利用目的, 個人情報の保護に関する法律 §61). A constant of a module, listed in its
/// [`ModuleVault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// Stable code, `module.words`.
    pub code: &'static str,
    /// As the person reads it.
    pub ja: &'static str,
    /// On what it rests.
    pub basis: LegalBasis,
    /// The categories of data it covers; others stay closed.
    pub categories: &'static [Category],
}

/// The classes of data that the law tells apart (個人情報の保護に関する法律 §2, §60(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LegalClass {
    /// 個人情報
    Personal,
    /// 仮名加工情報
    Pseudonymized,
    /// 行政機関等匿名加工情報
    Anonymized,
    /// 個人関連情報
    Related,
}

impl LegalClass {
    /// Stable code.
    pub const fn code(self) -> &'static str {
        match self {
            LegalClass::Personal => "personal",
            LegalClass::Pseudonymized => "pseudonymized",
            LegalClass::Anonymized => "anonymized",
            LegalClass::Related => "related",
        }
    }
}

/// What everybody can read about a purpose, in the register of purposes. A constant of the module beside the purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The purpose; its own text is the Japanese one.
    pub purpose: &'static Purpose,
    /// What people call the service: Japanese, easy Japanese with readings, English.
    pub service: [&'static str; 3],
    /// The purpose in easy Japanese with readings, and in English.
    pub what: [&'static str; 2],
    /// Who receives it, in the three languages.
    pub recipients: [&'static str; 3],
    /// What the law calls the data.
    pub class: LegalClass,
}

impl Explanation {
    /// The module whose purpose it is.
    pub fn module(&self) -> &'static str {
        self.purpose.code.split('.').next().unwrap_or_default()
    }
}

/// What a module declares to the vault, part of its module value.
#[derive(Clone, Debug, Default)]
pub struct ModuleVault {
    /// The module's name.
    pub module: &'static str,
    /// For what it reads personal data.
    pub purposes: Vec<&'static Purpose>,
    /// What it stores sealed.
    pub fields: Vec<&'static Field>,
    /// Its purposes in the words of the register.
    pub explanations: Vec<&'static Explanation>,
}

/// Everything declared, checked at the start.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    purposes: HashMap<&'static str, &'static Purpose>,
    fields: HashSet<Field>,
    explanations: Vec<&'static Explanation>,
}

impl Registry {
    pub(crate) fn new(modules: &[ModuleVault]) -> Result<Self> {
        let mut r = Registry::default();
        let wrong = |what: &str, why: &str| Err(Error::Declaration(format!("{what}: {why}")));
        let mut names = HashSet::new();
        for m in modules {
            let own = |name: &str| name.split('.').next() == Some(m.module);
            for p in &m.purposes {
                if !own(p.code) {
                    return wrong(p.code, "a purpose's code begins with its module's name and a dot");
                }
                if p.categories.is_empty() || p.ja.is_empty() {
                    return wrong(p.code, "say it in Japanese and name at least one category");
                }
                if r.purposes.insert(p.code, p).is_some() {
                    return wrong(p.code, "declared twice");
                }
            }
            r.explanations.extend(&m.explanations);
            for f in &m.fields {
                if f.module != m.module || !own(f.class.code) {
                    return wrong(&f.name(), "a field and its retention class belong to the module");
                }
                if !names.insert(f.name()) {
                    return wrong(&f.name(), "declared twice");
                }
                r.fields.insert(**f);
            }
        }
        Ok(r)
    }

    pub(crate) fn field(&self, f: &Field) -> Result<()> {
        if self.fields.contains(f) { Ok(()) } else { Err(Error::Undeclared(f.name())) }
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter()
    }

    pub(crate) fn purposes(&self) -> impl Iterator<Item = &'static Purpose> {
        self.purposes.values().copied()
    }

    pub(crate) fn explanations(&self) -> &[&'static Explanation] {
        &self.explanations
    }

    pub(crate) fn purpose_of(&self, code: &str) -> Option<&'static Purpose> {
        self.purposes.get(code).copied()
    }

    fn purpose(&self, p: &Purpose) -> Result<()> {
        match self.purposes.get(p.code) {
            Some(known) if **known == *p => Ok(()),
            _ => Err(Error::Undeclared(p.code.to_owned())),
        }
    }
}

/// Who reads, for what, on which basis. The vault opens nothing without one, and it cannot be made without the
/// proof of a permission that opens personal data ([`Granted`]); work that no person asked for takes
/// `Granted::for_system`, which is easy to search for.
///
/// ```
/// # use kenroku_access::{Granted, permission, resource_kind};
/// # use kenroku_types::Tenant;
/// # use kenroku_vault::{Category, Disclosure, LegalBasis, Purpose};
/// # resource_kind! {
/// #     /// 妊産婦
/// #     pub Mother;
/// # }
/// # permission! {
/// #     /// 妊産婦の連絡先を見る
/// #     pub ViewMothers = "maternity.view" on Mother, view, personal;
/// # }
/// # const VISIT: Purpose = Purpose { code: "maternity.visit", ja: "訪問", basis: LegalBasis::Statute("母子保健法 第11条"), categories: &[Category::Person] };
/// let proof: Granted<ViewMothers> = Granted::for_system("maternity", Tenant::SHARED);
/// let disclosure = Disclosure::new(&proof, &VISIT);
/// ```
///
/// A permission that opens no personal data is no ground:
///
/// ```compile_fail
/// # use kenroku_access::{Granted, permission, resource_kind};
/// # use kenroku_types::Tenant;
/// # use kenroku_vault::{Category, Disclosure, LegalBasis, Purpose};
/// # resource_kind! {
/// #     /// 妊産婦
/// #     pub Mother;
/// # }
/// # permission! {
/// #     /// 件数を見る
/// #     pub CountMothers = "maternity.count" on Mother, view;
/// # }
/// # const VISIT: Purpose = Purpose { code: "maternity.visit", ja: "訪問", basis: LegalBasis::Statute("母子保健法 第11条"), categories: &[Category::Person] };
/// let proof: Granted<CountMothers> = Granted::for_system("maternity", Tenant::SHARED);
/// let disclosure = Disclosure::new(&proof, &VISIT);
/// ```
#[derive(Clone, Debug)]
pub struct Disclosure {
    tenant: Tenant,
    /// The tenant of the proof, however widened.
    office: Tenant,
    actor: Actor,
    permission: &'static str,
    opens: DataClass,
    purpose: &'static Purpose,
    consents: HashMap<SubjectId, ConsentId>,
    request: Option<RequestId>,
    /// Whether it was widened from the proof's tenant to what all share.
    widened: bool,
    /// To whom a module hands on what it opens.
    recipient: Option<Actor>,
}

impl Disclosure {
    /// A disclosure to whoever holds the proof, for a purpose.
    pub fn new<P: Permission>(proof: &Granted<P>, purpose: &'static Purpose) -> Self {
        const {
            assert!(
                P::META.data.is_some(),
                "this permission opens no personal data: declare it `personal` or `special_care`"
            );
        }
        Disclosure {
            tenant: proof.tenant(),
            office: proof.tenant(),
            actor: proof.actor().clone(),
            permission: P::META.id,
            opens: P::META.data.unwrap_or(DataClass::Personal),
            purpose,
            consents: HashMap::new(),
            request: None,
            widened: false,
            recipient: None,
        }
    }

    /// Reads what belongs to the installation as a whole instead of the proof's own tenant: the register of IDs that
    /// the staff of a government look after. Only fields that are declared [`Field::shared`] open to it; the log row
    /// names the member of staff as ever.
    #[must_use]
    pub fn of_everybody(mut self) -> Self {
        self.widened = self.tenant != Tenant::SHARED;
        self.tenant = Tenant::SHARED;
        self
    }

    /// To whom the module hands on what it opens: a program that may open nothing itself, and receives what a person
    /// agreed to. The log row names it instead of the module. It adds no right: permission and basis stay the
    /// proof's.
    #[must_use]
    pub fn handing_to(mut self, recipient: &Actor) -> Self {
        self.recipient = Some(recipient.clone());
        self
    }

    /// The consent of one person, or the entry that covers them, where the purpose rests on one.
    #[must_use]
    pub fn consent(mut self, subject: SubjectId, consent: ConsentId) -> Self {
        self.consents.insert(subject, consent);
        self
    }

    /// The request it happens in, so that the row in the access log leads to the one in the server's log.
    #[must_use]
    pub fn request(mut self, id: RequestId) -> Self {
        self.request = Some(id);
        self
    }

    /// Whose data.
    pub fn tenant(&self) -> Tenant {
        self.tenant
    }

    /// For what.
    pub fn purpose(&self) -> &'static Purpose {
        self.purpose
    }

    /// By the right of which office.
    pub(crate) fn office(&self) -> Tenant {
        self.office
    }

    /// The consent or the entry named for one person.
    pub(crate) fn entry_for(&self, subject: SubjectId) -> Result<ConsentId> {
        self.consents.get(&subject).copied().ok_or(Error::ConsentMissing(self.purpose.code))
    }

    pub(crate) fn actor(&self) -> String {
        self.recipient.as_ref().unwrap_or(&self.actor).to_string()
    }

    pub(crate) fn permission(&self) -> &'static str {
        self.permission
    }

    pub(crate) fn request_id(&self) -> Option<RequestId> {
        self.request
    }

    /// Whether the purpose and the permission cover these fields.
    pub(crate) fn covers(&self, registry: &Registry, fields: &[&'static Field]) -> Result<()> {
        registry.purpose(self.purpose)?;
        for f in fields {
            registry.field(f)?;
            if !self.purpose.categories.contains(&f.category) {
                return Err(Error::NotForPurpose { purpose: self.purpose.code, field: f.name() });
            }
            if self.widened && !f.shared {
                return Err(Error::NotForPurpose { purpose: self.purpose.code, field: f.name() });
            }
            if self.opens < f.data {
                return Err(Error::NotForPermission { permission: self.permission, field: f.name() });
            }
        }
        Ok(())
    }

    /// The basis for one person, as the log keeps it.
    pub(crate) fn basis_for(&self, subject: SubjectId) -> Result<String> {
        match self.purpose.basis {
            LegalBasis::Statute(s) => Ok(format!("statute:{s}")),
            LegalBasis::Emergency(s) => Ok(format!("emergency:{s}")),
            LegalBasis::Consent(r) | LegalBasis::Entered(r) => {
                Ok(format!("{}:{}", r.log, self.entry_for(subject)?))
            }
            LegalBasis::Own => match &self.actor {
                Actor::Resident { subject: own, .. } if *own == subject => Ok("own".to_owned()),
                _ => Err(Error::NotOwn(self.purpose.code)),
            },
        }
    }
}
