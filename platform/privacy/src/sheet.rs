//! Sheets: what an officer fills in, field by field, as the forms of the law have it.

use std::collections::BTreeMap;

use crate::error::{PrivacyError, Result};

/// One field of a form.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Stable name.
    pub name: &'static str,
    /// Key of its label.
    pub label: &'static str,
    /// Whether it takes more than a line.
    pub long: bool,
    /// Whether it must be filled in.
    pub required: bool,
}

/// A filled-in form.
pub type Sheet = BTreeMap<String, String>;

/// Characters of a field at most.
pub const LONGEST: usize = 2_000;

/// Keeps the fields of the form and refuses what is missing or too long.
///
/// # Errors
/// [`PrivacyError::Input`] with every field at fault.
pub fn read(items: &'static [Item], pairs: &[(String, String)]) -> Result<Sheet> {
    let (mut out, mut faults) = (Sheet::new(), Vec::new());
    for item in items {
        let given = pairs.iter().find(|(n, _)| n == item.name).map_or("", |(_, v)| v.trim());
        let length = given.chars().count();
        if length > LONGEST || (item.required && length == 0) {
            faults.push((item.name, format!("write 1 to {LONGEST} characters")));
        }
        if !given.is_empty() {
            out.insert(item.name.to_owned(), given.to_owned());
        }
    }
    if faults.is_empty() { Ok(out) } else { Err(PrivacyError::Input(faults)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEMS: [Item; 2] = [
        Item { name: "a", label: "x", long: false, required: true },
        Item { name: "b", label: "y", long: true, required: false },
    ];

    #[test]
    fn a_form_takes_its_own_fields_only() {
        let given = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            read(&ITEMS, &pairs)
        };
        let sheet = given(&[("a", " 1 "), ("c", "2")]).unwrap();
        assert_eq!(sheet.into_iter().collect::<Vec<_>>(), [("a".to_owned(), "1".to_owned())]);
        assert!(given(&[("b", "1")]).is_err() && given(&[("a", " ")]).is_err());
        assert!(given(&[("a", &"あ".repeat(LONGEST + 1))]).is_err());
    }
}
