//! The completeness check that every module runs over its own texts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fluent_syntax::ast::{CallArguments, Entry, Expression, InlineExpression, Pattern, PatternElement};

use super::phrase::kanji_without_reading;
use super::{Locale, LocaleFile, OWN};

/// Key → variables of one file.
type Inventory = BTreeMap<String, BTreeSet<String>>;

/// Checks the texts of one module against each other and against its sources; put it in a test:
///
/// ```text
/// #[test]
/// fn texts_are_complete() {
///     kenroku_ui::i18n::check(env!("CARGO_MANIFEST_DIR"), &kenroku_ui::locales!("snow", "../i18n")).unwrap();
/// }
/// ```
///
/// It demands: the same keys in every language, with the same variables; keys that start with the module's
/// name; a reading on every kanji of やさしい日本語; every key asked for by `t("…")` in `src` or `templates`
/// exists; every key is mentioned there as a literal.
///
/// # Errors
/// Everything that is wrong, one line each.
pub fn check(crate_dir: &str, files: &[LocaleFile]) -> Result<(), String> {
    let mut wrong = Vec::new();
    let mut by_locale = BTreeMap::new();
    for file in files {
        let inventory = inventory(file, &mut wrong);
        for key in inventory.keys().filter(|k| !k.starts_with(&format!("{}-", file.module))) {
            wrong.push(format!("{key}: keys of this module start with {}-", file.module));
        }
        by_locale.insert(file.locale.tag(), inventory);
    }
    let all: BTreeSet<&String> = by_locale.values().flat_map(BTreeMap::keys).collect();
    for locale in Locale::ALL {
        let Some(have) = by_locale.get(locale.tag()) else {
            wrong.push(format!("there is no {}.ftl", locale.tag()));
            continue;
        };
        for key in &all {
            if !have.contains_key(*key) {
                wrong.push(format!("{key} is missing in {}.ftl", locale.tag()));
            }
        }
    }
    for key in &all {
        let variables: BTreeSet<_> = by_locale.values().filter_map(|inventory| inventory.get(*key)).collect();
        if variables.len() > 1 {
            wrong.push(format!("{key} has different variables in the languages: {variables:?}"));
        }
    }
    let own = OWN.first().map(|f| inventory(f, &mut wrong)).unwrap_or_default();
    let (mentioned, asked) = keys_in_sources(Path::new(crate_dir));
    for key in all.iter().filter(|k| !mentioned.contains(**k)) {
        wrong.push(format!("{key} is not used in src or templates; delete it"));
    }
    for key in asked.iter().filter(|k| !all.contains(k) && !own.contains_key(*k)) {
        wrong.push(format!("{key} is asked for but does not exist"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn inventory(file: &LocaleFile, wrong: &mut Vec<String>) -> Inventory {
    let resource = match fluent_syntax::parser::parse(file.text) {
        Ok(resource) => resource,
        Err((resource, errors)) => {
            wrong.extend(errors.iter().map(|e| format!("{}.ftl: {e}", file.locale.tag())));
            resource
        }
    };
    let mut found = Inventory::new();
    for entry in resource.body {
        let Entry::Message(message) = entry else { continue };
        let mut seen = Seen::default();
        match &message.value {
            Some(value) => seen.pattern(value),
            None => wrong.push(format!("{} in {}.ftl has no text", message.id.name, file.locale.tag())),
        }
        if file.locale == Locale::Yasashii {
            for text in &seen.texts {
                if let Some(kanji) = kanji_without_reading(text) {
                    let id = message.id.name;
                    wrong.push(format!(
                        "{id} in ja-x-yasashii.ftl: 「{kanji}」 has no reading; write 漢字《かんじ》"
                    ));
                }
            }
        }
        if found.insert(message.id.name.to_owned(), seen.variables).is_some() {
            wrong.push(format!("{} stands twice in {}.ftl", message.id.name, file.locale.tag()));
        }
    }
    found
}

/// What a pattern refers to, and its pieces of text.
#[derive(Default)]
struct Seen {
    variables: BTreeSet<String>,
    texts: Vec<String>,
}

impl Seen {
    fn pattern(&mut self, pattern: &Pattern<&str>) {
        let mut text = String::new();
        for element in &pattern.elements {
            match element {
                PatternElement::TextElement { value } => text.push_str(value),
                PatternElement::Placeable { expression } => {
                    text.push('\u{FFFC}');
                    self.expression(expression);
                }
            }
        }
        self.texts.push(text);
    }

    fn expression(&mut self, expression: &Expression<&str>) {
        match expression {
            Expression::Inline(inline) => self.inline(inline),
            Expression::Select { selector, variants } => {
                self.inline(selector);
                variants.iter().for_each(|v| self.pattern(&v.value));
            }
        }
    }

    fn inline(&mut self, inline: &InlineExpression<&str>) {
        match inline {
            InlineExpression::VariableReference { id } => {
                self.variables.insert(id.name.to_owned());
            }
            InlineExpression::FunctionReference { arguments, .. } => self.arguments(arguments),
            InlineExpression::TermReference { arguments: Some(arguments), .. } => self.arguments(arguments),
            InlineExpression::Placeable { expression } => self.expression(expression),
            _ => {}
        }
    }

    fn arguments(&mut self, arguments: &CallArguments<&str>) {
        arguments.positional.iter().for_each(|a| self.inline(a));
        arguments.named.iter().for_each(|a| self.inline(&a.value));
    }
}

/// Every string literal of the sources that could be a key, and those that `t("…")` asks for.
fn keys_in_sources(crate_dir: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut mentioned, mut asked) = (BTreeSet::new(), BTreeSet::new());
    let mut folders = vec![crate_dir.join("src"), crate_dir.join("templates")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|e| e.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(source) = std::fs::read_to_string(&path) {
                let source = source.split("#[cfg(test)]").next().unwrap_or_default();
                literals(source, &mut mentioned, &mut asked);
            }
        }
    }
    (mentioned, asked)
}

fn literals(source: &str, mentioned: &mut BTreeSet<String>, asked: &mut BTreeSet<String>) {
    for line in source.lines().filter(|l| !l.trim_start().starts_with("//")) {
        let mut rest = line;
        while let Some(at) = rest.find('"') {
            let (before, after) = (&rest[..at], &rest[at + 1..]);
            let end = after.find('"').unwrap_or(after.len());
            let word = &after[..end];
            let key = word.contains('-')
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if key {
                mentioned.insert(word.to_owned());
                if before.ends_with(".t(") {
                    asked.insert(word.to_owned());
                }
            }
            // The closing quote of this literal may open the next: HTML attributes hold expressions.
            rest = if key { after.get(end + 1..).unwrap_or_default() } else { after };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_this_crate_are_complete() {
        check(env!("CARGO_MANIFEST_DIR"), &OWN).unwrap();
    }

    #[test]
    fn each_fault_is_named() {
        let file = |locale, text| LocaleFile { module: "t", locale, text };
        let files = [
            file(Locale::Ja, "t-a = { $n }件\nt-b = b"),
            file(Locale::Yasashii, "t-a = { $n }件\nt-b = b"),
            file(Locale::En, "t-a = { $m }\nother = c"),
        ];
        let report = check("/nonexistent", &files).unwrap_err();
        for part in [
            "other: keys of this module start with t-",
            "t-b is missing in en.ftl",
            "other is missing in ja.ftl",
            "t-a has different variables",
            "「件」 has no reading",
            "t-a is not used",
        ] {
            assert!(report.contains(part), "{part} not in\n{report}");
        }
    }

    #[test]
    fn literals_are_found_in_rust_and_in_html() {
        let (mut mentioned, mut asked) = (BTreeSet::new(), BTreeSet::new());
        literals(
            "<p aria-label=\"{{ page.t(\"t-one\") }}\" class=\"kr-x\">\n State::Done => \"t-two\",\n// \"t-three\"",
            &mut mentioned,
            &mut asked,
        );
        assert!(asked.contains("t-one") && !asked.contains("t-two"));
        assert!(mentioned.contains("t-two") && !mentioned.contains("t-three"));
    }
}
