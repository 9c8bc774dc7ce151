//! Media types and other `value; name=value` fields (RFC 9110 §5.6.6, §8.3.1), read as leniently as services write them.

/// A media type with its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaType {
    /// `type/subtype` in lower case; empty where there is none.
    pub essence: String,
    /// Parameters in order, names in lower case, quotes undone.
    pub parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Never fails: what makes no sense is left out.
    pub fn parse(field: &str) -> Self {
        let end = field.find([';', ',']).unwrap_or(field.len());
        let (essence, mut rest) = field.split_at_checked(end).unwrap_or((field, ""));
        let mut parameters = Vec::new();
        while let Some(at) = rest.find(|c: char| c != ';' && !c.is_whitespace()) {
            let (name, after) = split(rest.get(at..).unwrap_or_default(), &['=', ';']);
            let Some(after) = after.strip_prefix('=') else {
                rest = after;
                continue;
            };
            let (value, after) = value(after.trim_start());
            parameters.push((name.trim().to_ascii_lowercase(), value));
            rest = split(after, &[';']).1;
        }
        Self { essence: essence.trim().to_ascii_lowercase(), parameters }
    }

    /// The first parameter of that name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// A token or a quoted string, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = split(text, &[';']);
        return (token.trim().to_owned(), rest);
    };
    let mut out = String::new();
    let mut chars = quoted.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return (out, quoted.get(i + 1..).unwrap_or_default()),
            // only a quote or another backslash is escaped in practice: browsers send the paths of Windows as they are
            '\\' if quoted.get(i + 1..).is_some_and(|rest| rest.starts_with(['"', '\\'])) => {
                out.extend(chars.next().map(|(_, c)| c));
            }
            c => out.push(c),
        }
    }
    (out, "")
}

fn split<'a>(text: &'a str, at: &[char]) -> (&'a str, &'a str) {
    text.split_at_checked(text.find(at).unwrap_or(text.len())).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sloppy_types_are_read() {
        let parse = |field| {
            let media = MediaType::parse(field);
            let parameters: Vec<String> = media.parameters.iter().map(|(n, v)| format!("{n}={v}")).collect();
            format!("{} {}", media.essence, parameters.join("|"))
        };
        assert_eq!(parse("Text/HTML;Charset=\"utf-8\""), "text/html charset=utf-8");
        assert_eq!(
            parse(" application/json ; ;; x ; a = b ;c=\"d;\\\"e\\\\f\\g\" ; d="),
            "application/json a=b|c=d;\"e\\f\\g|d="
        );
        assert_eq!(parse("text/plain, text/html"), "text/plain ");
        assert_eq!(parse("a/b; c=\"open"), "a/b c=open");
        assert_eq!(parse(""), " ");
    }
}
