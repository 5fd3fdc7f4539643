//! Enums whose variants are written as words.

#[doc(hidden)]
pub use serde;

/// No variant is written so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

/// Declares an enum, and beside each variant the word by which documents, the journal and the platform know it.
///
/// The word is said once: serde, [`Display`](std::fmt::Display), [`FromStr`](std::str::FromStr) and `as_wire` all take it
/// from there.
#[macro_export]
macro_rules! words {
    (
        $(#[$about:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$doc:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $visibility enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word for it, as documents and the platform know it.
            pub const fn as_wire(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_wire())
            }
        }

        impl $crate::words::serde::Serialize for $name {
            fn serialize<S>(&self, serializer: S) -> Result<S::Ok, S::Error>
            where
                S: $crate::words::serde::Serializer,
            {
                serializer.serialize_str(self.as_wire())
            }
        }

        impl<'de> $crate::words::serde::Deserialize<'de> for $name {
            fn deserialize<D>(deserializer: D) -> Result<Self, D::Error>
            where
                D: $crate::words::serde::Deserializer<'de>,
            {
                let word: String = $crate::words::serde::Deserialize::deserialize(deserializer)?;
                word.parse().map_err(|_| {
                    $crate::words::serde::de::Error::unknown_variant(&word, &[$($word,)+])
                })
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::words::Unknown;

            fn from_str(word: &str) -> Result<Self, $crate::words::Unknown> {
                Self::ALL.iter().copied().find(|one| one.as_wire() == word).ok_or($crate::words::Unknown)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    words! {
        /// A state.
        enum Light {
            /// Go.
            Green = "green",
            /// Stop.
            BlinkingRed = "blinking-red",
        }
    }

    #[test]
    fn documents_and_people_get_the_same_word() {
        for (light, word) in [(Light::Green, "green"), (Light::BlinkingRed, "blinking-red")] {
            assert_eq!((light.as_wire(), light.to_string().as_str()), (word, word));
            assert_eq!(serde_json::to_string(&light).unwrap(), format!("\"{word}\""));
            assert_eq!(serde_json::from_str::<Light>(&format!("\"{word}\"")).unwrap(), light);
            assert_eq!(word.parse(), Ok(light));
        }
        let refused = serde_json::from_str::<Light>("\"Green\"").unwrap_err().to_string();
        assert!(refused.contains("unknown variant `Green`, expected `green` or `blinking-red`"), "{refused}");
        assert_eq!("Green".parse::<Light>(), Err(super::Unknown));
        assert_eq!(format!("[{:>6}]", Light::Green), "[ green]");
    }
}
