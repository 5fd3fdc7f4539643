//! A unit as the package installed it.

/// Keys and values of its `[Service]` section, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitFile(Vec<(String, String)>);

impl UnitFile {
    /// Reads a unit file; none of ours has continuation lines.
    pub fn parse(text: &str) -> Self {
        let service = text.lines().map(str::trim).skip_while(|line| *line != "[Service]").skip(1);
        let lines = service.take_while(|line| !line.starts_with('['));
        let pairs = lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
        Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// All words of all values of a key.
    pub fn words<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.values(key).flat_map(str::split_whitespace)
    }

    /// All values of a key.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The last value of a key, which is the one that counts.
    pub fn last(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The program that it executes, below the folder of the programs.
    pub fn program(&self) -> Option<&str> {
        let command = self.values("ExecStart").next()?.split(' ').next()?;
        command.strip_prefix(super::machine::PROGRAMS)?.strip_prefix('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_service_section_alone() {
        let text = "[Unit]\nUser=x\n[Service]\n# no\nExecStart=/usr/libexec/waagent/waagent-net firewall\nUser=a\nUser=b\n\n\
                    RestrictAddressFamilies=AF_INET AF_UNIX\n[Install]\nUser=c\n";
        let file = UnitFile::parse(text);
        assert_eq!(file.program(), Some("waagent-net"));
        assert_eq!(file.last("User"), Some("b"));
        assert_eq!(file.words("RestrictAddressFamilies").collect::<Vec<_>>(), ["AF_INET", "AF_UNIX"]);
        assert_eq!(file.last("Group"), None);
    }
}
