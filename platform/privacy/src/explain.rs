//! For what the data officer's desk uses personal data, in the words of the public register of purposes.

use kenroku_vault::{Explanation, LegalClass};

use crate::request;

const SERVICE: [&str; 3] =
    ["個人情報の保護（請求の受付）", "データについての 受付《うけつけ》", "Data protection desk"];

/// Every purpose of the module.
pub(crate) static ALL: [Explanation; 2] = [
    Explanation {
        purpose: &request::HANDLE,
        service: SERVICE,
        what: [
            "データを 見せる《みせる》、直す《なおす》、やめる ことを 頼ま《たのま》れて、調べる《しらべる》",
            "Receiving, checking and deciding requests about one's own data",
        ],
        recipients: [
            "請求先の県・市町の個人情報保護担当",
            "県《けん》や 市《し》や 町《まち》の 担当《たんとう》の 人《ひと》",
            "The data protection officer of the office asked",
        ],
        class: LegalClass::Personal,
    },
    Explanation {
        purpose: &request::OWN,
        service: SERVICE,
        what: [
            "本人《ほんにん》が 頼ん《たのん》だ ことと 返事《へんじ》を 見る《みる》",
            "The person reads their requests and what they were told",
        ],
        recipients: ["ほかに渡しません", "だれにも 渡し《わたし》ません", "Nobody else"],
        class: LegalClass::Personal,
    },
];
