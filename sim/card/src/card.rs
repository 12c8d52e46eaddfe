//! The card itself: applications, files, secrets, and the answer to each APDU (ISO/IEC 7816-4).

use crate::der::tlv;
use crate::keys::{Key, KeyError};
use crate::people::{Resident, Sex};
use crate::pki::{Pki, Purpose};
use crate::{PASSWORD, PIN};

/// Answer to reset, as cards of this kind give it.
pub const ATR: [u8; 9] = [0x3B, 0xE0, 0x00, 0xFF, 0x81, 0x31, 0xFE, 0x45, 0x14];

/// 公的個人認証 application.
pub const JPKI: &[u8] = &[0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01];
/// 券面事項入力補助 application.
pub const SUPPORT: &[u8] = &[0xD3, 0x92, 0x10, 0x00, 0x31, 0x00, 0x01, 0x01, 0x04, 0x08];

/// What stands where a real card keeps the 個人番号.
const NO_NUMBER: &str = "SIMULATED CARD WITHOUT A NUMBER";

/// How the card introduces itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// A plastic card.
    Card,
    /// A phone with Android.
    Android,
    /// An iPhone.
    Iphone,
}

impl Token {
    const fn word(self) -> &'static str {
        match self {
            Token::Card => "JPKIAPICCTOKEN2",
            Token::Android => "JPKIAPGPSETOKEN",
            Token::Iphone => "JPKIAPIOSTOKEN",
        }
    }
}

/// The secrets of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretName {
    /// Four digits for 利用者証明用.
    Auth,
    /// 6 to 16 characters for 署名用.
    Sign,
    /// Four digits for 券面事項入力補助.
    Support,
}

struct Secret {
    value: Vec<u8>,
    limit: u8,
    left: u8,
    /// Whether it was given since the application was selected.
    open: bool,
}

impl Secret {
    fn new(value: &str, limit: u8) -> Self {
        Secret { value: value.as_bytes().to_vec(), limit, left: limit, open: false }
    }
}

/// What a file is.
enum Content {
    /// Bytes, behind a secret or open.
    Bytes(Vec<u8>, Option<SecretName>),
    /// A key behind a secret.
    Key(Purpose),
    /// A secret that can be given here.
    Secret(SecretName),
}

struct File {
    application: &'static [u8],
    id: u16,
    content: Content,
}

/// A card in a reader.
pub struct Card {
    files: Vec<File>,
    secrets: [Secret; 3],
    auth_key: Key,
    sign_key: Option<Key>,
    application: Option<&'static [u8]>,
    /// Index of the selected file.
    file: Option<usize>,
    /// Every command received, for tests that ask what a program did.
    commands: Vec<Vec<u8>>,
    number_selected: u32,
}

impl std::fmt::Debug for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Card({} commands)", self.commands.len())
    }
}

/// Status words.
const OK: [u8; 2] = [0x90, 0x00];
const END_OF_FILE: [u8; 2] = [0x6B, 0x00];
const WRONG_LENGTH: [u8; 2] = [0x67, 0x00];
const NOT_ALLOWED: [u8; 2] = [0x69, 0x82];
const BLOCKED: [u8; 2] = [0x69, 0x84];
const NO_FILE_CHOSEN: [u8; 2] = [0x69, 0x86];
const WRONG_FILE: [u8; 2] = [0x69, 0x81];
const WRONG_DATA: [u8; 2] = [0x6A, 0x80];
const NOT_FOUND: [u8; 2] = [0x6A, 0x82];
const WRONG_PARAMETERS: [u8; 2] = [0x6A, 0x86];
const NO_SUCH_INSTRUCTION: [u8; 2] = [0x6D, 0x00];
const NO_SUCH_CLASS: [u8; 2] = [0x6E, 0x00];

impl Card {
    /// The card of a resident.
    ///
    /// # Errors
    /// When a shipped key cannot be used.
    pub fn of(resident: &Resident, pki: &Pki, token: Token) -> Result<Self, KeyError> {
        let auth = resident.credential(pki, Purpose::Auth)?;
        let sign = if resident.can_sign() { Some(resident.credential(pki, Purpose::Sign)?) } else { None };
        let ca = |purpose| pki.ca(purpose, resident.generation).certificate.clone();
        // A phone gives its certificate only behind the PIN; a plastic card gives it to everybody.
        let auth_behind = (token != Token::Card).then_some(SecretName::Auth);
        let mut info = token.word().as_bytes().to_vec();
        info.resize(32, b' ');
        info.resize(160, 0);
        let jpki = |id, content| File { application: JPKI, id, content };
        let support = |id, content| File { application: SUPPORT, id, content };
        let mut files = vec![
            jpki(0x0002, Content::Bytes(ca(Purpose::Sign), None)),
            jpki(0x0006, Content::Bytes(info, None)),
            jpki(0x0008, Content::Bytes(vec![1, u8::from(sign.is_some()), 0], None)),
            jpki(0x000A, Content::Bytes(auth.certificate, auth_behind)),
            jpki(0x000B, Content::Bytes(ca(Purpose::Auth), None)),
            jpki(0x0017, Content::Key(Purpose::Auth)),
            jpki(0x0018, Content::Secret(SecretName::Auth)),
            support(0x0001, Content::Bytes(tlv(0x10, NO_NUMBER.as_bytes()), Some(SecretName::Support))),
            support(0x0002, Content::Bytes(basic_four(resident), Some(SecretName::Support))),
            support(0x0005, Content::Bytes(tlv(0x10, SUPPORT), None)),
            support(0x0011, Content::Secret(SecretName::Support)),
        ];
        let sign_key = sign.map(|s| {
            files.push(jpki(0x0001, Content::Bytes(s.certificate, Some(SecretName::Sign))));
            files.push(jpki(0x001A, Content::Key(Purpose::Sign)));
            files.push(jpki(0x001B, Content::Secret(SecretName::Sign)));
            s.key
        });
        Ok(Card {
            files,
            secrets: [Secret::new(PIN, 3), Secret::new(PASSWORD, 5), Secret::new(PIN, 3)],
            auth_key: auth.key,
            sign_key,
            application: None,
            file: None,
            commands: Vec::new(),
            number_selected: 0,
        })
    }

    /// Power or reset: nothing is selected and no secret is open. Tries that were used up stay so.
    pub fn reset(&mut self) {
        self.application = None;
        self.file = None;
        self.close();
    }

    /// Tries left.
    pub fn tries(&self, secret: SecretName) -> u8 {
        self.secrets[secret as usize].left
    }

    /// What was sent to it.
    pub fn commands(&self) -> &[Vec<u8>] {
        &self.commands
    }

    /// How often somebody chose the file where a real card keeps the 個人番号. Must be 0.
    pub fn number_selected(&self) -> u32 {
        self.number_selected
    }

    /// Answers a command: data and status word.
    pub fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        self.commands.push(command.to_vec());
        let (data, status) = match Command::read(command) {
            Some(c) => self.answer(&c).map_or_else(|status| (Vec::new(), status), |data| (data, OK)),
            None => (Vec::new(), WRONG_LENGTH),
        };
        [data, status.to_vec()].concat()
    }

    fn answer(&mut self, c: &Command<'_>) -> Result<Vec<u8>, [u8; 2]> {
        match (c.class, c.instruction) {
            (0x00, 0xA4) => self.select(c).map(|()| Vec::new()),
            (0x00, 0xB0) => self.read(c),
            (0x00, 0x20) => self.verify(c).map(|()| Vec::new()),
            (0x00, 0x24) => self.change(c).map(|()| Vec::new()),
            (0x80, 0x2A) => self.sign(c),
            (0x00 | 0x80, _) => Err(NO_SUCH_INSTRUCTION),
            _ => Err(NO_SUCH_CLASS),
        }
    }

    fn select(&mut self, c: &Command<'_>) -> Result<(), [u8; 2]> {
        match c.p1 {
            0x04 => {
                let application = [JPKI, SUPPORT].into_iter().find(|a| *a == c.data).ok_or(NOT_FOUND)?;
                self.application = Some(application);
                self.file = None;
                self.close();
                Ok(())
            }
            0x02 => {
                let id = <[u8; 2]>::try_from(c.data).map(u16::from_be_bytes).map_err(|_| WRONG_LENGTH)?;
                let application = self.application.ok_or(NO_FILE_CHOSEN)?;
                let at = self.files.iter().position(|f| f.application == application && f.id == id);
                let at = at.ok_or(NOT_FOUND)?;
                if application == SUPPORT && id == 0x0001 {
                    self.number_selected += 1;
                }
                self.file = Some(at);
                Ok(())
            }
            _ => Err(WRONG_PARAMETERS),
        }
    }

    fn close(&mut self) {
        for s in &mut self.secrets {
            s.open = false;
        }
    }

    fn content(&self) -> Result<&Content, [u8; 2]> {
        let at = self.file.ok_or(NO_FILE_CHOSEN)?;
        self.files.get(at).map(|f| &f.content).ok_or(NO_FILE_CHOSEN)
    }

    fn is_open(&self, secret: SecretName) -> bool {
        self.secrets[secret as usize].open
    }

    fn read(&self, c: &Command<'_>) -> Result<Vec<u8>, [u8; 2]> {
        let Content::Bytes(bytes, behind) = self.content()? else { return Err(WRONG_FILE) };
        if behind.is_some_and(|s| !self.is_open(s)) {
            return Err(NOT_ALLOWED);
        }
        let from = usize::from(u16::from_be_bytes([c.p1, c.p2]));
        let rest = bytes.get(from..).filter(|r| !r.is_empty()).ok_or(END_OF_FILE)?;
        // Reading past the end gives what there is.
        Ok(rest[..rest.len().min(c.expected.ok_or(WRONG_LENGTH)?)].to_vec())
    }

    fn verify(&mut self, c: &Command<'_>) -> Result<(), [u8; 2]> {
        let &Content::Secret(name) = self.content()? else { return Err(WRONG_FILE) };
        if (c.p1, c.p2) != (0x00, 0x80) {
            return Err(WRONG_PARAMETERS);
        }
        let secret = &mut self.secrets[name as usize];
        if c.data.is_empty() {
            // A question about the tries left costs none.
            return if secret.left == 0 { Err(BLOCKED) } else { Err([0x63, 0xC0 | secret.left]) };
        }
        if secret.left == 0 {
            return Err(BLOCKED);
        }
        if secret.value == c.data {
            (secret.left, secret.open) = (secret.limit, true);
            return Ok(());
        }
        (secret.left, secret.open) = (secret.left - 1, false);
        Err([0x63, 0xC0 | secret.left])
    }

    fn change(&mut self, c: &Command<'_>) -> Result<(), [u8; 2]> {
        let &Content::Secret(name) = self.content()? else { return Err(WRONG_FILE) };
        if (c.p1, c.p2) != (0x01, 0x80) {
            return Err(WRONG_PARAMETERS);
        }
        if !self.is_open(name) {
            return Err(NOT_ALLOWED);
        }
        let digits = c.data.iter().all(u8::is_ascii_digit);
        let upper = c.data.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
        let fits = match name {
            SecretName::Sign => (6..=16).contains(&c.data.len()) && upper,
            SecretName::Auth | SecretName::Support => c.data.len() == 4 && digits,
        };
        if !fits {
            return Err(WRONG_DATA);
        }
        self.secrets[name as usize].value = c.data.to_vec();
        Ok(())
    }

    /// P1 00: RSASSA-PKCS1-v1_5 over the data as given.
    fn sign(&self, c: &Command<'_>) -> Result<Vec<u8>, [u8; 2]> {
        let &Content::Key(purpose) = self.content()? else { return Err(WRONG_FILE) };
        if (c.p1, c.p2) != (0x00, 0x80) {
            return Err(WRONG_PARAMETERS);
        }
        let (secret, key) = match purpose {
            Purpose::Auth => (SecretName::Auth, Some(&self.auth_key)),
            Purpose::Sign => (SecretName::Sign, self.sign_key.as_ref()),
        };
        if !self.is_open(secret) {
            return Err(NOT_ALLOWED);
        }
        if c.data.is_empty() || c.data.len() > 245 || c.expected.is_none() {
            return Err(WRONG_LENGTH);
        }
        key.and_then(|k| k.sign_prepared(c.data).ok()).ok_or(WRONG_DATA)
    }
}

/// EF 0002 of the 券面事項入力補助 application: an element to skip, then name, address, birth, sex.
fn basic_four(resident: &Resident) -> Vec<u8> {
    let element = |second: u8, value: &[u8]| [vec![0xDF], tlv(second, value)].concat();
    let (y, m, d) = resident.birth.ymd();
    let sex = if resident.sex == Sex::Male { b"1" } else { b"2" };
    let body = [
        element(0x21, &[0; 8]),
        element(0x22, resident.name.as_bytes()),
        element(0x23, resident.address.as_bytes()),
        element(0x24, format!("{y:04}{m:02}{d:02}").as_bytes()),
        element(0x25, sex),
    ];
    [vec![0xFF], tlv(0x20, &body.concat())].concat()
}

/// A short command APDU.
struct Command<'a> {
    class: u8,
    instruction: u8,
    p1: u8,
    p2: u8,
    data: &'a [u8],
    /// Bytes wanted; 00 means 256.
    expected: Option<usize>,
}

impl<'a> Command<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&[class, instruction, p1, p2], rest) = bytes.split_first_chunk::<4>()?;
        let le = |b: u8| Some(if b == 0 { 256 } else { usize::from(b) });
        let (data, expected): (&[u8], _) = match rest {
            [] => (&[], None),
            [b] => (&[], le(*b)),
            [lc, rest @ ..] => match rest.len().checked_sub(usize::from(*lc))? {
                0 => (rest, None),
                1 => (&rest[..usize::from(*lc)], le(rest[usize::from(*lc)])),
                _ => return None,
            },
        };
        Some(Command { class, instruction, p1, p2, data, expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Hash, digest_info};

    fn card(token: Token) -> Card {
        Card::of(&Resident::new(3), &Pki::shipped().unwrap(), token).unwrap()
    }

    fn select(card: &mut Card, application: &[u8], file: u16) -> Vec<u8> {
        let head = [0x00, 0xA4, 0x04, 0x0C, application.len() as u8];
        assert_eq!(card.transmit(&[&head, application].concat()), OK);
        card.transmit(&[&[0x00, 0xA4, 0x02, 0x0C, 2][..], &file.to_be_bytes()].concat())
    }

    fn verify(card: &mut Card, pin: &str) -> Vec<u8> {
        card.transmit(&[&[0x00, 0x20, 0x00, 0x80, pin.len() as u8], pin.as_bytes()].concat())
    }

    #[test]
    fn a_wrong_pin_costs_a_try_and_the_right_one_gives_all_back() {
        let mut c = card(Token::Card);
        assert_eq!(select(&mut c, JPKI, 0x0018), OK);
        assert_eq!(c.transmit(&[0x00, 0x20, 0x00, 0x80]), [0x63, 0xC3], "a question costs nothing");
        assert_eq!(verify(&mut c, "0000"), [0x63, 0xC2]);
        c.reset();
        select(&mut c, JPKI, 0x0018);
        assert_eq!(c.transmit(&[0x00, 0x20, 0x00, 0x80]), [0x63, 0xC2], "a reset forgets nothing");
        assert_eq!(verify(&mut c, PIN), OK);
        assert_eq!(c.tries(SecretName::Auth), 3);
        for left in [2, 1, 0] {
            assert_eq!(verify(&mut c, "0000"), [0x63, 0xC0 | left]);
        }
        assert_eq!(verify(&mut c, PIN), BLOCKED, "the right PIN comes too late");
    }

    #[test]
    fn keys_and_private_files_open_with_their_own_secret_only() {
        let mut c = card(Token::Card);
        let info = digest_info(Hash::Sha256, b"text");
        let sign = [&[0x80, 0x2A, 0x00, 0x80, info.len() as u8][..], &info, &[0]].concat();
        select(&mut c, JPKI, 0x0017);
        assert_eq!(c.transmit(&sign), NOT_ALLOWED);
        select(&mut c, JPKI, 0x0018);
        assert_eq!(verify(&mut c, PIN), OK);
        assert_eq!(c.transmit(&[0x00, 0xA4, 0x02, 0x0C, 2, 0x00, 0x17]), OK);
        assert_eq!(c.transmit(&sign).len(), 258);
        assert_eq!(c.transmit(&[0x00, 0xA4, 0x02, 0x0C, 2, 0x00, 0x01]), OK);
        assert_eq!(
            c.transmit(&[0x00, 0xB0, 0, 0, 4]),
            NOT_ALLOWED,
            "the 署名用 certificate needs its password"
        );
        select(&mut c, JPKI, 0x0017);
        assert_eq!(c.transmit(&sign), NOT_ALLOWED, "selecting the application closes it again");
    }

    #[test]
    fn files_are_read_in_pieces() {
        let mut c = card(Token::Card);
        select(&mut c, JPKI, 0x000A);
        let head = c.transmit(&[0x00, 0xB0, 0, 0, 4]);
        assert_eq!(head[..2], [0x30, 0x82]);
        let total = usize::from(u16::from_be_bytes([head[2], head[3]])) + 4;
        let mut all = Vec::new();
        while all.len() < total {
            let at = (all.len() as u16).to_be_bytes();
            let piece = c.transmit(&[0x00, 0xB0, at[0], at[1], 0]);
            all.extend_from_slice(&piece[..piece.len() - 2]);
        }
        assert_eq!(all.len(), total);
        let at = (total as u16).to_be_bytes();
        assert_eq!(c.transmit(&[0x00, 0xB0, at[0], at[1], 0]), END_OF_FILE);
        let mut phone = card(Token::Android);
        select(&mut phone, JPKI, 0x000A);
        assert_eq!(phone.transmit(&[0x00, 0xB0, 0, 0, 4]), NOT_ALLOWED, "a phone wants its PIN first");
    }

    #[test]
    fn what_it_does_not_know_it_refuses() {
        let mut c = card(Token::Card);
        assert_eq!(c.transmit(&[0x00, 0xA4, 0x02, 0x0C, 2, 0, 0x0A]), NO_FILE_CHOSEN);
        assert_eq!(select(&mut c, JPKI, 0x0099), NOT_FOUND);
        assert_eq!(c.transmit(&[0x00, 0xA4, 0x04, 0x0C, 1, 9]), NOT_FOUND);
        assert_eq!(c.transmit(&[0x00, 0xFF, 0, 0]), NO_SUCH_INSTRUCTION);
        assert_eq!(c.transmit(&[0x90, 0xA4, 0, 0]), NO_SUCH_CLASS);
        assert_eq!(c.transmit(&[0x00, 0xA4]), WRONG_LENGTH);
        assert_eq!(c.transmit(&[0x00, 0xA4, 0x04, 0x0C, 5, 1]), WRONG_LENGTH);
    }

    #[test]
    fn children_have_no_signature_certificate() {
        let child = Resident::all().find(|r| !r.can_sign()).unwrap();
        let mut c = Card::of(&child, &Pki::shipped().unwrap(), Token::Card).unwrap();
        assert_eq!(select(&mut c, JPKI, 0x001B), NOT_FOUND);
        assert_eq!(select(&mut c, JPKI, 0x0018), OK);
    }

    #[test]
    fn the_secret_can_be_changed_once_it_was_given() {
        let mut c = card(Token::Card);
        let change = |pin: &str| [&[0x00, 0x24, 0x01, 0x80, pin.len() as u8], pin.as_bytes()].concat();
        select(&mut c, JPKI, 0x0018);
        assert_eq!(c.transmit(&change("4321")), NOT_ALLOWED);
        verify(&mut c, PIN);
        assert_eq!(c.transmit(&change("43210")), WRONG_DATA);
        assert_eq!(c.transmit(&change("4321")), OK);
        assert_eq!(verify(&mut c, "4321"), OK);
        assert_eq!(verify(&mut c, PIN), [0x63, 0xC2]);
    }
}
