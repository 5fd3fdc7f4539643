//! Names that come from outside, checked once at the border.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::shown;

/// Makes a checked text type: private field, `TryFrom`, serde by the check.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let check: fn(&str) -> bool = $check;
                if check(&text) { Ok(Self(text)) } else { Err(format!("not {}: '{}'", $what, shown(&text))) }
            }
        }

        impl TryFrom<&str> for $name {
            type Error = String;

            fn try_from(text: &str) -> Result<Self, String> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_text!(
    /// SHA-1 of a certificate's DER, 40 upper-case hexadecimal digits: the platform's name for it.
    Thumbprint,
    "a thumbprint (40 hexadecimal digits in upper case)",
    |text| text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
);

checked_text!(
    /// Name of an extension handler, `Publisher.Type`: fit for a file name.
    HandlerName,
    "a handler name (1 to 180 letters, digits, '.', '_', '-', no '.' at either end)",
    |text| is_file_name(text, 180)
);

checked_text!(
    /// Name of an instance of a multi-configuration extension: fit for a file name.
    ExtensionName,
    "an extension name (1 to 80 letters, digits, '.', '_', '-', no '.' at either end)",
    |text| is_file_name(text, 80)
);

checked_text!(
    /// Version of a handler: one to four numbers of at most 10 digits.
    HandlerVersion,
    "a version (1 to 4 numbers of at most 10 digits)",
    |text| {
        let parts: Vec<&str> = text.split('.').collect();
        parts.len() <= 4
            && parts.iter().all(|p| !p.is_empty() && p.len() <= 10 && p.bytes().all(|b| b.is_ascii_digit()))
    }
);

checked_text!(
    /// SHA-256, 64 lower-case hexadecimal digits.
    Sha256,
    "a SHA-256 (64 hexadecimal digits in lower case)",
    |text| text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
);

fn is_file_name(text: &str, max: usize) -> bool {
    !text.is_empty()
        && text.len() <= max
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && !text.starts_with(['.', '-'])
        && !text.ends_with('.')
}

impl HandlerVersion {
    /// The numbers, missing ones as 0: for comparing.
    pub fn numbers(&self) -> [u64; 4] {
        let mut numbers = [0; 4];
        for (slot, part) in numbers.iter_mut().zip(self.0.split('.')) {
            // Ten digits always fit; the type has checked them.
            *slot = part.parse().unwrap_or(0);
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_platform_sends() {
        assert!(Thumbprint::try_from("1BE9A13AA1321C7C515EF109746998BAB6D86FD1").is_ok());
        assert!(HandlerName::try_from("Microsoft.Azure.Extensions.CustomScript").is_ok());
        assert_eq!(HandlerVersion::try_from("2.1.13").unwrap().numbers(), [2, 1, 13, 0]);
    }

    #[test]
    fn refuses_what_could_leave_a_folder() {
        for bad in ["", "..", ".a", "a/b", "a\0", "a b", "-rf", "a."] {
            assert!(HandlerName::try_from(bad).is_err(), "{bad}");
        }
        for bad in ["1be9a13aa1321c7c515ef109746998bab6d86fd1", "1BE9", ""] {
            assert!(Thumbprint::try_from(bad).is_err(), "{bad}");
        }
        for bad in ["", "1.", "1.2.3.4.5", "1.x", "-1", "12345678901"] {
            assert!(HandlerVersion::try_from(bad).is_err(), "{bad}");
        }
    }
}
