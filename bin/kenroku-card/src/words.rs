//! What the program says, in two languages. Errors speak Japanese by themselves; here they learn English.

use kenroku_contracts::card::{CardOutcome, CardState};

use crate::card::{CardError, Tries};
use crate::ceremony::{Asked, CeremonyError, Started};
use crate::reader::ReaderError;
use crate::secret::SecretError;
use crate::server::ServerError;

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// 日本語
    #[default]
    Ja,
    /// English
    En,
}

impl Lang {
    /// The one asked for, or that of the environment (`LC_ALL`, `LC_MESSAGES`, `LANG`, the first that is set).
    pub fn chosen(asked: Option<&str>, environment: impl Fn(&str) -> Option<String>) -> Lang {
        let set = |name: &&str| environment(name).filter(|v| !v.is_empty());
        let text = match asked {
            Some(text) => text.to_owned(),
            None => ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set).unwrap_or_default(),
        };
        if text.to_ascii_lowercase().starts_with("en") { Lang::En } else { Lang::Ja }
    }

    fn pick(self, ja: &str, en: &str) -> String {
        match self {
            Lang::Ja => ja,
            Lang::En => en,
        }
        .to_owned()
    }

    /// Put the card there.
    pub fn put_card(self) -> String {
        self.pick(
            "マイナンバーカードをカードリーダーに置いてください。",
            "Put your My Number card on the reader.",
        )
    }

    /// What is signed, for whom. The text itself is Japanese in either: it is what the card signs.
    pub fn to_sign(self, started: Started, server: &str, text: &str) -> String {
        match self {
            Lang::Ja => format!(
                "────────\n宛先: {server}\n\n{text}\n────────\nこの内容に、あなたのマイナンバーカードで署名します。"
            ),
            Lang::En => {
                let means = match started {
                    Started::Register => {
                        "It says that your Ishikawa ID is made, or renewed, with the name, date of birth, sex and address on the card."
                    }
                    Started::SignIn => "It says that you sign in to your Ishikawa ID.",
                };
                format!(
                    "--------\nFor: {server}\n\n{text}\n--------\nYour My Number card will sign this text. {means}"
                )
            }
        }
    }

    /// Yes or no?
    pub fn sure(self) -> String {
        self.pick("よろしければ「はい」と入力してください: ", "Type \"yes\" to go on: ")
    }

    /// One more wrong entry locks it.
    pub fn last_try(self, what: Asked) -> String {
        match self {
            Lang::Ja => {
                format!(
                    "【注意】{}は、あと1回まちがえるとロックされ、市町の窓口に行く必要があります。",
                    self.name(what)
                )
            }
            Lang::En => format!(
                "CAREFUL: one more wrong try locks {}. Only your municipal office can then reset it.",
                self.name(what)
            ),
        }
    }

    fn name(self, what: Asked) -> String {
        match what {
            Asked::Pin => self.pick("利用者証明用の暗証番号", "the PIN for user authentication"),
            Asked::Password => self.pick("署名用のパスワード", "the password for signatures"),
        }
    }

    /// Asks for a secret.
    pub fn ask(self, what: Asked, tries: Tries) -> String {
        let left = tries.0;
        match (self, what) {
            (Lang::Ja, Asked::Pin) => format!("利用者証明用の暗証番号（数字4桁、あと{left}回まで）: "),
            (Lang::Ja, Asked::Password) => {
                format!("署名用のパスワード（英数字6〜16文字、あと{left}回まで）: ")
            }
            (Lang::En, Asked::Pin) => format!("PIN for user authentication (4 digits, tries left: {left}): "),
            (Lang::En, Asked::Password) => {
                format!("Password for signatures (6 to 16 letters and digits, tries left: {left}): ")
            }
        }
    }

    /// How it ended.
    pub fn outcome(self, outcome: &CardOutcome) -> String {
        match (self, outcome.state) {
            (Lang::Ja, _) => outcome.message.clone(),
            (Lang::En, CardState::Done) => {
                "Done. Press \"Card read\" on the page that shows the code.".to_owned()
            }
            (Lang::En, CardState::Review) => {
                "Staff will look at this registration; you are told the result at a counter.".to_owned()
            }
        }
    }

    /// Why it ended without an outcome.
    pub fn error(self, e: &anyhow::Error) -> String {
        let english = || {
            let ceremony = e.downcast_ref::<CeremonyError>().map(english);
            let reader = || e.downcast_ref::<ReaderError>().map(reader);
            let server = || e.downcast_ref::<ServerError>().map(server);
            ceremony.or_else(reader).or_else(server)
        };
        match self {
            Lang::Ja => None,
            Lang::En => english(),
        }
        .unwrap_or_else(|| format!("{e:#}"))
    }
}

fn english(e: &CeremonyError) -> String {
    match e {
        CeremonyError::Card(e) => card(e),
        CeremonyError::Server(e) => server(e),
        CeremonyError::OtherServer(name) => {
            format!("This request is for another server ({name}). Nothing is signed.")
        }
        CeremonyError::OtherAct => {
            "The page asks for something else than was started here. Nothing is signed.".to_owned()
        }
        CeremonyError::Text(_) => "The text cannot be shown safely. Nothing is signed.".to_owned(),
        CeremonyError::Declined => "Stopped. Nothing was sent to the card.".to_owned(),
        CeremonyError::Secret(SecretError::Pin) => {
            "The PIN for user authentication has four digits.".to_owned()
        }
        CeremonyError::Secret(SecretError::Password) => {
            "The password for signatures has 6 to 16 letters and digits.".to_owned()
        }
        CeremonyError::Input(why) => format!("The entry cannot be read: {why}"),
    }
}

fn card(e: &CardError) -> String {
    match e {
        CardError::Channel(_) => "The card cannot be read. Put it on the reader again.".to_owned(),
        CardError::NotThisCard => "This does not seem to be a My Number card.".to_owned(),
        CardError::NoSignCertificate => {
            "This card has no certificate for signatures. Your municipal office issues one (as a rule not below the age of 15)."
                .to_owned()
        }
        CardError::WrongSecret { left } => format!("That was wrong. Tries left before it is locked: {left}."),
        CardError::Blocked => "It is locked. Your municipal office can reset it.".to_owned(),
        CardError::Unexpected { step, status } => format!("The card gave an unexpected answer ({step}: {status:04X})."),
        CardError::Form(_) => "Something on the card cannot be read.".to_owned(),
    }
}

fn reader(e: &ReaderError) -> String {
    match e {
        ReaderError::Service(why) => format!("The card service (pcscd) is not running: {why}"),
        ReaderError::NoReader => "No card reader was found.".to_owned(),
        ReaderError::NoCard => "No card was put on the reader.".to_owned(),
        ReaderError::Busy(why) => format!("Another program is using the card: {why}"),
    }
}

fn server(e: &ServerError) -> String {
    match e {
        ServerError::Plain => "The server address must begin with https://.".to_owned(),
        ServerError::Roots => "The CA certificate cannot be read.".to_owned(),
        ServerError::Unreachable(why) => format!("The server cannot be reached: {why}"),
        // Problem documents are English already.
        ServerError::Refused { .. } => e.to_string(),
        ServerError::Form => {
            "The server's answer cannot be read. A newer version of this program may be needed.".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_asked_for_or_that_of_the_machine() {
        let machine = |lang: &'static str| move |name: &str| (name == "LANG").then(|| lang.to_owned());
        assert_eq!(Lang::chosen(None, machine("en_GB.UTF-8")), Lang::En);
        assert_eq!(Lang::chosen(None, machine("ja_JP.UTF-8")), Lang::Ja);
        assert_eq!(Lang::chosen(None, |_| None), Lang::Ja);
        assert_eq!(Lang::chosen(Some("ja"), machine("en_GB.UTF-8")), Lang::Ja);
        assert_eq!(Lang::chosen(Some("en"), machine("C")), Lang::En);
    }

    #[test]
    fn english_has_no_japanese_but_the_text_that_is_signed() {
        let errors = [
            anyhow::Error::from(CeremonyError::Declined),
            CeremonyError::from(CardError::WrongSecret { left: 2 }).into(),
            CeremonyError::from(ServerError::Form).into(),
            CeremonyError::from(SecretError::Pin).into(),
            ReaderError::NoCard.into(),
            ServerError::Plain.into(),
        ];
        for e in errors {
            assert!(Lang::En.error(&e).is_ascii(), "{e}");
            assert!(!Lang::Ja.error(&e).is_ascii(), "{e}");
        }
        for what in [Asked::Pin, Asked::Password] {
            assert!(Lang::En.ask(what, Tries(2)).contains("left: 2") && Lang::En.last_try(what).is_ascii());
        }
        let shown = Lang::En.to_sign(Started::Register, "https://id.example", "いしかわID");
        assert!(shown.contains("いしかわID") && shown.contains("https://id.example"));
    }
}
