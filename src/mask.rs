//! Secrets, and where they hide: one table, applied to everything that is shown, printed or exported.

use std::borrow::Cow;

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

/// A header field's value.
pub fn header<'a>(_name: &str, value: &'a str, _secrets: Secrets) -> Cow<'a, str> {
    Cow::Borrowed(value)
}

/// A value that has a name: a form's field, a part, a property.
pub fn value<'a>(_name: &str, value: &'a str, _secrets: Secrets) -> Cow<'a, str> {
    Cow::Borrowed(value)
}

/// Valid JSON, which stays valid.
pub fn json(json: &str, _secrets: Secrets) -> Cow<'_, str> {
    Cow::Borrowed(json)
}
