//! Sizes and lengths of time as people write them: `64KiB`, `1.5GB`, `250ms`, `2m`; and lengths of time as they are told.

use crate::time::Span;

const SIZES: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("kB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

const SPANS: &[(&str, u64)] =
    &[("us", 1000), ("µs", 1000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)];

/// Reads a size in bytes; a plain number is bytes, the unit's case does not matter.
pub fn size(text: &str) -> Result<u64, String> {
    scaled(text, SIZES).ok_or_else(|| format!("'{text}' is no size: a number and B kB KiB MB MiB GB GiB, as in 64KiB"))
}

/// Reads a length of time; it needs its unit, since `10` could be meant in any.
pub fn span(text: &str) -> Result<Span, String> {
    match scaled(text, SPANS) {
        Some(nanos) => Ok(Span::from_nanos(nanos)),
        None => Err(format!("'{text}' is no time: a number and us ms s m h, as in 250ms")),
    }
}

/// The shortest exact way to write a size, so that it reads back the same.
pub fn show_size(bytes: u64) -> String {
    let unit = SIZES.iter().rev().find(|(name, scale)| name.ends_with("iB") && bytes >= *scale && bytes.is_multiple_of(*scale));
    unit.map_or_else(|| bytes.to_string(), |(name, scale)| format!("{}{name}", bytes / scale))
}

/// `0.04 ms`, `1.8 ms`, `12 ms`, `1.20 s`, `75 s`, `12 min`, `3.2 h`.
pub fn duration(span: Span) -> String {
    let micros = span.micros_up();
    let ms = micros as f64 / 1000.0;
    match micros {
        0..995 => format!("{:.2} ms", ms.max(0.01)),
        995..9_950 => format!("{ms:.1} ms"),
        9_950..999_500 => format!("{ms:.0} ms"),
        999_500..9_995_000 => format!("{:.2} s", ms / 1e3),
        9_995_000..99_950_000 => format!("{:.1} s", ms / 1e3),
        99_950_000..599_500_000 => format!("{:.0} s", ms / 1e3),
        599_500_000..35_970_000_000 => format!("{:.0} min", ms / 60e3),
        _ => format!("{:.0} h", ms / 3600e3),
    }
}

/// Digits, perhaps a fraction, and a unit of the table: exact, or none where it does not fit.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = u128::from(units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit.trim_start()))?.1);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // more digits than a nanosecond's are no measurement
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 {
        return None;
    }
    let part = fraction.parse::<u128>().ok()? * scale / 10u128.pow(u32::try_from(fraction.len()).ok()?);
    u64::try_from(whole.parse::<u64>().map(u128::from).ok()?.checked_mul(scale)? + part).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("1500", 1500),
            ("64KiB", 65_536),
            ("64 kib", 65_536),
            ("1kB", 1000),
            ("1.5MB", 1_500_000),
            ("2GiB", 2 << 30),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "-1", "1e3", "4 bananas", "1.KiB", ".5KiB", "1.2.3", "99999999999999999999", "9999999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans() {
        for (text, nanos) in
            [("250ms", 250_000_000), ("10s", 10_000_000_000), ("2m", 120_000_000_000), ("0.5h", 1_800_000_000_000)]
        {
            assert_eq!(span(text), Ok(Span::from_nanos(nanos)), "{text}");
        }
        for text in ["10", "", "s", "1 day", "-1s"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back_the_same() {
        for bytes in [0, 1, 1000, 1024, 65_536, 256 << 20, (1 << 30) + 1] {
            assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }
        assert_eq!(show_size(256 << 20), "256MiB");
    }

    #[test]
    fn durations_are_at_most_seven_wide_and_never_nothing() {
        let texts = [0, 1, 40, 994, 1_834, 9_949, 9_950, 999_499, 999_500, 9_994_999, 99_949_999, 600_000_000, 36_000_000_000]
            .map(|us| duration(Span::from_nanos(us * 1000)));
        let wanted = [
            "0.01 ms", "0.01 ms", "0.04 ms", "0.99 ms", "1.8 ms", "9.9 ms", "10 ms", "999 ms", "1.00 s", "9.99 s", "99.9 s",
            "10 min", "10 h",
        ];
        assert_eq!(texts, wanted);
        for power in 0..52 {
            for near in [(1u64 << power) - 1, 1 << power, (1 << power) + (1 << power) / 3] {
                assert!(duration(Span::from_nanos(near)).len() <= 7, "{near}");
            }
        }
    }
}
