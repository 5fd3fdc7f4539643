//! Media for tests, made by the tools that make them in the world.

use std::fs;
use std::path::{Path, PathBuf};

use waagent_support::run;

pub mod udf;

/// What stands for the platform's file.
pub const OVF: &str = "\u{feff}<?xml version=\"1.0\"?><Environment xmlns=\"http://schemas.dmtf.org/ovf/environment/1\"><a>canary-password</a></Environment>\r\n";

/// A folder with `ovf-env.xml`, custom data and a folder below.
pub fn content(folder: &Path) -> PathBuf {
    let content = folder.join("content");
    fs::create_dir_all(content.join("sub")).unwrap();
    fs::write(content.join("ovf-env.xml"), OVF).unwrap();
    fs::write(content.join("CustomData.bin"), vec![7; 70_000]).unwrap();
    fs::write(content.join("sub/ovf-env.xml"), "not this one").unwrap();
    content
}

/// As Azure writes it: UDF beside ISO 9660.
pub fn bridge(folder: &Path) -> PathBuf {
    tool(folder, "genisoimage", &["-quiet", "-udf", "-V", "rd_rdfe_stable.261121-0622"])
}

/// ISO 9660 with these options of genisoimage.
pub fn iso9660(folder: &Path, options: &[&str]) -> PathBuf {
    tool(folder, "genisoimage", &[&["-quiet", "-V", "LABEL"], options].concat())
}

/// ISO 9660 with Rock Ridge and Joliet, by another tool.
pub fn xorriso(folder: &Path) -> PathBuf {
    tool(folder, "xorriso", &["-as", "mkisofs", "-quiet", "-R", "-J", "-V", "LABEL"])
}

fn tool(folder: &Path, program: &str, arguments: &[&str]) -> PathBuf {
    let content = content(folder);
    let image = folder.join("dvd.iso");
    run(program, &[arguments, &["-o", image.to_str().unwrap(), content.to_str().unwrap()]].concat());
    image
}
