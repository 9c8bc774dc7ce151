//! `-f` on what is read from files: libpcap's filter, run over each packet as the kernel would. Not how a live capture filters.

use super::live::LiveError;
use super::live::program;
use super::{Filled, Source, SourceError};
use crate::model::{LinkType, Packets};
use pcap::BpfProgram;

/// A source of which only those packets come through that match. The others leave no trace, as if they had not been captured.
pub struct Filtered {
    inner: Box<dyn Source>,
    text: String,
    /// The filter, compiled for each link type that came by.
    programs: Vec<(LinkType, BpfProgram)>,
}

impl Filtered {
    /// Checks the filter before anything is read.
    pub fn new(inner: Box<dyn Source>, text: &str) -> Result<Self, LiveError> {
        super::live::check_filter(text)?;
        Ok(Self { inner, text: text.to_owned(), programs: Vec::new() })
    }

    fn matches(&mut self, link: LinkType, bytes: &[u8]) -> Result<bool, SourceError> {
        if let Some((_, program)) = self.programs.iter().find(|(known, _)| *known == link) {
            return Ok(program.filter(bytes));
        }
        let program = program(&self.text, link).map_err(|e| SourceError::Filter(e.to_string()))?;
        let matches = program.filter(bytes);
        self.programs.push((link, program));
        Ok(matches)
    }
}

impl Source for Filtered {
    fn fill(&mut self, out: &mut Packets) -> Result<Filled, SourceError> {
        let old = out.list.len();
        let filled = self.inner.fill(out)?;
        for packet in out.list.split_off(old) {
            if self.matches(packet.link, out.bytes(&packet))? {
                out.list.push(packet);
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::RECORDING;
    use crate::model::PacketNo;
    use crate::source::{Files, SourceIds};

    fn packets(filter: &str) -> usize {
        let files = Box::new(Files::bundled("demo", RECORDING, &SourceIds::default()));
        let mut source = Filtered::new(files, filter).unwrap();
        let mut all = 0;
        loop {
            let mut out = Packets::starting_at(PacketNo(1));
            let filled = source.fill(&mut out).unwrap();
            all += out.list.len();
            if filled == Filled::End {
                return all;
            }
        }
    }

    #[test]
    fn what_matches_and_what_does_not_make_up_the_whole() {
        let (some, others) = (packets("tcp port 8084"), packets("not tcp port 8084"));
        assert!(some > 0 && others > 0);
        assert_eq!(some + others, packets("tcp"));
    }

    #[test]
    fn a_filter_that_is_none_is_told_before_anything_is_read() {
        let files = Box::new(Files::bundled("demo", RECORDING, &SourceIds::default()));
        assert!(Filtered::new(files, "tcp prot 80").is_err_and(|e| e.exit_code() == 2));
    }
}
