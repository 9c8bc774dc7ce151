//! Numbers for narrow columns: at most seven wide, units steady, never rounded to nothing.

use crate::schema::Offer;
use crate::time::Time;
pub use crate::units::duration;

/// `412 B`, `1.2 KiB`, `61 MiB`.
pub fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] {
        // what would print as 1000 or more takes the next unit: four digits would make the column dance
        if value < 999.5 {
            return if unit == "B" || value >= 9.95 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.0} EiB")
}

/// `24,310`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count that is only glanced at: `9,999`, `12.3 k`, `1.2 M`.
pub fn short(n: u64) -> String {
    match n {
        0..10_000 => count(n),
        10_000..1_000_000 => format!("{:.1} k", (n / 100) as f64 / 10.0),
        1_000_000..1_000_000_000 => format!("{:.1} M", (n / 100_000) as f64 / 10.0),
        _ => format!("{:.1} G", (n / 100_000_000) as f64 / 10.0),
    }
}

/// So many a second: `0/s`, `0.3/s`, `12/s`, `12.3 k/s`.
pub fn rate(a_second: f64) -> String {
    match a_second {
        ..=0.0 => "0/s".to_owned(),
        ..9.95 => format!("{:.1}/s", a_second.max(0.1)),
        _ => format!("{}/s", short(a_second.round() as u64)),
    }
}

/// `0 %`, `0.1 %`, `8.3 %`, `100 %`: nought and all are only what is nought and all.
pub fn percent(part: u64, whole: u64) -> String {
    let share = part as f64 * 100.0 / whole.max(1) as f64;
    match share {
        ..=0.0 => "0 %".to_owned(),
        ..9.95 => format!("{:.1} %", share.max(0.1)),
        _ if part < whole => format!("{:.0} %", share.min(99.0)),
        _ => "100 %".to_owned(),
    }
}

/// `1 flow`, `24,310 flows`.
pub fn counted(n: u64, one: &str) -> String {
    format!("{} {one}{}", count(n), if n == 1 { "" } else { "s" })
}

/// `61/256 MiB`.
pub fn share(part: u64, whole: u64) -> String {
    let (whole, part) = (size(whole), (part, size(part)));
    match (whole.split_once(' '), part.1.split_once(' ')) {
        (Some((_, unit)), Some((number, same))) if unit == same => format!("{number}/{whole}"),
        _ => format!("{}/{whole}", part.1),
    }
}

/// `Orders/Get` of `/shop.v1.Orders/Get`; what is no such path stays.
pub fn method(path: &str) -> &str {
    let service = path.strip_prefix('/').and_then(|path| path.split_once('/')).map_or("", |(service, _)| service);
    service.rfind('.').and_then(|dot| path.get(dot + 2..)).unwrap_or(path)
}

/// `api (3 files)`, `api (3 files) and 2 more`; none where nothing is offered.
pub fn offers(offers: &[Offer]) -> Option<String> {
    let (first, more) = offers.split_first()?;
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    Some(format!("{first}{more}"))
}

/// The date and the time of day of a moment, in UTC: `2026-11-21`, `07:21:03.123`.
pub fn moment(time: Time) -> (String, String) {
    let text = time.to_string();
    let (date, clock) = text.split_once('T').unwrap_or_default();
    (date.to_owned(), clock.chars().take("07:21:03.123".len()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_at_most_seven_wide() {
        let texts = [0, 412, 999, 1000, 1023, 1024, 10_188, 61 << 20, u64::MAX].map(size);
        assert_eq!(texts, ["0 B", "412 B", "999 B", "1.0 KiB", "1.0 KiB", "1.0 KiB", "9.9 KiB", "61 MiB", "16 EiB"]);
        assert!((0..64).all(|power| size((1 << power) - 1).len() <= 7));
    }

    #[test]
    fn counts() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([9_999, 12_399, 999_999, 1_250_000].map(short), ["9,999", "12.3 k", "999.9 k", "1.2 M"]);
        assert_eq!(share(61 << 20, 256 << 20), "61/256 MiB");
        assert_eq!(share(12, 256 << 20), "12 B/256 MiB");
        assert_eq!([counted(1, "flow"), counted(2000, "flow")], ["1 flow", "2,000 flows"]);
    }

    #[test]
    fn rates_and_shares_are_narrow_and_never_rounded_to_nothing() {
        assert_eq!(
            [0.0, 0.001, 0.34, 9.94, 9.95, 412.4, 12_345.0].map(rate),
            ["0/s", "0.1/s", "0.3/s", "9.9/s", "10/s", "412/s", "12.3 k/s"]
        );
        let shares =
            [(0, 9), (0, 0), (1, 100_000), (1, 12), (1, 2), (99_999, 100_000), (7, 7)].map(|(part, of)| percent(part, of));
        assert_eq!(shares, ["0 %", "0 %", "0.1 %", "8.3 %", "50 %", "99 %", "100 %"]);
    }

    #[test]
    fn methods_lose_their_package() {
        let short = ["/shop.v1.Orders/Get", "/Orders/Get", "GET /a.b/c", "/a.B/x/y.z", "unknown method", "/"].map(method);
        assert_eq!(short, ["Orders/Get", "/Orders/Get", "GET /a.b/c", "B/x/y.z", "unknown method", "/"]);
    }

    #[test]
    fn moments_are_utc() {
        let time = Time::from_nanos(1_795_245_663_123_956_789);
        assert_eq!(moment(time), ("2026-11-21".to_owned(), "07:21:03.123".to_owned()));
    }
}
