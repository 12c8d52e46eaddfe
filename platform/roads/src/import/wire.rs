//! Reading Protocol Buffers from untrusted bytes: no allocation, no recursion, every read bounds-checked.

/// The bytes are not well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes, which the format in question does not use.
    Fixed,
}

impl<'a> Value<'a> {
    pub fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Value::Bytes(b) => Ok(b),
            _ => Err(Malformed),
        }
    }

    pub fn varint(self) -> Result<u64, Malformed> {
        match self {
            Value::Varint(n) => Ok(n),
            _ => Err(Malformed),
        }
    }
}

/// The fields of a message in their order.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Result<(u64, Value<'a>), Malformed> {
        let tag = varint(&mut self.0)?;
        let value = match tag & 7 {
            0 => Value::Varint(varint(&mut self.0)?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let n = varint(&mut self.0)?;
                Value::Bytes(self.take(usize::try_from(n).map_err(|_| Malformed)?)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return Err(Malformed),
        };
        Ok((tag >> 3, value))
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(Malformed)?;
        self.0 = rest;
        Ok(head)
    }
}

/// Packed varints.
#[derive(Clone, Copy, Default)]
pub(super) struct Packed<'a>(pub &'a [u8]);

impl Iterator for Packed<'_> {
    type Item = Result<u64, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let n = varint(&mut self.0);
        if n.is_err() {
            self.0 = &[];
        }
        Some(n)
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let (&b, rest) = bytes.split_first().ok_or(Malformed)?;
        *bytes = rest;
        n |= u64::from(b & 0x7f) << shift;
        if b < 0x80 {
            return Ok(n);
        }
    }
    Err(Malformed)
}

/// The signed value of a zigzag varint.
pub(super) const fn zigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_examples() {
        // protobuf.dev, Encoding: 150 in field 1; “testing” in field 2; packed 3, 270, 86942 in field 6.
        let fields = |b| Fields(b).collect::<Vec<_>>();
        assert_eq!(fields(&[0x08, 0x96, 0x01]), [Ok((1, Value::Varint(150)))]);
        assert_eq!(fields(b"\x12\x07testing"), [Ok((2, Value::Bytes(b"testing")))]);
        let packed = [0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05];
        assert_eq!(Packed(&packed).collect::<Result<Vec<_>, _>>(), Ok(vec![3, 270, 86_942]));
        assert_eq!([0, 1, 2, 3, u64::MAX].map(zigzag), [0, -1, 1, -2, i64::MIN]);
    }

    #[test]
    fn what_is_cut_off_is_malformed() {
        for cut in [&[0x08][..], &[0x08, 0x96], b"\x12\x07test", &[0x0b], &[0x80; 11]] {
            assert_eq!(Fields(cut).collect::<Vec<_>>(), [Err(Malformed)], "{cut:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (Fields(&bytes).count(), Packed(&bytes).count());
        }
    }
}
