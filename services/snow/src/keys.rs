//! Keys of devices. A key is shown once, typed into a phone by a gloved hand, and kept only as a hash.

use kenroku_types::Rng;

/// Crockford's base 32 in lower case: no i, l, o, u.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A fresh key: 100 random bits in five groups of four letters.
pub fn fresh(rng: &Rng) -> String {
    let bytes: [u8; 20] = rng.bytes();
    let letter = |b: &u8| char::from(LETTERS[usize::from(b % 32)]);
    let groups: Vec<String> = bytes.chunks(4).map(|c| c.iter().map(letter).collect()).collect();
    groups.join("-")
}

/// What is kept of a key: SHA-256 over its letters. A key has 100 bits, so no slow hash is needed. Case, blanks and
/// dashes do not matter, and letters that look like digits count as those.
pub fn hash(key: &str) -> Vec<u8> {
    let plain: String = key
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            c => c,
        })
        .collect();
    ring::digest::digest(&ring::digest::SHA256, plain.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_being_typed() {
        let key = fresh(&Rng::seeded(1));
        assert_eq!(key.len(), 24);
        assert_eq!(hash(&key), hash(&key.to_uppercase().replace('-', " ")));
        assert_ne!(hash(&key), hash(&fresh(&Rng::seeded(2))));
        assert_eq!(hash("0101-1"), hash("O1oL-i"));
    }
}
