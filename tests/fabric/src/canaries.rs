//! The secrets of a scenario as literal strings: what must be found nowhere but where the contract names it.

use std::collections::BTreeMap;

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::identity::Identities;
use crate::scenario::Scenario;

/// Name of a secret to the strings that give it away. A secret that holds a word beginning `CANARY-` is looked
/// for by that word, others by their whole text.
pub fn all(scenario: &Scenario, identities: &Identities) -> Result<BTreeMap<String, Vec<String>>> {
    let mut canaries = BTreeMap::new();
    if let Some(provision) = &scenario.provision {
        if let Some(password) = &provision.password {
            canaries.insert("password".to_owned(), strings(password));
        }
        if let Some(data) = &provision.custom_data {
            canaries.insert("custom-data".to_owned(), strings(data));
        }
    }
    canaries.insert("sas-signature".to_owned(), strings(&scenario.storage.signature));
    for extension in scenario.extension_sets() {
        for settings in extension.settings.iter().chain(&extension.instance) {
            let Some(protected) = &settings.protected else { continue };
            let name = format!("protected-settings {} {}", extension.name, settings.name);
            canaries.insert(name.trim_end().to_owned(), strings(&text(protected)));
        }
    }
    let later = scenario.then.iter().filter_map(|then| then.remote_user.as_ref()).flatten();
    for user in scenario.remote_user.iter().chain(later) {
        canaries.insert(format!("remote-user {}", user.name), strings(&user.password));
    }
    for (name, identity) in identities {
        let forms = [identity.key.private_key_to_pem_pkcs8()?, identity.key.rsa()?.private_key_to_pem()?];
        let mut lines = Vec::new();
        for form in forms {
            // The first seven lines of either form hold the modulus, which is public.
            lines.extend(String::from_utf8(form)?.lines().skip(9).take(2).map(ToOwned::to_owned));
        }
        canaries.insert(format!("private-key {name}"), lines);
    }
    Ok(canaries)
}

fn strings(secret: &str) -> Vec<String> {
    let words: Vec<&str> = secret.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).collect();
    let marked: Vec<&str> = words.into_iter().filter(|word| word.starts_with("CANARY-")).collect();
    let literal = if marked.is_empty() { vec![secret.trim()] } else { marked };
    let mut strings = Vec::new();
    for text in literal {
        strings.push(text.to_owned());
        strings.extend((0..3).map(|offset| base64_inside(text, offset)));
    }
    strings.retain(|text| text.len() >= 4);
    strings.sort_unstable();
    strings.dedup();
    strings
}

/// What base64 makes of a text that begins `offset` bytes after a multiple of three, without the characters at
/// both ends that its neighbours have a part in.
fn base64_inside(text: &str, offset: usize) -> String {
    let encoded = STANDARD.encode([&vec![0; offset], text.as_bytes()].concat());
    let whole = (offset + text.len()) / 3 * 4;
    let first = if offset == 0 { 0 } else { offset + 1 };
    encoded.get(first..whole).unwrap_or_default().to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
