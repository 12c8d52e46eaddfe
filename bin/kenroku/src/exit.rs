//! How the program ends when it cannot go on: a code for scripts (after BSD's sysexits), a sentence for people.

use std::fmt;
use std::process::ExitCode;

use kenroku_http::serve::BindError;
use kenroku_store::Error as StoreError;

use crate::config::ConfigError;

/// Exit codes; documented in docs/runbook/exit-codes.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// All went well.
    Ok = 0,
    /// The command line is wrong.
    Usage = 64,
    /// A file that was to be read has wrong content.
    Data = 65,
    /// A file that was to be read is not there.
    NoInput = 66,
    /// Something it needs does not answer (database).
    Unavailable = 69,
    /// A fault of the program.
    Software = 70,
    /// The system refuses (port taken).
    Os = 71,
    /// A file or folder cannot be made.
    CannotCreate = 73,
    /// Reading or writing failed (disk full).
    Io = 74,
    /// Another process does it at the moment; try again later.
    TryAgain = 75,
    /// The configuration is wrong.
    Config = 78,
}

impl From<Code> for ExitCode {
    fn from(c: Code) -> ExitCode {
        ExitCode::from(c as u8)
    }
}

/// Why a command ended.
#[derive(Debug)]
pub struct Stop {
    /// For scripts.
    pub code: Code,
    /// For people: what happened and what to do.
    pub text: String,
}

impl Stop {
    /// With a code and a text.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Stop { code, text: text.into() }
    }

    /// A fault of the program.
    pub fn fault(e: impl fmt::Display) -> Self {
        Stop::new(Code::Software, format!("this should not happen, please report it: {e}"))
    }

    /// Says it and gives the code.
    #[expect(clippy::print_stderr, reason = "the last word of a command goes to the terminal")]
    pub fn report(self) -> ExitCode {
        eprintln!("kenroku: {}", self.text);
        self.code.into()
    }
}

impl From<ConfigError> for Stop {
    fn from(e: ConfigError) -> Self {
        let code = if matches!(e, ConfigError::Unreadable(..)) { Code::NoInput } else { Code::Config };
        Stop::new(code, e.to_string())
    }
}

impl From<BindError> for Stop {
    fn from(e: BindError) -> Self {
        Stop::new(Code::Os, e.to_string())
    }
}

impl From<StoreError> for Stop {
    fn from(e: StoreError) -> Self {
        let code = match e {
            StoreError::Full => Code::Io,
            StoreError::Busy(_) => Code::TryAgain,
            StoreError::Unreachable(_) | StoreError::Unconfirmed(_) => Code::Unavailable,
            _ => Code::Software,
        };
        Stop::new(code, e.to_string())
    }
}

impl From<kenroku_module::AssembleError> for Stop {
    fn from(e: kenroku_module::AssembleError) -> Self {
        Stop::new(Code::Software, e.to_string())
    }
}

impl From<kenroku_module::settings::UnknownSetting> for Stop {
    fn from(e: kenroku_module::settings::UnknownSetting) -> Self {
        Stop::fault(e)
    }
}
