//! Secrets, and where they hide: one table, applied to everything that is shown, printed or exported.

/// Whether secrets are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secrets {
    /// Masked, unless `--show-secrets`.
    #[default]
    Mask,
    /// Shown.
    Show,
}
