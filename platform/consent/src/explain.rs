//! For what consent and the broker use personal data, in the words of the public register of purposes.

use kenroku_vault::{Explanation, LegalClass, Purpose};

use crate::{case, holder, module};

const SERVICE: [&str; 3] =
    ["同意と提供の記録", "データを 渡す《わたす》 こと", "Consents and what was handed on"];
const NOBODY: [&str; 3] = ["ほかに渡しません", "だれにも 渡し《わたし》ません", "Nobody else"];

const fn explain(purpose: &'static Purpose, what: [&'static str; 2], to: [&'static str; 3]) -> Explanation {
    Explanation { purpose, service: SERVICE, what, recipients: to, class: LegalClass::Personal }
}

/// Every purpose of the module.
pub(crate) static ALL: [Explanation; 7] = [
    explain(
        &module::SHARE,
        [
            "本人《ほんにん》が いいと 言っ《いっ》た ものを、いいと 言っ《いっ》た 相手《あいて》に 渡す《わたす》",
            "Handing on what the person agreed to",
        ],
        [
            "ご本人が同意した提供先",
            "本人《ほんにん》が いいと 言っ《いっ》た 相手《あいて》",
            "The recipients that the person agreed to",
        ],
    ),
    explain(
        &module::BY_LAW,
        [
            "法律《ほうりつ》で 決まっ《きまっ》て いる ものを 渡す《わたす》",
            "Handing on what a law orders, by an agreement that names the article",
        ],
        [
            "法令で定められた提供先",
            "法律《ほうりつ》で 決まっ《きまっ》た 相手《あいて》",
            "Whom the law names",
        ],
    ),
    explain(
        &module::IN_DANGER,
        [
            "とても 危ない《あぶない》 ときに、命《いのち》を 守る《まもる》ために 渡す《わたす》",
            "Handing on in a declared danger, to protect life and body; the person is told afterwards",
        ],
        [
            "緊急時のために登録された提供先",
            "危ない《あぶない》 ときに 助ける《たすける》 相手《あいて》",
            "Recipients registered for emergencies",
        ],
    ),
    explain(
        &module::MINE,
        [
            "本人《ほんにん》が 自分《じぶん》の データを 見る《みる》",
            "The person looks at what is held about them",
        ],
        NOBODY,
    ),
    explain(
        &case::HANDLE,
        [
            "データについて 言わ《いわ》れた ことを 調べ《しらべ》て 答える《こたえる》",
            "Looking into an objection and answering it",
        ],
        [
            "担当する県・市町の個人情報保護担当",
            "県《けん》や 市《し》や 町《まち》の 担当《たんとう》の 人《ひと》",
            "The data protection officer of the office",
        ],
    ),
    explain(
        &case::OWN_CASE,
        [
            "本人《ほんにん》が 言っ《いっ》た ことと 答え《こたえ》を 見る《みる》",
            "The person reads their objections and the answers",
        ],
        NOBODY,
    ),
    explain(
        &holder::END,
        [
            "期間《きかん》が 終わっ《おわっ》た 記録《きろく》を 消す《けす》",
            "Erasing objections whose time is over",
        ],
        NOBODY,
    ),
];
