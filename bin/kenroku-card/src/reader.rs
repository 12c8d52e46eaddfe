//! Card readers through PC/SC.

use std::ffi::{CStr, CString};
use std::time::Duration;

use pcsc::{Context, Disposition, Protocols, ReaderState, Scope, ShareMode, State};

use crate::channel::{Channel, ChannelError};

/// Why no card can be used.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// The service does not run.
    #[error("カードリーダーの仕組み（pcscd）が動いていません: {0}")]
    Service(pcsc::Error),
    /// No reader, or not the named one.
    #[error("カードリーダーが見つかりません。")]
    NoReader,
    /// Nobody put a card on it in time.
    #[error("カードが置かれませんでした。")]
    NoCard,
    /// Another program uses it.
    #[error("カードをほかのプログラムが使っています: {0}")]
    Busy(pcsc::Error),
}

/// The names of all readers.
///
/// # Errors
/// When the service does not run.
pub fn names() -> Result<Vec<String>, ReaderError> {
    let context = Context::establish(Scope::User).map_err(ReaderError::Service)?;
    Ok(readers(&context)?.iter().map(|r| r.to_string_lossy().into_owned()).collect())
}

fn readers(context: &Context) -> Result<Vec<CString>, ReaderError> {
    match context.list_readers_owned() {
        Ok(all) => Ok(all),
        Err(pcsc::Error::NoReadersAvailable) => Ok(Vec::new()),
        Err(e) => Err(ReaderError::Service(e)),
    }
}

/// A card that this program alone uses until it is dropped.
pub struct Reader(Option<pcsc::Card>);

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

impl Reader {
    /// Waits for a card on the named reader, or on any.
    ///
    /// # Errors
    /// Without a reader, or when no card comes in time.
    pub fn wait(name: Option<&str>, patience: Duration) -> Result<Self, ReaderError> {
        let context = Context::establish(Scope::User).map_err(ReaderError::Service)?;
        let mut watched: Vec<ReaderState> = readers(&context)?
            .into_iter()
            .filter(|r| name.is_none_or(|n| r.as_bytes() == n.as_bytes()))
            .map(|r| ReaderState::new(r, State::UNAWARE))
            .collect();
        if watched.is_empty() {
            return Err(ReaderError::NoReader);
        }
        // The first call returns at once with the present state; then it waits for a change.
        loop {
            match context.get_status_change(patience, &mut watched) {
                Ok(()) => {}
                Err(pcsc::Error::Timeout) => return Err(ReaderError::NoCard),
                Err(e) => return Err(ReaderError::Service(e)),
            }
            let ready = |r: &&ReaderState| {
                r.event_state().contains(State::PRESENT) && !r.event_state().contains(State::MUTE)
            };
            if let Some(r) = watched.iter().find(ready) {
                return Self::connect(&context, r.name());
            }
            for r in &mut watched {
                r.sync_current_state();
            }
        }
    }

    fn connect(context: &Context, reader: &CStr) -> Result<Self, ReaderError> {
        let card =
            context.connect(reader, ShareMode::Exclusive, Protocols::ANY).map_err(ReaderError::Busy)?;
        Ok(Reader(Some(card)))
    }
}

impl Channel for Reader {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let card = self.0.as_ref().ok_or_else(|| ChannelError("closed".to_owned()))?;
        let mut buffer = [0; pcsc::MAX_BUFFER_SIZE];
        let answer = card.transmit(command, &mut buffer).map_err(|e| ChannelError(e.to_string()))?;
        Ok(answer.to_vec())
    }
}

impl Drop for Reader {
    /// Resets the card, so that no secret given to it stays open for whoever comes next.
    fn drop(&mut self) {
        if let Some(card) = self.0.take() {
            // Nothing can be done about a card that is gone already.
            let _ = card.disconnect(Disposition::ResetCard);
        }
    }
}
