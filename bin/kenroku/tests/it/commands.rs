use base64::Engine as _;

use crate::process::{kenroku, run};

#[test]
fn a_wrong_configuration_is_told_whole_and_a_right_one_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("k.toml");
    std::fs::write(&file, "[server]\npubic = \"x\"\n[limits]\nbody = \"lots\"\n").unwrap();
    let check = |env: &[(&str, &str)]| {
        run(kenroku(dir.path()).args(["config", "check", "--config"]).arg(&file).envs(env.iter().copied()))
    };
    let (code, _, said) = check(&[]);
    assert_eq!(code, 78);
    assert!(
        said.contains("line 2: there is no setting “server.pubic”; did you mean “server.public”?"),
        "{said}"
    );
    assert!(
        said.contains("line 4: limits.body = \"lots\" is not accepted; it takes a size such as"),
        "{said}"
    );
    std::fs::write(&file, "[limits]\nbody = \"2MiB\"\n").unwrap();
    let (code, said, _) = check(&[]);
    assert_eq!((code, said.contains("nothing is wrong")), (0, true));
    assert_eq!(check(&[("KENROKU_LIMITS__BODY", "much")]).0, 78);
    let (code, _, said) = run(kenroku(dir.path()).args(["serve", "--config", "/no/such.toml"]));
    assert!(code == 66 && said.contains("/no/such.toml cannot be read"), "{code} {said}");
    assert_eq!(run(kenroku(dir.path()).arg("sing")).0, 64);
}

#[test]
fn settings_are_shown_with_their_origin() {
    let dir = tempfile::tempdir().unwrap();
    let (code, said, _) = run(kenroku(dir.path()).args(["config", "show"]));
    assert_eq!(code, 0);
    let line = said.lines().find(|l| l.starts_with("server.public")).unwrap();
    assert!(line.contains("127.0.0.1:0") && line.contains("(KENROKU_SERVER__PUBLIC;"), "{line}");
}

#[test]
fn a_folder_that_cannot_be_made_says_so() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let (code, _, said) = run(kenroku(dir.path()).arg("serve").env("KENROKU_DATA__FOLDER", "file/data"));
    assert!(code == 73 && said.contains("file/data cannot be written"), "{code} {said}");
}

#[test]
fn a_database_server_that_does_not_answer_says_what_to_check() {
    let dir = tempfile::tempdir().unwrap();
    let pg = |host: &str, database: &str| {
        let mut c = kenroku(dir.path());
        c.args(["migrate"]).env("KENROKU_STORE__ENGINE", "postgres").env("KENROKU_STORE__WAIT", "2s");
        c.env("KENROKU_STORE__HOST", host)
            .env("KENROKU_STORE__DATABASE", database)
            .env("KENROKU_STORE__USER", "postgres");
        run(&mut c)
    };
    let (code, _, said) = pg("/no/such/socket", "kenroku");
    assert!(code == 69 && said.contains("check store.host"), "{code} {said}");
    let Some(info) = kenroku_store::testing::postgres() else { return };
    let host = info.split_whitespace().find_map(|p| p.strip_prefix("host=")).unwrap();
    let (code, _, said) = pg(host, "no_such_database");
    assert!(code == 69 && said.contains("does not exist"), "{code} {said}");
}

#[test]
fn a_password_file_that_is_missing_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut c = kenroku(dir.path());
    c.arg("migrate").env("KENROKU_STORE__ENGINE", "postgres").env("KENROKU_STORE__PASSWORD_FILE", "/no/pw");
    let (code, _, said) = run(&mut c);
    assert!(
        code == 78 && said.contains("store.password_file names /no/pw") && said.contains("chmod 600"),
        "{said}"
    );
}

#[test]
fn accounts_are_made_listed_and_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pw");
    std::fs::write(&file, "a long enough passphrase\n").unwrap();
    let add = |login: &str, extra: &[&str]| {
        run(kenroku(dir.path()).args(["admin", "add-staff", login, "--password-file"]).arg(&file).args(extra))
    };
    let (code, said, err) = add("first.operator", &[]);
    assert!(code == 0 && said.contains("can sign in now"), "{said} {err}");
    assert_eq!(add("first.operator", &[]).0, 65, "the name is taken");
    assert_eq!(add("someone", &["--role", "king"]).0, 64);
    let (code, _, said) = add("someone", &["--tenant", "99999"]);
    assert!(code == 64 && said.contains("17211"), "{said}");
    std::fs::write(&file, "short\n").unwrap();
    let (code, _, said) = add("second", &[]);
    assert!(code == 65 && said.contains("password"), "{said}");
    let (_, said, _) = run(kenroku(dir.path()).args(["admin", "list-staff"]));
    assert!(said.contains("first.operator") && said.ends_with("1 accounts\n"), "{said}");
}

#[test]
fn a_signing_key_is_imported_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rs256.pem");
    let der = base64::engine::general_purpose::STANDARD.encode(kenroku_identity::op::demo::RSA_KEY);
    let import = |label: &str| {
        std::fs::write(&file, format!("-----BEGIN {label}-----\n{der}\n-----END {label}-----\n")).unwrap();
        run(kenroku(dir.path()).args(["admin", "import-signing-key"]).arg(&file))
    };
    let (code, _, said) = import("ENCRYPTED PRIVATE KEY");
    assert!(code == 65 && said.contains("without a password"), "{said}");
    let (code, said, err) = import("PRIVATE KEY");
    assert!(code == 0 && said.starts_with("key ") && said.contains(" signs from "), "{said} {err}");
    let (code, _, said) = import("PRIVATE KEY");
    assert!(code == 65 && said.contains("imported before"), "{said}");
}

#[test]
fn keys_are_issued_listed_and_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let admin = |args: &[&str]| run(kenroku(dir.path()).arg("admin").args(args));
    let (code, said, err) = admin(&["add-key", "川の水位計", "--tenant", "17211"]);
    assert!(code == 0 && said.starts_with("device "), "{said} {err}");
    let value = |said: &str, name: &str| {
        let line = said.lines().find_map(|l| l.strip_prefix(name)).unwrap();
        line.trim().to_owned()
    };
    let (device, id, key) = (value(&said, "device"), value(&said, "key id"), value(&said, "key  "));
    assert!(key.starts_with("krd_"), "{said}");
    // A further key of the same device, and a program with a scope.
    let (code, again, err) = admin(&["add-key", "水位計", "--tenant", "17211", "--holder", &device]);
    assert!(code == 0 && value(&again, "device") == device, "{again} {err}");
    let program = ["add-key", "事業者", "--tenant", "17211", "--scope", "snow.view-live", "--days", "30"];
    let (code, said, err) = admin(&program);
    assert!(code == 0 && value(&said, "key  ").starts_with("krc_"), "{said} {err}");
    assert_eq!(admin(&["add-key", "x", "--tenant", "17211", "--scope", "identity.view-own"]).0, 64);

    let (_, list, _) = admin(&["list-keys", "--tenant", "17211"]);
    assert!(list.ends_with("3 keys\n") && list.contains(&id) && !list.contains(&key), "{list}");
    assert!(admin(&["list-keys", "--tenant", "17000"]).1.ends_with("0 keys\n"), "another government's");
    assert_eq!(admin(&["revoke-key", &id, "--tenant", "17000"]).0, 65, "not theirs");
    assert_eq!(admin(&["revoke-key", &id, "--tenant", "17211"]).0, 0);
    assert_eq!(admin(&["revoke-key", &id, "--tenant", "17211"]).0, 65, "it was stopped before");
    assert_eq!(admin(&["revoke-key", "nonsense", "--tenant", "17211"]).0, 64);
    let (_, list, _) = admin(&["list-keys", "--tenant", "17211"]);
    assert_eq!(list.matches(" ended ").count(), 1, "{list}");
}

#[test]
fn a_copy_is_made_checked_and_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pw");
    std::fs::write(&file, "a long enough passphrase\n").unwrap();
    let add = |login: &str| {
        let (code, ..) =
            run(kenroku(dir.path()).args(["admin", "add-staff", login, "--password-file"]).arg(&file));
        assert_eq!(code, 0);
    };
    add("before");
    let (code, said, err) = run(kenroku(dir.path()).args(["backup", "copies"]));
    assert!(code == 0 && said.contains("complete and on the disk"), "{said} {err}");
    let mut names: Vec<_> = std::fs::read_dir(dir.path().join("copies"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names[0].starts_with("access-log-") && names[1].starts_with("kenroku-"), "{names:?}");
    assert_eq!((names[2].as_str(), names.len()), ("keys", 3), "{names:?}");
    let copy = dir.path().join("copies").join(&names[1]);
    add("after");
    let (code, said, err) = run(kenroku(dir.path()).arg("restore").arg(&copy));
    assert!(code == 0 && said.contains("is kept as"), "{said} {err}");
    let (_, said, _) = run(kenroku(dir.path()).args(["admin", "list-staff"]));
    assert!(said.contains("before") && !said.contains("after"), "{said}");
    let key_copy = std::fs::read_dir(dir.path().join("copies/keys")).unwrap().next().unwrap().unwrap().path();
    let (code, said, err) = run(kenroku(dir.path()).arg("restore").arg(&key_copy));
    assert!(code == 0 && said.contains("keys.db.before-restore"), "{said} {err}");
    assert_eq!(run(kenroku(dir.path()).args(["restore", "no-such-copy"])).0, 66);
    assert_eq!(run(kenroku(dir.path()).args(["restore", "pw"])).0, 65, "a file that is no copy");
}

#[test]
fn import_kinds_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(kenroku(dir.path()).arg("import")).0, 0);
    let (code, _, said) = run(kenroku(dir.path()).args(["import", "poems", "x"]));
    assert!(code == 64 && said.contains("there is no import kind “poems”"), "{said}");
}

#[test]
fn a_lost_master_key_is_told_and_the_right_one_opens() {
    let dir = tempfile::tempdir().unwrap();
    let list = || run(kenroku(dir.path()).args(["admin", "list-staff"]));
    assert_eq!(list().0, 0);
    let (key, aside) = (dir.path().join("data/master.key"), dir.path().join("aside"));
    std::fs::rename(&key, &aside).unwrap();
    let (code, _, said) = list();
    assert!(code == 78 && said.contains("put the master key back as"), "{code} {said}");
    assert!(!key.exists(), "no other key takes its place");
    std::fs::rename(&aside, &key).unwrap();
    assert_eq!(list().0, 0);
}

#[test]
fn the_access_log_is_compared_with_its_witness() {
    let dir = tempfile::tempdir().unwrap();
    let verify = |witness: &str| {
        let witness =
            if witness.is_empty() { String::new() } else { dir.path().join(witness).display().to_string() };
        run(kenroku(dir.path()).args(["admin", "verify-log"]).env("KENROKU_VAULT__WITNESS_FOLDER", witness))
    };
    assert_eq!(run(kenroku(dir.path()).args(["admin", "list-staff"])).0, 0);
    let (code, said, err) = verify("elsewhere");
    assert!(code == 0 && said.contains("the log is as it was witnessed"), "{said} {err}");
    let (code, said, _) = verify("");
    assert!(code == 0 && said.contains("vault.witness_folder is not set"), "{said}");
    let (code, _, said) = verify("data/inside");
    assert!(code == 78 && said.contains("lies in the data folder"), "{said}");
}

#[test]
fn a_table_is_anonymized_only_when_everything_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let mut table = "番号,年齢,職業,病名\n".to_owned();
    for i in 0..40 {
        let job = ["教員", "医師", "農業"][i % 3];
        table.push_str(&format!("{i},{},{job},{}\n", 20 + i, ["風邪", "骨折"][i / 2 % 2]));
    }
    write("in.csv", &table);
    write("jobs.csv", "教員,専門\n医師,専門\n農業,農林\n");
    let recipe = r#"
k = 4
[release]
title = "試し"
purpose = "試し"
recipient = "だれでも"
[checklist]
identifying = "年齢をまとめた"
codes = "なし"
linking = "番号を削除"
peculiar = "なし"
whole = "WHOLE"
[[column]]
name = "番号"
role = "identifier"
identifies = "link"
one-row-each = true
[[column]]
name = "年齢"
role = "quasi-identifier"
hierarchy = { kind = "ages", widths = [5, 10, 20] }
[[column]]
name = "職業"
role = "quasi-identifier"
hierarchy = { kind = "table", file = "jobs.csv" }
[[column]]
name = "病名"
role = "sensitive"
diversity = { kind = "distinct", l = 2 }
"#;
    let anonymize = |args: &[&str]| {
        run(kenroku(dir.path()).args(["anonymize", "--recipe", "r.toml", "--in", "in.csv"]).args(args))
    };
    write("r.toml", &recipe.replace("WHOLE", ""));
    let (code, said, _) = anonymize(&[]);
    assert_eq!(code, 0, "a draft needs no answers");
    assert!(said.contains("40 of 40 rows kept") && said.contains("nothing was written"), "{said}");
    let (code, _, said) = anonymize(&["--out", "out.csv"]);
    assert!(code == 65 && said.contains("1 steps of the checklist") && said.contains("第5号"), "{said}");
    assert!(!dir.path().join("out.csv").exists());

    write("r.toml", &recipe.replace("WHOLE", "人数を確かめた"));
    let (code, _, said) = anonymize(&["--out", "out.csv"]);
    assert_eq!(code, 0, "{said}");
    let out = std::fs::read_to_string(dir.path().join("out.csv")).unwrap();
    assert_eq!(out.lines().next(), Some("年齢,職業,病名"));
    let entry = std::fs::read_to_string(dir.path().join("out.csv.json")).unwrap();
    let entry: serde_json::Value = serde_json::from_str(&entry).unwrap();
    assert!(entry["achieved"]["k"].as_u64() >= Some(4));
    assert_eq!(entry["asked"]["seeded"], false);
    let (code, _, said) = anonymize(&["--out", "out.csv"]);
    assert!(code == 73 && said.contains("out.csv is there already"), "{said}");
    write("r.toml", &recipe.replace("k = 4", "k = 400"));
    let (code, _, said) = anonymize(&[]);
    assert!(code == 65 && said.contains("no combination of levels is good enough"), "{said}");
    write("r.toml", &recipe.replace("jobs.csv", "gone.csv"));
    assert!(anonymize(&[]).2.contains("gone.csv cannot be read"));
}
