//! The municipalities of Ishikawa in their 二次医療圏 (医療法 §30の4; 石川県医療計画 has four).

/// The whole.
pub const PREFECTURE: &str = "石川県";

const AREAS: [(&str, &[&str]); 4] = [
    ("南加賀", &["小松市", "加賀市", "能美市", "川北町"]),
    ("石川中央", &["金沢市", "かほく市", "白山市", "野々市市", "津幡町", "内灘町"]),
    ("能登中部", &["七尾市", "羽咋市", "志賀町", "宝達志水町", "中能登町"]),
    ("能登北部", &["輪島市", "珠洲市", "穴水町", "能登町"]),
];

/// Municipality and medical area of a text that begins with the municipality.
pub fn find(text: &str) -> Option<(&'static str, &'static str)> {
    let text = text.strip_prefix(PREFECTURE).unwrap_or(text).trim_start();
    AREAS
        .iter()
        .flat_map(|(area, all)| all.iter().map(move |m| (*m, *area)))
        .find(|(m, _)| text.starts_with(m))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_nineteen_are_there_once_and_none_begins_another() {
        let all: Vec<&str> = AREAS.iter().flat_map(|(_, m)| m.iter().copied()).collect();
        assert_eq!(all.len(), 19);
        for a in &all {
            assert_eq!(all.iter().filter(|b| b.starts_with(a)).count(), 1, "{a}");
        }
        assert_eq!(find("石川県野々市市本町"), Some(("野々市市", "石川中央")));
        assert_eq!(find("福井市"), None);
    }
}
