//! The reader of media, on images that the usual tools make.

use std::fs::File;
use std::path::Path;

use waagent_media::medium::{Content, FileSystem, Medium, open};

use crate::images::{self, udf, udf::Form};

fn medium(path: &Path) -> Medium<File> {
    match open(File::open(path).unwrap()).unwrap() {
        Content::Medium(medium) => medium,
        other => panic!("{other:?}"),
    }
}

fn read(path: &Path, name: &str) -> Vec<u8> {
    let mut medium = medium(path);
    let entry = medium.find(name).unwrap_or_else(|| panic!("{:?}", medium.files)).clone();
    medium.read(&entry, 1 << 20).unwrap()
}

#[test]
fn reads_udf_as_azure_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = images::bridge(dir.path());
    assert_eq!(medium(&path).file_system, FileSystem::Udf);
    assert_eq!(medium(&path).label, "rd_rdfe_stable.261121-0622");
    assert_eq!(medium(&path).files.len(), 2);
    assert_eq!(read(&path, "ovf-env.xml"), images::OVF.as_bytes());
    assert_eq!(read(&path, "customdata.BIN"), vec![7; 70_000]);
}

#[test]
fn reads_iso_9660_with_the_names_of_rock_ridge_joliet_or_none() {
    for (options, name) in [
        (&["-R"][..], "ovf-env.xml"),
        (&["-J"], "ovf-env.xml"),
        (&["-R", "-J"], "ovf-env.xml"),
        (&[], "OVF_ENV.XML"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let path = images::iso9660(dir.path(), options);
        assert_eq!((medium(&path).file_system, medium(&path).label.as_str()), (FileSystem::Iso9660, "LABEL"));
        assert_eq!(medium(&path).find(name).unwrap().name, name);
        assert_eq!(read(&path, name), images::OVF.as_bytes(), "{options:?}");
    }
}

#[test]
fn reads_what_xorriso_writes() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read(&images::xorriso(dir.path()), "ovf-env.xml"), images::OVF.as_bytes());
}

#[test]
fn reads_udf_of_every_block_size_revision_and_form() {
    for block in [512, 1024, 2048, 4096] {
        for revision in ["1.02", "1.50", "2.01"] {
            for form in [Form::Embedded, Form::Short, Form::Long, Form::Continued] {
                let dir = tempfile::tempdir().unwrap();
                let path =
                    udf::image(dir.path(), block, revision, form, "ovf-env.xml", images::OVF.as_bytes());
                let what = format!("{block} {revision} {form:?}");
                assert_eq!(medium(&path).file_system, FileSystem::Udf, "{what}");
                assert_eq!(medium(&path).label, "LABEL", "{what}");
                assert_eq!(read(&path, "ovf-env.xml"), images::OVF.as_bytes(), "{what}");
            }
        }
    }
}
