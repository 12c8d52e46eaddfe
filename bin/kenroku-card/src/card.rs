//! The card's applications, as far as we use them.
//!
//! An application is borrowed from the card while it is selected, and each has its own list of files; there is no way
//! to choose a file by number. **EF 0001 of the 券面事項入力補助 application holds the 個人番号 and is not in its list.**
//! (EF 0001 of the 公的個人認証 application is another file, the 署名用 certificate; it can only be chosen while that
//! application is selected.)

use kenroku_contracts::card::CardToken;
use kenroku_jpki::ToBeSigned;
use zeroize::Zeroizing;

use crate::channel::{Channel, ChannelError};
use crate::secret::{Password, Pin, Secret};

/// What can go wrong between us and the card, in words for the person.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// The line broke.
    #[error("カードを読み取れません。カードを置き直してください。")]
    Channel(#[from] ChannelError),
    /// The card has no such application.
    #[error("マイナンバーカードではないようです。")]
    NotThisCard,
    /// The card has no 署名用 certificate.
    #[error(
        "このカードには署名用電子証明書が入っていません。市町の窓口で発行できます（15歳未満の方には、原則として発行されません）。"
    )]
    NoSignCertificate,
    /// The secret was wrong. Nothing was tried again.
    #[error("番号が違います。あと{left}回まちがえるとロックされます。")]
    WrongSecret {
        /// Tries left, at least 1.
        left: u8,
    },
    /// No tries are left.
    #[error("ロックされています。市町の窓口で初期化してください。")]
    Blocked,
    /// Anything else.
    #[error("カードが想定外の返事をしました ({step}: {status:04X})。")]
    Unexpected {
        /// What was asked.
        step: &'static str,
        /// The status word.
        status: u16,
    },
    /// A file has not the form it should have.
    #[error("カードの中の{0}を読み取れません。")]
    Form(&'static str),
}

/// How many times a secret may still be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tries(pub u8);

impl Tries {
    /// The next wrong one locks.
    pub fn is_last(self) -> bool {
        self.0 == 1
    }
}

const OK: u16 = 0x9000;
const NOT_FOUND: u16 = 0x6A82;
const BLOCKED: [u16; 2] = [0x6983, 0x6984];

/// `30 31 30 0D …`: DigestInfo of SHA-256 (RFC 8017 §9.2, note 1), before the hash.
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

/// Longer than any certificate of the card.
const MAX_FILE: usize = 8 * 1024;

/// A card in a reader.
#[derive(Debug)]
pub struct Card<C>(C);

/// An application that is selected, with the list of files that may be chosen in it.
struct Selected<'c, C, F> {
    channel: &'c mut C,
    files: std::marker::PhantomData<F>,
}

/// A file that may be chosen.
trait File: Copy {
    fn id(self) -> u16;
}

/// Files of the 公的個人認証 application.
#[derive(Clone, Copy)]
enum JpkiFile {
    SignCertificate,
    Token,
    AuthCertificate,
    AuthKey,
    AuthPin,
    SignKey,
    SignPassword,
}

impl File for JpkiFile {
    fn id(self) -> u16 {
        match self {
            JpkiFile::SignCertificate => 0x0001,
            JpkiFile::Token => 0x0006,
            JpkiFile::AuthCertificate => 0x000A,
            JpkiFile::AuthKey => 0x0017,
            JpkiFile::AuthPin => 0x0018,
            JpkiFile::SignKey => 0x001A,
            JpkiFile::SignPassword => 0x001B,
        }
    }
}

/// Files of the 券面事項入力補助 application. The 個人番号 is not among them and shall never be.
#[derive(Clone, Copy)]
enum SupportFile {
    Basic,
    Pin,
}

impl File for SupportFile {
    fn id(self) -> u16 {
        match self {
            SupportFile::Basic => 0x0002,
            SupportFile::Pin => 0x0011,
        }
    }
}

const JPKI: [u8; 10] = [0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01];
const SUPPORT: [u8; 10] = [0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x08];

impl<C: Channel> Card<C> {
    /// A card at the end of a line.
    pub fn new(channel: C) -> Self {
        Card(channel)
    }

    /// Selects the 公的個人認証 application. Secrets given before are forgotten.
    ///
    /// # Errors
    /// [`CardError::NotThisCard`] when the card has none.
    pub fn jpki(&mut self) -> Result<Jpki<'_, C>, CardError> {
        Selected::application(&mut self.0, &JPKI).map(Jpki)
    }

    /// Selects the 券面事項入力補助 application.
    ///
    /// # Errors
    /// [`CardError::NotThisCard`] when the card has none.
    pub fn support(&mut self) -> Result<Support<'_, C>, CardError> {
        Selected::application(&mut self.0, &SUPPORT).map(Support)
    }

    /// The line, when the card is not needed any more.
    pub fn into_channel(self) -> C {
        self.0
    }
}

impl<'c, C: Channel, F: File> Selected<'c, C, F> {
    fn application(channel: &'c mut C, id: &[u8; 10]) -> Result<Self, CardError> {
        let mut command = vec![0x00, 0xA4, 0x04, 0x0C, 0x0A];
        command.extend_from_slice(id);
        let mut selected = Selected { channel, files: std::marker::PhantomData };
        match selected.send(&command)?.1 {
            OK => Ok(selected),
            NOT_FOUND => Err(CardError::NotThisCard),
            status => Err(CardError::Unexpected { step: "select", status }),
        }
    }

    fn send(&mut self, command: &[u8]) -> Result<(Vec<u8>, u16), CardError> {
        let mut answer = self.channel.transmit(command)?;
        let status = answer.split_off(answer.len().saturating_sub(2));
        let status: [u8; 2] =
            status.try_into().map_err(|_| ChannelError("an answer without status".to_owned()))?;
        Ok((answer, u16::from_be_bytes(status)))
    }

    /// Chooses a file; `false` when the card has none.
    fn choose(&mut self, file: F) -> Result<bool, CardError> {
        let [high, low] = file.id().to_be_bytes();
        match self.send(&[0x00, 0xA4, 0x02, 0x0C, 0x02, high, low])?.1 {
            OK => Ok(true),
            NOT_FOUND => Ok(false),
            status => Err(CardError::Unexpected { step: "choose", status }),
        }
    }

    fn need(&mut self, file: F) -> Result<(), CardError> {
        if self.choose(file)? {
            return Ok(());
        }
        Err(CardError::Unexpected { step: "choose", status: NOT_FOUND })
    }

    /// Reads `count` (1 to 256) bytes of the chosen file.
    fn read(&mut self, from: usize, count: usize) -> Result<Vec<u8>, CardError> {
        let [high, low] = u16::try_from(from).unwrap_or(u16::MAX).to_be_bytes();
        // 256 is written 00.
        let expected = (count & 0xFF) as u8;
        match self.send(&[0x00, 0xB0, high, low, expected])? {
            (data, OK) if !data.is_empty() => Ok(data),
            (_, status) => Err(CardError::Unexpected { step: "read", status }),
        }
    }

    /// Reads a file whose head says how long it is.
    fn read_whole(&mut self, total: usize) -> Result<Vec<u8>, CardError> {
        let mut all = Vec::with_capacity(total);
        while all.len() < total {
            let piece = self.read(all.len(), (total - all.len()).min(256))?;
            all.extend_from_slice(&piece);
        }
        all.truncate(total);
        Ok(all)
    }

    /// Asks how many tries are left; costs none.
    fn tries(&mut self) -> Result<Tries, CardError> {
        match self.send(&[0x00, 0x20, 0x00, 0x80])?.1 {
            status if BLOCKED.contains(&status) => Ok(Tries(0)),
            status if status & 0xFFF0 == 0x63C0 => Ok(Tries((status & 0x0F) as u8)),
            status => Err(CardError::Unexpected { step: "tries", status }),
        }
    }

    /// Gives the secret to the card, once. It is consumed, whatever the answer.
    fn give(&mut self, secret: impl Secret) -> Result<(), CardError> {
        let bytes = secret.bytes();
        let mut command = Zeroizing::new(vec![0x00, 0x20, 0x00, 0x80, bytes.len() as u8]);
        command.extend_from_slice(bytes);
        match self.send(&command)?.1 {
            OK => Ok(()),
            status if BLOCKED.contains(&status) || status == 0x63C0 => Err(CardError::Blocked),
            status if status & 0xFFF0 == 0x63C0 => {
                Err(CardError::WrongSecret { left: (status & 0x0F) as u8 })
            }
            status => Err(CardError::Unexpected { step: "verify", status }),
        }
    }
}

/// The 公的個人認証 application, selected.
pub struct Jpki<'c, C>(Selected<'c, C, JpkiFile>);

impl<C: Channel> Jpki<'_, C> {
    /// What kind of thing holds the keys.
    ///
    /// # Errors
    /// When the card does not answer.
    pub fn token(&mut self) -> Result<CardToken, CardError> {
        self.0.need(JpkiFile::Token)?;
        let name = self.0.read(0, 32)?;
        let name = String::from_utf8_lossy(&name);
        Ok(match name.trim_matches([' ', '\0']) {
            "JPKIAPICCTOKEN2" => CardToken::Card,
            "JPKIAPGPSETOKEN" => CardToken::Android,
            "JPKIAPIOSTOKEN" => CardToken::Iphone,
            _ => CardToken::Other,
        })
    }

    /// Tries left for the PIN of the 利用者証明用 key.
    ///
    /// # Errors
    /// When the card does not answer.
    pub fn auth_tries(&mut self) -> Result<Tries, CardError> {
        self.0.need(JpkiFile::AuthPin)?;
        self.0.tries()
    }

    /// Tries left for the password of the 署名用 key.
    ///
    /// # Errors
    /// [`CardError::NoSignCertificate`] when the card has no such key.
    pub fn sign_tries(&mut self) -> Result<Tries, CardError> {
        if !self.0.choose(JpkiFile::SignPassword)? {
            return Err(CardError::NoSignCertificate);
        }
        self.0.tries()
    }

    /// Signs with the 利用者証明用 key: certificate and signature.
    ///
    /// # Errors
    /// [`CardError::WrongSecret`] or [`CardError::Blocked`]; nothing is tried again.
    pub fn sign_in(&mut self, pin: Pin, text: &ToBeSigned) -> Result<Signed, CardError> {
        self.0.need(JpkiFile::AuthPin)?;
        self.0.give(pin)?;
        // After the PIN, as phones give their certificate only then.
        let certificate = self.certificate(JpkiFile::AuthCertificate)?;
        Ok(Signed { certificate, signature: self.signature(JpkiFile::AuthKey, text)? })
    }

    /// Signs with the 署名用 key: certificate (which carries the four attributes) and signature.
    ///
    /// # Errors
    /// [`CardError::NoSignCertificate`], [`CardError::WrongSecret`] or [`CardError::Blocked`].
    pub fn sign(&mut self, password: Password, text: &ToBeSigned) -> Result<Signed, CardError> {
        if !self.0.choose(JpkiFile::SignPassword)? {
            return Err(CardError::NoSignCertificate);
        }
        self.0.give(password)?;
        let certificate = self.certificate(JpkiFile::SignCertificate)?;
        Ok(Signed { certificate, signature: self.signature(JpkiFile::SignKey, text)? })
    }

    fn certificate(&mut self, file: JpkiFile) -> Result<Vec<u8>, CardError> {
        if !self.0.choose(file)? {
            return Err(CardError::NoSignCertificate);
        }
        let head = self.0.read(0, 4)?;
        let &[0x30, 0x82, high, low] = head.as_slice() else { return Err(CardError::Form("証明書")) };
        let total = usize::from(u16::from_be_bytes([high, low])) + 4;
        if total > MAX_FILE {
            return Err(CardError::Form("証明書"));
        }
        self.0.read_whole(total)
    }

    fn signature(&mut self, key: JpkiFile, text: &ToBeSigned) -> Result<Vec<u8>, CardError> {
        self.0.need(key)?;
        let mut command = vec![0x80, 0x2A, 0x00, 0x80, 0x33];
        command.extend_from_slice(&DIGEST_INFO);
        command.extend_from_slice(&text.digest());
        command.push(0x00);
        match self.0.send(&command)? {
            (signature, OK) if !signature.is_empty() => Ok(signature),
            (_, status) => Err(CardError::Unexpected { step: "sign", status }),
        }
    }
}

/// A certificate and what its key made.
pub struct Signed {
    /// DER.
    pub certificate: Vec<u8>,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    pub signature: Vec<u8>,
}

impl std::fmt::Debug for Signed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signed(…)")
    }
}

/// The 券面事項入力補助 application, selected.
pub struct Support<'c, C>(Selected<'c, C, SupportFile>);

/// The four attributes as text, for filling in forms at a counter. Nothing proves them: a certificate does.
#[derive(Clone, PartialEq, Eq)]
pub struct Basic {
    /// 氏名
    pub name: String,
    /// 住所
    pub address: String,
    /// `YYYYMMDD`
    pub birth: String,
    /// `1` 男, `2` 女, `9` その他
    pub sex: String,
}

impl std::fmt::Debug for Basic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Basic(…)")
    }
}

impl<C: Channel> Support<'_, C> {
    /// Tries left for this application's PIN.
    ///
    /// # Errors
    /// When the card does not answer.
    pub fn tries(&mut self) -> Result<Tries, CardError> {
        self.0.need(SupportFile::Pin)?;
        self.0.tries()
    }

    /// Reads name, address, birth and sex.
    ///
    /// # Errors
    /// [`CardError::WrongSecret`] or [`CardError::Blocked`]; nothing is tried again.
    pub fn basic(&mut self, pin: Pin) -> Result<Basic, CardError> {
        self.0.need(SupportFile::Pin)?;
        self.0.give(pin)?;
        self.0.need(SupportFile::Basic)?;
        let form = || CardError::Form("基本4情報");
        let head = self.0.read(0, 7)?;
        let (header, length) = outer(&head).ok_or_else(form)?;
        let total = header + length;
        if total > MAX_FILE {
            return Err(form());
        }
        let all = self.0.read_whole(total)?;
        let mut fields =
            elements(all.get(header..).unwrap_or_default()).ok_or_else(form)?.into_iter().skip(1);
        let mut next = || {
            let bytes = fields.next().ok_or_else(form)?;
            String::from_utf8(bytes.to_vec()).map_err(|_| form())
        };
        Ok(Basic { name: next()?, address: next()?, birth: next()?, sex: next()? })
    }
}

/// Size of tag and length, and the length they tell, of a BER element with a tag of two bytes (X.690 §8.1).
fn outer(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes.get(2..)? {
        [n @ 0..=0x7F, ..] => Some((3, usize::from(*n))),
        [0x81, n, ..] => Some((4, usize::from(*n))),
        [0x82, high, low, ..] => Some((5, usize::from(u16::from_be_bytes([*high, *low])))),
        _ => None,
    }
}

/// The contents of elements that follow each other.
fn elements(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (header, length) = outer(bytes)?;
        all.push(bytes.get(header..header + length)?);
        bytes = bytes.get(header + length..)?;
    }
    Some(all)
}
