//! Codings undone: whole, cut, damaged, and made to burst.

use super::*;
use compact_str::CompactString;
use flate2::Compression;
use proptest::prelude::*;
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 1).unwrap()
}

fn names(names: &[&str]) -> Vec<CompactString> {
    names.iter().map(|&name| name.into()).collect()
}

fn whole(kept: &[u8], codings: &[&str]) -> Result<Plain, String> {
    undo(kept, &names(codings), 1 << 20, false)
}

fn plain(bytes: &[u8], codings: &str) -> Result<Plain, String> {
    Ok(Plain { bytes: bytes.to_vec(), codings: Some(codings.to_owned()), cut: false })
}

/// `{"a":"hello hello hello hello"}`, by Google's encoder.
const BROTLI: &[u8] =
    b"\x1b\x1e\x00\xf8\x9d\xc9\xe3\xee\x3b\x8a\x89\x85\x9c\x6a\x11\x10\xb6\xbd\x15\x86\x56\x3a\x7d\x59\xc6\xf6\x56\x92\x08\x15\x07\xf4\x83\xd6\x11";
const HELLO: &[u8] = b"{\"a\":\"hello hello hello hello\"}";

#[test]
fn every_coding_is_undone() {
    assert_eq!(whole(&gzip(HELLO), &["gzip"]), plain(HELLO, "gzip"));
    assert_eq!(whole(&gzip(HELLO), &["X-GZip"]), plain(HELLO, "X-GZip"));
    assert_eq!(whole(&[gzip(b"one "), gzip(b"two")].concat(), &["gzip"]), plain(b"one two", "gzip"));
    assert_eq!(whole(&zlib(HELLO), &["deflate"]), plain(HELLO, "deflate"));
    assert_eq!(whole(&deflate(HELLO), &["deflate"]), plain(HELLO, "deflate"));
    assert_eq!(whole(BROTLI, &["br"]), plain(HELLO, "br"));
    assert_eq!(whole(&zstd(HELLO), &["zstd"]), plain(HELLO, "zstd"));
    assert_eq!(whole(&[zstd(b"one "), zstd(b"two")].concat(), &["zstd"]), plain(b"one two", "zstd"));
    assert_eq!(whole(&zstd(&gzip(HELLO)), &["gzip, zstd"]), plain(HELLO, "gzip, zstd"));
    assert_eq!(whole(&gzip(BROTLI), &["identity", "br", "gzip"]), plain(HELLO, "br, gzip"));
    assert_eq!(whole(HELLO, &["identity", " "]), Ok(Plain { bytes: HELLO.to_vec(), codings: None, cut: false }));
}

#[test]
fn what_cannot_be_undone_is_said() {
    assert_eq!(whole(HELLO, &["compress"]), Err("unknown content coding compress".to_owned()));
    assert_eq!(whole(HELLO, &["gzip"; 5]), Err("more than 4 content codings".to_owned()));
    for coding in ["gzip", "br", "zstd"] {
        let error = whole(HELLO, &[coding]).unwrap_err();
        assert!(error.starts_with(&format!("{coding}: ")), "{error}");
    }
    assert!(whole(&gzip(HELLO)[..20], &["gzip"]).is_err());
    // 2 GiB of window (RFC 8878 §3.1.1.1.2: exponent 21)
    let wide = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
    assert!(whole(&wide, &["zstd"]).unwrap_err().starts_with("zstd: "));
}

#[test]
fn a_part_gives_what_inflates_so_far() {
    let text: Vec<u8> = (0..100_000_u64).flat_map(|i| (i * i).to_string().into_bytes()).collect();
    for (coding, sent) in [("gzip", gzip(&text)), ("deflate", zlib(&text)), ("deflate", deflate(&text)), ("zstd", zstd(&text))] {
        let part = undo(&sent[..sent.len() / 2], &names(&[coding]), usize::MAX, true).unwrap();
        assert!(part.cut && text.starts_with(&part.bytes), "{coding}");
        assert!(part.bytes.len() > text.len() / 8, "{coding}: {} of {}", part.bytes.len(), text.len());
        let limited = undo(&sent, &names(&[coding]), 100, false).unwrap();
        assert_eq!((limited.bytes.as_slice(), limited.cut), (&text[..100], true));
        let exact = undo(&sent, &names(&[coding]), text.len(), false).unwrap();
        assert_eq!((exact.bytes.len(), exact.cut), (text.len(), false));
    }
    let part = undo(&BROTLI[..30], &names(&["br"]), 1000, true).unwrap();
    assert!(part.cut && HELLO.starts_with(&part.bytes));
}

/// A reader that counts what is taken from it.
struct Counted<'a>(&'a [u8], &'a Cell<usize>);

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.0.read(buffer)?;
        self.1.set(self.1.get() + got);
        Ok(got)
    }
}

/// A gigabyte of zeros in each coding, made without ever holding it: the same block again and again.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let block = vec![0; 1 << 24];
    let mut raw = flate2::Compress::new(Compression::best(), false);
    let mut one = Vec::with_capacity(1 << 16);
    raw.compress_vec(&block, &mut one, flate2::FlushCompress::Full).unwrap();
    let brotli = [BROTLI_HEAD, &BROTLI_AGAIN.repeat(15), BROTLI_TAIL].concat();
    vec![("gzip", gzip(&block).repeat(64)), ("deflate", one.repeat(64)), ("zstd", zstd(&block).repeat(64)), ("br", brotli)]
}

/// A gigabyte of zeros, by Google's encoder: how it begins, what comes again and again, how it ends.
const BROTLI_HEAD: &[u8] = b"\
    \xcb\xff\xff\x3f\x00\x24\x00\xe2\xb1\x40\x72\
    ";
const BROTLI_AGAIN: &[u8] = b"\
    \xef\xff\xf8\xff\xff\x07\x80\x04\x40\x1c\x16\x80\xee\xfd\x1f\xff\xff\xff\x00\x90\x00\x88\xc3\x02\xd0\xbd\xff\xe3\xff\xff\
    \x1f\x00\x12\x00\x71\x58\x00\xba\xf7\x7f\xfc\xff\xff\x03\x40\x02\x20\x0e\x0b\x40\xf7\xfe\x8f\xff\xff\x7f\x00\x48\x00\xc4\
    \x61\x01\xe8\xde\xff\xf1\xff\xff\x0f\x00\x09\x80\x38\x2c\x00\xdd\xfb\x3f\xfe\xff\xff\x01\x20\x01\x10\x87\x05\xa0\x7b\xff\
    \xc7\xff\xff\x3f\x00\x24\x00\xe2\xb0\x00\x74\
    ";
const BROTLI_TAIL: &[u8] = b"\
    \xef\xff\xf8\xff\xff\x07\x80\x04\x40\x1c\x16\x80\xee\xfd\x1f\xff\xff\xff\x00\x90\x00\x88\xc3\x02\xd0\xbd\xff\xe3\xff\xff\
    \x1f\x00\x12\x00\x71\x58\x00\xba\xf7\x7f\xfc\xff\xff\x03\x40\x02\x20\x0e\x0b\x40\xf7\xfe\x8f\xff\xff\x7f\x00\x48\x00\xc4\
    \x61\x01\xe8\xde\xff\xf1\xff\xff\x0f\x00\x09\x80\x38\x2c\x00\xdd\xfb\x3f\xfe\xff\xff\x01\x20\x01\x10\x87\x05\xa0\x7b\xff\
    \x37\
    ";

#[test]
fn a_bomb_costs_what_is_read_of_it() {
    let limit = 1 << 16;
    for (coding, bomb) in bombs() {
        let taken = Cell::new(0);
        let known = CODINGS.iter().find(|c| c.names.contains(&coding)).unwrap();
        let mut reader = (known.undo)(Box::new(BufReader::new(Counted(&bomb, &taken)))).unwrap();
        let mut bytes = Vec::new();
        assert!(fill(&mut reader, limit, &mut bytes).unwrap(), "{coding}");
        assert_eq!((bytes.len(), bytes.capacity() <= 4 * limit), (limit, true));
        assert!(taken.get() <= bomb.len().min(200_000), "{coding}: {} of {}", taken.get(), bomb.len());
        // a bomb inside a bomb
        let twice = undo(&gzip(&bomb), &names(&[coding, "gzip"]), limit, false).unwrap();
        assert_eq!((twice.bytes.len(), twice.cut), (limit, true));
    }
    // a gigabyte of codings' bytes that say nothing: empty stored blocks, zipped
    let mut silent = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
    let empty = [0, 0, 0, 0xff, 0xff].repeat(1 << 18);
    for _ in 0..40 {
        silent.write_all(&empty).unwrap();
    }
    let silent = silent.finish().unwrap();
    assert!(undo(&silent, &names(&["deflate", "gzip"]), limit, false).is_err(), "stops at {MAX_BETWEEN}");
}

proptest! {
    #[test]
    fn any_damage_ends_within_the_limit(
        coding in 0..5_usize, at in 0..200_usize, byte in any::<u8>(), length in 0..200_usize, limit in 0..300_usize, partial in any::<bool>(),
    ) {
        let text = HELLO.repeat(20);
        let (name, mut sent) = match coding {
            0 => ("gzip", gzip(&text)),
            1 => ("deflate", zlib(&text)),
            2 => ("deflate", deflate(&text)),
            3 => ("br", BROTLI.to_vec()),
            _ => ("zstd", zstd(&text)),
        };
        if let Some(b) = sent.get_mut(at) {
            *b ^= byte;
        }
        sent.truncate(length);
        if let Ok(plain) = undo(&sent, &names(&[name]), limit, partial) {
            prop_assert!(plain.bytes.len() <= limit);
        }
    }

    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200), name in proptest::sample::select(vec!["gzip", "deflate", "br", "zstd"])) {
        let _ = undo(&bytes, &names(&[name, name]), 1000, true);
    }
}
