//! Which paths have which SELinux type: `waagent.fc`.

/// A line of the file: a path, as a regular expression, and the type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// As written.
    pub pattern: String,
    /// Without the marks of regular expressions, for people.
    pub path: String,
    /// The type.
    pub kind: String,
}

/// Reads the file.
pub fn contexts(text: &str) -> Vec<Context> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let pattern = line.split_whitespace().next()?;
            let kind = line.split_once("object_r:")?.1.split(',').next()?;
            Some(Context { pattern: pattern.to_owned(), path: plain(pattern), kind: kind.to_owned() })
        })
        .collect()
}

/// The paths of a type.
pub fn paths_of<'a>(contexts: &'a [Context], kind: &str) -> Vec<&'a str> {
    contexts.iter().filter(|context| context.kind == kind).map(|context| context.path.as_str()).collect()
}

/// The type of a document: that of the longest folder that holds it.
pub fn type_of<'a>(contexts: &'a [Context], path: &str) -> Option<&'a str> {
    contexts
        .iter()
        .filter(|context| !context.path.contains('*') && is_below(path, &context.path))
        .max_by_key(|context| context.path.len())
        .map(|context| context.kind.as_str())
}

/// Is a path the folder or below it?
pub fn is_below(path: &str, folder: &str) -> bool {
    folder == "/" || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn plain(pattern: &str) -> String {
    let folder = pattern.strip_suffix("(/.*)?").unwrap_or(pattern);
    folder
        .replace("[^/]+-[0-9]+(\\.[0-9]+)*", "<handler>-<version>")
        .replace("\\.[^/]+\\.trash-[0-9]+", ".*.trash-*")
        .replace("[0-9A-F]+", "*")
        .replace("\\.", ".")
        .replace(".*\u{2e}", "*.")
        .replace(".*", "*")
        .replace("<handler>", "*")
        .replace("<version>", "*")
        .replace("**", "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_type_of_a_document() {
        let text = "# x\n/var/lib/w(/.*)?\tgen_context(system_u:object_r:w_t,s0)\n\
                    /var/lib/w/net(/.*)?\tgen_context(system_u:object_r:n_t,s0)\n\
                    /var/lib/w/certs/T.*\\.pem\t--\tgen_context(system_u:object_r:k_t,s0)\n";
        let contexts = contexts(text);
        assert_eq!(type_of(&contexts, "/var/lib/w/net/endpoint.json"), Some("n_t"));
        assert_eq!(paths_of(&contexts, "k_t"), ["/var/lib/w/certs/T*.pem"]);
    }
}
