//! Enums whose variants are written as words.

/// Declares an enum, and beside each variant the word by which documents, the journal and the platform know it.
///
/// The word is said once: serde, [`Display`](std::fmt::Display) and `as_wire` all take it from there.
#[macro_export]
macro_rules! words {
    (
        $(#[$about:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$doc:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ::serde::Serialize, ::serde::Deserialize)]
        $visibility enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
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
        }
        assert!(serde_json::from_str::<Light>("\"Green\"").is_err());
        assert_eq!(format!("[{:>6}]", Light::Green), "[ green]");
    }
}
