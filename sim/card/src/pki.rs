//! The test hierarchy: CAs, certificates, lists of revoked certificates, OCSP answers.

use std::sync::Arc;

use kenroku_types::Timestamp;

use crate::der::{
    bits, context, context_primitive, flags, generalized_time, integer, name, octets, oid, seq, tlv,
    utc_time, utf8, yes,
};
use crate::keys::{Hash, Key, KeyError, sha1};

/// The organisation in every name of this hierarchy. The real one's is `JPKI`.
pub const ORGANISATION: &str = "JPKI-SIM";

/// Object identifiers that tests change or take away.
pub mod oids {
    /// subjectKeyIdentifier
    pub const SKI: &str = "2.5.29.14";
    /// keyUsage
    pub const KEY_USAGE: &str = "2.5.29.15";
    /// subjectAltName
    pub const SAN: &str = "2.5.29.17";
    /// issuerAltName
    pub const IAN: &str = "2.5.29.18";
    /// basicConstraints
    pub const BASIC: &str = "2.5.29.19";
    /// cRLDistributionPoints
    pub const CRL_DP: &str = "2.5.29.31";
    /// certificatePolicies
    pub const POLICIES: &str = "2.5.29.32";
    /// authorityKeyIdentifier
    pub const AKI: &str = "2.5.29.35";
}

/// What a CA's certificates are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// 利用者証明用
    Auth,
    /// 署名用
    Sign,
}

impl Purpose {
    /// The first OU of the CA's name.
    pub const fn unit(self) -> &'static str {
        match self {
            Purpose::Auth => "JPKI for user authentication",
            Purpose::Sign => "JPKI for digital signature",
        }
    }

    /// The policy of certificates of test environments.
    pub const fn test_policy(self) -> &'static str {
        match self {
            Purpose::Auth => "1.2.392.200149.8.5.1.0.30",
            Purpose::Sign => "1.2.392.200149.8.5.1.0.20",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Purpose::Auth => "auth",
            Purpose::Sign => "sign",
        }
    }

    fn usage(self) -> &'static [u8] {
        match self {
            Purpose::Auth => &[0],
            Purpose::Sign => &[0, 1],
        }
    }
}

/// One extension of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Dotted.
    pub oid: String,
    /// Whether who does not know it must refuse.
    pub critical: bool,
    /// DER.
    pub value: Vec<u8>,
}

impl Extension {
    /// From its parts.
    pub fn new(oid: &str, critical: bool, value: Vec<u8>) -> Self {
        Extension { oid: oid.to_owned(), critical, value }
    }

    fn encode(&self) -> Vec<u8> {
        let critical = if self.critical { yes() } else { Vec::new() };
        seq(&[oid(&self.oid), critical, octets(&self.value)])
    }
}

fn extensions(all: &[Extension]) -> Vec<u8> {
    seq(&all.iter().map(Extension::encode).collect::<Vec<_>>())
}

/// keyUsage with these bits.
pub fn key_usage(bits: &[u8]) -> Extension {
    Extension::new(oids::KEY_USAGE, true, flags(bits))
}

/// certificatePolicies with one policy and the practice statement.
pub fn policies(policy: &str) -> Extension {
    let cps = tlv(0x16, b"http://www.jpki.go.jp/cps.html");
    let qualifier = seq(&[oid("1.3.6.1.5.5.7.2.1"), cps]);
    Extension::new(oids::POLICIES, true, seq(&[seq(&[oid(policy), seq(&[qualifier])])]))
}

/// authorityKeyIdentifier.
pub fn authority_key(id: &[u8]) -> Extension {
    Extension::new(oids::AKI, false, seq(&[context_primitive(0, id)]))
}

/// subjectAltName of otherNames, each (OID, text).
pub fn other_names(values: &[(&str, &str)]) -> Extension {
    let other = |(name, text): &(&str, &str)| context(0, &[oid(name), context(0, &utf8(text))].concat());
    Extension::new(oids::SAN, false, seq(&values.iter().map(other).collect::<Vec<_>>()))
}

/// A certificate before it is signed. Every field can be made wrong.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Magnitude of the serial number.
    pub serial: Vec<u8>,
    /// The issuer's name in DER.
    pub issuer: Vec<u8>,
    /// The subject's name in DER.
    pub subject: Vec<u8>,
    /// First instant.
    pub not_before: Timestamp,
    /// Last instant.
    pub not_after: Timestamp,
    /// SubjectPublicKeyInfo.
    pub key: Vec<u8>,
    /// In their order.
    pub extensions: Vec<Extension>,
    /// With what the CA signs.
    pub hash: Hash,
}

impl Leaf {
    /// Puts the extension in the place of that with the same OID, or at the end.
    #[must_use]
    pub fn with(mut self, extension: Extension) -> Self {
        match self.extensions.iter_mut().find(|e| e.oid == extension.oid) {
            Some(e) => *e = extension,
            None => self.extensions.push(extension),
        }
        self
    }

    /// Without the extension.
    #[must_use]
    pub fn without(mut self, oid: &str) -> Self {
        self.extensions.retain(|e| e.oid != oid);
        self
    }

    /// With the extension's critical flag turned.
    #[must_use]
    pub fn flip_critical(mut self, oid: &str) -> Self {
        for e in self.extensions.iter_mut().filter(|e| e.oid == oid) {
            e.critical = !e.critical;
        }
        self
    }

    /// Signs it.
    ///
    /// # Errors
    /// When the key cannot.
    pub fn signed_by(&self, key: &Key) -> Result<Vec<u8>, KeyError> {
        let algorithm = key.algorithm(self.hash);
        let tbs = seq(&[
            context(0, &integer(&[2])),
            integer(&self.serial),
            algorithm.clone(),
            self.issuer.clone(),
            seq(&[utc_time(self.not_before), utc_time(self.not_after)]),
            self.subject.clone(),
            self.key.clone(),
            context(3, &extensions(&self.extensions)),
        ]);
        sign(tbs, algorithm, key, self.hash)
    }
}

fn sign(tbs: Vec<u8>, algorithm: Vec<u8>, key: &Key, hash: Hash) -> Result<Vec<u8>, KeyError> {
    let signature = key.sign(hash, &tbs)?;
    Ok(seq(&[tbs, algorithm, bits(&signature)]))
}

/// A certificate authority.
#[derive(Clone, Debug)]
pub struct Ca {
    /// What for.
    pub purpose: Purpose,
    /// 1 to 3.
    pub generation: u8,
    /// Its self-signed certificate.
    pub certificate: Vec<u8>,
    /// Its name in DER, the same in every generation.
    pub name: Vec<u8>,
    /// Its key.
    pub key: Arc<Key>,
    organisation: String,
}

/// Valid from and to, in seconds of UTC; the ends are those of the real generations: 14:59:59Z, midnight in Japan.
const PERIODS: [(i64, i64); 3] =
    [(1_445_266_800, 1_760_885_999), (1_568_386_800, 1_884_092_399), (1_689_433_200, 2_005_052_399)];

impl Ca {
    /// A generation of the test hierarchy.
    ///
    /// # Errors
    /// For a generation that does not exist.
    pub fn shipped(purpose: Purpose, generation: u8) -> Result<Self, KeyError> {
        let key = Key::shipped(&format!("ca-{}-{generation}", purpose.word()))?;
        Self::make(purpose, generation, ORGANISATION, Arc::new(key), |leaf| leaf)
    }

    /// Any CA; `change` may spoil its certificate before it is signed.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn make(
        purpose: Purpose,
        generation: u8,
        organisation: &str,
        key: Arc<Key>,
        change: impl FnOnce(Leaf) -> Leaf,
    ) -> Result<Self, KeyError> {
        let name = name(&[
            ("2.5.4.6", "JP"),
            ("2.5.4.10", organisation),
            ("2.5.4.11", purpose.unit()),
            ("2.5.4.11", "Simulated Agency for Local Authority Information Systems"),
        ]);
        let (first, last) = PERIODS[usize::from(generation.clamp(1, 3)) - 1];
        let certificate = change(Leaf {
            serial: vec![generation],
            issuer: name.clone(),
            subject: name.clone(),
            not_before: Timestamp::from_secs(first),
            not_after: Timestamp::from_secs(last),
            key: key.info().to_vec(),
            extensions: vec![
                Extension::new(oids::BASIC, true, seq(&[yes()])),
                key_usage(&[5, 6]),
                Extension::new(oids::SKI, false, octets(&key.id())),
                distribution_point(organisation, purpose, None),
            ],
            hash: Hash::Sha256,
        });
        let certificate = certificate.signed_by(&key)?;
        Ok(Ca { purpose, generation, certificate, name, key, organisation: organisation.to_owned() })
    }

    /// An honest certificate of the profile for somebody's key; attributes only in 署名用 ones.
    pub fn leaf(&self, for_whom: &For<'_>) -> Leaf {
        let subject = match self.purpose {
            Purpose::Auth => name(&[("2.5.4.6", "JP"), ("2.5.4.3", for_whom.common_name)]),
            Purpose::Sign => name(&[
                ("2.5.4.6", "JP"),
                ("2.5.4.7", for_whom.place.0),
                ("2.5.4.7", for_whom.place.1),
                ("2.5.4.3", for_whom.common_name),
            ]),
        };
        let issuer_alt = name(&[("2.5.4.6", "JP"), ("2.5.4.10", "公的個人認証サービス（模擬）")]);
        let mut extensions = vec![
            key_usage(self.purpose.usage()),
            policies(self.purpose.test_policy()),
            Extension::new(oids::IAN, false, seq(&[context(4, &issuer_alt)])),
            distribution_point(&self.organisation, self.purpose, Some(for_whom.place)),
            authority_key(&self.key.id()),
            Extension::new(oids::SKI, false, octets(&sha1(for_whom.key.info()))),
        ];
        if self.purpose == Purpose::Sign {
            extensions.insert(2, other_names(for_whom.attributes));
        }
        Leaf {
            serial: for_whom.serial.to_vec(),
            issuer: self.name.clone(),
            subject,
            not_before: for_whom.not_before,
            not_after: for_whom.not_after,
            key: for_whom.key.info().to_vec(),
            extensions,
            hash: Hash::Sha256,
        }
    }

    /// Signs a certificate.
    ///
    /// # Errors
    /// When the key cannot.
    pub fn issue(&self, leaf: &Leaf) -> Result<Vec<u8>, KeyError> {
        leaf.signed_by(&self.key)
    }

    /// Signs a list.
    ///
    /// # Errors
    /// When the key cannot.
    pub fn list(&self, list: &List) -> Result<Vec<u8>, KeyError> {
        let algorithm = self.key.algorithm(Hash::Sha256);
        let revoked = |(serial, since, reason): &(Vec<u8>, Timestamp, Option<u8>)| {
            let reason =
                reason.map(|code| extensions(&[Extension::new("2.5.29.21", false, tlv(0x0A, &[code]))]));
            seq(&[integer(serial), utc_time(*since), reason.unwrap_or_default()])
        };
        let revoked: Vec<_> = list.revoked.iter().map(revoked).collect();
        let mut all =
            vec![authority_key(&self.key.id()), Extension::new("2.5.29.20", false, integer(&list.number))];
        all.extend(list.extensions.iter().cloned());
        let tbs = seq(&[
            integer(&[1]),
            algorithm.clone(),
            self.name.clone(),
            utc_time(list.this_update),
            list.next_update.map(utc_time).unwrap_or_default(),
            if revoked.is_empty() { Vec::new() } else { seq(&revoked) },
            context(0, &extensions(&all)),
        ]);
        sign(tbs, algorithm, &self.key, Hash::Sha256)
    }

    /// The list's extension that limits it to one municipality's distribution point.
    pub fn scope(&self, place: (&str, &str)) -> Extension {
        let point = point_name(&self.organisation, self.purpose, Some(place));
        Extension::new("2.5.29.28", true, seq(&[context(0, &context(0, &context(4, &point)))]))
    }

    /// Answers about one certificate as an OCSP responder (RFC 6960 §4.2.1).
    ///
    /// # Errors
    /// When the signer cannot sign.
    pub fn ocsp(&self, answer: &OcspAnswer<'_>) -> Result<Vec<u8>, KeyError> {
        let algorithm = answer.signer.algorithm(Hash::Sha256);
        let id = seq(&[
            seq(&[oid("1.3.14.3.2.26"), tlv(5, &[])]),
            octets(&sha1(&self.name)),
            octets(&self.key.id()),
            integer(answer.serial),
        ]);
        let state = match answer.state {
            OcspState::Good => context_primitive(0, &[]),
            OcspState::Revoked(since) => context(1, &generalized_time(since)),
            OcspState::Unknown => context_primitive(2, &[]),
        };
        let next = answer.next_update.map(|t| context(0, &generalized_time(t))).unwrap_or_default();
        let single = seq(&[id, state, generalized_time(answer.this_update), next]);
        let nonce = answer.nonce.map(|n| Extension::new("1.3.6.1.5.5.7.48.1.2", false, octets(n)));
        let data = seq(&[
            context(2, &octets(&answer.signer.id())),
            generalized_time(answer.this_update),
            seq(&[single]),
            nonce.map(|n| context(1, &extensions(&[n]))).unwrap_or_default(),
        ]);
        let signature = answer.signer.sign(Hash::Sha256, &data)?;
        let certificates = match answer.certificate {
            Some(der) => context(0, &seq(&[der.to_vec()])),
            None => Vec::new(),
        };
        let basic = seq(&[data, algorithm, bits(&signature), certificates]);
        let bytes = seq(&[oid("1.3.6.1.5.5.7.48.1.1"), octets(&basic)]);
        Ok(seq(&[tlv(0x0A, &[0]), context(0, &bytes)]))
    }
}

/// For whom a certificate is.
#[derive(Clone, Copy, Debug)]
pub struct For<'a> {
    /// Magnitude of the serial number.
    pub serial: &'a [u8],
    /// The last part of the subject.
    pub common_name: &'a str,
    /// Prefecture and city, romanised.
    pub place: (&'a str, &'a str),
    /// First instant.
    pub not_before: Timestamp,
    /// Last instant.
    pub not_after: Timestamp,
    /// The holder's key.
    pub key: &'a Key,
    /// (OID, text) for 署名用 certificates.
    pub attributes: &'a [(&'a str, &'a str)],
}

/// A list of revoked certificates before it is signed.
#[derive(Clone, Debug)]
pub struct List {
    /// The moment it describes.
    pub this_update: Timestamp,
    /// Until when a newer one is promised.
    pub next_update: Option<Timestamp>,
    /// Magnitude of its number.
    pub number: Vec<u8>,
    /// Serial number, since when, reason code.
    pub revoked: Vec<(Vec<u8>, Timestamp, Option<u8>)>,
    /// Besides key identifier and number.
    pub extensions: Vec<Extension>,
}

/// What a responder says about one certificate.
#[derive(Clone, Copy, Debug)]
pub struct OcspAnswer<'a> {
    /// Magnitude of the serial number.
    pub serial: &'a [u8],
    /// The state.
    pub state: OcspState,
    /// The moment it describes.
    pub this_update: Timestamp,
    /// Until when a newer answer is promised.
    pub next_update: Option<Timestamp>,
    /// The request's, repeated.
    pub nonce: Option<&'a [u8]>,
    /// Whose key signs.
    pub signer: &'a Key,
    /// The signer's certificate, when it is not the CA itself.
    pub certificate: Option<&'a [u8]>,
}

/// The states of RFC 6960.
#[derive(Clone, Copy, Debug)]
pub enum OcspState {
    /// Not revoked.
    Good,
    /// Since when.
    Revoked(Timestamp),
    /// Never heard of.
    Unknown,
}

fn point_name(organisation: &str, purpose: Purpose, place: Option<(&str, &str)>) -> Vec<u8> {
    let mut parts = vec![
        ("2.5.4.6", "JP"),
        ("2.5.4.10", organisation),
        ("2.5.4.11", purpose.unit()),
        ("2.5.4.11", "CRL Distribution Points"),
    ];
    if let Some((prefecture, city)) = place {
        parts.extend([("2.5.4.11", prefecture), ("2.5.4.3", city)]);
    }
    name(&parts)
}

fn distribution_point(organisation: &str, purpose: Purpose, place: Option<(&str, &str)>) -> Extension {
    let point = point_name(organisation, purpose, place);
    Extension::new(oids::CRL_DP, false, seq(&[seq(&[context(0, &context(0, &context(4, &point)))])]))
}

/// The six CAs.
#[derive(Clone, Debug)]
pub struct Pki {
    /// 利用者証明用, oldest first.
    pub auth: [Ca; 3],
    /// 署名用, oldest first.
    pub sign: [Ca; 3],
}

impl Pki {
    /// The shipped hierarchy.
    ///
    /// # Errors
    /// When a shipped key cannot be used.
    pub fn shipped() -> Result<Self, KeyError> {
        let three = |p| -> Result<[Ca; 3], KeyError> {
            Ok([Ca::shipped(p, 1)?, Ca::shipped(p, 2)?, Ca::shipped(p, 3)?])
        };
        Ok(Pki { auth: three(Purpose::Auth)?, sign: three(Purpose::Sign)? })
    }

    /// The CA of a generation, 1 to 3.
    pub fn ca(&self, purpose: Purpose, generation: u8) -> &Ca {
        let all = match purpose {
            Purpose::Auth => &self.auth,
            Purpose::Sign => &self.sign,
        };
        &all[usize::from(generation.clamp(1, 3)) - 1]
    }

    /// All six.
    pub fn all(&self) -> impl Iterator<Item = &Ca> {
        self.auth.iter().chain(&self.sign)
    }
}
