//! What the writer writes, the readers read.

use super::*;

#[test]
fn what_is_written_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.pcapng");
    let mut batch = Packets::starting_at(PacketNo(1));
    batch.news.push(SourceNews::Opened(SourceId(3), "lo".into()));
    batch.push(Time::from_nanos(1_795_245_663_123_456_789), SourceId(3), LinkType(1), 70_000, &[1; 65_539]);
    batch.push(Time::from_nanos(5), SourceId(4), LinkType(276), 3, b"abc");
    batch.push(Time::from_nanos(6), SourceId(3), LinkType(1), 0, b"");
    let mut writer = Writer::create(&path, &[], None).unwrap();
    batch.news.iter().for_each(|news| writer.news(news));
    writer.names([([10, 0, 0, 7].into(), "orders")]).unwrap();
    let comments = [Some("of a person"), Some("meshtop: 10.0.0.7:80 is orders (pid 7)"), None];
    for (packet, comment) in batch.list.iter().zip(comments) {
        writer.packet(packet, batch.bytes(packet), comment).unwrap();
    }
    writer.news(&SourceNews::KernelDrops(SourceId(4), 12));
    writer.finish().unwrap();
    let got = open(from_ref(&path));
    let expected: [Seen; 3] =
        [(1_795_245_663_123_456_789, 0, 1, 70_000, vec![1; 65_539]), (5, 1, 276, 3, b"abc".to_vec()), (6, 0, 1, 0, vec![])];
    assert_eq!(got.packets, expected);
    let owned: Vec<_> = got.owned.iter().map(|(packet, ends)| (packet.0, ends.len(), ends[0].owner.pid)).collect();
    assert_eq!(owned, [(2, 1, Some(7))]);
    assert!(got.closed().is_empty());
    assert!(got.news.contains(&SourceNews::Name([10, 0, 0, 7].into(), "orders".into())));
    assert!(got.news.contains(&SourceNews::KernelDrops(SourceId(1), 12)));
    assert!(
        matches!(Writer::create(&path, from_ref(&path), None), Err(e) if e.to_string().ends_with("it is being read: name another file"))
    );
}

#[test]
fn a_full_disk_is_told_once() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(buf.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut writer = Writer::new(Full(200), "out".into()).unwrap();
    let mut batch = Packets::default();
    batch.push(Time::default(), SourceId(0), LinkType(1), 1, b"x");
    let errors: Vec<_> = (0..9).filter_map(|_| writer.packet(&batch.list[0], b"x", None).err()).map(|e| e.to_string()).collect();
    assert_eq!(errors, ["-w out: writing stopped, the file is cut short: no storage space"]);
    assert!(writer.unwritten() > 3 && writer.finish().is_ok());
}

#[test]
fn a_capture_without_packets_still_describes_an_interface() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, "x".into()).unwrap();
    writer.news(&SourceNews::Opened(SourceId(0), "lo".into()));
    writer.finish().unwrap();
    drop(writer);
    let after_header = u32::from_le_bytes(out[4..8].try_into().unwrap()) as usize;
    assert_eq!(out[after_header..after_header + 4], 1_u32.to_le_bytes(), "an interface description block");
    assert!(out.windows(2).any(|w| w == b"lo"));
}
