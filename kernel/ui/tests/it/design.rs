use std::collections::BTreeSet;

use crate::layout::ask;

const PAGES: [&str; 3] = ["/design", "/design/console", "/design/error"];

/// Values of an attribute in some HTML.
fn values<'a>(html: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let start = format!(" {name}=\"");
    html.match_indices(&start)
        .map(|(i, m)| html[i + m.len()..].split('"').next().unwrap_or_default())
        .collect::<Vec<_>>()
        .into_iter()
}

#[tokio::test]
async fn every_class_has_a_rule() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/css");
    let css: String = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap())
        .collect();
    for path in PAGES {
        let (_, html) = ask(path, &[]).await;
        let classes: BTreeSet<&str> = values(&html, "class").flat_map(str::split_whitespace).collect();
        assert!(classes.len() > 20, "{path} shows little: {classes:?}");
        // A plain information notice has no colour of its own.
        for class in classes.iter().filter(|c| **c != "kr-notice--info") {
            assert!(css.contains(&format!(".{class}")), "{path}: .{class} has no rule in web/css");
        }
    }
}

#[tokio::test]
async fn every_page_is_whole_in_every_language() {
    for path in PAGES {
        for tag in ["ja", "ja-x-yasashii", "en"] {
            let (head, html) = ask(&format!("{path}?lang={tag}"), &[]).await;
            assert_eq!(head.headers()["content-language"], tag);
            assert!(html.contains(&format!("<html lang=\"{tag}\">")));
            assert!(!html.contains('⟦') && !html.contains("{$") && !html.contains("NaN"), "{path} {tag}");
            assert!(!html.contains(" style=") && !html.contains("<style") && !html.contains("javascript:"));
            let ids: Vec<&str> = values(&html, "id").collect();
            let unique: BTreeSet<&&str> = ids.iter().collect();
            assert_eq!(ids.len(), unique.len(), "{path} {tag}: an id stands twice");
            for target in values(&html, "href").filter_map(|h| h.strip_prefix('#')) {
                assert!(ids.contains(&target), "{path} {tag}: #{target} leads nowhere");
            }
        }
    }
}

#[tokio::test]
async fn only_plain_japanese_carries_readings() {
    let (_, ja) = ask("/design?lang=ja", &[]).await;
    let (_, easy) = ask("/design?lang=ja-x-yasashii", &[]).await;
    assert!(!ja.contains("<ruby>") && easy.contains("<ruby>"));
}
