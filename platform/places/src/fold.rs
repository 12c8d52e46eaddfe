//! One spelling for all the ways an address is written.
//!
//! [`fold`] maps a text to a key; two texts that a reader takes for the same place have the same key:
//!
//! | written | key |
//! |---|---|
//! | full and half width, compatibility characters (NFKC, UAX #15) | ｔｏｗｎ → `town`, ﾆ → ニ |
//! | old forms and variants ([`crate::kanji`]) | 澤 → 沢, 嶋 → 島 |
//! | hiragana, katakana, small kana | つ ッ っ → ツ |
//! | ヶ ヵ ケ が ガ; 之 乃 の ノ | 太陽が丘 太陽ヶ丘 → 太陽ケ丘; 一之宮 → 1ノ宮 |
//! | numerals in kanji | 十二丁目 → 12丁目, 三ツ屋 → 3ツ屋 |
//! | 々 | 野々市 → 野野市 |
//! | 大字, 字 | left out |
//! | hyphens of every kind, ー included | `-` between digits, otherwise left out |
//! | spaces, 、 ・ and the like | one space: they separate tokens |
//! | marks, controls, variation selectors, other scripts | left out |
//!
//! Folding is idempotent. It loses what tells イ from い; [`crate::search`] ranks the exact spelling first.

use unicode_normalization::UnicodeNormalization;

use crate::kanji;

/// The key of a text: tokens separated by single spaces.
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for token in text.nfkc().collect::<String>().split(is_separator) {
        let key = fold_token(token);
        if !key.is_empty() {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&key);
        }
    }
    out
}

/// The text without width variants, spaces and everything that [`fold`] leaves out unseen, but with its own
/// characters: tells イ from い and 字 from nothing.
pub(crate) fn plain(text: &str) -> String {
    text.nfkc().filter(|c| is_kept(*c)).collect()
}

fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '、' | '。' | ',' | '.' | '・' | '/' | ';' | ':' | '(' | ')' | '「' | '」')
}

fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{ad}' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2500}' | '\u{30fc}' | '\u{3161}')
}

/// ASCII letters and digits, kana and ideographs. Nothing outside this set reaches a key, so that no two
/// characters of a key can compose under NFKC and folding twice changes nothing.
fn is_kept(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, 'ぁ'..='ゖ' | 'ァ'..='ヺ' | '々' | '〇')
        || matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}')
        || matches!(c, '\u{20000}'..='\u{3ffff}')
}

fn fold_token(token: &str) -> String {
    let mut chars: Vec<char> = Vec::with_capacity(token.len() / 3 + 1);
    for c in token.chars() {
        match c {
            c if is_hyphen(c) => chars.push('-'),
            '々' => chars.extend(chars.last().copied().filter(|c| *c != '-')),
            '字' => {
                if chars.last() == Some(&'大') {
                    chars.pop();
                }
            }
            c => chars.extend(Some(letter(c)).filter(|c| is_kept(*c))),
        }
    }
    keep_hyphens_between_digits(&arabic(&chars))
}

/// The letter that stands for this one in a key.
fn letter(c: char) -> char {
    let c = match c {
        // Hiragana lies 0x60 below katakana.
        'ぁ'..='ゖ' => char::from_u32(c as u32 + 0x60).unwrap_or(c),
        'ā' | 'Ā' => 'a',
        'ī' | 'Ī' => 'i',
        'ū' | 'Ū' => 'u',
        'ē' | 'Ē' => 'e',
        'ō' | 'Ō' => 'o',
        '𠮷' => '吉',
        c => kanji::modern(c),
    };
    match c {
        'ヶ' | 'ヵ' | 'ガ' => 'ケ',
        'ァ' => 'ア',
        'ィ' => 'イ',
        'ゥ' => 'ウ',
        'ェ' => 'エ',
        'ォ' => 'オ',
        'ッ' => 'ツ',
        'ャ' => 'ヤ',
        'ュ' => 'ユ',
        'ョ' => 'ヨ',
        'ヮ' => 'ワ',
        '之' | '乃' => 'ノ',
        c => c.to_ascii_lowercase(),
    }
}

fn numeral(c: char) -> Option<u32> {
    "〇一二三四五六七八九".chars().position(|d| d == c).map(|d| d as u32).or(match c {
        '零' => Some(0),
        '壱' => Some(1),
        '弐' => Some(2),
        '十' => Some(10),
        _ => None,
    })
}

/// Writes every run of kanji numerals in digits: as a number where it is one below 100 (二十一 → 21), else
/// sign by sign. 百, 千 and 万 are left: in names of places they are seldom numbers that people write in digits.
fn arabic(chars: &[char]) -> Vec<char> {
    let mut out = Vec::with_capacity(chars.len());
    let mut rest = chars;
    while let [first, after @ ..] = rest {
        let run: Vec<u32> = rest.iter().map_while(|c| numeral(*c)).collect();
        rest = if run.is_empty() {
            out.push(*first);
            after
        } else {
            let digits: String = match run.as_slice() {
                [t, 10, u] if *t < 10 && *u < 10 => (t * 10 + u).to_string(),
                [10, u] if *u < 10 => (10 + u).to_string(),
                [t, 10] if *t < 10 => (t * 10).to_string(),
                all => all.iter().map(u32::to_string).collect(),
            };
            out.extend(digits.chars());
            &rest[run.len()..]
        };
    }
    out
}

fn keep_hyphens_between_digits(chars: &[char]) -> String {
    let digit = |c: Option<&char>| c.is_some_and(char::is_ascii_digit);
    let mut out = String::with_capacity(chars.len() * 3);
    for (i, c) in chars.iter().enumerate() {
        let between = digit(i.checked_sub(1).and_then(|j| chars.get(j))) && digit(chars.get(i + 1));
        if *c != '-' || between {
            out.push(*c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_place_have_one_key() {
        let groups: [&[&str]; 9] = [
            &["太陽が丘三丁目", "太陽ヶ丘３丁目", "太陽ケ丘 3丁目", "太陽ガ丘三丁目"],
            &["野々市市", "野野市市", "埜々市市"],
            &["字田子島", "大字田子島", "田子嶋", "田子島"],
            &["一之宮", "一ノ宮", "1の宮", "壱ノ宮"],
            &["三ツ屋町", "三っ屋町", "３ツ屋町", "三ッ屋町"],
            &["沢野町", "澤野町", "澤\u{e0100}野町", "\u{202e}澤野町"],
            &["二十一丁目", "21丁目", "２１丁目"],
            &["ﾆ23", "ニ２３", "に23"],
            &["湖北1-2", "湖北１－２", "湖北1ー2", "湖北一‐二"],
        ];
        for group in groups {
            let keys: Vec<String> = group.iter().map(|t| fold(t).replace(' ', "")).collect();
            assert!(keys.windows(2).all(|w| w[0] == w[1]), "{group:?} → {keys:?}");
        }
    }

    #[test]
    fn different_places_keep_different_keys() {
        for (a, b) in [("坂町", "阪町"), ("イ", "ヰ"), ("小松", "松小"), ("一丁目", "十一丁目"), ("畑", "畠")]
        {
            assert_ne!(fold(a), fold(b));
        }
    }

    #[test]
    fn separators_make_tokens_and_the_rest_vanishes() {
        assert_eq!(fold("　能美市、 寺井町  た・35 "), "能美市 寺井町 タ 35");
        assert_eq!(fold("Nomi-shi"), "nomishi");
        assert_eq!(fold("Hōdatsushimizu"), "hodatsushimizu");
        assert_eq!(fold("\u{0}\u{7}\u{200b}\u{feff}"), "");
        assert_eq!(fold("-1--2-"), "12");
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,60}|[ぁ-んァ-ヶ一二三十字大々之ヶ0-9ー\\-\u{3099} ]{0,20}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once.clone());
        }

        #[test]
        fn any_text_folds(text in any::<String>()) {
            let key = fold(&text);
            prop_assert!(key.chars().all(|c| is_kept(c) || c == ' ' || c == '-'));
        }
    }
}
