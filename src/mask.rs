//! Secrets, and where they hide: one table, applied to everything that is shown, printed or exported.
//!
//! What is secret is told by its name ([`is_secret_name`], [`header`]); where names and values stand is found by one scan that needs no
//! parser ([`text`]): so the same rule holds in JSON, in JSON that is cut, broken, or inside a string of JSON, in lines of JSON, URLs,
//! forms, XML, and in the readable bytes of a binary body. A value that has a place of its own in its protocol (SASL, Redis AUTH,
//! a SQL password) is marked by that protocol as [`crate::model::Value::Secret`], and masked wherever it is shown.

use std::borrow::Cow;
use std::sync::LazyLock;

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

/// Words after a secret one that leave it a secret: `password_confirmation`, `token_value`, `secret[]`, `password2`, `key_base64`.
const TRAILING: &[&str] = &[
    "again",
    "base",
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

/// The word that is secret alone or with another before it, and how there are several.
const KEY: &[&str] = &["key", "keys"];

/// Whether a field of that name holds a secret: by its words (divided at other characters, digits, and where lower case meets upper
/// case), never by parts of words: `monkey`, `keyboard`, `tokenize`, `max_tokens`, `token_type` are not secret.
pub fn is_secret_name(name: &str) -> bool {
    if !may_be_secret(name.as_bytes()) {
        return false;
    }
    let mut words = words(name);
    while let Some(word) = words.next() {
        if among(SECRET, word) {
            return true;
        }
        if among(KEY, word) {
            return words.next().map_or(word.eq_ignore_ascii_case("key"), |before| among(KEYS, before));
        }
        if !among(TRAILING, word) {
            return false;
        }
    }
    false
}

/// For the last letter of a word the letters before it that a word of a secret name may end with, a bit each.
static ENDINGS: LazyLock<[u32; 32]> = LazyLock::new(|| {
    let mut endings = [0; 32];
    for word in [SECRET, KEY, TRAILING].into_iter().flatten() {
        match word.as_bytes() {
            [.., before, last] => endings[letter(*last)] |= 1 << letter(*before),
            word => word.iter().for_each(|only| endings[letter(*only)] = u32::MAX),
        }
    }
    endings
});

/// Whether a name ends like a secret one, which most names do not: by its last two letters.
fn may_be_secret(name: &[u8]) -> bool {
    let length = name.iter().rposition(|b| b.is_ascii_alphabetic() || !b.is_ascii()).map_or(0, |last| last + 1);
    match name.get(..length).unwrap_or_default() {
        // whether it is a letter only its character tells
        [.., last] if !last.is_ascii() => true,
        [.., before, last] => may_end_secret(*before, *last),
        [only] => ENDINGS[letter(*only)] != 0,
        [] => false,
    }
}

/// Whether a secret name may end with two letters.
fn may_end_secret(before: u8, last: u8) -> bool {
    ENDINGS[letter(last)] & (1 << letter(before)) != 0
}

/// A letter's place in the alphabet, whatever its case.
fn letter(byte: u8) -> usize {
    usize::from(byte & 31)
}

/// The words of a name, as they are written, the last one first.
fn words(name: &str) -> impl Iterator<Item = &str> {
    let (mut rest, mut after) = (name, ' ');
    std::iter::from_fn(move || {
        let mut end = None;
        let mut chars = rest.char_indices().rev().peekable();
        while let Some((at, c)) = chars.next() {
            let (before, after) = (chars.peek().map_or(' ', |(_, before)| *before), std::mem::replace(&mut after, c));
            if !c.is_alphabetic() {
                continue;
            }
            let end = *end.get_or_insert(at + c.len_utf8());
            let hump = c.is_uppercase() && (before.is_lowercase() || (before.is_uppercase() && after.is_lowercase()));
            if hump || !before.is_alphabetic() {
                let word = rest.get(at..end);
                rest = rest.get(..at).unwrap_or_default();
                return word;
            }
        }
        None
    })
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
    let last = if may_be_secret(name.as_bytes()) { words(name).next() } else { None };
    match last {
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
