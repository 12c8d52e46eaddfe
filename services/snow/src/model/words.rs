//! Closed sets of words, the same in the database, in JSON and in class names.

/// Gives an enum its words: `word`, `from_word`, `ALL`, and serde through the word.
macro_rules! words {
    ($ty:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $ty {
            /// All values in order.
            pub const ALL: &'static [$ty] = &[$($ty::$variant),+];

            /// The word used in JSON and in the database.
            pub const fn word(self) -> &'static str {
                match self { $($ty::$variant => $word),+ }
            }

            /// The value a word names.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some($ty::$variant),)+ _ => None }
            }
        }
        impl serde::Serialize for $ty {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.word())
            }
        }
        impl<'de> serde::Deserialize<'de> for $ty {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let word = std::borrow::Cow::<'de, str>::deserialize(d)?;
                $ty::from_word(&word).ok_or_else(|| {
                    let known: Vec<&str> = $ty::ALL.iter().map(|v| v.word()).collect();
                    serde::de::Error::custom(format!("“{word}” is not one of {}", known.join(", ")))
                })
            }
        }
        kenroku_store::via!($ty, String, |w| $ty::from_word(&w).ok_or_else(|| format!("unknown word “{w}”")));
        impl From<$ty> for kenroku_store::Val<'_> {
            fn from(v: $ty) -> Self {
                kenroku_store::Val::from(v.word())
            }
        }
    };
}
pub(crate) use words;
