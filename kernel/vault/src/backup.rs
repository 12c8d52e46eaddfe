//! The key store's own short backup cycle, on which the bound of an erasure rests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kenroku_types::Timestamp;

use crate::Vault;
use crate::error::{Error, Result};

const PREFIX: &str = "keys-";
const SUFFIX: &str = ".bak";

impl Vault {
    /// Writes a backup of the key store into a folder, and deletes those that are older than
    /// [`VaultOptions::key_backup_days`](crate::VaultOptions::key_backup_days). Copies taken by other means must be
    /// deleted within the same time.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn backup_keys(&self, dir: &Path) -> Result<PathBuf> {
        let path = dir.join(format!("{PREFIX}{}{SUFFIX}", self.env().now().micros()));
        self.keys().db.backup(&path, &mut |_, _| {}).await?;
        self.expire_key_backups(dir)?;
        Ok(path)
    }

    /// Deletes backups of the key store whose time is over; how many.
    ///
    /// # Errors
    /// [`Error::Store`] when a file cannot be deleted: the bound of erasure does not hold until it is.
    pub fn expire_key_backups(&self, dir: &Path) -> Result<u64> {
        let io = |e: std::io::Error| {
            Error::from(kenroku_store::Error::Unreachable(format!("{}: {e}", dir.display())))
        };
        let days = Duration::from_secs(86_400 * u64::from(self.0.options.key_backup_days));
        let oldest = self.env().now().minus(days);
        let mut gone = 0;
        for entry in std::fs::read_dir(dir).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let made = path
                .file_name()
                .and_then(|n| n.to_str())
                .and_then(|n| n.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok())
                .map(Timestamp::from_micros);
            if made.is_some_and(|m| m <= oldest) {
                std::fs::remove_file(&path).map_err(io)?;
                gone += 1;
            }
        }
        Ok(gone)
    }
}
