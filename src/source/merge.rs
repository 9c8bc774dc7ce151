//! Capture files and standard input as one source: merged by time, as a stream, one packet of each in hand.

use super::capture::{Capture, Step};
use super::{FILL_BYTES, FILL_PACKETS, Filled, Source, SourceError, SourceIds};
use crate::model::{Packets, SourceNews};
use crate::time::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

/// Progress is told after so many bytes of a file, or a hundredth of all files.
const PROGRESS_STEP: u64 = 256 * 1024;

/// Captures, merged by time. Packets of one file keep their order, also where its clock steps back; of packets with the
/// same time, the one of the file that was named first comes first.
///
/// Files are bounded by the descriptors that the system allows; each holds its window and no more.
pub struct Files {
    inputs: Vec<Capture>,
    /// The next packet of each input, by time.
    heads: BinaryHeap<Reverse<(Time, usize)>>,
    /// Inputs whose next packet is not known yet.
    asked: Vec<usize>,
    told: u64,
}

impl Files {
    /// Opens what `-r` names; `-` is standard input.
    pub fn open(paths: &[PathBuf], ids: &SourceIds) -> Result<Self, SourceError> {
        let stdin = Path::new("-");
        if paths.iter().filter(|path| *path == stdin).count() > 1 {
            return Err(SourceError::Twice("stdin".into()));
        }
        let open = |path: &PathBuf| if path == stdin { Capture::stdin(ids) } else { Capture::open(path, ids) };
        Ok(Self::merge(paths.iter().map(open).collect::<Result<_, _>>()?))
    }

    /// A capture that is part of the program.
    pub fn bundled(name: &str, bytes: &'static [u8], ids: &SourceIds) -> Self {
        Self::merge(vec![Capture::bundled(name, bytes, ids)])
    }

    pub(super) fn merge(inputs: Vec<Capture>) -> Self {
        let asked = (0..inputs.len()).rev().collect();
        Self { inputs, heads: BinaryHeap::new(), asked, told: 0 }
    }

    fn packets(&mut self, out: &mut Packets) -> Result<Filled, SourceError> {
        let (packets, bytes) = (out.list.len() + FILL_PACKETS, out.slab.len() + FILL_BYTES);
        while out.list.len() < packets && out.slab.len() < bytes {
            while let Some(&i) = self.asked.last() {
                match self.inputs.get_mut(i).map_or(Ok(Step::End), Capture::step)? {
                    Step::Packet(time) => self.heads.push(Reverse((time, i))),
                    Step::Idle => return Ok(Filled::Idle),
                    Step::Busy => return Ok(Filled::More),
                    Step::End => {}
                }
                self.asked.pop();
            }
            let Some(Reverse((_, i))) = self.heads.pop() else { return Ok(Filled::End) };
            if let Some(input) = self.inputs.get(i) {
                input.deliver(out);
            }
            self.asked.push(i);
        }
        Ok(Filled::More)
    }

    fn progress(&mut self, end: bool) -> Option<SourceNews> {
        let all = self.inputs.iter().filter_map(Capture::progress);
        let (done, size) = all.reduce(|a, b| (a.0 + b.0, a.1 + b.1))?;
        let due = done >= self.told + PROGRESS_STEP.max(size / 100) || end;
        due.then(|| {
            self.told = done;
            SourceNews::Progress(done, size)
        })
    }
}

impl Source for Files {
    fn fill(&mut self, out: &mut Packets) -> Result<Filled, SourceError> {
        self.inputs.iter_mut().for_each(Capture::be_patient);
        let filled = self.packets(out);
        self.inputs.iter_mut().for_each(|input| input.tell(out));
        out.news.extend(self.progress(matches!(filled, Ok(Filled::End))));
        filled
    }
}
