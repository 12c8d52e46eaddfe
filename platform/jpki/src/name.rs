//! Distinguished names: the parts we compare, and the municipality that a certificate's distribution point names.

use der::asn1::{Ia5StringRef, ObjectIdentifier, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use der::{Any, Tag, Tagged};
use x509_cert::ext::pkix::CrlDistributionPoints;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::name::Name;

use crate::oid;

/// Which municipality issued the card, by the name of the list in which it would be revoked:
/// `…, OU=CRL Distribution Points, OU=<prefecture>, CN=<city>`. Romanised as the certificate writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IssuingPlace {
    /// For example `Ishikawa-ken`.
    pub prefecture: String,
    /// For example `Kanazawa-shi`.
    pub city: String,
}

/// The unit under which the distribution points hang.
const POINTS: &str = "CRL Distribution Points";

impl IssuingPlace {
    pub(crate) fn read(points: &CrlDistributionPoints) -> Option<Self> {
        points
            .0
            .iter()
            .filter_map(|p| match &p.distribution_point {
                Some(DistributionPointName::FullName(names)) => Some(names),
                _ => None,
            })
            .flatten()
            .find_map(|name| match name {
                GeneralName::DirectoryName(name) => Self::of(name),
                _ => None,
            })
    }

    fn of(name: &Name) -> Option<Self> {
        let units = texts(name, oid::UNIT);
        let at = units.iter().position(|u| u == POINTS)?;
        let prefecture = units.get(at + 1)?.clone();
        let [city] = <[String; 1]>::try_from(texts(name, oid::COMMON_NAME)).ok()?;
        // Some lists are named after the city with this word behind it.
        let city = city.strip_suffix(" CRLDP").unwrap_or(&city).to_owned();
        Some(IssuingPlace { prefecture, city })
    }
}

/// The texts of all attributes of one type, in the order of the name.
pub(crate) fn texts(name: &Name, attribute: ObjectIdentifier) -> Vec<String> {
    name.0
        .iter()
        .flat_map(|rdn| rdn.0.iter())
        .filter(|a| a.oid == attribute)
        .filter_map(|a| text(&a.value))
        .collect()
}

fn text(value: &Any) -> Option<String> {
    let s = match value.tag() {
        Tag::PrintableString => value.decode_as::<PrintableStringRef<'_>>().ok()?.as_str().to_owned(),
        Tag::Utf8String => value.decode_as::<Utf8StringRef<'_>>().ok()?.as_str().to_owned(),
        Tag::Ia5String => value.decode_as::<Ia5StringRef<'_>>().ok()?.as_str().to_owned(),
        Tag::TeletexString => value.decode_as::<TeletexStringRef<'_>>().ok()?.as_str().to_owned(),
        _ => return None,
    };
    Some(s)
}
