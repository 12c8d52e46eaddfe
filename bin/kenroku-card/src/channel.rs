//! A line to a card: one command in, one answer out (ISO/IEC 7816-4).

/// The line broke.
#[derive(Debug, thiserror::Error)]
#[error("the card does not answer: {0}")]
pub struct ChannelError(pub String);

/// Sends command APDUs and returns data with the status word at the end.
pub trait Channel {
    /// One command, one answer.
    ///
    /// # Errors
    /// When the card was taken away or the reader fails.
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError>;
}

/// The simulated card is a channel to itself.
#[cfg(feature = "simulated")]
impl Channel for kenroku_sim_card::Card {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChannelError> {
        Ok(kenroku_sim_card::Card::transmit(self, command))
    }
}
