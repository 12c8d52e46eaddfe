//! The text form of a private key (RFC 7468 §10), as `openssl genpkey` writes it.

use base64::Engine as _;
use zeroize::Zeroizing;

/// Why a text is not taken as a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// There is no such block.
    #[error("there is no line -----BEGIN PRIVATE KEY-----")]
    Missing,
    /// It is under a password (RFC 7468 §11).
    #[error("the key is encrypted; write it without a password: openssl pkcs8 -topk8 -nocrypt")]
    Encrypted,
    /// Another form of private key than PKCS #8.
    #[error("the key is not in PKCS #8; convert it: openssl pkcs8 -topk8 -nocrypt")]
    OtherForm,
    /// More than one key: it would not be clear which one signs.
    #[error("there are several keys; give one")]
    Several,
    /// The block has no end or is not Base64.
    #[error("the text is cut off or damaged")]
    Broken,
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// The PKCS #8 form (DER) of the one private key in this text. What stands around the block is passed over (§2).
///
/// # Errors
/// [`PemError`].
pub fn private_key(text: &str) -> Result<Zeroizing<Vec<u8>>, PemError> {
    let Some((_, rest)) = text.split_once(BEGIN) else {
        return Err(if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            PemError::Encrypted
        } else if text.contains(" PRIVATE KEY-----") {
            PemError::OtherForm
        } else {
            PemError::Missing
        });
    };
    let (body, after) = rest.split_once(END).ok_or(PemError::Broken)?;
    if after.contains(BEGIN) {
        return Err(PemError::Several);
    }
    let body = Zeroizing::new(body.chars().filter(|c| !c.is_ascii_whitespace()).collect::<String>());
    let der = base64::engine::general_purpose::STANDARD.decode(body.as_bytes());
    der.ok().filter(|d| !d.is_empty()).map(Zeroizing::new).ok_or(PemError::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_key_in_pkcs8_and_each_other_form_by_its_name() {
        let good = "made today\n-----BEGIN PRIVATE KEY-----\r\nAQID\r\nBAU=\r\n-----END PRIVATE KEY-----\n";
        assert_eq!(private_key(good).map(|k| k.to_vec()), Ok(vec![1, 2, 3, 4, 5]));
        let labelled = |label: &str| good.replace("PRIVATE KEY", label);
        for (text, why) in [
            (labelled("ENCRYPTED PRIVATE KEY"), PemError::Encrypted),
            (labelled("RSA PRIVATE KEY"), PemError::OtherForm),
            (labelled("PUBLIC KEY"), PemError::Missing),
            (format!("{good}{good}"), PemError::Several),
            (good.replace("AQID", "A ! D"), PemError::Broken),
            (good.replace("END", "FIN"), PemError::Broken),
            (good.replace("AQID\r\nBAU=\r\n", ""), PemError::Broken),
            (String::new(), PemError::Missing),
        ] {
            assert_eq!(private_key(&text).map(drop), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".{0,80}", block in "[A-Za-z0-9+/= \n]{0,80}") {
            let _ = private_key(&text);
            let _ = private_key(&format!("{BEGIN}{block}{END}{text}"));
        }
    }
}
