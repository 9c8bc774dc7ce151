//! HTTP/1.1 messages as bytes.

/// A request.
pub fn request(method: &str, target: &str, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    message(format!("{method} {target} HTTP/1.1\r\n"), headers, body)
}

/// A response.
pub fn response(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let reason = match status {
        200 => "OK",
        201 => "Created",
        404 => "Not Found",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "",
    };
    message(format!("HTTP/1.1 {status} {reason}\r\n"), headers, body)
}

fn message(mut head: String, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    [head.as_bytes(), body].concat()
}
