//! The card in a virtual reader: the protocol of vpcd, the reader driver of the vsmartcard project.
//!
//! The card connects to the reader. Each message is two bytes of length (big endian) and that many bytes. A message of
//! one byte is about power: 00 off, 01 on, 02 reset (none is answered), 04 asks for the ATR. Every other message is a command,
//! answered by data and status word.
//!
//! vpcd listens on all interfaces: run pcscd and the card in a network namespace of their own.

use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};

use crate::card::{ATR, Card};

const POWER_OFF: u8 = 0x00;
const POWER_ON: u8 = 0x01;
const RESET: u8 = 0x02;
const GET_ATR: u8 = 0x04;

/// Serves one connection until the reader closes it. The card is locked for one message at a time, so that others may
/// look at it meanwhile.
///
/// # Errors
/// When the connection breaks in the middle of a message.
pub fn serve(card: &Mutex<Card>, mut reader: impl Read + Write) -> io::Result<()> {
    let mut length = [0; 2];
    loop {
        match reader.read_exact(&mut length) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(e) => return Err(e),
        }
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        reader.read_exact(&mut message)?;
        let mut card = card.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match message.as_slice() {
            [POWER_OFF | POWER_ON | RESET] => {
                card.reset();
                continue;
            }
            [GET_ATR] => ATR.to_vec(),
            command => card.transmit(command),
        };
        drop(card);
        // An answer has at most 258 bytes.
        let mut framed = (answer.len() as u16).to_be_bytes().to_vec();
        framed.extend(answer);
        reader.write_all(&framed)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::Token;
    use crate::{Pki, Resident};

    /// What the reader sends, and what the card answered.
    struct Line {
        sent: io::Cursor<Vec<u8>>,
        answered: Vec<u8>,
    }

    impl Read for Line {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.sent.read(out)
        }
    }

    impl Write for Line {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.answered.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn power_is_not_answered_and_commands_are() {
        let card = Mutex::new(Card::of(&Resident::new(1), &Pki::shipped().unwrap(), Token::Card).unwrap());
        let sent = [&[0, 1, POWER_ON][..], &[0, 1, GET_ATR], &[0, 1, RESET], &[0, 4, 0, 0xFF, 0, 0]].concat();
        let mut line = Line { sent: io::Cursor::new(sent), answered: Vec::new() };
        serve(&card, &mut line).unwrap();
        assert_eq!(line.answered, [&[0, 9][..], &ATR, &[0, 2, 0x6D, 0x00]].concat());
        let mut cut = Line { sent: io::Cursor::new(vec![0, 9, 1]), answered: Vec::new() };
        assert!(serve(&card, &mut cut).is_err());
    }
}
