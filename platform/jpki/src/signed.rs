//! The outer form that certificates and CRLs share: what was signed, how, and the signature (RFC 5280 §4.1, §5.1).

use der::asn1::BitStringRef;
use der::{Decode, Reader, SliceReader};
use x509_cert::spki::AlgorithmIdentifierRef;
use x509_cert::time::Time;

use kenroku_types::Timestamp;

/// `SEQUENCE { toBeSigned, algorithm, signature }` with the signed bytes exactly as they came.
pub(crate) struct Signed<'a> {
    pub tbs: &'a [u8],
    pub algorithm: AlgorithmIdentifierRef<'a>,
    pub signature: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Splits it; trailing bytes are an error.
    pub fn split(bytes: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(bytes)?;
        let signed = reader.sequence(|r| {
            let tbs = r.tlv_bytes()?;
            let algorithm = AlgorithmIdentifierRef::decode(r)?;
            let signature = BitStringRef::decode(r)?;
            // Every signature we know is a whole number of octets.
            let signature = signature.as_bytes().ok_or_else(|| der::Tag::BitString.value_error())?;
            Ok(Signed { tbs, algorithm, signature })
        })?;
        reader.finish(signed)
    }
}

/// An ASN.1 time as ours.
pub(crate) fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_secs(i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX))
}

/// An unsigned integer without leading zeros, so that equal numbers are equal bytes.
pub(crate) fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    &bytes[zeros..]
}
