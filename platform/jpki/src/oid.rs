//! Object identifiers, each with its source.

use der::asn1::ObjectIdentifier;

/// An OID that is known to be well-formed when the program is built.
const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

// RFC 8017 appendix C, RFC 4055.
pub const RSA_ENCRYPTION: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
pub const SHA256_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.11");

// RFC 5480, RFC 5758.
pub const EC_PUBLIC_KEY: ObjectIdentifier = oid("1.2.840.10045.2.1");
pub const P256: ObjectIdentifier = oid("1.2.840.10045.3.1.7");
pub const P384: ObjectIdentifier = oid("1.3.132.0.34");
pub const ECDSA_SHA256: ObjectIdentifier = oid("1.2.840.10045.4.3.2");
pub const ECDSA_SHA384: ObjectIdentifier = oid("1.2.840.10045.4.3.3");

// RFC 5280 §4.2, §5.2, §5.3.
pub const SUBJECT_KEY_ID: ObjectIdentifier = oid("2.5.29.14");
pub const KEY_USAGE: ObjectIdentifier = oid("2.5.29.15");
pub const SUBJECT_ALT_NAME: ObjectIdentifier = oid("2.5.29.17");
pub const BASIC_CONSTRAINTS: ObjectIdentifier = oid("2.5.29.19");
pub const CRL_NUMBER: ObjectIdentifier = oid("2.5.29.20");
pub const REASON_CODE: ObjectIdentifier = oid("2.5.29.21");
pub const ISSUING_DISTRIBUTION_POINT: ObjectIdentifier = oid("2.5.29.28");
pub const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = oid("2.5.29.31");
pub const CERTIFICATE_POLICIES: ObjectIdentifier = oid("2.5.29.32");
pub const AUTHORITY_KEY_ID: ObjectIdentifier = oid("2.5.29.35");
pub const EXTENDED_KEY_USAGE: ObjectIdentifier = oid("2.5.29.37");

// RFC 6960 §4.1.1, §4.2.1, §4.2.2.2, §4.4.1; the digest is RFC 3279's SHA-1, which CertID uses to find, not to trust.
pub const OCSP_BASIC: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1.1");
pub const OCSP_NONCE: ObjectIdentifier = oid("1.3.6.1.5.5.7.48.1.2");
pub const OCSP_SIGNING: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.9");
pub const SHA1: ObjectIdentifier = oid("1.3.14.3.2.26");

// X.520.
pub const COMMON_NAME: ObjectIdentifier = oid("2.5.4.3");
pub const ORGANISATION: ObjectIdentifier = oid("2.5.4.10");
pub const UNIT: ObjectIdentifier = oid("2.5.4.11");

// 公的個人認証サービス プロファイル仕様書.
pub const POLICY_AUTH: ObjectIdentifier = oid("1.2.392.200149.8.5.1.3.30");
pub const POLICY_SIGN: ObjectIdentifier = oid("1.2.392.200149.8.5.1.1.20");
pub const POLICY_SIGN_TEST: ObjectIdentifier = oid("1.2.392.200149.8.5.1.0.20");
/// By analogy with the 署名用 certificate's; the published documents do not name it.
pub const POLICY_AUTH_TEST: ObjectIdentifier = oid("1.2.392.200149.8.5.1.0.30");
pub const NAME: ObjectIdentifier = oid("1.2.392.200149.8.5.5.1");
pub const NAME_SUBSTITUTES: ObjectIdentifier = oid("1.2.392.200149.8.5.5.2");
pub const SEX: ObjectIdentifier = oid("1.2.392.200149.8.5.5.3");
pub const BIRTH: ObjectIdentifier = oid("1.2.392.200149.8.5.5.4");
pub const ADDRESS: ObjectIdentifier = oid("1.2.392.200149.8.5.5.5");
pub const ADDRESS_SUBSTITUTES: ObjectIdentifier = oid("1.2.392.200149.8.5.5.6");
