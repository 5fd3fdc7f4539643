//! Types of paths and ports in the guest, as its policy says.

use std::collections::BTreeSet;

use super::linked::Linked;

/// What kind of file a path is, as matchpathcon(8) has it; whatever it is where nothing is said.
pub type Kind = &'static str;
pub const ANY: Kind = "any";

impl Linked {
    /// The type of a path; of a pseudo file system by the longest prefix. `<<none>>` where the policy says so.
    pub fn type_of(&self, path: &str, kind: Kind) -> String {
        let key = (path.to_owned(), kind);
        if let Some(known) = self.types.lock().unwrap().get(&key) {
            return known.clone();
        }
        let found = self.ask(path, kind);
        self.types.lock().unwrap().insert(key, found.clone());
        found
    }

    fn ask(&self, path: &str, kind: Kind) -> String {
        for (root, file_system) in [("/proc", "proc"), ("/sys/fs/selinux", "selinuxfs"), ("/sys", "sysfs")] {
            if path == root || path.starts_with(&format!("{root}/")) {
                let below = if root == "/sys/fs/selinux" { "/" } else { path.strip_prefix(root).unwrap() };
                return self.pseudo_type(file_system, if below.is_empty() { "/" } else { below });
            }
        }
        let mut words = vec!["matchpathcon", "-n"];
        if kind != ANY {
            words.extend(["-m", kind]);
        }
        words.push(path);
        let said = self.view.inside(&words).output;
        said.trim().split(':').nth(2).unwrap_or("<<none>>").to_owned()
    }

    fn pseudo_type(&self, file_system: &str, path: &str) -> String {
        self.genfscon
            .iter()
            .filter(|(of, prefix, _)| of == file_system && path.starts_with(prefix.as_str()))
            .max_by_key(|(_, prefix, _)| prefix.len())
            .map_or_else(|| "<<none>>".to_owned(), |(.., kind)| kind.clone())
    }

    /// What has no label of its own has its folder's.
    pub fn own_or_folders(&self, path: &str, kind: Kind) -> String {
        let (mut path, mut found) = (path, self.type_of(path, kind));
        while found == "<<none>>" && path != "/" {
            path =
                path.rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder });
            found = self.type_of(path, "dir");
        }
        found
    }

    pub fn types_of<'a>(&self, paths: impl IntoIterator<Item = &'a str>, kind: Kind) -> BTreeSet<String> {
        paths.into_iter().map(|path| self.own_or_folders(path, kind)).collect()
    }

    /// The type of a TCP port is the one of the smallest range that has it.
    pub fn type_of_port(&self, port: u16) -> String {
        let said = self.view.said(&["seinfo", "/tmp/policy", "--portcon", &port.to_string()]);
        let ranges = said.lines().filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let ["portcon", "tcp", range, .., context] = words[..] else { return None };
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let width = last.parse::<u32>().ok()? - first.parse::<u32>().ok()?;
            Some((width, context.split(':').nth(2)?.to_owned()))
        });
        ranges.min_by_key(|(width, _)| *width).map_or_else(|| "none".to_owned(), |(_, kind)| kind)
    }
}
