//! The grammar of a head: the part of HTTP/1.1 (RFC 9112) that waagent-fetch needs, and nothing that two readers could
//! understand in two ways.

use waagent_common::gate::protocol::MAX_HEAD;

use crate::refusal::Refusal;

/// The grammar in words, for people.
pub const RULES: &[&str] = &[
    "at most 16384 bytes, of which each is printable ASCII or part of a CR LF at a line's end",
    "a request line of GET, POST or PUT, a target that begins with '/' and has no '#', and HTTP/1.1, with single spaces",
    "a path below '/machine/' ends at the first '?', and decoded, however often, is UTF-8 without control characters, '?', \
     '#', characters that fold into ASCII, and segments of dots",
    "at most 32 header lines; a name is letters, digits and '-', a value follows its ':' at once; no line is folded",
    "no name twice, in whatever case; only names of the request's row",
    "Host is the target's own address; the gate writes it and 'Connection: close' itself",
    "Content-Length has canonical digits; POST and PUT have it, GET has neither it nor a body",
];

/// The methods that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Ask.
    Get,
    /// Tell.
    Post,
    /// Store.
    Put,
}

impl Method {
    /// As a request line has it.
    pub const fn as_wire(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Get, Self::Post, Self::Put].into_iter().find(|method| method.as_wire() == text)
    }
}

/// A head that keeps the grammar. What its names and values mean, `request` judges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<'a> {
    /// The method.
    pub method: Method,
    /// Path and query, as they came.
    pub target: &'a str,
    /// Names in lower case, none twice; values without the spaces around them.
    pub headers: Vec<(String, &'a str)>,
    /// Bytes of the head, the empty line included.
    pub length: usize,
}

impl<'a> Head<'a> {
    /// Reads a head from the beginning of these bytes. None where its end hasn't come yet.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<Self>, Refusal> {
        let begin = bytes.get(..MAX_HEAD.min(bytes.len())).unwrap_or_default();
        let Some(end) = begin.windows(END.len()).position(|window| window == END) else {
            return if bytes.len() < MAX_HEAD {
                Ok(None)
            } else {
                Err(Refusal::new("a head of more than 16384 bytes"))
            };
        };
        let mut lines = lines(begin.get(..end).unwrap_or_default())?.into_iter();
        let (method, target) = request_line(lines.next().unwrap_or_default())?;
        let mut headers = Vec::new();
        for line in lines {
            let header = header(line)?;
            if headers.iter().any(|(name, _)| *name == header.0) {
                return Err(Refusal::new(format!("header '{}' twice", header.0)));
            }
            if headers.len() == MAX_HEADERS {
                return Err(Refusal::new("more than 32 header lines"));
            }
            headers.push(header);
        }
        Ok(Some(Self { method, target, headers, length: end + END.len() }))
    }

    /// The value of a header; its name in lower case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// Lines between CR LF, each of printable ASCII: a CR or LF of its own is left over in one, and no printable character.
fn lines(bytes: &[u8]) -> Result<Vec<&str>, Refusal> {
    let refuse = || Refusal::new("a byte that is neither printable ASCII nor part of a CR LF");
    let text = str::from_utf8(bytes).map_err(|_| refuse())?;
    let lines: Vec<&str> = text.split("\r\n").collect();
    let is_printable = |line: &&str| line.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    if lines.iter().all(is_printable) { Ok(lines) } else { Err(refuse()) }
}

fn request_line(line: &str) -> Result<(Method, &str), Refusal> {
    let parts: Vec<&str> = line.splitn(4, ' ').collect();
    let [method, target, "HTTP/1.1"] = parts.as_slice() else {
        return Err(Refusal::new("a request line that isn't method, target and HTTP/1.1 with single spaces"));
    };
    let method =
        Method::parse(method).ok_or_else(|| Refusal::new("a method other than GET, POST and PUT"))?;
    if !target.starts_with('/') || target.contains('#') {
        return Err(Refusal::new("a target that doesn't begin with '/', or has a '#'"));
    }
    Ok((method, target))
}

fn header(line: &str) -> Result<(String, &str), Refusal> {
    let (name, value) = line.split_once(':').ok_or_else(|| Refusal::new("a header line without ':'"))?;
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_of_a_name) {
        return Err(Refusal::new(
            "a header name that isn't 1 to 64 letters, digits and '-', or a folded line",
        ));
    }
    Ok((name.to_ascii_lowercase(), value.trim_matches(' ')))
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

/// `Content-Length` without a sign, a space or a leading zero: there is one way to write a number.
pub(crate) fn length(digits: &str) -> Result<u64, Refusal> {
    let number = digits.parse::<u64>().ok().filter(|number| number.to_string() == digits);
    number.ok_or_else(|| Refusal::new("a Content-Length that isn't a number in canonical digits"))
}

const END: &[u8] = b"\r\n\r\n";
const MAX_HEADERS: usize = 32;
const MAX_NAME: usize = 64;
