//! PostgreSQL and Redis as bytes.

/// What opens a session with PostgreSQL: the client's startup message, and all that the server says until it is ready.
pub fn postgres_opening() -> [Vec<u8>; 2] {
    let startup = [&196_608_u32.to_be_bytes()[..], b"user\0shop\0database\0shop\0\0"].concat();
    let startup = [&(startup.len() as u32 + 4).to_be_bytes()[..], &startup].concat();
    let version = message(b'S', b"server_version\x0017.2\0");
    [startup, [message(b'R', &[0; 4]), version, message(b'K', &[0, 0, 1, 1, 0, 0, 0, 9]), ready()].concat()]
}

/// A simple query.
pub fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), b"\0"].concat())
}

/// The extended query: an unnamed statement with text parameters.
pub fn extended(text: &str, parameters: &[String]) -> Vec<u8> {
    let parse = message(b'P', &[b"\0", text.as_bytes(), b"\0\0\0"].concat());
    let mut bind = vec![0, 0, 0, 0];
    bind.extend((parameters.len() as u16).to_be_bytes());
    for parameter in parameters {
        bind.extend((parameter.len() as u32).to_be_bytes());
        bind.extend(parameter.as_bytes());
    }
    bind.extend([0, 0]);
    let describe = message(b'D', b"P\0");
    let execute = message(b'E', &[0, 0, 0, 0, 0]);
    [parse, message(b'B', &bind), describe, execute, message(b'S', b"")].concat()
}

/// A result of one row, for either.
pub fn result(extended: bool, tag: &str, value: &str) -> Vec<u8> {
    let columns = [&[0, 1][..], b"id\0", &[0, 0, 0, 0, 0, 0], &25_u32.to_be_bytes(), &[0xff; 6], &[0, 0]].concat();
    let row = [&[0, 1][..], &(value.len() as u32).to_be_bytes(), value.as_bytes()].concat();
    let complete = message(b'C', &[tag.as_bytes(), b"\0"].concat());
    let bound = if extended { [message(b'1', b""), message(b'2', b"")].concat() } else { Vec::new() };
    [bound, message(b'T', &columns), message(b'D', &row), complete, ready()].concat()
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind][..], &(payload.len() as u32 + 4).to_be_bytes(), payload].concat()
}

/// A Redis command.
pub fn command(arguments: &[String]) -> Vec<u8> {
    let argument = |text: &String| format!("${}\r\n{text}\r\n", text.len());
    format!("*{}\r\n{}", arguments.len(), arguments.iter().map(argument).collect::<String>()).into_bytes()
}

/// A reply that is a text.
pub fn reply(text: &str) -> Vec<u8> {
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}
