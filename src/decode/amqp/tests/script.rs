//! Frames written by hand, for scripts of a conversation. A writer of its own, so that it shares no mistake with the reader but the
//! methods' numbers.

use crate::decode::amqp::method::METHODS;
use crate::decode::properties::Conversation;
use crate::model::Dir;

/// A conversation that grows.
pub struct Script {
    name: &'static str,
    turns: Vec<(Dir, Vec<u8>)>,
    /// A method whose arguments are being written: its direction and channel.
    open: Option<(Dir, u16, Vec<u8>)>,
}

impl Script {
    pub fn new(name: &'static str) -> Self {
        Self { name, turns: Vec::new(), open: None }
    }

    /// What was said, a turn for each frame.
    pub fn talk(mut self) -> Conversation {
        self.finish();
        let mut talk = Conversation::new(self.name);
        talk.turns = self.turns;
        talk
    }

    fn finish(&mut self) {
        if let Some((dir, channel, payload)) = self.open.take() {
            self.turns.push((dir, frame(1, channel, &payload)));
        }
    }

    pub fn bytes(&mut self, dir: Dir, bytes: &[u8]) -> &mut Self {
        self.finish();
        self.turns.push((dir, bytes.to_vec()));
        self
    }

    pub fn end(&mut self, dir: Dir) -> &mut Self {
        self.bytes(dir, b"")
    }

    pub fn frame(&mut self, dir: Dir, kind: u8, channel: u16, payload: &[u8]) -> &mut Self {
        self.bytes(dir, &frame(kind, channel, payload))
    }

    /// A method; its arguments follow.
    pub fn method(&mut self, dir: Dir, channel: u16, name: &str) -> &mut Self {
        self.finish();
        let method = METHODS.iter().find(|m| m.name == name).unwrap();
        self.open = Some((dir, channel, [method.class.to_be_bytes(), method.id.to_be_bytes()].concat()));
        self
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.open.as_mut().unwrap().2.extend_from_slice(bytes);
        self
    }

    pub fn octet(&mut self, n: u8) -> &mut Self {
        self.put(&[n])
    }

    pub fn u16(&mut self, n: u16) -> &mut Self {
        self.put(&n.to_be_bytes())
    }

    pub fn u32(&mut self, n: u32) -> &mut Self {
        self.put(&n.to_be_bytes())
    }

    pub fn u64(&mut self, n: u64) -> &mut Self {
        self.put(&n.to_be_bytes())
    }

    pub fn short(&mut self, text: &[u8]) -> &mut Self {
        self.put(&[text.len() as u8]).put(text)
    }

    pub fn long(&mut self, text: &[u8]) -> &mut Self {
        self.u32(text.len() as u32).put(text)
    }

    pub fn table(&mut self, pairs: &[u8]) -> &mut Self {
        self.long(pairs)
    }

    pub fn publish(&mut self, channel: u16, exchange: &str, key: &str, mandatory: bool) -> &mut Self {
        self.method(Dir::ToServer, channel, "basic.publish").u16(0).short(exchange.as_bytes()).short(key.as_bytes());
        self.octet(u8::from(mandatory))
    }

    pub fn deliver(&mut self, channel: u16, tag: &str, number: u64, redelivered: bool, exchange: &str, key: &str) -> &mut Self {
        self.method(Dir::ToClient, channel, "basic.deliver").short(tag.as_bytes()).u64(number).octet(redelivered.into());
        self.short(exchange.as_bytes()).short(key.as_bytes())
    }

    /// A content with a content type, two headers and a correlation ID, its body in frames of `most` bytes.
    pub fn content(&mut self, dir: Dir, channel: u16, body: &[u8], most: usize) -> &mut Self {
        let headers = table(|t| {
            t.field(b"n", b'I', &7_u32.to_be_bytes());
            t.field(b"n", b'S', b"\0\0\0\x01x");
        });
        let mut properties = b"\x03a/b".to_vec();
        properties.extend((headers.len() as u32).to_be_bytes());
        properties.extend(headers);
        properties.extend(b"\x03c-1");
        self.parts(dir, channel, 0b1010_0100_0000_0000, &properties, body, most)
    }

    /// A content: flags, properties, body.
    pub fn parts(&mut self, dir: Dir, channel: u16, flags: u16, properties: &[u8], body: &[u8], most: usize) -> &mut Self {
        let head = [&[0, 60, 0, 0][..], &(body.len() as u64).to_be_bytes(), &flags.to_be_bytes(), properties].concat();
        self.frame(dir, 2, channel, &head);
        for piece in body.chunks(most) {
            self.frame(dir, 3, channel, piece);
        }
        self
    }
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(channel.to_be_bytes());
    bytes.extend((payload.len() as u32).to_be_bytes());
    bytes.extend(payload);
    bytes.push(0xce);
    bytes
}

/// A table without its length.
pub fn table(fill: impl FnOnce(&mut Pairs)) -> Vec<u8> {
    let mut pairs = Pairs(Vec::new());
    fill(&mut pairs);
    pairs.0
}

/// The fields of a table.
pub struct Pairs(Vec<u8>);

impl Pairs {
    /// A name, the letter of a type, and the value as on the wire.
    pub fn field(&mut self, name: &[u8], kind: u8, value: &[u8]) -> &mut Self {
        self.0.push(name.len() as u8);
        self.0.extend(name);
        self.0.push(kind);
        self.0.extend(value);
        self
    }
}
