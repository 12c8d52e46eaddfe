//! Releases: published examples, promises kept, refusals beside successes.

use std::collections::BTreeMap;

use kenroku_anonymize::config::ColumnConfig;
use kenroku_anonymize::privacy::Diversity;
use kenroku_anonymize::search::SearchError;
use kenroku_anonymize::{Config, Error, Hierarchy, Role, Step, Table, anonymize, anonymize_within};
use kenroku_types::Rng;
use proptest::prelude::*;

/// The inpatients of Machanavajjhala et al. 2007, figure 1.
const INPATIENTS: &str = "zip,age,nationality,condition
13053,28,Russian,Heart Disease
13068,29,American,Heart Disease
13068,21,Japanese,Viral Infection
13053,23,American,Viral Infection
14853,50,Indian,Cancer
14853,55,Russian,Heart Disease
14850,47,American,Viral Infection
14850,49,American,Viral Infection
13053,31,American,Cancer
13053,37,Indian,Cancer
13068,36,Japanese,Cancer
13068,35,American,Cancer
";

const HEAD: &str = r#"
k = 4
[release]
title = "入院患者"
purpose = "例"
recipient = "読者"
[checklist]
identifying = "年齢と郵便番号をまとめた"
codes = "含まれていない"
linking = "含まれていない"
peculiar = "調べた"
whole = "組ごとの人数を確かめた"
"#;

fn inpatients() -> Config {
    let text = format!(
        "{HEAD}
[[column]]
name = \"zip\"
role = \"quasi-identifier\"
hierarchy = {{ kind = \"table\", file = \"zip\" }}
[[column]]
name = \"age\"
role = \"quasi-identifier\"
hierarchy = {{ kind = \"table\", file = \"age\" }}
[[column]]
name = \"nationality\"
role = \"quasi-identifier\"
[[column]]
name = \"condition\"
role = \"sensitive\"
"
    );
    Config::parse(&text, &mut |name| {
        Ok(match name {
            "zip" => "13053,130**\n13068,130**\n14853,1485*\n14850,1485*\n".to_owned(),
            _ => (20..60)
                .map(|a| {
                    format!(
                        "{a},{}\n",
                        if a < 30 {
                            "<30"
                        } else if a < 40 {
                            "3*"
                        } else {
                            "≥40"
                        }
                    )
                })
                .collect(),
        }
        .into_bytes())
    })
    .unwrap()
}

fn classes(table: &Table, quasi: &[&str]) -> BTreeMap<Vec<String>, usize> {
    let mut all = BTreeMap::new();
    for row in 0..table.rows() {
        let key = quasi.iter().map(|q| table.column(q).unwrap().text(row).to_owned()).collect();
        *all.entry(key).or_default() += 1;
    }
    all
}

#[test]
fn the_published_four_anonymous_table_comes_out() {
    let table = Table::read(INPATIENTS.as_bytes()).unwrap();
    let release = anonymize(&table, &inpatients(), &Rng::seeded(1)).unwrap();
    let classes = classes(&release.table, &["zip", "age", "nationality"]);
    let expected = [["130**", "3*", "*"], ["130**", "<30", "*"], ["1485*", "≥40", "*"]];
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), expected.map(|c| (c.map(str::to_owned).to_vec(), 4)));
    let d = &release.description;
    assert_eq!((d.achieved.k, d.achieved.classes, d.suppressed), (4, 3, 0));
    assert_eq!(
        d.achieved.sensitive[0].distinct, 1,
        "everybody in the thirties has cancer: the homogeneity attack"
    );
    assert!((d.risks.prosecutor.highest - 0.25).abs() < 1e-12);
    assert_eq!(d.risks_before.uniques, 12);
    assert_eq!(d.input_sha256, table.sha256());
    let published = release.clone().publish(&inpatients()).unwrap();
    assert_eq!(Table::read(published.csv.as_bytes()).unwrap().sha256(), release.description.output_sha256);
    let json = serde_json::to_value(&published.description).unwrap();
    assert_eq!(json["columns"][0]["level"], serde_json::json!([1, 2]));
}

#[test]
fn diversity_repairs_what_k_alone_lets_through() {
    let table = Table::read(INPATIENTS.as_bytes()).unwrap();
    let mut config = inpatients();
    config.columns[3].diversity = Some(Diversity::Distinct { l: 3 });
    let release = anonymize(&table, &config, &Rng::seeded(1)).unwrap();
    assert!(release.description.achieved.sensitive[0].distinct >= 3);
    config.columns[3].diversity = Some(Diversity::Distinct { l: 4 });
    let refused = anonymize(&table, &config, &Rng::seeded(1)).unwrap_err();
    assert!(matches!(refused, Error::Search(SearchError::Impossible { least: 12, limit: 0 })), "{refused}");
}

#[test]
fn a_configuration_that_does_not_fit_is_refused_with_the_column() {
    let table = Table::read(INPATIENTS.as_bytes()).unwrap();
    let refused = |change: fn(&mut Config)| {
        let mut config = inpatients();
        change(&mut config);
        anonymize(&table, &config, &Rng::seeded(1)).unwrap_err().to_string()
    };
    assert!(refused(|c| c.columns.truncate(3)).contains("“condition” has no role"));
    let more = |c: &mut Config| c.columns.push(ColumnConfig::new("氏名", Role::Identifier));
    assert!(refused(more).contains("“氏名”, which the table does not have"));
    assert!(refused(|c| c.columns[1].to = Some(9)).contains("levels are 0 to 2"));
    let ages = |c: &mut Config| c.columns[2].hierarchy = Some(Hierarchy::Ages { widths: vec![5], top: None });
    let told = refused(ages);
    assert!(told.contains("“nationality”: 4 different values") && !told.contains("Russian"), "{told}");
    let id = |c: &mut Config| {
        c.columns[2].role = Role::Identifier;
        c.columns[2].one_row_each = true;
    };
    assert!(refused(id).contains("4 values stand in more than one row"));
    assert!(anonymize(&table, &inpatients(), &Rng::seeded(1)).is_ok());
}

#[test]
fn nothing_is_published_before_everything_is_answered() {
    let mut text =
        INPATIENTS.replace("condition", "condition,memo").replace("Cancer\n", "Cancer,a@example.jp\n");
    text = text.replace("Disease\n", "Disease,-\n").replace("Infection\n", "Infection,-\n");
    let table = Table::read(text.as_bytes()).unwrap();
    let mut config = inpatients();
    config.columns.push(ColumnConfig::new("memo", Role::Insensitive));
    config.checklist.whole = String::new();
    let release = anonymize(&table, &config, &Rng::seeded(1)).unwrap();
    let open = release.publish(&config).unwrap_err();
    assert_eq!((open.steps.as_slice(), open.findings.len()), (&[Step::Whole][..], 1));
    config.checklist.whole = "組ごとの人数を確かめた".to_owned();
    config.columns[4].checked = "窓口の共用アドレスで、個人のものではない".to_owned();
    let release = anonymize(&table, &config, &Rng::seeded(1)).unwrap();
    let published = release.publish(&config).unwrap();
    let seen = &published.description.checklist.items;
    assert!(seen[0].seen.iter().any(|s| s.contains("memo") && s.contains("メールアドレス")));
    assert!(seen[4].seen.iter().any(|s| s.contains("1,000人に満たない")));
}

#[test]
fn the_journalist_counts_in_the_population() {
    let table = Table::read(INPATIENTS.as_bytes()).unwrap();
    // Everybody twice, and some more in one class.
    let body = INPATIENTS.split_once('\n').unwrap().1;
    let people = format!("{INPATIENTS}{body}13053,22,Russian,-\n13053,22,Indian,-\n");
    let population = Table::read(people.as_bytes()).unwrap();
    let within =
        |p: &Table| anonymize_within(&table, Some(p), &inpatients(), &Rng::seeded(1), &mut |_, _| {});
    let release = within(&population).unwrap();
    let risks = &release.description.risks;
    assert_eq!(risks.journalist.as_ref().unwrap().highest, 0.125);
    assert!((risks.marketer - (4.0 / 10.0 + 0.5 + 0.5) / 12.0).abs() < 1e-12);
    let smaller = Table::read(INPATIENTS.replace("13068,35", "14850,45").as_bytes()).unwrap();
    let refused = within(&smaller).unwrap_err();
    assert_eq!(refused, Error::Population(1));
    let mut sampled = inpatients();
    sampled.sampled = Some(0.5);
    let release = anonymize(&table, &sampled, &Rng::seeded(1)).unwrap();
    assert_eq!(release.description.risks.journalist.as_ref().unwrap().highest, 0.125);
}

#[test]
fn ends_are_put_together() {
    let table = Table::read(b"sex,cost\nf,10\nf,990\nm,\nm,500\nf,1200\nm,40\n").unwrap();
    let mut config = inpatients();
    config.k = 3;
    let mut cost = ColumnConfig::new("cost", Role::Insensitive);
    cost.top = Some("900".parse().unwrap());
    cost.bottom = Some("50".parse().unwrap());
    config.columns = vec![ColumnConfig::new("sex", Role::QuasiIdentifier), cost];
    let release = anonymize(&table, &config, &Rng::seeded(4)).unwrap();
    let mut costs: Vec<&str> = (0..6).map(|r| release.table.column("cost").unwrap().text(r)).collect();
    costs.sort_unstable();
    assert_eq!(costs, ["", "500", "50未満", "50未満", "900以上", "900以上"]);
    let words = Table::read(b"sex,cost\nf,ten\nf,1\nf,2\n").unwrap();
    assert!(matches!(anonymize(&words, &config, &Rng::seeded(4)), Err(Error::NotNumbers { values: 1, .. })));
}

#[test]
fn a_search_that_would_never_end_is_refused() {
    let names: Vec<String> = (0..22).map(|i| format!("c{i}")).collect();
    let row = vec!["x"; 22].join(",");
    let table = Table::read(format!("{}\n{row}\n{row}\n", names.join(",")).as_bytes()).unwrap();
    let mut config = inpatients();
    config.k = 2;
    config.columns = names.iter().map(|n| ColumnConfig::new(n, Role::QuasiIdentifier)).collect();
    let refused = anonymize(&table, &config, &Rng::seeded(1)).unwrap_err();
    assert_eq!(refused, Error::Search(SearchError::TooManyNodes));
    config.columns[0].to = Some(0);
    assert_eq!(anonymize(&table, &config, &Rng::seeded(1)).unwrap().table.rows(), 2);
}

#[test]
fn the_order_comes_from_the_seed_and_not_from_the_table() {
    let table = Table::read(INPATIENTS.as_bytes()).unwrap();
    let order = |seed| anonymize(&table, &inpatients(), &Rng::seeded(seed)).unwrap().table.write();
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
    let release = anonymize(&table, &inpatients(), &Rng::system()).unwrap();
    assert!(!release.description.asked.seeded);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever comes in: what comes out keeps its promises.
    #[test]
    fn promises_are_kept(
        rows in prop::collection::vec((0u32..100, 0usize..4, 0u32..5), 5..120),
        k in 2u32..6, share in 0.0f64..0.5, seed in any::<u64>(),
    ) {
        const TOWNS: [&str; 4] = ["能美市辰口町", "能美市寺井町", "小松市", "輪島市"];
        let mut text = "番号,年齢,町,結果\n".to_owned();
        for (i, (age, town, result)) in rows.iter().enumerate() {
            text.push_str(&format!("{i},{age},{},{result}\n", TOWNS[*town]));
        }
        let mut config = inpatients();
        config.k = k;
        config.suppression = share;
        let mut number = ColumnConfig::new("番号", Role::Identifier);
        number.one_row_each = true;
        let mut age = ColumnConfig::new("年齢", Role::QuasiIdentifier);
        age.hierarchy = Some(Hierarchy::Ages { widths: vec![5, 10, 20], top: Some(90) });
        let mut town = ColumnConfig::new("町", Role::QuasiIdentifier);
        town.hierarchy = Some(Hierarchy::Places {});
        let mut result = ColumnConfig::new("結果", Role::Sensitive);
        result.diversity = Some(Diversity::Entropy { l: 1.2 });
        config.columns = vec![number, age, town, result];
        let table = Table::read(text.as_bytes()).unwrap();
        let Ok(release) = anonymize(&table, &config, &Rng::seeded(seed)) else { return Ok(()) };
        let d = &release.description;
        prop_assert!(release.table.column("番号").is_none());
        prop_assert!(d.suppressed as f64 <= share * rows.len() as f64 + 1e-6);
        prop_assert_eq!(release.table.rows() + d.suppressed, rows.len());
        let sizes = classes(&release.table, &["年齢", "町"]);
        prop_assert!(sizes.values().all(|n| *n >= k as usize));
        prop_assert_eq!(sizes.values().min().map(|n| *n as u32), Some(d.achieved.k));
        prop_assert_eq!(sizes.len(), d.achieved.classes);
        prop_assert!(d.achieved.sensitive[0].entropy >= 1.2 - 1e-9);
        prop_assert!(d.losses.loss >= 0.0 && d.losses.loss <= 1.0);
        // Each published row is a row of the table, made coarser: the results are the same, those suppressed aside.
        for (result, n) in classes(&release.table, &["結果"]) {
            prop_assert!(n <= rows.iter().filter(|r| r.2.to_string() == result[0]).count());
        }
    }
}
