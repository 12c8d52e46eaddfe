//! QR codes (JIS X 0510, ISO/IEC 18004) as drawings: an address that somebody would otherwise type from paper.
//!
//! What stands in a code stands beside it in letters: whoever has no camera loses nothing. A code holds no secret that
//! would thereby get into the address bar of a browser.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

use crate::i18n::phrase::escaped;
use crate::parts::Drawing;

/// The rim of light modules that readers need (§5.3.8).
const QUIET: usize = 4;

/// A code that holds `text`, named by `label` for people who do not see it. `None` for a text that no code holds (more
/// than 2,331 bytes at this level of correction).
pub fn code(text: &str, label: &str) -> Option<Drawing> {
    // Paper gets folded and damp: a seventh of the modules may be lost.
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let side = width + 2 * QUIET;
    let mut out = format!(r#"<svg class="kr-qr" viewBox="0 0 {side} {side}" role="img" aria-label=""#);
    out.push_str(&escaped(label));
    // The ground is drawn too: on a dark page the rim must stay light.
    let _ = write!(
        out,
        r#""><path class="kr-qr__ground" d="M0 0h{side}v{side}H0z"/><path class="kr-qr__dark" d=""#
    );
    for (y, row) in code.to_colors().chunks(width).enumerate() {
        let mut x = 0;
        // Neighbours are one stroke: fewer bytes, and no seams between modules.
        for run in row.chunk_by(|a, b| a == b) {
            if run.first() == Some(&Color::Dark) {
                let (x, y, n) = (x + QUIET, y + QUIET, run.len());
                // Writing into a String cannot fail.
                let _ = write!(out, "M{x} {y}h{n}v1h-{n}z");
            }
            x += run.len();
        }
    }
    out.push_str(r#""/></svg>"#);
    Some(Drawing(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules that a drawing shows dark, as rows of the whole square.
    fn dark(drawing: &str, side: usize) -> Vec<Vec<bool>> {
        let mut all = vec![vec![false; side]; side];
        let path = drawing.split(r#"kr-qr__dark" d=""#).nth(1).unwrap().split('"').next().unwrap();
        for stroke in path.split('M').filter(|s| !s.is_empty()) {
            let numbers: Vec<usize> =
                stroke.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            let [x, y, length, 1, back] = numbers[..] else { panic!("{stroke}") };
            assert_eq!(back, length, "a stroke of one module's height");
            for at in &mut all[y][x..x + length] {
                assert!(!*at, "twice");
                *at = true;
            }
        }
        all
    }

    #[test]
    fn it_shows_the_modules_of_the_code_within_a_light_rim() {
        let text = "https://portal.example.jp/id/start?user=1234-5678";
        let drawing = code(text, "紙の「ページ」").unwrap().to_string();
        let known = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        let side = known.width() + 8;
        assert!(drawing.contains(&format!(r#"viewBox="0 0 {side} {side}""#)));
        assert!(drawing.contains(r#"role="img" aria-label="紙の「ページ」""#));
        for (y, row) in dark(&drawing, side).into_iter().enumerate() {
            for (x, shown) in row.into_iter().enumerate() {
                let inside = (4..side - 4).contains(&x) && (4..side - 4).contains(&y);
                let is = inside && known[(x - 4, y - 4)] == Color::Dark;
                assert_eq!(shown, is, "{x} {y}");
            }
        }
    }

    #[test]
    fn labels_are_escaped_and_what_is_too_long_has_none() {
        assert!(code("x", "\"><script>").unwrap().to_string().contains("&quot;&gt;&lt;script&gt;"));
        assert_eq!(code(&"x".repeat(2332), ""), None);
        assert!(code(&"x".repeat(2331), "").is_some());
    }
}
