//! The SELinux module, domain by domain, as its source says it.

/// The source: its sections.
#[derive(Debug, Clone, Default)]
pub struct Module {
    /// Sections in order, each under its banner.
    pub sections: Vec<Section>,
}

/// The rules of a domain.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// The banner: `waagent-net local policy`.
    pub title: String,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// As written, on one line, without the semicolon.
    pub text: String,
    /// The comment above it; rules that follow without a comment or an empty line share it.
    pub why: String,
    /// When it holds, in words: a boolean, a distribution.
    pub condition: Option<String>,
}

/// A rule, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// `allow subject target:class permissions`.
    Allow {
        /// Who may.
        subject: String,
        /// Types.
        targets: Vec<String>,
        /// Class of objects.
        class: String,
        /// What he may.
        permissions: Vec<String>,
    },
    /// An interface or a pattern of the reference policy, with its arguments.
    Call {
        /// Its name.
        name: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

impl Module {
    /// Reads a `.te` file.
    pub fn parse(text: &str) -> Self {
        let mut reader = Reader::default();
        text.lines().for_each(|line| reader.line(line));
        Self { sections: reader.sections }
    }

    /// The section under a banner.
    pub fn section(&self, title: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.title == title)
    }

    /// The section of a program.
    pub fn of(&self, program: &str) -> Option<&Section> {
        self.section(&format!("{program} local policy"))
    }
}

impl Rule {
    /// Takes it apart.
    pub fn shape(&self) -> Option<Shape> {
        if let Some(rest) = self.text.strip_prefix("allow ") {
            return allow(rest);
        }
        let (name, rest) = self.text.split_once('(')?;
        let arguments = rest.strip_suffix(')')?.split(',').map(|word| word.trim().to_owned()).collect();
        Some(Shape::Call { name: name.to_owned(), arguments })
    }
}

fn allow(rest: &str) -> Option<Shape> {
    let (left, right) = rest.rsplit_once(':')?;
    let (subject, targets) = left.split_once(' ')?;
    let (class, permissions) = right.split_once(' ')?;
    Some(Shape::Allow {
        subject: subject.to_owned(),
        targets: words(targets),
        class: class.to_owned(),
        permissions: words(permissions),
    })
}

/// The words of a set in braces, or the one word.
pub fn words(set: &str) -> Vec<String> {
    set.split(|c: char| c.is_whitespace() || c == '{' || c == '}')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Goes through the lines.
#[derive(Debug, Default)]
struct Reader {
    sections: Vec<Section>,
    in_banner: bool,
    comment: String,
    /// Blocks that are open, the innermost last.
    open: Vec<Open>,
}

/// A block that ends with `')`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Open {
    /// What others declare.
    Require,
    /// Rules, always.
    Optional,
    /// Rules that hold sometimes.
    When(String),
}

impl Reader {
    fn line(&mut self, line: &str) {
        let line = line.trim();
        if line.starts_with("####") {
            self.in_banner = true;
            // Definitions of interfaces, which no section shows, may have left some open.
            self.open.clear();
        } else if self.in_banner {
            self.banner(line);
        } else if line.is_empty() {
            // A reason above a block is that of all in it.
            if self.open.is_empty() {
                self.comment.clear();
            }
        } else if line.starts_with("##") {
            // Documentation of a boolean, which the tunable's own page has.
        } else if let Some(words) = line.strip_prefix('#') {
            self.comment_line(words.trim());
        } else {
            self.statement(line);
        }
    }

    fn banner(&mut self, line: &str) {
        match line.trim_start_matches('#').trim() {
            "" if line.is_empty() => self.in_banner = false,
            "" => {}
            title => self.sections.push(Section { title: title.to_owned(), rules: Vec::new() }),
        }
    }

    /// A comment below a rule begins a new reason, one below a comment goes on.
    fn comment_line(&mut self, words: &str) {
        if self.comment.ends_with('\0') {
            self.comment.clear();
        }
        if !self.comment.is_empty() {
            self.comment.push(' ');
        }
        self.comment.push_str(words);
    }

    fn statement(&mut self, line: &str) {
        if line.starts_with("gen_require(") {
            self.open.push(Open::Require);
        } else if line.starts_with("optional_policy(") {
            self.open.push(Open::Optional);
        } else if let Some(rest) = line.strip_prefix("tunable_policy(`") {
            self.open.push(Open::When(format!("while `{}`", quoted(rest))));
        } else if let Some(rest) = line.strip_prefix("ifdef(`") {
            self.open.push(Open::When(built_where(quoted(rest))));
        } else if line == "',`" {
            let before = self.open.pop();
            let other = matches!(before, Some(Open::When(words)) if words == FEDORA);
            let words = if other { "where it is another" } else { "else" };
            self.open.push(Open::When(words.to_owned()));
        } else if line == "')" {
            self.open.pop();
        } else if !self.open.contains(&Open::Require) {
            self.rule(line);
        }
    }

    fn rule(&mut self, line: &str) {
        let why = self.comment.trim_end_matches('\0').to_owned();
        // The mark says that a rule has used it.
        if !self.comment.ends_with('\0') {
            self.comment.push('\0');
        }
        let text = line.trim_end_matches(';').to_owned();
        let condition = self.open.iter().rev().find_map(|open| match open {
            Open::When(words) => Some(words.clone()),
            Open::Require | Open::Optional => None,
        });
        let rule = Rule { text, why, condition };
        if let Some(section) = self.sections.last_mut() {
            section.rules.push(rule);
        }
    }
}

/// The text up to the quote that ends it.
fn quoted(rest: &str) -> &str {
    rest.split('\'').next().unwrap_or(rest)
}

/// A condition of m4: the distribution, or an interface that its policy has.
fn built_where(name: &str) -> String {
    if name == "distro_redhat" { FEDORA.to_owned() } else { format!("where the policy has `{name}`") }
}

const FEDORA: &str = "where the policy is Fedora's";

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "policy_module(x, 1)\n\nifdef(`a',`',`define(`a',`b($1)')')\n\n####\n#\n# x local policy\n#\n\n# Links\n# and tables.\n\
        allow x_t self:netlink_route_socket { read write };\n\nfiles_search_etc(x_t)\n\
        tunable_policy(`!x_on',`\n\t# Why not.\n\tcan_exec(x_t, { a_t b_t })\n')\n\
        ifdef(`distro_redhat',`\n\tgen_require(`\n\t\ttype y_t;\n\t')\n\tallow x_t y_t:dir read;\n',`\n\
        \tallow x_t z_t:dir read;\n')\n";

    #[test]
    fn reads_sections_reasons_and_conditions() {
        let module = Module::parse(TEXT);
        let rules = &module.of("x").unwrap().rules;
        assert_eq!(rules.len(), 5);
        assert_eq!(rules[3].condition.as_deref(), Some(FEDORA));
        assert_eq!(rules[4].condition.as_deref(), Some("where it is another"));
        assert_eq!(rules[0].why, "Links and tables.");
        assert_eq!(rules[1].why, "");
        assert_eq!(
            (rules[2].why.as_str(), rules[2].condition.as_deref()),
            ("Why not.", Some("while `!x_on`"))
        );
        let Some(Shape::Allow { class, permissions, .. }) = rules[0].shape() else { panic!("no allow") };
        assert_eq!((class.as_str(), permissions), ("netlink_route_socket", words("{ read write }")));
        let Some(Shape::Call { name, arguments }) = rules[2].shape() else { panic!("no call") };
        assert_eq!(
            (name.as_str(), arguments),
            ("can_exec", vec!["x_t".to_owned(), "{ a_t b_t }".to_owned()])
        );
    }
}
