//! The steps of `waagent-disk resource`.

pub mod act;
pub mod blocks;
pub mod check;
pub mod decide;
pub mod disk;
pub mod facts;
pub mod find;
pub mod finish;
pub mod flags;
pub mod gpt;
pub mod hold;
pub mod journal;
pub mod kernel;
pub mod label;
pub mod mounts;
pub mod ntfs;
pub mod owner;
pub mod prepare;
pub mod report;
pub mod round;
pub mod scsi;
pub mod signature;
pub mod swap;
pub mod table;
pub mod wanted;
pub mod warning_file;
