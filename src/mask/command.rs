//! Secrets in a command line, beyond what hides in any text: the word after `--password`, the header after `-H`. No shell is run.

use super::{MASK, Secrets, is_secret_name, text};
use std::borrow::Cow;

/// A command line as a shell would take it: values of options with a secret name, secret headers, and all that [`text`] finds.
pub fn command(line: &str, secrets: Secrets) -> Cow<'_, str> {
    if secrets == Secrets::Show {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len());
    let (mut rest, mut secret) = (line, false);
    while !rest.is_empty() {
        let (word, after) = rest.split_at(word_end(rest));
        let (space, next) = after.split_at(after.len() - after.trim_start().len());
        let option = word.strip_prefix('-');
        match word.split_once(':') {
            _ if secret && option.is_none() && !word.is_empty() => out.push_str(MASK),
            Some((name, value)) if is_secret_header(name) && !value.is_empty() => {
                out.extend([name, ": ", MASK]);
                // the quote that the header stands in
                out.extend(word.chars().next().filter(|c| matches!(c, '\'' | '"')));
            }
            _ => out.push_str(word),
        }
        secret = option.is_some_and(|name| !name.contains('=') && is_secret_name(name));
        out.push_str(space);
        rest = next;
    }
    Cow::Owned(text(&out, secrets).into_owned())
}

/// Whether a word up to its colon begins a header, in quotes or not, whose value is secret.
fn is_secret_header(name: &str) -> bool {
    let name = name.trim_start_matches(['\'', '"']);
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) && is_secret_name(name)
}

/// Where the first word ends: at white space that is neither quoted nor escaped.
fn word_end(line: &str) -> usize {
    let (mut quote, mut escaped) = (None, false);
    let ends = |(_, c): &(usize, char)| {
        match (quote, c) {
            _ if escaped => escaped = false,
            (None | Some('"'), '\\') => escaped = true,
            (None, '\'' | '"') => quote = Some(*c),
            (Some(open), c) if open == *c => quote = None,
            (None, c) => return c.is_whitespace(),
            (Some(_), _) => {}
        }
        false
    };
    line.char_indices().find(ends).map_or(line.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_line_hides() {
        for (line, masked) in [
            ("python app.py --port 80", "python app.py --port 80"),
            ("app --password=hunter2 -v", "app --password=*** -v"),
            ("app --db-password hunter2 -v", "app --db-password *** -v"),
            ("app --token 'a b' next", "app --token *** next"),
            ("app --token  -v hunter", "app --token  -v hunter"),
            ("app --token", "app --token"),
            ("env API_KEY=abc app", "env API_KEY=*** app"),
            ("psql postgres://me:pw@host/db", "psql postgres://me:***@host/db"),
            ("curl -H 'Authorization: Bearer abc' -H \"X-Api-Key: k\" u", "curl -H 'Authorization: ***' -H \"X-Api-Key: ***\" u"),
            ("java -jar a\\ b.jar --secret x\\ y z", "java -jar a\\ b.jar --secret *** z"),
            ("app '{\"password\": \"a b\"}'", "app '{\"password\": \"***\"}'"),
            (" lead --key 'open", " lead --key ***"),
        ] {
            assert_eq!(command(line, Secrets::Mask), masked, "{line}");
            assert_eq!(command(line, Secrets::Show), line);
        }
    }
}
