//! What a call that failed says in detail: a `google.rpc.Status` in a field of gRPC's, typed values in an error of Connect's; read by the
//! descriptors. Not the status itself: that is the call's.

use super::json;
use crate::mask::{self, Secrets};
use crate::model::{Detail, Value};
use crate::schema::Schemas;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use prost_reflect::prost::Message as _;
use prost_reflect::{DynamicMessage, Value as Proto};
use serde_json::Value as Json;

/// The field of a flow that holds the details. Analyzers of Connect put them there as they were sent, `type` and `value` of each; whoever
/// looks sees what `details` makes of them.
pub const DETAILS: &str = "grpc.details";
/// The header field of gRPC's that holds them.
const HEADER: &str = "grpc-status-details-bin";
/// What an `Any` has before the type, and Connect's errors leave out (Connect, "Error end-stream").
const URL: &str = "type.googleapis.com/";

/// Base64 as gRPC's peers write it: with and without padding (PROTOCOL-HTTP2.md, "Custom-Metadata").
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The details of a call's status, each as an `Any` in JSON: `@type` with the message's own fields, or with its bytes where nobody knows
/// the type.
pub(super) fn details(detail: &Detail, schemas: &Schemas) -> Option<Value> {
    if let Some(Value::List(sent)) = detail.fields.get(DETAILS) {
        return Some(Value::List(sent.iter().map(|sent| of_connect(sent, schemas).unwrap_or_else(|| sent.clone())).collect()));
    }
    let answer = detail.response.as_ref()?;
    let field = answer.trailers.get(HEADER).or_else(|| answer.headers.get(HEADER))?;
    let status: Json = serde_json::from_str(&grpc_status(field, schemas).ok()?).ok()?;
    match status.get("details").cloned().map(value)? {
        Value::List(details) => Some(Value::List(details)),
        _ => None,
    }
}

/// One of Connect's; none where it is not as the specification has it.
fn of_connect(sent: &Value, schemas: &Schemas) -> Option<Value> {
    let Value::Map(pairs) = sent else { return None };
    let text = |name: &str| match pairs.iter().find(|(key, _)| **key == *name) {
        Some((_, Value::Text(text))) => Some(&**text),
        _ => None,
    };
    let bytes = LENIENT.decode(text("value")?).ok()?;
    let descriptor = schemas.message("google.protobuf.Any")?.message;
    let mut any = DynamicMessage::new(descriptor.clone());
    any.set_field_by_name("type_url", Proto::String(format!("{URL}{}", text("type")?)));
    any.set_field_by_name("value", Proto::Bytes(bytes.into()));
    let json = json::json(&any.encode_to_vec(), &descriptor, schemas).ok()?;
    serde_json::from_str(&json).ok().map(value)
}

/// The value of `grpc-status-details-bin`, a `google.rpc.Status`, as JSON with what its details hold; the error says why it is none. It
/// is in base64, or as it is behind a zero byte, which peers agree on (grpc proposal G1, "True Binary Metadata").
pub(super) fn grpc_status(field: &[u8], schemas: &Schemas) -> Result<String, String> {
    let bytes = match field {
        [0, plain @ ..] => plain.to_vec(),
        text => LENIENT.decode(text.trim_ascii()).map_err(|e| format!("not base64: {e}"))?,
    };
    let status = schemas.message("google.rpc.Status").ok_or("no schema for google.rpc.Status")?;
    json::json(&bytes, &status.message, schemas).map_err(|why| format!("does not parse as google.rpc.Status: {why}"))
}

/// What a header field holds beside its text: the details of a gRPC status as JSON, secrets masked, or why they are none. None for every
/// other field.
pub fn in_header(name: &str, value: &[u8], schemas: &Schemas, secrets: Secrets) -> Option<String> {
    name.eq_ignore_ascii_case(HEADER).then(|| {
        let details = grpc_status(value, schemas);
        details.map_or_else(|why| why, |json| mask::json(&json, secrets).into_owned())
    })
}

/// JSON as the value of a field.
fn value(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(yes) => Value::Bool(yes),
        Json::Number(n) => n.as_i64().map_or_else(|| Value::Number(n.to_string().into()), Value::Int),
        Json::String(text) => Value::Text(text.into()),
        Json::Array(items) => Value::List(items.into_iter().map(value).collect()),
        Json::Object(pairs) => Value::Map(pairs.into_iter().map(|(name, json)| (name.into(), value(json))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Fields, Half};

    fn any(url: &str, bytes: Vec<u8>) -> Proto {
        let mut any = DynamicMessage::new(Schemas::none().message("google.protobuf.Any").unwrap().message);
        any.set_field_by_number(1, Proto::String(url.into()));
        any.set_field_by_number(2, Proto::Bytes(bytes.into()));
        Proto::Message(any)
    }

    /// A BadRequest.
    fn bad() -> Vec<u8> {
        let message = |name| DynamicMessage::new(Schemas::none().message(name).unwrap().message);
        let mut violation = message("google.rpc.BadRequest.FieldViolation");
        violation.set_field_by_name("field", Proto::String("sku".into()));
        let mut bad = message("google.rpc.BadRequest");
        bad.set_field_by_name("field_violations", Proto::List(vec![Proto::Message(violation)]));
        bad.encode_to_vec()
    }

    /// INVALID_ARGUMENT with a BadRequest, and a type that nobody knows.
    fn status() -> Vec<u8> {
        let mut status = DynamicMessage::new(Schemas::none().message("google.rpc.Status").unwrap().message);
        status.set_field_by_name("code", Proto::I32(3));
        let details = vec![any("type.googleapis.com/google.rpc.BadRequest", bad()), any("x/y.Z", vec![1])];
        status.set_field_by_name("details", Proto::List(details));
        status.encode_to_vec()
    }

    const READ: &str = r#"[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"sku"}]},{"@type":"x/y.Z","value":"AQ=="}]"#;

    #[test]
    fn the_details_of_a_status_are_read() {
        let expected = format!(r#"{{"code":3,"details":{READ}}}"#);
        let expected = Ok(expected.as_str());
        let padded = base64::engine::general_purpose::STANDARD.encode(status());
        let read = |field: &[u8]| grpc_status(field, Schemas::none());
        assert_eq!(read(padded.as_bytes()).as_deref(), expected);
        assert_eq!(read(padded.trim_end_matches('=').as_bytes()).as_deref(), expected);
        assert_eq!(read(&[&[0], &*status()].concat()).as_deref(), expected);
        assert!(read(b"%").unwrap_err().starts_with("not base64"));
        assert!(read(b"CAE").is_ok());
        assert!(read(b"CP8").unwrap_err().starts_with("does not parse as google.rpc.Status"));
    }

    #[test]
    fn the_details_of_a_call_are_a_field_of_it_whichever_way_they_came() {
        let read = |text: &str| value(serde_json::from_str(text).unwrap());
        let field = LENIENT.encode(status());
        let mut half = Half::default();
        half.trailers.push(HEADER.as_bytes(), field.as_bytes());
        let by_grpc = Detail { response: Some(half), ..Detail::default() };
        assert_eq!(details(&by_grpc, Schemas::none()), Some(read(READ)));
        let mut none = Half::default();
        none.trailers.push(HEADER.as_bytes(), b"CAE");
        assert_eq!(details(&Detail { response: Some(none), ..Detail::default() }, Schemas::none()), None);

        let sent = |kind: &str, text: &str| format!(r#"{{"type":"{kind}","value":"{text}"}}"#);
        let bad = sent("google.rpc.BadRequest", LENIENT.encode(bad()).trim_end_matches('='));
        let (unknown, broken) = (sent("y.Z", "AQ"), sent("google.rpc.BadRequest", "%"));
        let fields = Fields::default().with(DETAILS, read(&format!("[{bad},{unknown},{broken},{{}}]")));
        let by_connect = Detail { fields, ..Detail::default() };
        let [known, ..] = &serde_json::from_str::<Vec<Json>>(READ).unwrap()[..] else { panic!() };
        let expected = format!(r#"[{known},{{"@type":"type.googleapis.com/y.Z","value":"AQ=="}},{broken},{{}}]"#);
        assert_eq!(details(&by_connect, Schemas::none()), Some(read(&expected)));
    }
}
