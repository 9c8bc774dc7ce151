//! Passwords in statements: `ALTER ROLE me PASSWORD 'secret'`, `IDENTIFIED BY 'secret'`. Other literals are data, and shown.

use super::MASK;
use std::borrow::Cow;

/// The words that a password follows.
const BEFORE: &[&str] = &["password", "identified by"];

/// A statement without its passwords.
pub(super) fn sql(statement: &str) -> Cow<'_, str> {
    let lower = statement.to_ascii_lowercase();
    let mut out = String::new();
    let mut shown = 0;
    let mut at = 0;
    while let Some(word) = BEFORE.iter().filter_map(|w| Some((lower.get(at..)?.find(w)? + at, w.len()))).min() {
        at = word.0 + word.1;
        let rest = statement.get(at..).unwrap_or_default();
        // also `password = 'x'`, and a string with escapes
        let literal = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '=' | 'E' | 'e'));
        let (text, length) = match (literal.strip_prefix('\''), literal.strip_prefix("$$"), rest.strip_prefix('=')) {
            (Some(text), ..) => (text, close(text)),
            (_, Some(text), _) => (text, text.find("$$")),
            // how to reach another server, within a string (`CONNECTION 'host=db password=x'`)
            (.., Some(text)) if within(statement, at) => (text, text.find(|c: char| c.is_whitespace() || c == '\'')),
            _ => continue,
        };
        let begin = statement.len() - text.len();
        let end = length.map_or(statement.len(), |end| begin + end);
        out.push_str(statement.get(shown..begin).unwrap_or_default());
        out.push_str(MASK);
        (shown, at) = (end, end);
    }
    if shown == 0 {
        return Cow::Borrowed(statement);
    }
    out.push_str(statement.get(shown..).unwrap_or_default());
    Cow::Owned(out)
}

/// Whether a place is within a string: an odd number of quotes stands before it.
fn within(statement: &str, at: usize) -> bool {
    statement.get(..at).is_some_and(|before| before.matches('\'').count() % 2 == 1)
}

/// Where a string ends: two quotes stand for one in it, and what a backslash stands before may be one (in `E'…'`).
fn close(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => _ = chars.next(),
            '\'' if chars.next_if(|(_, next)| *next == '\'').is_none() => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_statements_are_masked_and_nothing_else_is() {
        for (statement, shown) in [
            ("ALTER ROLE me PASSWORD 'it''s secret' VALID UNTIL 'x'", "ALTER ROLE me PASSWORD '***' VALID UNTIL 'x'"),
            ("create user a with encrypted password E'x\\'y'", "create user a with encrypted password E'***'"),
            ("CREATE USER a IDENTIFIED BY 'x'", "CREATE USER a IDENTIFIED BY '***'"),
            ("UPDATE users SET password = 'x', name = 'y'", "UPDATE users SET password = '***', name = 'y'"),
            ("SELECT password FROM users", "SELECT password FROM users"),
            ("ALTER ROLE me PASSWORD 'cut of", "ALTER ROLE me PASSWORD '***"),
            ("ALTER ROLE me PASSWORD NULL", "ALTER ROLE me PASSWORD NULL"),
            ("ALTER ROLE me PASSWORD $$x$$", "ALTER ROLE me PASSWORD $$***$$"),
            (
                "SELECT dblink('host=db password=x user=me', 'SELECT 1')",
                "SELECT dblink('host=db password=*** user=me', 'SELECT 1')",
            ),
            ("CREATE SUBSCRIPTION s CONNECTION 'password=x'", "CREATE SUBSCRIPTION s CONNECTION 'password=***'"),
            ("SELECT * FROM users WHERE password=$1 AND name='a'", "SELECT * FROM users WHERE password=$1 AND name='a'"),
        ] {
            assert_eq!(sql(statement), shown);
        }
    }
}
