//! Captures made by hand, in either byte order.

/// Numbers in one byte order.
#[derive(Clone, Copy)]
pub struct To(bool);

impl To {
    pub fn n16(self, n: u16) -> [u8; 2] {
        if self.0 { n.to_be_bytes() } else { n.to_le_bytes() }
    }
    pub fn n32(self, n: u32) -> [u8; 4] {
        if self.0 { n.to_be_bytes() } else { n.to_le_bytes() }
    }
    pub fn words(self, words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|&n| self.n32(n)).collect()
    }
    pub fn pcap(self, magic: u32, minor: u16, link: u32, packets: &[(&[u32], &[u8])]) -> Vec<u8> {
        let mut out = [self.n32(magic).to_vec(), self.n16(2).to_vec(), self.n16(minor).to_vec()].concat();
        out.extend(self.words(&[0, 0, 65535, link]));
        for (header, bytes) in packets {
            out.extend(self.words(header));
            out.extend_from_slice(bytes);
        }
        out
    }
    pub fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let len = body.len() as u32 + 12;
        [self.words(&[kind, len]), body, self.words(&[len])].concat()
    }
    pub fn section(self) -> Vec<u8> {
        let version = [self.n16(1), self.n16(0)].concat();
        self.block(0x0a0d_0d0a, &[self.words(&[0x1a2b_3c4d]), version, vec![0xff; 8]].concat())
    }
    pub fn interface(self, link: u16, snaplen: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
        let fixed = [self.n16(link).to_vec(), vec![0; 2], self.words(&[snaplen])].concat();
        self.block(1, &[fixed, self.options(options)].concat())
    }
    pub fn options(self, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (code, value) in options {
            out.extend([self.n16(*code), self.n16(value.len() as u16)].concat());
            out.extend_from_slice(value);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }
    pub fn packet(self, interface: u32, units: u64, bytes: &[u8]) -> Vec<u8> {
        let len = bytes.len() as u32;
        self.block(6, &[self.words(&[interface, (units >> 32) as u32, units as u32, len, len]), bytes.to_vec()].concat())
    }
}

pub const LE: To = To(false);
pub const BE: To = To(true);
