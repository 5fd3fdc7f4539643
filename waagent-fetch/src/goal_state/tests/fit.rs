//! More than the documents can hold.

use waagent_common::documents::{DependsOn, Extension, ExtensionUris};
use waagent_common::types::{HandlerName, HandlerVersion};

use crate::goal_state::{extensions_config, settings};

fn named(number: usize, instances: usize, dependencies: usize) -> Extension {
    let mut one = settings::empty(None, 0);
    one.depends_on = vec![DependsOn { handler: "a".to_owned(), extension: None }; dependencies];
    Extension {
        name: HandlerName::try_from(format!("Test.Number{number}")).unwrap(),
        version: HandlerVersion::try_from("1.0").unwrap(),
        state: "enabled".into(),
        encoded_signature: Some("A".repeat(9)),
        multi_config: true,
        error: None,
        settings: vec![one; instances],
    }
}

#[test]
fn what_is_too_much_for_the_documents_fails_the_extension_at_which_it_is() {
    for (instances, dependencies, bad, why) in [
        (64, 0, vec![8, 9], "512 settings together"),
        (1, 256, vec![8, 9], "2048 dependencies together"),
        (2, 2, vec![], ""),
    ] {
        let mut state = extensions_config::empty("1");
        state.extensions = (0..10).map(|number| named(number, instances, dependencies)).collect();
        state.fit();
        let failed: Vec<usize> = (0..10).filter(|number| state.extensions[*number].error.is_some()).collect();
        assert_eq!(failed, bad);
        for number in bad {
            let extension = &state.extensions[number];
            assert!(extension.error.as_ref().unwrap().contains(why) && extension.settings.is_empty());
        }
    }
}

#[test]
fn addresses_of_manifests_stay_below_their_documents_bound() {
    let mut state = extensions_config::empty("1");
    let long = format!("https://a.example/{}", "\"".repeat(4000));
    state.uris = (0..256)
        .map(|number| ExtensionUris {
            name: named(number, 0, 0).name,
            version: named(number, 0, 0).version,
            manifests: vec![long.clone(); 16],
        })
        .collect();
    state.fit();
    let left: usize = state.uris.iter().map(|uris| uris.manifests.len()).sum();
    assert!((300..400).contains(&left), "{left}");
    assert_eq!(state.uris[0].manifests.len(), 16);
}
