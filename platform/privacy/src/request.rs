//! Requests of a person about their own data (個人情報の保護に関する法律 第5章第4節: §76 開示, §90 訂正, §98 利用停止): received,
//! checked, decided within the law's time, told with reasons. [`step`] is the rule; the rest stores it.

use kenroku_access::Granted;
use kenroku_store::{Sql, coded, params, row, sql};
use kenroku_types::ids::SubjectId;
use kenroku_types::{JapaneseDate, Tenant, Timestamp, id_kind};
use kenroku_vault::leave::Rule;
use kenroku_vault::{Category, Disclosure, Field, LegalBasis, Purpose, RetentionClass, Sealed};
use serde::{Deserialize, Serialize};

use crate::clock::{self, Course, Due};
use crate::error::{PrivacyError, Result};
use crate::module::{AskOwn, HandleRequests, ViewOwn};
use crate::privacy::Privacy;

id_kind! {
    /// A request.
    Request => RequestId;
}

coded! {
    /// What is asked for.
    Kind {
        /// 開示 (§76).
        Disclose = "disclose",
        /// 訂正・追加・削除 (§90).
        Correct = "correct",
        /// 利用の停止・消去・提供の停止 (§98).
        Suspend = "suspend",
    }
}

coded! {
    /// How it came.
    Channel {
        /// On the person's own page.
        Page = "page",
        /// At a counter.
        Counter = "counter",
        /// By post.
        Post = "post",
    }
}

coded! {
    /// Who asks.
    Proxy {
        /// The person.
        Nobody = "none",
        /// 法定代理人 (§76(2)).
        Guardian = "guardian",
        /// 任意代理人 (§76(2)).
        Agent = "agent",
    }
}

coded! {
    /// Where it stands.
    RequestState {
        /// Not decided.
        Open = "open",
        /// Decided and told; what was granted is not carried out yet.
        Decided = "decided",
        /// Carried out, or there was nothing to carry out.
        Closed = "closed",
        /// 取下げ.
        Withdrawn = "withdrawn",
    }
}

coded! {
    /// The decision (§82, §93, §101).
    Decision {
        /// All of it.
        Granted = "granted",
        /// Part of it.
        Partly = "partly",
        /// None of it.
        Refused = "refused",
        /// Nothing of the kind is held.
        Absent = "absent",
        /// To say whether there is anything would itself give it away (§81).
        Unspoken = "unspoken",
    }
}

/// An article on which something is refused, with its words in short; the code is kept for ever.
pub const SECTIONS: [(Kind, &str, &str); 15] = [
    (Kind::Disclose, "78-1-1", "第78条第1項第1号（ご本人の生命、健康、生活又は財産を害するおそれ）"),
    (Kind::Disclose, "78-1-2", "第78条第1項第2号（ご本人以外の個人に関する情報）"),
    (Kind::Disclose, "78-1-3", "第78条第1項第3号（法人その他の団体に関する情報）"),
    (Kind::Disclose, "78-1-5", "第78条第1項第5号（犯罪の予防など、公共の安全）"),
    (Kind::Disclose, "78-1-6", "第78条第1項第6号（審議、検討又は協議に関する情報）"),
    (Kind::Disclose, "78-1-7", "第78条第1項第7号（事務又は事業に関する情報）"),
    (Kind::Disclose, "81", "第81条（あるかどうかを答えるだけで、不開示情報を示すことになる）"),
    (Kind::Disclose, "82-2", "第82条第2項（保有していない）"),
    (Kind::Correct, "90-1", "第90条第1項（開示を受けた保有個人情報ではない）"),
    (Kind::Correct, "90-3", "第90条第3項（開示を受けた日から90日を過ぎた）"),
    (Kind::Correct, "92", "第92条（訂正の理由がない、又は利用目的に必要な範囲を超える）"),
    (Kind::Suspend, "98-1", "第98条第1項（開示を受けた保有個人情報ではない）"),
    (Kind::Suspend, "98-3", "第98条第3項（開示を受けた日から90日を過ぎた）"),
    (Kind::Suspend, "100", "第100条（利用停止の理由がない）"),
    (Kind::Suspend, "100-2", "第100条ただし書（事務の適正な遂行に著しい支障を及ぼすおそれ）"),
];

/// As long as a request has to be provable.
pub const KEEP: RetentionClass = RetentionClass {
    code: "privacy.requests",
    ja: "開示・訂正・利用停止の請求",
    days: Some(1_825),
    source: "文書管理規程（請求の処理の記録。設置者が定める）",
};
/// Removes requests that were closed longer ago than [`KEEP`] says.
pub static KEPT: Rule = Rule {
    code: "privacy.requests",
    what: [
        "開示・訂正・利用停止の請求（処理のあと）",
        "データについての 請求《せいきゅう》",
        "Requests about one's own data (after they were closed)",
    ],
    days: 1_825,
    law: KEEP.source,
};
/// What the person wrote: [`Letter`].
pub const LETTER: Field =
    Field::new("privacy", "privacy_request", "letter", "請求の内容", KEEP, Category::Person).shared();
/// What the person was told: [`Notice`]s.
pub const REPLY: Field =
    Field::new("privacy", "privacy_request", "reply", "請求への通知", KEEP, Category::Person).shared();

/// The officer works on requests.
pub(crate) const HANDLE: Purpose = Purpose {
    code: "privacy.request",
    ja: "開示・訂正・利用停止の請求を受け付け、調べて決める",
    basis: LegalBasis::Statute("個人情報の保護に関する法律 第5章第4節（開示、訂正及び利用停止）"),
    categories: &[Category::Person],
};
/// The person reads their own.
pub(crate) const OWN: Purpose = Purpose {
    code: "privacy.own-request",
    ja: "ご本人が、自分の請求と通知を見る",
    basis: LegalBasis::Own,
    categories: &[Category::Person],
};

/// Characters of a text at most.
pub const LONGEST: usize = 2_000;

/// What the person wrote (§77(1)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// 氏名 of whoever asks.
    pub name: String,
    /// 住所又は居所.
    pub address: String,
    /// Telephone or mail, so that something can be asked back.
    pub contact: String,
    /// Whose data, where a proxy asks.
    pub principal: String,
    /// Which data; for §90 and §98 also what should be done and why.
    pub what: String,
}

/// Something that the person was told in writing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When.
    pub on: JapaneseDate,
    /// `pause`, `extend`, `special`, `decide`, `close`.
    pub kind: String,
    /// The words: the reasons.
    pub text: String,
    /// 手数料 (§89), in words; empty where there is none.
    #[serde(default)]
    pub fee: String,
}

/// A request as it is stored.
#[derive(Debug)]
pub struct RequestRow {
    /// Which.
    pub id: RequestId,
    /// Whose, by this module's pseudonym; a number of its own where no いしかわID is behind it.
    pub subject: SubjectId,
    /// What is asked for.
    pub kind: Kind,
    /// How it came.
    pub channel: Channel,
    /// When it arrived.
    pub received_on: JapaneseDate,
    /// When the data were disclosed, for §90 and §98.
    pub disclosed_on: Option<JapaneseDate>,
    /// How the person was known; empty while nobody has checked.
    pub checked: String,
    /// Who asks.
    pub proxy: Proxy,
    /// How the proxy's right was checked; empty while nobody has.
    pub proxy_checked: String,
    /// The period in days.
    pub days: u32,
    /// Days that are not counted.
    pub paused: u32,
    /// When the extension was told.
    pub extended_on: Option<JapaneseDate>,
    /// The day told under §84, §95 or §103.
    pub special_until: Option<JapaneseDate>,
    /// Where it stands.
    pub state: RequestState,
    /// The decision.
    pub decision: Option<Decision>,
    /// When it was decided and told.
    pub decided_on: Option<JapaneseDate>,
    /// Codes of [`SECTIONS`], separated by spaces.
    pub sections: String,
    letter: Sealed<Letter>,
    reply: Option<Sealed<Vec<Notice>>>,
    /// For optimistic changes.
    pub version: i64,
    /// When it was entered.
    pub created_at: Timestamp,
    /// When there was nothing more to do.
    pub closed_at: Option<Timestamp>,
}
row!(RequestRow {
    id,
    subject,
    kind,
    channel,
    received_on,
    disclosed_on,
    checked,
    proxy,
    proxy_checked,
    days,
    paused,
    extended_on,
    special_until,
    state,
    decision,
    decided_on,
    sections,
    letter,
    reply,
    version,
    created_at,
    closed_at
});

impl RequestRow {
    /// What moves its deadline.
    pub fn course(&self) -> Course {
        Course {
            received: self.received_on,
            days: self.days,
            paused: self.paused,
            extended: self.extended_on.is_some(),
            special: self.special_until,
        }
    }

    /// By when the decision is due.
    pub fn due(&self) -> Due {
        self.course().due()
    }

    /// Whether it was asked for more than ninety days after the data were disclosed (§90(3), §98(3)).
    pub fn too_late(&self) -> bool {
        self.kind != Kind::Disclose
            && self.disclosed_on.is_some_and(|d| self.received_on > clock::within(d, 90).legal)
    }

    fn standing(&self) -> Standing {
        Standing {
            state: self.state,
            kind: self.kind,
            course: self.course(),
            identified: !self.checked.is_empty(),
            proxy_proved: self.proxy == Proxy::Nobody || !self.proxy_checked.is_empty(),
            decision: self.decision,
        }
    }
}

/// A request, opened.
#[derive(Debug)]
pub struct OpenRequest {
    /// The row.
    pub row: RequestRow,
    /// What the person wrote.
    pub letter: Letter,
    /// What they were told, oldest first.
    pub notices: Vec<Notice>,
}

/// What arrives.
#[derive(Clone, Debug)]
pub struct NewRequest {
    /// What is asked for.
    pub kind: Kind,
    /// How it came.
    pub channel: Channel,
    /// When it arrived.
    pub received_on: JapaneseDate,
    /// When the data were disclosed, for §90 and §98.
    pub disclosed_on: Option<JapaneseDate>,
    /// How the person was known.
    pub checked: String,
    /// Who asks.
    pub proxy: Proxy,
    /// How the proxy's right was checked.
    pub proxy_checked: String,
    /// What they wrote.
    pub letter: Letter,
}

/// What can be done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The person, and the proxy where there is one, was checked by papers.
    Check {
        /// The person's papers.
        person: String,
        /// The proxy's.
        proxy: String,
    },
    /// The person completed the request; these days are not counted (§83(1), 但書).
    Pause {
        /// How many.
        days: u32,
        /// What was missing.
        text: String,
    },
    /// The period is extended (§83(2), §94(2), §102(2)).
    Extend {
        /// Why.
        text: String,
    },
    /// Very many data (§84) or a very long time (§95, §103).
    Special {
        /// The last day, as it is told.
        until: JapaneseDate,
        /// Why.
        text: String,
    },
    /// The decision.
    Decide {
        /// Which.
        decision: Decision,
        /// Codes of [`SECTIONS`].
        sections: Vec<String>,
        /// The reasons (行政手続法 §8).
        text: String,
        /// The fee, in words.
        fee: String,
    },
    /// What was granted is carried out (§87, §92, §100).
    Close {
        /// How.
        text: String,
    },
    /// 取下げ.
    Withdraw,
}

/// What a step depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
    pub state: RequestState,
    /// What is asked for.
    pub kind: Kind,
    /// What moves the deadline.
    pub course: Course,
    /// Whether the person was checked (§77(2)).
    pub identified: bool,
    /// Whether the proxy was, or there is none.
    pub proxy_proved: bool,
    /// The decision, if there is one.
    pub decision: Option<Decision>,
}

/// Why a step is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Not {
    /// It cannot follow where the request stands.
    Now,
    /// The person or the proxy was not checked.
    Checked,
    /// The first period is over: an extension must be told within it.
    InTime,
    /// It was extended before.
    Twice,
    /// A refusal without its article.
    Section,
    /// A day that is not later than the present deadline.
    Later,
    /// A text is missing or too long.
    Text,
}

impl Not {
    /// Code for pages and programs.
    pub const fn code(self) -> &'static str {
        match self {
            Not::Now => "now",
            Not::Checked => "checked",
            Not::InTime => "in-time",
            Not::Twice => "twice",
            Not::Section => "section",
            Not::Later => "later",
            Not::Text => "text",
        }
    }
}

fn fits(text: &str) -> bool {
    (1..=LONGEST).contains(&text.trim().chars().count())
}

/// Whether a step may be taken on a day; where the request stands afterwards.
///
/// # Errors
/// [`Not`].
pub fn step(s: &Standing, act: &Act, today: JapaneseDate) -> std::result::Result<RequestState, Not> {
    use RequestState as S;
    let open = s.state == S::Open;
    let first = s.course.extend_by();
    let need = |holds: bool, not: Not| if holds { Ok(()) } else { Err(not) };
    match act {
        Act::Check { person, .. } => {
            need(open, Not::Now)?;
            need(fits(person), Not::Text)?;
            Ok(S::Open)
        }
        Act::Pause { days, text } => {
            need(open, Not::Now)?;
            need((1..=180).contains(days) && fits(text), Not::Text)?;
            Ok(S::Open)
        }
        Act::Extend { text } => {
            need(open && s.course.special.is_none(), Not::Now)?;
            need(!s.course.extended, Not::Twice)?;
            need(today <= first.legal, Not::InTime)?;
            need(fits(text), Not::Text)?;
            Ok(S::Open)
        }
        Act::Special { until, text } => {
            need(open, Not::Now)?;
            need(s.course.special.is_none(), Not::Twice)?;
            need(today <= first.legal, Not::InTime)?;
            need(*until > s.course.due().legal, Not::Later)?;
            need(fits(text), Not::Text)?;
            Ok(S::Open)
        }
        Act::Decide { decision, sections, text, .. } => {
            need(open, Not::Now)?;
            need(s.identified && s.proxy_proved, Not::Checked)?;
            let whole = *decision == Decision::Granted;
            let known = |c: &String| SECTIONS.iter().any(|(k, code, _)| *k == s.kind && code == c);
            need(sections.iter().all(known) && (whole || !sections.is_empty()), Not::Section)?;
            need(s.kind == Kind::Disclose || *decision != Decision::Unspoken, Not::Section)?;
            need(if whole { text.chars().count() <= LONGEST } else { fits(text) }, Not::Text)?;
            let more = matches!(decision, Decision::Granted | Decision::Partly);
            Ok(if more { S::Decided } else { S::Closed })
        }
        Act::Close { text } => {
            need(s.state == S::Decided, Not::Now)?;
            need(fits(text), Not::Text)?;
            Ok(S::Closed)
        }
        Act::Withdraw => {
            need(open, Not::Now)?;
            Ok(S::Withdrawn)
        }
    }
}

const ADD: &Sql = sql!(
    "insert into privacy_request (tenant, id, subject, kind, channel, received_on, disclosed_on, checked, proxy,
       proxy_checked, days, paused, state, sections, letter, version, created_at)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, 'open', '', $12, 1, $13)"
);
const SET: &Sql = sql!(
    "update privacy_request set checked = $4, proxy_checked = $5, paused = $6, extended_on = $7, special_until = $8,
       state = $9, decision = $10, decided_on = $11, sections = $12, reply = $13, closed_at = $14,
       version = version + 1
     where tenant = $1 and id = $2 and version = $3"
);
const BY_ID: &Sql = sql!(
    "select id, subject, kind, channel, received_on, disclosed_on, checked, proxy, proxy_checked, days, paused,
       extended_on, special_until, state, decision, decided_on, sections, letter, reply, version, created_at, closed_at
     from privacy_request where tenant = $1 and id = $2"
);
const OPEN: &Sql = sql!(
    "select id, subject, kind, channel, received_on, disclosed_on, checked, proxy, proxy_checked, days, paused,
       extended_on, special_until, state, decision, decided_on, sections, letter, reply, version, created_at, closed_at
     from privacy_request where tenant = $1 and closed_at is null order by received_on, id limit 500"
);
const CLOSED: &Sql = sql!(
    "select id, subject, kind, channel, received_on, disclosed_on, checked, proxy, proxy_checked, days, paused,
       extended_on, special_until, state, decision, decided_on, sections, letter, reply, version, created_at, closed_at
     from privacy_request where tenant = $1 and closed_at is not null order by closed_at desc, id desc limit 100"
);
const OF: &Sql = sql!(
    "select id, subject, kind, channel, received_on, disclosed_on, checked, proxy, proxy_checked, days, paused,
       extended_on, special_until, state, decision, decided_on, sections, letter, reply, version, created_at, closed_at
     from privacy_request where tenant = $1 and subject = $2 order by created_at desc, id desc"
);
const OVER: &Sql = sql!(
    "select id, subject from privacy_request where tenant = $1 and closed_at < $2 order by closed_at, id limit $3"
);
const LATE: &Sql = sql!("select count(*) from privacy_request where tenant = $1 and closed_at < $2");
const REMOVE: &Sql = sql!("delete from privacy_request where tenant = $1 and id = $2");
const COUNT_OF: &Sql = sql!("select count(*) from privacy_request where tenant = $1 and subject = $2");

fn good(n: &NewRequest) -> Result<()> {
    let mut faults = Vec::new();
    for (field, text) in [("name", &n.letter.name), ("address", &n.letter.address)] {
        if !(1..=200).contains(&text.trim().chars().count()) {
            faults.push((field, "write 1 to 200 characters".to_owned()));
        }
    }
    if !fits(&n.letter.what) {
        faults.push(("what", format!("write 1 to {LONGEST} characters")));
    }
    if n.letter.contact.chars().count() > 200 {
        faults.push(("contact", "write at most 200 characters".to_owned()));
    }
    if n.proxy != Proxy::Nobody && !(1..=200).contains(&n.letter.principal.trim().chars().count()) {
        faults.push(("principal", "say whose data it is".to_owned()));
    }
    if n.disclosed_on.is_some_and(|d| d > n.received_on) {
        faults.push(("disclosed_on", "it lies after the request".to_owned()));
    }
    if faults.is_empty() { Ok(()) } else { Err(PrivacyError::Input(faults)) }
}

impl Privacy {
    /// Today in Japan.
    ///
    /// # Errors
    /// When the clock is out of range.
    pub fn today(&self) -> Result<JapaneseDate> {
        JapaneseDate::of(self.env().now())
            .map_err(|e| PrivacyError::Inner(Box::new(kenroku_types::Problem::internal().because(&e))))
    }

    /// A person asks on their own page; `office` is who holds the data.
    ///
    /// # Errors
    /// [`PrivacyError::Input`].
    pub async fn ask(
        &self,
        _: &Granted<AskOwn>,
        office: Tenant,
        subject: SubjectId,
        new: &NewRequest,
    ) -> Result<RequestId> {
        if !self.tenants().contains(&office) {
            return Err(PrivacyError::Input(vec![("office", "choose an office".to_owned())]));
        }
        self.enter(office, subject, new).await
    }

    /// Somebody asked at the counter or by post; it gets a number of its own, for no いしかわID is behind it.
    ///
    /// # Errors
    /// [`PrivacyError::Input`].
    pub async fn receive(&self, proof: &Granted<HandleRequests>, new: &NewRequest) -> Result<RequestId> {
        if new.received_on > self.today()? {
            return Err(PrivacyError::Input(vec![("received_on", "it lies in the future".to_owned())]));
        }
        let fresh = uuid::Builder::from_random_bytes(self.env().rng.bytes()).into_uuid();
        self.enter(proof.tenant(), SubjectId::from_uuid(fresh), new).await
    }

    async fn enter(&self, office: Tenant, subject: SubjectId, new: &NewRequest) -> Result<RequestId> {
        good(new)?;
        let (id, now): (RequestId, _) = (self.env().id(), self.env().now());
        let letter = self.vault().seal(Tenant::SHARED, LETTER.at(subject, id.uuid()), &new.letter).await?;
        let mut tx = self.db().begin().await?;
        let row = params![
            office,
            id,
            subject,
            new.kind,
            new.channel,
            new.received_on,
            new.disclosed_on,
            &new.checked,
            new.proxy,
            &new.proxy_checked,
            self.rules().decision_days,
            letter,
            now
        ];
        tx.execute(ADD, row).await?;
        tx.commit().await?;
        tracing::info!(request = %id, %office, kind = new.kind.code(), "a request about personal data arrived");
        Ok(id)
    }

    /// What is open in an office, by deadline; then what was closed, newest first. Nothing is opened.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn requests(&self, tenant: Tenant) -> Result<(Vec<RequestRow>, Vec<RequestRow>)> {
        let mut tx = self.db().read().await?;
        let mut open: Vec<RequestRow> = tx.all(OPEN, params![tenant]).await?;
        open.sort_by_key(|r| (r.state != RequestState::Open, r.due(), r.id));
        Ok((open, tx.all(CLOSED, params![tenant]).await?))
    }

    /// One request, opened for the officer.
    ///
    /// # Errors
    /// [`PrivacyError::NotFound`].
    pub async fn request(&self, proof: &Granted<HandleRequests>, id: RequestId) -> Result<OpenRequest> {
        let row: Option<RequestRow> = self.db().read().await?.opt(BY_ID, params![proof.tenant(), id]).await?;
        let row = row.ok_or(PrivacyError::NotFound)?;
        let why = Disclosure::new(proof, &HANDLE).of_everybody();
        self.opened(&why, row).await
    }

    /// The requests of a person in these offices, opened for the person, newest first.
    ///
    /// # Errors
    /// When the store or the vault fails.
    pub async fn own_requests(
        &self,
        proof: &Granted<ViewOwn>,
        tenants: &[Tenant],
        subject: SubjectId,
    ) -> Result<Vec<(Tenant, OpenRequest)>> {
        let why = Disclosure::new(proof, &OWN);
        let mut out = Vec::new();
        for tenant in tenants {
            let rows: Vec<RequestRow> = self.db().read().await?.all(OF, params![*tenant, subject]).await?;
            for row in rows {
                out.push((*tenant, self.opened(&why, row).await?));
            }
        }
        out.sort_by_key(|(_, r)| std::cmp::Reverse((r.row.created_at, r.row.id)));
        Ok(out)
    }

    async fn opened(&self, why: &Disclosure, row: RequestRow) -> Result<OpenRequest> {
        let (who, at) = (row.subject, row.id.uuid());
        let reader = self.vault().disclose(why, &[who], &[&LETTER, &REPLY]).await?;
        let letter = reader.open(LETTER.at(who, at), &row.letter)?.into_value();
        let notices = match &row.reply {
            Some(sealed) => reader.open(REPLY.at(who, at), sealed)?.into_value(),
            None => Vec::new(),
        };
        Ok(OpenRequest { row, letter, notices })
    }

    /// The officer takes a step; what the person is told is sealed with it.
    ///
    /// # Errors
    /// [`PrivacyError::NotFound`]; [`PrivacyError::Stale`]; [`PrivacyError::Refused`].
    pub async fn act(
        &self,
        proof: &Granted<HandleRequests>,
        id: RequestId,
        version: i64,
        act: &Act,
    ) -> Result<RequestState> {
        let (tenant, today, now) = (proof.tenant(), self.today()?, self.env().now());
        let OpenRequest { row, mut notices, .. } = self.request(proof, id).await?;
        let next = step(&row.standing(), act, today).map_err(|not| PrivacyError::Refused(not.code()))?;
        let mut told = |kind: &str, text: &str, fee: &str| {
            let (kind, text, fee) = (kind.to_owned(), text.trim().to_owned(), fee.trim().to_owned());
            notices.push(Notice { on: today, kind, text, fee });
        };
        let mut set = row;
        match act {
            Act::Check { person, proxy } => {
                set.checked = person.trim().to_owned();
                set.proxy_checked = proxy.trim().to_owned();
            }
            Act::Pause { days, text } => {
                set.paused += days;
                told("pause", text, "");
            }
            Act::Extend { text } => {
                set.extended_on = Some(today);
                told("extend", text, "");
            }
            Act::Special { until, text } => {
                set.special_until = Some(*until);
                told("special", text, "");
            }
            Act::Decide { decision, sections, text, fee } => {
                set.decision = Some(*decision);
                set.decided_on = Some(today);
                set.sections = sections.join(" ");
                told("decide", text, fee);
            }
            Act::Close { text } => told("close", text, ""),
            Act::Withdraw => {}
        }
        let closed = matches!(next, RequestState::Closed | RequestState::Withdrawn).then_some(now);
        let slot = REPLY.at(set.subject, id.uuid());
        let reply = self.vault().seal(Tenant::SHARED, slot, &notices).await?;
        let mut tx = self.db().begin().await?;
        let row = params![
            tenant,
            id,
            version,
            &set.checked,
            &set.proxy_checked,
            set.paused,
            set.extended_on,
            set.special_until,
            next,
            set.decision,
            set.decided_on,
            &set.sections,
            reply,
            closed
        ];
        tx.execute_one(SET, row).await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Removes requests that were closed before a moment: the keys first, when they open nothing else, then the rows.
    /// How many were removed, how many are still there.
    ///
    /// # Errors
    /// When the store or the vault fails.
    pub async fn purge_requests(&self, tenant: Tenant, before: Timestamp, limit: u32) -> Result<(u64, u64)> {
        let mut removed = 0;
        let due: Vec<(RequestId, SubjectId)> =
            self.db().read().await?.all(OVER, params![tenant, before, limit]).await?;
        for (id, subject) in due {
            if self.requests_of(subject).await? <= 1 {
                let proof = Granted::<HandleRequests>::for_system("privacy", Tenant::SHARED);
                let order = Disclosure::new(&proof, &HANDLE);
                match self.vault().erase_class(&order, subject, &KEEP).await {
                    Ok(_) | Err(kenroku_vault::Error::SubjectUnknown | kenroku_vault::Error::Erased) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            let mut tx = self.db().begin().await?;
            removed += tx.execute(REMOVE, params![tenant, id]).await?;
            tx.commit().await?;
        }
        let (late,): (i64,) = self.db().read().await?.one(LATE, params![tenant, before]).await?;
        Ok((removed, late.unsigned_abs()))
    }

    /// How many requests of a person there are, in all offices.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn requests_of(&self, subject: SubjectId) -> Result<i64> {
        let (mut n, mut tx) = (0, self.db().read().await?);
        for tenant in self.tenants() {
            let (here,): (i64,) = tx.one(COUNT_OF, params![*tenant, subject]).await?;
            n += here;
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day(text: &str) -> JapaneseDate {
        text.parse().unwrap()
    }

    fn fresh() -> Standing {
        Standing {
            state: RequestState::Open,
            kind: Kind::Disclose,
            course: Course {
                received: day("2026-04-01"),
                days: 30,
                paused: 0,
                extended: false,
                special: None,
            },
            identified: true,
            proxy_proved: true,
            decision: None,
        }
    }

    fn decide(decision: Decision, sections: &[&str], text: &str) -> Act {
        let sections = sections.iter().map(|s| (*s).to_owned()).collect();
        Act::Decide { decision, sections, text: text.to_owned(), fee: String::new() }
    }

    #[test]
    fn an_extension_is_told_within_the_first_period_and_once() {
        let (s, act) = (fresh(), Act::Extend { text: "量が多い".to_owned() });
        assert_eq!(step(&s, &act, day("2026-05-01")), Ok(RequestState::Open));
        assert_eq!(step(&s, &act, day("2026-05-02")), Err(Not::InTime));
        let extended = Standing { course: Course { extended: true, ..s.course }, ..s };
        assert_eq!(step(&extended, &act, day("2026-04-02")), Err(Not::Twice));
        assert_eq!(step(&s, &Act::Extend { text: " ".to_owned() }, day("2026-04-02")), Err(Not::Text));
        let special = |until: &str| Act::Special { until: day(until), text: "著しく大量".to_owned() };
        assert_eq!(step(&s, &special("2026-09-30"), day("2026-04-30")), Ok(RequestState::Open));
        assert_eq!(step(&s, &special("2026-05-01"), day("2026-04-30")), Err(Not::Later));
        assert_eq!(step(&s, &special("2026-09-30"), day("2026-05-02")), Err(Not::InTime));
    }

    #[test]
    fn a_refusal_names_its_article_and_reasons_and_nobody_unknown_is_answered() {
        let (s, today) = (fresh(), day("2026-04-10"));
        assert_eq!(step(&s, &decide(Decision::Granted, &[], ""), today), Ok(RequestState::Decided));
        assert_eq!(step(&s, &decide(Decision::Refused, &[], "理由"), today), Err(Not::Section));
        assert_eq!(step(&s, &decide(Decision::Refused, &["78-1-2"], ""), today), Err(Not::Text));
        assert_eq!(
            step(&s, &decide(Decision::Refused, &["78-1-2"], "理由"), today),
            Ok(RequestState::Closed)
        );
        assert_eq!(
            step(&s, &decide(Decision::Partly, &["100"], "理由"), today),
            Err(Not::Section),
            "of another kind"
        );
        for unknown in [Standing { identified: false, ..s }, Standing { proxy_proved: false, ..s }] {
            assert_eq!(step(&unknown, &decide(Decision::Granted, &[], ""), today), Err(Not::Checked));
        }
        let correct = Standing { kind: Kind::Correct, ..s };
        assert_eq!(
            step(&correct, &decide(Decision::Unspoken, &["92"], "理由"), today),
            Err(Not::Section),
            "§81 is about disclosure"
        );
    }

    fn any_act() -> impl Strategy<Value = Act> {
        let text = || "[あ-ん]{0,3}";
        let decision = prop::sample::select(Decision::ALL);
        prop_oneof![
            (text(), text()).prop_map(|(person, proxy)| Act::Check { person, proxy }),
            (0..200u32, text()).prop_map(|(days, text)| Act::Pause { days, text }),
            text().prop_map(|text| Act::Extend { text }),
            (decision, prop::bool::ANY, text()).prop_map(|(decision, cited, text)| Act::Decide {
                decision,
                sections: if cited { vec!["78-1-2".to_owned()] } else { Vec::new() },
                text,
                fee: String::new(),
            }),
            text().prop_map(|text| Act::Close { text }),
            Just(Act::Withdraw),
        ]
    }

    proptest! {
        /// Whatever is tried in whatever order: nothing follows an end, and every end was allowed to be reached.
        #[test]
        fn every_course_ends_once(acts in prop::collection::vec((any_act(), 0..40i32), 1..12)) {
            let (mut s, mut today) = (fresh(), day("2026-04-01"));
            s.identified = false;
            for (act, later) in acts {
                today = today.plus_days(later).unwrap();
                let before = s;
                let Ok(next) = step(&s, &act, today) else { continue };
                prop_assert!(!matches!(before.state, RequestState::Closed | RequestState::Withdrawn));
                match &act {
                    Act::Check { .. } => s.identified = true,
                    Act::Pause { days, .. } => s.course.paused += days,
                    Act::Extend { .. } => s.course.extended = true,
                    Act::Decide { decision, .. } => {
                        prop_assert!(before.identified);
                        s.decision = Some(*decision);
                    }
                    _ => {}
                }
                s.state = next;
                prop_assert!(s.course.due() >= before.course.due(), "a deadline never comes nearer");
                if s.state == RequestState::Closed { prop_assert!(s.decision.is_some()); }
            }
        }
    }
}
