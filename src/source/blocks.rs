//! Numbers and options in capture files, in either byte order, read without trust. No file is read here.

use crate::time::Time;

/// The byte order of a file or a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// Two bytes at `at`.
    pub(super) fn u16(self, data: &[u8], at: usize) -> Option<u16> {
        let raw = *data.get(at..)?.first_chunk()?;
        Some(if self == Self::Big { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) })
    }

    /// Four bytes at `at`.
    pub(super) fn u32(self, data: &[u8], at: usize) -> Option<u32> {
        let raw = *data.get(at..)?.first_chunk()?;
        Some(if self == Self::Big { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) })
    }

    /// Eight bytes at `at`.
    pub(super) fn u64(self, data: &[u8], at: usize) -> Option<u64> {
        let raw = *data.get(at..)?.first_chunk()?;
        Some(if self == Self::Big { u64::from_be_bytes(raw) } else { u64::from_le_bytes(raw) })
    }

    /// A list of code, length, value, padding: options and name records alike. It ends with code 0, with `data`, or where a
    /// length is wrong.
    pub(super) fn options(self, mut data: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
        std::iter::from_fn(move || {
            let code = self.u16(data, 0).filter(|&code| code != 0)?;
            let len = usize::from(self.u16(data, 2)?);
            let value = data.get(4..4 + len)?;
            data = data.get(4 + len.next_multiple_of(4)..).unwrap_or_default();
            Some((code, value))
        })
    }
}

/// What a unit of a time stamp is (pcapng: `if_tsresol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// 10 to the minus this, of a second.
    Decimal(u8),
    /// 2 to the minus this, of a second.
    Binary(u8),
}

impl Unit {
    /// What the option's byte says.
    pub(super) const fn from_byte(byte: u8) -> Self {
        if byte & 0x80 == 0 { Self::Decimal(byte) } else { Self::Binary(byte & 0x7f) }
    }

    /// The moment so many units after the epoch and `offset` seconds; what does not fit is the first or last moment there is.
    pub(super) fn time(self, units: u64, offset: i64) -> Time {
        let nanos = u128::from(units) * 1_000_000_000;
        let nanos = match self {
            Self::Decimal(n) => 10u128.checked_pow(n.into()).map_or(0, |unit| nanos / unit),
            Self::Binary(n) => nanos >> n,
        };
        let nanos = i128::try_from(nanos).unwrap_or(i128::MAX).saturating_add(i128::from(offset) * 1_000_000_000);
        Time::from_nanos(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_time() {
        for (byte, units, offset, nanos) in [
            (6, 1_000_001, 0, 1_000_001_000),
            (9, 7, 1, 1_000_000_007),
            (0, 3, -1, 2_000_000_000),
            (0, u64::MAX, 0, i64::MAX),
            (12, 1_999, 0, 1),
            (127, u64::MAX, 0, 0),
            (0x80, 3, 0, 3_000_000_000),
            (0x8a, 1536, 0, 1_500_000_000),
            (0xff, u64::MAX, 0, 0),
            (6, 0, i64::MIN, i64::MIN),
            (6, u64::MAX, i64::MAX, i64::MAX),
        ] {
            assert_eq!(Unit::from_byte(byte).time(units, offset).nanos(), nanos, "{byte:#x} {units} {offset}");
        }
    }

    #[test]
    fn options_end_where_they_lie() {
        let le = |data: &'static [u8]| Order::Little.options(data).collect::<Vec<_>>();
        assert_eq!(le(b"\x02\0\x03\0abc\0\x09\0\x01\0\x06\0\0\0\0\0\0\0"), [(2, &b"abc"[..]), (9, &b"\x06"[..])]);
        assert_eq!(le(b"\x02\0\0\0\x03\0\0\0"), [(2, &b""[..]), (3, &b""[..])], "empty ones, and no end mark");
        assert_eq!(le(b"\x02\0\x03\0abc"), [(2, &b"abc"[..])], "no padding at the end");
        assert_eq!(le(b"\x02\0\xff\xffabc\0"), []);
        assert_eq!(Order::Big.options(b"\0\x02\0\x01a\0\0\0").collect::<Vec<_>>(), [(2, &b"a"[..])]);
    }
}
