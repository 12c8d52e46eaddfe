//! For what いしかわID uses personal data, in the words of the public register of purposes.

use kenroku_vault::{Explanation, LegalClass, Purpose};

use crate::{claims, delegation, leave, module};

const SERVICE: [&str; 3] = ["いしかわID", "いしかわID", "Ishikawa ID"];
const NOBODY: [&str; 3] = ["ほかに渡しません", "だれにも 渡し《わたし》ません", "Nobody else"];
const STAFF: [&str; 3] = [
    "県と市町の窓口の職員が見ます。ほかに渡しません",
    "窓口《まどぐち》の 人《ひと》が 見《み》ます。ほかには 渡し《わたし》ません",
    "Staff at the counters of the prefecture and the municipalities see it; nobody else",
];

const fn explain(purpose: &'static Purpose, what: [&'static str; 2], to: [&'static str; 3]) -> Explanation {
    Explanation { purpose, service: SERVICE, what, recipients: to, class: LegalClass::Personal }
}

/// Every purpose of the module.
pub(crate) static ALL: [Explanation; 7] = [
    explain(
        &module::OWN,
        [
            "本人《ほんにん》が 自分《じぶん》の データを 見る《みる》",
            "The person looks at their own registration",
        ],
        NOBODY,
    ),
    explain(
        &module::SIGN_IN,
        [
            "ログインの とき、コードが 正しい《ただしい》か 調べる《しらべる》",
            "Checking a one-time code at sign-in",
        ],
        NOBODY,
    ),
    explain(
        &module::REVIEW,
        [
            "同じ《おなじ》 人《ひと》が 二つ《ふたつ》 登録《とうろく》されて いないか 確かめる《たしかめる》",
            "Staff check that nobody is registered twice",
        ],
        STAFF,
    ),
    explain(
        &module::COUNTER,
        [
            "窓口《まどぐち》で、紙《かみ》と 本人《ほんにん》と 登録《とうろく》を 比べる《くらべる》",
            "A clerk compares papers, the person and the registration",
        ],
        STAFF,
    ),
    explain(
        &claims::RELEASE,
        [
            "本人《ほんにん》が いいと 言っ《いっ》た サービスに、いいと 言っ《いっ》た ものを 渡す《わたす》",
            "Handing to a service what the person agreed to hand on",
        ],
        [
            "ご本人が同意したサービス",
            "本人《ほんにん》が いいと 言っ《いっ》た サービス",
            "Services that the person agreed to",
        ],
    ),
    explain(
        &delegation::EACH_OTHER,
        [
            "代わり《かわり》を する 人《ひと》と 頼む《たのむ》 人《ひと》が 名前《なまえ》を 見る《みる》",
            "A person and their agent see each other's names",
        ],
        [
            "代理を頼んだ方と、代理をする方",
            "頼ん《たのん》だ 人《ひと》と、代わり《かわり》の 人《ひと》",
            "The person and their agent",
        ],
    ),
    explain(
        &leave::LEAVE,
        ["やめた 人《ひと》の データを 消す《けす》", "Erasing the registration of somebody who left"],
        NOBODY,
    ),
];
