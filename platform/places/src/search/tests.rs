use std::collections::HashSet;

use super::rank::one_edit_apart;
use super::*;
use crate::model::Town;
use proptest::prelude::*;

fn places() -> &'static Places {
    Places::shared().unwrap()
}

fn search(query: &str) -> Vec<Hit<'static>> {
    places().search(query, SearchOptions::default()).unwrap()
}

fn first(query: &str) -> (String, MatchKind) {
    let hits = search(query);
    let hit = hits.first().unwrap_or_else(|| panic!("nothing for {query}"));
    (hit.address(), hit.kind)
}

#[test]
fn the_many_ways_to_write_an_address() {
    use MatchKind::*;
    for (query, address, kind) in [
        ("能美市", "能美市", Exact),
        ("のみ", "能美市", Exact),
        ("ノミシ", "能美市", Exact),
        ("Nomi City", "能美市", Exact),
        ("kanazawa", "金沢市", Exact),
        ("Hōdatsushimizu", "羽咋郡宝達志水町", Exact),
        ("金澤", "金沢市", Prefix),
        ("能登", "鳳珠郡能登町", Prefix),
        ("寺井町", "能美市寺井町", Exact),
        ("石川県能美市寺井町た", "能美市寺井町た", Exact),
        ("寺井町 能美市", "能美市寺井町", Tokens),
        ("nomi 寺井町", "能美市寺井町", Exact),
        ("金沢 太陽が丘", "金沢市太陽が丘一丁目", Tokens),
        ("太陽ヶ丘３丁目", "金沢市太陽が丘三丁目", Exact),
        ("金沢市太陽が丘3-12", "金沢市太陽が丘三丁目", Enclosing),
        ("〒923-1111 石川県能美市寺井町た35番地", "能美市寺井町た", Enclosing),
        ("能美郡川北町田子嶋", "能美郡川北町字田子島", Exact),
        ("川北町 田子島 レ", "能美郡川北町字田子島レ", Exact),
        ("能美市寺丼町", "能美市寺井町", Similar),
        ("能美寺井町", "能美市寺井町", Similar),
        ("kanazwa", "金沢市", Similar),
        ("小松市ほげほげ通り", "小松市", Enclosing),
    ] {
        assert_eq!(first(query), (address.to_owned(), kind), "{query}");
    }
}

#[test]
fn the_prefecture_alone_lists_its_municipalities() {
    for query in ["石川県", "石川", "Ishikawa Prefecture"] {
        let hits = search(query);
        assert_eq!(hits.len(), 19, "{query}");
        assert!(hits.iter().all(|h| h.town.is_none()));
    }
}

#[test]
fn a_municipality_alone_does_not_bring_all_its_towns() {
    assert_eq!(search("能美市").len(), 1);
    let addresses: Vec<String> = search("宝達").iter().map(Hit::address).collect();
    assert_eq!(addresses, ["羽咋郡宝達志水町宝達", "羽咋郡宝達志水町"]);
}

#[test]
fn exact_spelling_wins_over_folded_spelling() {
    // かほく市宇気 has both parts.
    assert_eq!(first("かほく市宇気い").0, "かほく市宇気い");
    assert_eq!(first("かほく市宇気イ").0, "かほく市宇気イ");
}

#[test]
fn a_filter_keeps_to_its_municipality() {
    let komatsu = MuniCode::new(17203).unwrap();
    let options = SearchOptions { limit: 100, municipality: Some(komatsu) };
    let hits = places().search("本町", options).unwrap();
    assert!(!hits.is_empty() && hits.iter().all(|h| h.municipality.code == komatsu));
    let elsewhere = SearchOptions { municipality: MuniCode::new(13101), ..options };
    assert_eq!(
        places().search("本町", elsewhere).unwrap_err(),
        SearchError::NoSuchMunicipality(MuniCode::new(13101).unwrap())
    );
}

#[test]
fn hostile_queries_are_refused_beside_one_that_is_not() {
    let ask = |q: &str| places().search(q, SearchOptions::default()).map(|h| h.len());
    assert_eq!(ask(&"町".repeat(MAX_QUERY_CHARS)), Ok(0));
    assert_eq!(ask(&"町".repeat(MAX_QUERY_CHARS + 1)), Err(SearchError::TooLong));
    assert_eq!(ask(&"a".repeat(1 << 20)), Err(SearchError::TooLong));
    assert_eq!(ask("\u{202e}\u{0}\u{7f} \u{200b}"), Err(SearchError::Empty));
    assert_eq!(ask("🏔 서울"), Err(SearchError::Empty));
    // One sign that NFKC expands to eighteen.
    assert!(ask(&"\u{fdfa}".repeat(MAX_QUERY_CHARS)).is_err());
    assert_eq!(Problem::from(SearchError::TooLong).code, "places.query-too-long");
}

#[test]
fn limits_hold() {
    let count = |limit| places().search("町", SearchOptions { limit, municipality: None }).unwrap().len();
    assert_eq!((count(0), count(5), count(9_999)), (1, 5, MAX_LIMIT));
}

#[test]
fn results_come_best_first_and_once() {
    for query in ["本町", "町", "金沢", "大", "いなほ", "本町 七尾"] {
        let options = SearchOptions { limit: MAX_LIMIT, municipality: None };
        let hits = places().search(query, options).unwrap();
        assert!(hits.windows(2).all(|w| w[0].kind <= w[1].kind), "{query}");
        let unique: HashSet<_> = hits.iter().map(Hit::address).collect();
        assert_eq!(unique.len(), hits.len(), "{query}");
    }
}

#[test]
fn edits() {
    let apart = one_edit_apart;
    assert!(apart("寺井町", "寺丼町") && apart("寺町", "寺井町") && apart("井寺町", "寺井町"));
    assert!(!apart("寺町", "寺井新町") && !apart("町井寺", "寺井町") && !apart("", "寺井"));
}

/// How the names of towns are distorted in the test below.
fn distort(name: &str, how: u8) -> String {
    let old: std::collections::HashMap<char, char> =
        crate::kanji::pairs().map(|(old, new)| (new, old)).collect();
    let one = |c: char| match (how % 4, c) {
        (1, '0'..='9' | 'a'..='z') => char::from_u32(c as u32 + 0xfee0).unwrap_or(c),
        (2, c) => *old.get(&c).unwrap_or(&c),
        (3, 'ァ'..='ヶ') => char::from_u32(c as u32 - 0x60).unwrap_or(c),
        (_, c) => c,
    };
    name.chars().map(one).collect()
}

fn finds_itself(town: &Town, query: &str) -> bool {
    search(query).iter().any(|h| h.town.is_some_and(|t| t.id == town.id))
}

#[test]
fn every_town_finds_itself_first_by_its_own_full_name() {
    for town in places().towns() {
        let name = places().address(town);
        let hits = search(&name);
        let hit = hits.first().unwrap();
        assert_eq!((hit.town.map(|t| t.id), hit.kind), (Some(town.id), MatchKind::Exact), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_town_finds_itself_however_it_is_written(
        row in 0usize..8_835, how in 0u8..4, prefecture: bool, spaces: bool, county: bool,
    ) {
        let town = &places().towns()[row];
        let m = places().by_code(town.municipality).unwrap();
        let gap = if spaces { "　" } else { "" };
        let muni = if county { m.address_name() } else { m.name.to_owned() };
        let prefecture = if prefecture { "石川県" } else { "" };
        let query = distort(&format!("{prefecture}{muni}{gap}{}{gap}{}", town.name, town.koaza), how);
        prop_assert!(finds_itself(town, &query), "{}", query);
    }

    #[test]
    fn no_query_panics(query in any::<String>(), limit: usize, code in 1000u32..47_999) {
        let municipality = MuniCode::new(code).filter(|_| limit % 2 == 0);
        let _ = places().search(&query, SearchOptions { limit, municipality });
    }

    #[test]
    fn no_scrap_of_an_address_panics(query in "[石川県金沢市能美町字大一二三十々ヶが0-9ー\\- のnomi]{0,24}") {
        let _ = places().search(&query, SearchOptions::default());
    }
}
