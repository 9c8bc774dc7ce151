//! Secrets, and where they hide: one table, applied to everything that is shown, printed or exported.
//!
//! What is secret is told by its name ([`is_secret_name`], [`header`]); where names and values stand is found by one scan that needs no
//! parser ([`text`]): so the same rule holds in JSON, in JSON that is cut, broken, or inside a string of JSON, in lines of JSON, URLs,
//! forms, XML, and in the readable bytes of a binary body. A value that has a place of its own in its protocol (SASL, Redis AUTH,
//! a SQL password) is marked by that protocol as [`crate::model::Value::Secret`], and masked wherever it is shown.

use std::borrow::Cow;

mod command;
mod scan;
mod sql;

pub use command::command;

/// What stands for a secret.
pub const MASK: &str = "***";

/// Whether secrets are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secrets {
    /// Masked, unless `--show-secrets`.
    #[default]
    Mask,
    /// Shown.
    Show,
}

/// Words that make a name secret when it ends with them: `accessToken`, `client_secret`, `X-CSRF-Token`.
const SECRET: &[&str] = &[
    "token",
    "secret",
    "secrets",
    "password",
    "passwords",
    "passwd",
    "passwort",
    "pwd",
    "pass",
    "passphrase",
    "passcode",
    "credential",
    "credentials",
    "authorization",
    "cookie",
    "jwt",
    // written without a boundary
    "apikey",
    "masterauth",
    "primaryauth",
    "requirepass",
    "authkey",
    "accesskey",
    "secretkey",
    "privatekey",
    "signingkey",
    "masterkey",
    "authtoken",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "sessiontoken",
    "csrftoken",
    "xsrftoken",
    "bearertoken",
    "clientsecret",
    "appsecret",
    "userpassword",
    "newpassword",
    "oldpassword",
];

/// Words before `key` that make it a secret one. A key alone is secret; a routing, partition, primary, public or idempotency key is not.
const KEYS: &[&str] = &[
    "access",
    "account",
    "api",
    "app",
    "application",
    "auth",
    "client",
    "crypto",
    "decryption",
    "encryption",
    "functions",
    "hmac",
    "license",
    "master",
    "private",
    "secret",
    "server",
    "service",
    "session",
    "shared",
    "signing",
    "ssh",
    "storage",
    "subscription",
    "webhook",
];

/// Words after a secret one that leave it a secret: `password_confirmation`, `token_value`, `secret[]`, `password2`.
const TRAILING: &[&str] = &[
    "again",
    "base64",
    "b",
    "confirm",
    "confirmation",
    "data",
    "hash",
    "hex",
    "new",
    "old",
    "plain",
    "raw",
    "repeat",
    "text",
    "value",
];

/// Whether a field of that name holds a secret: by its words (divided at other characters, digits, and where lower case meets upper
/// case), never by parts of words: `monkey`, `keyboard`, `tokenize`, `max_tokens`, `token_type` are not secret.
pub fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    let mut rest = words.as_slice();
    while let [before @ .., last] = rest {
        if among(SECRET, last) {
            return true;
        }
        if among(&["key", "keys"], last) {
            let alone = before.is_empty() && last.eq_ignore_ascii_case("key");
            return alone || before.last().is_some_and(|word| among(KEYS, word));
        }
        if !among(TRAILING, last) {
            return false;
        }
        rest = before;
    }
    false
}

/// The words of a name, as they are written.
fn words(name: &str) -> Vec<&str> {
    let mut words: Vec<&str> = Vec::with_capacity(4);
    // where the word begins that is being read
    let mut start = 0;
    let mut before = ' ';
    let mut chars = name.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c.is_alphabetic() {
            let next_lower = chars.peek().is_some_and(|(_, n)| n.is_lowercase());
            let hump = c.is_uppercase() && (before.is_lowercase() || (before.is_uppercase() && next_lower));
            let word = |start: usize| name.get(start..at + c.len_utf8()).unwrap_or_default();
            match words.last_mut() {
                Some(last) if before.is_alphabetic() && !hump => *last = word(start),
                _ => {
                    start = at;
                    words.push(word(at));
                }
            }
        }
        before = c;
    }
    words
}

/// Whether a word is one of those, which are in lower case.
fn among(known: &[&str], word: &str) -> bool {
    known.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// A header field's value. Of authorization the scheme word stays, of cookies nothing: their names tell what a site is made of, but
/// cookies without a name are all value. In other fields secrets in URLs are masked (`Referer`, `Location`, `Link`).
pub fn header<'a>(name: &str, value: &'a str, secrets: Secrets) -> Cow<'a, str> {
    if secrets == Secrets::Show {
        return Cow::Borrowed(value);
    }
    match words(name).last() {
        Some(last) if last.eq_ignore_ascii_case("authorization") => Cow::Owned(credentials(value)),
        // old libraries number it: `Set-Cookie2`, `Cookie2` divide into the same words
        Some(last) if last.eq_ignore_ascii_case("cookie") => Cow::Borrowed(MASK),
        _ => self::value(name, value, secrets),
    }
}

/// `Bearer ***`: the word before the first space, where it can be a scheme (RFC 9110 §11.4).
fn credentials(value: &str) -> String {
    let scheme = value.trim_start().split_once(' ').map(|(scheme, _)| scheme);
    let word = |scheme: &&str| scheme.len() <= 24 && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match scheme.filter(word) {
        Some(scheme) => format!("{scheme} {MASK}"),
        None => MASK.to_owned(),
    }
}

/// A request target or a URL: secret parameters of its query and the password of its user.
pub fn target(target: &str, secrets: Secrets) -> Cow<'_, str> {
    text(target, secrets)
}

/// A value that has a name: a form's field, a part, a property.
pub fn value<'a>(name: &str, value: &'a str, secrets: Secrets) -> Cow<'a, str> {
    match secrets {
        Secrets::Show => Cow::Borrowed(value),
        Secrets::Mask if is_secret_name(name) => Cow::Borrowed(MASK),
        Secrets::Mask if name == "sql" => sql::sql(value),
        Secrets::Mask => text(value, secrets),
    }
}

/// A value that is secret by its place.
pub fn secret(value: &str, secrets: Secrets) -> Cow<'_, str> {
    match secrets {
        Secrets::Show => Cow::Borrowed(value),
        Secrets::Mask => Cow::Borrowed(MASK),
    }
}

/// Text of any kind: members of JSON, parameters (`token=…`), elements and attributes of XML, passwords in URLs.
pub fn text(text: &str, secrets: Secrets) -> Cow<'_, str> {
    masked(text, secrets, scan::Syntax::Any)
}

/// Valid JSON, which stays valid: a secret member's value, whatever it is, becomes `"***"`.
pub fn json(json: &str, secrets: Secrets) -> Cow<'_, str> {
    masked(json, secrets, scan::Syntax::Json)
}

fn masked(text: &str, secrets: Secrets, syntax: scan::Syntax) -> Cow<'_, str> {
    let hits = if secrets == Secrets::Mask { scan::hits(text.as_bytes(), syntax) } else { Vec::new() };
    if hits.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for hit in hits {
        out.push_str(text.get(done..hit.range.start).unwrap_or_default());
        let quote = hit.quoted.map_or(String::new(), |backslashes| "\\".repeat(backslashes) + "\"");
        out.extend([&quote, MASK, &quote]);
        done = hit.range.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// Bytes that may hold text: secrets become stars, one a byte, so that offsets stay.
pub fn bytes(bytes: &[u8], secrets: Secrets) -> Cow<'_, [u8]> {
    let hits = if secrets == Secrets::Mask { scan::hits(bytes, scan::Syntax::Any) } else { Vec::new() };
    let mut out = Cow::Borrowed(bytes);
    for hit in hits {
        out.to_mut().get_mut(hit.range).unwrap_or_default().fill(b'*');
    }
    out
}

#[cfg(test)]
mod tests;
