//! The auditor's report: what each program may do, in all layers, each grant with its reason.
#![forbid(unsafe_code)]

/// Adds formatted text to a string, which can't fail.
macro_rules! put {
    ($out:expr, $($words:tt)*) => {{
        use std::fmt::Write;
        let _infallible = write!($out, $($words)*);
    }};
}

pub mod architecture;
pub mod arguments;
pub mod blocks;
pub mod check;
pub mod docstring;
pub mod exposure;
pub mod gate;
pub mod html;
pub mod index;
pub mod layers;
pub mod lines;
pub mod markdown;
pub mod page;
pub mod picture;
pub mod programs;
pub mod reach;
pub mod reasons;
pub mod report;
pub mod tools;
pub mod words;
