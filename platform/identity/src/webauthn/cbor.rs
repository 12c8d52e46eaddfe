//! Reading CBOR (RFC 8949) as far as authenticators write it: definite lengths, no tags, no floats, shallow.

/// More nesting than any authenticator uses.
const DEPTH: u8 = 8;

/// A value that borrows from its bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Major types 0 and 1.
    Int(i64),
    /// Major type 2.
    Bytes(&'a [u8]),
    /// Major type 3.
    Text(&'a str),
    /// Major type 4.
    Array(Vec<Value<'a>>),
    /// Major type 5, in the order written.
    Map(Vec<(Value<'a>, Value<'a>)>),
    /// `true` and `false`.
    Bool(bool),
    /// `null` and `undefined`.
    Null,
}

impl<'a> Value<'a> {
    /// The entry of a map under an integer key (COSE, RFC 9052 §7).
    pub fn at(&self, key: i64) -> Option<&Value<'a>> {
        self.entry(&Value::Int(key))
    }

    /// The entry of a map under a text key.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.entry(&Value::Text(key))
    }

    fn entry(&self, key: &Value<'_>) -> Option<&Value<'a>> {
        let Value::Map(entries) = self else { return None };
        entries.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// The number.
    pub fn int(&self) -> Option<i64> {
        if let Value::Int(i) = self { Some(*i) } else { None }
    }

    /// The bytes.
    pub fn bytes(&self) -> Option<&'a [u8]> {
        if let Value::Bytes(b) = self { Some(b) } else { None }
    }

    /// The text.
    pub fn text(&self) -> Option<&'a str> {
        if let Value::Text(t) = self { Some(t) } else { None }
    }
}

/// Reads one value from the start; what is left is returned with it. `None` for anything not understood whole,
/// and for a map with a key twice.
pub fn read(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    value(bytes, DEPTH)
}

fn value(bytes: &[u8], depth: u8) -> Option<(Value<'_>, &[u8])> {
    let depth = depth.checked_sub(1)?;
    let (first, rest) = bytes.split_first()?;
    let (major, info) = (first >> 5, first & 31);
    if major == 7 {
        return match info {
            20 => Some((Value::Bool(false), rest)),
            21 => Some((Value::Bool(true), rest)),
            22 | 23 => Some((Value::Null, rest)),
            _ => None,
        };
    }
    let (n, rest) = argument(info, rest)?;
    match major {
        0 => Some((Value::Int(i64::try_from(n).ok()?), rest)),
        1 => Some((Value::Int(-1 - i64::try_from(n).ok()?), rest)),
        2 => {
            let (b, rest) = cut(rest, n)?;
            Some((Value::Bytes(b), rest))
        }
        3 => {
            let (b, rest) = cut(rest, n)?;
            Some((Value::Text(std::str::from_utf8(b).ok()?), rest))
        }
        4 => {
            let (mut items, mut rest) = (Vec::new(), rest);
            for _ in 0..n {
                let (item, more) = value(rest, depth)?;
                items.push(item);
                rest = more;
            }
            Some((Value::Array(items), rest))
        }
        5 => {
            let (mut entries, mut rest) = (Vec::new(), rest);
            for _ in 0..n {
                let (key, more) = value(rest, depth)?;
                let (item, more) = value(more, depth)?;
                if entries.iter().any(|(k, _)| *k == key) {
                    return None;
                }
                entries.push((key, item));
                rest = more;
            }
            Some((Value::Map(entries), rest))
        }
        _ => None,
    }
}

fn argument(info: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    let size = match info {
        0..=23 => return Some((info.into(), rest)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        _ => return None,
    };
    let (b, rest) = cut(rest, size)?;
    Some((b.iter().fold(0, |n, b| (n << 8) | u64::from(*b)), rest))
}

fn cut(bytes: &[u8], n: u64) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(usize::try_from(n).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(s: &str) -> Vec<u8> {
        hex::decode(s).unwrap()
    }

    /// RFC 8949, appendix A.
    #[test]
    fn agrees_with_the_published_examples() {
        let reads = |s: &str, v: Value<'_>| assert_eq!(read(&hex(s)), Some((v, &[][..])), "{s}");
        reads("17", Value::Int(23));
        reads("1903e8", Value::Int(1000));
        reads("1b000000e8d4a51000", Value::Int(1_000_000_000_000));
        reads("3903e7", Value::Int(-1000));
        reads("4401020304", Value::Bytes(&[1, 2, 3, 4]));
        reads("64f0908591", Value::Text("\u{10151}"));
        reads("f5", Value::Bool(true));
        reads("f6", Value::Null);
        reads("8301820203820405", {
            let pair = |a, b| Value::Array(vec![Value::Int(a), Value::Int(b)]);
            Value::Array(vec![Value::Int(1), pair(2, 3), pair(4, 5)])
        });
        reads("a201020304", Value::Map(vec![(Value::Int(1), Value::Int(2)), (Value::Int(3), Value::Int(4))]));
    }

    #[test]
    fn what_no_authenticator_writes_is_refused() {
        // Indefinite length, tag, float, a key twice, cut off, too deep.
        for s in ["9f01ff", "c074", "fb3ff199999999999a", "a201020103", "44010203", "818181818181818181"] {
            assert_eq!(read(&hex(s)), None, "{s}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some((_, rest)) = read(&bytes) {
                prop_assert!(rest.len() < bytes.len());
            }
        }
    }
}
