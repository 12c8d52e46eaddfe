//! Demo data for the data officer's desk of Nomi City: a request, a drill, a published file, a record, a release. Nobody is
//! real (模擬データ).

use std::fmt::Write as _;

use kenroku_access::Granted;
use kenroku_anonymize::{Answers, Config};
use kenroku_http::App;
use kenroku_module::HookError;
use kenroku_types::{MuniCode, Tenant};
use serde_json::json;

use crate::breach::Entered;
use crate::module::{HandleRequests, KeepRegisters};
use crate::privacy::Privacy;
use crate::received::Made;
use crate::request::{Channel, Kind, Letter, NewRequest, Proxy};

fn pairs(values: &[(&str, &str)]) -> Vec<(String, String)> {
    values.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

/// Sixty simulated people.
fn table() -> String {
    let mut out = String::from("氏名,年齢,住所,結果\n");
    for n in 0..60 {
        let town = ["能美市辰口町", "能美市寺井町", "能美市来丸町"][n % 3];
        let result = ["A", "B", "C"][n % 7 % 3];
        let _ = writeln!(out, "模擬　{n}号,{},{town},{result}", 30 + n / 2);
    }
    out
}

/// Writes it.
///
/// # Errors
/// When the store or the vault fails.
pub async fn demo(app: App) -> Result<String, HookError> {
    let p = app.get::<Privacy>().map_err(|e| e.0)?;
    let tenant = Tenant::of(MuniCode::new(17211).ok_or("no such municipality")?);
    let registers: Granted<KeepRegisters> = Granted::for_system("privacy", tenant);
    let requests: Granted<HandleRequests> = Granted::for_system("privacy", tenant);
    let today = p.today()?;
    let request = NewRequest {
        kind: Kind::Disclose,
        channel: Channel::Counter,
        received_on: today.plus_days(-25).unwrap_or(today),
        disclosed_on: None,
        checked: "運転免許証".to_owned(),
        proxy: Proxy::Nobody,
        proxy_checked: String::new(),
        letter: Letter {
            name: "模擬　窓口".to_owned(),
            address: "石川県能美市（模擬データ）".to_owned(),
            contact: String::new(),
            principal: String::new(),
            what: "令和8年度の健診の申込書と結果（模擬データ）".to_owned(),
        },
    };
    p.receive(&requests, &request).await?;
    let drill = [
        ("title", "健診の案内の誤送付（模擬データ）"),
        ("what", "宛先を取り違えて、別の方に案内を送ったとする訓練です。"),
        ("items", "氏名、住所、健診の日時"),
        ("people", "120"),
    ];
    let drill = Entered { drill: true, known_on: today, classes: Vec::new(), pairs: pairs(&drill) };
    p.enter_breach(&registers, &drill).await?;
    let file = [
        ("name", "健診受診者ファイル（模擬データ）"),
        ("body", "能美市"),
        ("unit", "健康福祉部 健康推進課（模擬）"),
        ("purpose", "健診の案内と結果の通知"),
        ("records", "氏名、生年月日、性別、住所、健診の結果"),
        ("range", "健診を受けた方"),
        ("collected", "本人からの申し込み、医療機関からの報告"),
        ("special", "含む（健診の結果）"),
        ("desk", "能美市総務課（模擬）"),
        ("form", "法第60条第2項第1号（電算処理ファイル）"),
        ("persons", "12000"),
        ("proposals", "提案の募集をする。総務課が受け付ける"),
    ];
    let file = p.draft_file(&registers, None, &pairs(&file)).await?;
    p.publish_file(&registers, file, 1, false).await?;
    let received = [
        ("provider", "模擬病院（代表 模擬 一郎）"),
        ("address", "石川県能美市（模擬データ）"),
        ("acquired", "受診した方から問診で取得（契約書で確認）"),
        ("persons", "受診者名簿の番号"),
        ("items", "健診の結果"),
        ("consent", "申し込みのときに書面で同意"),
    ];
    p.record_received(&registers, Made::Bulk, today, &pairs(&received)).await?;
    let work = p.upload(&registers, "健診（模擬データ）.csv", table().into_bytes()).await?;
    let mut config: Config = serde_json::from_value(json!({
        "k": 5,
        "suppression": 0.05,
        "release": {
            "title": "健診の結果（模擬データ）", "purpose": "研究", "recipient": "模擬大学", "approver": "健康推進課",
        },
        "column": [
            { "name": "氏名", "role": "identifier" },
            {
                "name": "年齢", "role": "quasi-identifier",
                "hierarchy": { "kind": "ages", "widths": [5, 10], "top": 90 },
            },
            { "name": "住所", "role": "quasi-identifier", "hierarchy": { "kind": "places" } },
            { "name": "結果", "role": "sensitive", "diversity": { "kind": "distinct", "l": 2 } },
        ],
    }))?;
    config.checklist = Answers {
        identifying: "氏名の列を削除し、年齢と住所を階級にした".to_owned(),
        codes: "含まれていない".to_owned(),
        linking: "含まれていない".to_owned(),
        peculiar: "90歳以上はいない".to_owned(),
        whole: "同じ組が5人以上になるようにし、並び順を変えた".to_owned(),
        ..Answers::default()
    };
    p.publish_release(&registers, work, &config).await?;
    p.purge().await?;
    Ok("a request, a drill, a published file and a release on the data officer's desk of Nomi".to_owned())
}
