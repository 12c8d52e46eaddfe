//! The page that stands where the phone and the card would be.

use kenroku_sim_card::people::Resident;

const STYLE: &str = "<style>body{font:1.125rem/1.7 system-ui,sans-serif;max-width:34rem;margin:2rem auto;padding:0 1rem;\
color:#1a1a1c}h1{font-size:1.5rem}ul{list-style:none;padding:0}button{font:inherit;width:100%;text-align:left;\
padding:.75rem 1rem;margin:.25rem 0;background:#fff;border:1px solid #767676;border-radius:6px}\
.mark{border:2px dashed #8a5a00;padding:.5rem 1rem}</style>";

/// How many residents it offers.
pub const OFFERED: u32 = 12;

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// What the two stand-ins say differently.
pub struct Words {
    /// Title and heading.
    pub title: &'static str,
    /// What stands in for what.
    pub note: &'static str,
}

/// The choice of a resident. `query` is the request, sent back with the choice.
pub fn choose(words: &Words, query: &str, client: &str, people: &[(String, String, String)]) -> String {
    let people: String = people
        .iter()
        .map(|(value, name, text)| {
            format!(
                "<li><button name=\"resident\" value=\"{}\"><b>{}</b><br>{}</button></li>",
                escaped(value),
                escaped(name),
                escaped(text)
            )
        })
        .collect();
    let Words { title, note } = words;
    format!(
        "<!doctype html><html lang=\"ja\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title>{STYLE}<h1>{title}</h1>\
         <p class=\"mark\">ここは本物ではありません（模擬）。{note}</p>\
         <p lang=\"en\">A simulation: choose one of these people, who do not exist.</p>\
         <p>相手: {}</p>\
         <form method=\"post\"><input type=\"hidden\" name=\"request\" value=\"{}\"><ul>{people}</ul>\
         <button name=\"resident\" value=\"none\">やめる</button></form></html>",
        escaped(client),
        escaped(query)
    )
}

/// The residents that the stand-in for the app offers.
pub fn residents() -> Vec<(String, String, String)> {
    (0..OFFERED).map(Resident::new).map(|r| (r.number.to_string(), r.name, r.address)).collect()
}

/// A request that cannot be answered to the client: its address is not known to be the client's.
pub fn refused(why: &str) -> String {
    format!(
        "<!doctype html><html lang=\"ja\"><meta charset=\"utf-8\"><title>エラー（模擬）</title>{STYLE}\
         <h1>この求めには答えられません（模擬）</h1><p>{}</p></html>",
        escaped(why)
    )
}
