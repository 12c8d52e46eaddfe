//! Writing DER (X.690), the little of it that certificates need. It writes what it is told, wrong things included.

use kenroku_types::Timestamp;

/// Tag, length and contents.
pub fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match contents.len() {
        n @ 0..=0x7F => out.push(n as u8),
        n => {
            let bytes = n.to_be_bytes();
            let significant: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
            out.push(0x80 | significant.len() as u8);
            out.extend(significant);
        }
    }
    out.extend_from_slice(contents);
    out
}

/// SEQUENCE.
pub fn seq(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// SET of one.
pub fn set(part: &[u8]) -> Vec<u8> {
    tlv(0x31, part)
}

/// Explicit or constructed context tag.
pub fn context(number: u8, contents: &[u8]) -> Vec<u8> {
    tlv(0xA0 | number, contents)
}

/// Implicit primitive context tag.
pub fn context_primitive(number: u8, contents: &[u8]) -> Vec<u8> {
    tlv(0x80 | number, contents)
}

/// INTEGER from an unsigned magnitude.
pub fn integer(magnitude: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = magnitude.iter().copied().skip_while(|b| *b == 0).collect();
    if digits.first().is_none_or(|b| b & 0x80 != 0) {
        digits.insert(0, 0);
    }
    tlv(0x02, &digits)
}

/// BOOLEAN TRUE.
pub fn yes() -> Vec<u8> {
    tlv(0x01, &[0xFF])
}

/// NULL.
pub fn null() -> Vec<u8> {
    tlv(0x05, &[])
}

/// OCTET STRING.
pub fn octets(contents: &[u8]) -> Vec<u8> {
    tlv(0x04, contents)
}

/// BIT STRING of whole octets.
pub fn bits(contents: &[u8]) -> Vec<u8> {
    let mut with_unused = vec![0];
    with_unused.extend_from_slice(contents);
    tlv(0x03, &with_unused)
}

/// BIT STRING of named bits (bit 0 is the first), without trailing zeros.
pub fn flags(set: &[u8]) -> Vec<u8> {
    let last = set.iter().max().copied().unwrap_or(0);
    let mut bytes = vec![0u8; usize::from(last / 8) + 1];
    for bit in set {
        bytes[usize::from(bit / 8)] |= 0x80 >> (bit % 8);
    }
    let mut contents = vec![7 - last % 8];
    contents.extend(bytes);
    tlv(0x03, &contents)
}

/// UTF8String.
pub fn utf8(text: &str) -> Vec<u8> {
    tlv(0x0C, text.as_bytes())
}

/// PrintableString.
pub fn printable(text: &str) -> Vec<u8> {
    tlv(0x13, text.as_bytes())
}

/// OBJECT IDENTIFIER from its dotted form.
pub fn oid(dotted: &str) -> Vec<u8> {
    let mut arcs = dotted.split('.').map(|a| a.parse::<u64>().unwrap_or(0));
    let first = arcs.next().unwrap_or(0) * 40 + arcs.next().unwrap_or(0);
    let mut contents = Vec::new();
    for arc in std::iter::once(first).chain(arcs) {
        let mut groups = vec![(arc & 0x7F) as u8];
        let mut rest = arc >> 7;
        while rest > 0 {
            groups.push(0x80 | (rest & 0x7F) as u8);
            rest >>= 7;
        }
        contents.extend(groups.iter().rev());
    }
    tlv(0x06, &contents)
}

/// UTCTime, good from 1950 to 2049 (RFC 5280 §4.1.2.5.1).
pub fn utc_time(t: Timestamp) -> Vec<u8> {
    tlv(0x17, &digits(t).as_bytes()[2..])
}

/// GeneralizedTime.
pub fn generalized_time(t: Timestamp) -> Vec<u8> {
    tlv(0x18, digits(t).as_bytes())
}

fn digits(t: Timestamp) -> String {
    let text = Timestamp::from_secs(t.secs()).to_string();
    text.chars().filter(|c| c.is_ascii_digit() || *c == 'Z').collect()
}

/// A distinguished name from (OID, text), each in a set of its own. ASCII becomes a PrintableString.
pub fn name(parts: &[(&str, &str)]) -> Vec<u8> {
    let rdn = |(attribute, text): &(&str, &str)| {
        let value = if text.is_ascii() { printable(text) } else { utf8(text) };
        set(&seq(&[oid(attribute), value]))
    };
    seq(&parts.iter().map(rdn).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_the_standard_says() {
        assert_eq!(oid("1.2.840.113549"), [6, 6, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[]), [2, 1, 0]);
        assert_eq!(flags(&[0, 1]), [3, 2, 6, 0xC0]);
        assert_eq!(flags(&[5, 6]), [3, 2, 1, 0x06]);
        assert_eq!(tlv(4, &[0; 300])[..4], [4, 0x82, 1, 0x2C]);
        assert_eq!(&utc_time(Timestamp::EPOCH)[2..], b"700101000000Z");
        assert_eq!(&generalized_time(Timestamp::EPOCH)[2..], b"19700101000000Z");
    }
}
