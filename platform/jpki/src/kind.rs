//! The two certificates of a card as types.

use std::fmt::Debug;

use der::asn1::ObjectIdentifier;
use der::flagset::FlagSet;
use x509_cert::ext::pkix::KeyUsages;

use crate::attributes::{AttributeError, Attributes, Values};
use crate::oid;

mod sealed {
    pub trait Sealed {}
}

/// 利用者証明用電子証明書: shows who signs in; carries no attributes.
#[derive(Clone, Copy, Debug)]
pub enum Auth {}

/// 署名用電子証明書: signs declarations; carries name, birth, sex and address.
#[derive(Clone, Copy, Debug)]
pub enum Sign {}

/// Which of the two certificates, as a value for logs and storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KindName {
    /// 利用者証明用
    Auth,
    /// 署名用
    Sign,
}

impl KindName {
    /// `auth` or `sign`.
    pub const fn as_str(self) -> &'static str {
        match self {
            KindName::Auth => "auth",
            KindName::Sign => "sign",
        }
    }
}

/// What differs between the two. Implemented by [`Auth`] and [`Sign`] only.
pub trait Kind: sealed::Sealed + Copy + Debug + Send + Sync + 'static {
    /// Which one.
    const NAME: KindName;
    /// The first OU of the CA's name.
    #[doc(hidden)]
    const CA_UNIT: &'static str;
    /// The policy of production certificates.
    #[doc(hidden)]
    const POLICY: ObjectIdentifier;
    /// The policy of test certificates.
    #[doc(hidden)]
    const TEST_POLICY: ObjectIdentifier;
    /// What the certificate says about its holder: nothing, or [`Attributes`].
    type Holder: Clone + Send + Sync;

    /// Exactly these usages, no more and no fewer.
    #[doc(hidden)]
    fn key_usage() -> FlagSet<KeyUsages>;

    /// Reads the holder from the certificate's alternative names.
    #[doc(hidden)]
    fn holder(values: &Values) -> Result<Self::Holder, AttributeError>;
}

impl sealed::Sealed for Auth {}
impl sealed::Sealed for Sign {}

impl Kind for Auth {
    const NAME: KindName = KindName::Auth;
    const CA_UNIT: &'static str = "JPKI for user authentication";
    const POLICY: ObjectIdentifier = oid::POLICY_AUTH;
    const TEST_POLICY: ObjectIdentifier = oid::POLICY_AUTH_TEST;
    type Holder = ();

    fn key_usage() -> FlagSet<KeyUsages> {
        KeyUsages::DigitalSignature.into()
    }

    fn holder(_: &Values) -> Result<(), AttributeError> {
        Ok(())
    }
}

impl Kind for Sign {
    const NAME: KindName = KindName::Sign;
    const CA_UNIT: &'static str = "JPKI for digital signature";
    const POLICY: ObjectIdentifier = oid::POLICY_SIGN;
    const TEST_POLICY: ObjectIdentifier = oid::POLICY_SIGN_TEST;
    type Holder = Attributes;

    fn key_usage() -> FlagSet<KeyUsages> {
        KeyUsages::DigitalSignature | KeyUsages::NonRepudiation
    }

    fn holder(values: &Values) -> Result<Attributes, AttributeError> {
        Attributes::read(values)
    }
}
