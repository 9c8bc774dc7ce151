//! Messages to JSON beside another encoder, cut and damaged, for any values.

use super::*;
use proptest::prelude::*;
use prost_reflect::{FieldDescriptor, Kind as Field, MapKey};

/// A value for a field, from a stream of numbers that runs dry.
fn filled(of: &MessageDescriptor, numbers: &mut impl Iterator<Item = u64>, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    let fields: Vec<FieldDescriptor> = of.fields().collect();
    for _ in 0..fields.len().min(4) {
        let Some(n) = numbers.next() else { break };
        let field = &fields[n as usize % fields.len()];
        let value = if field.is_map() {
            let entry = field.kind();
            let entry = entry.as_message().unwrap();
            let key = match one(&entry.map_entry_key_field().kind(), numbers, depth) {
                Value::Bool(b) => MapKey::Bool(b),
                Value::I32(n) => MapKey::I32(n),
                Value::String(s) => MapKey::String(s),
                other => panic!("{other:?}"),
            };
            Value::Map([(key, one(&entry.map_entry_value_field().kind(), numbers, depth))].into_iter().collect())
        } else if field.is_list() {
            Value::List((0..n % 3).map(|_| one(&field.kind(), numbers, depth)).collect())
        } else {
            one(&field.kind(), numbers, depth)
        };
        message.set_field(field, value);
    }
    message
}

/// Numbers with a fraction that both libraries write alike: of others they may round the last digit apart.
fn one(kind: &Field, numbers: &mut impl Iterator<Item = u64>, depth: usize) -> Value {
    let n = numbers.next().unwrap_or_default();
    match kind {
        Field::Double => Value::F64(f64::from(n as i32) / 8.0),
        Field::Float => Value::F32(f32::from(n as i16) / 4.0),
        Field::Int32 | Field::Sint32 | Field::Sfixed32 => Value::I32(n as i32),
        Field::Int64 | Field::Sint64 | Field::Sfixed64 => Value::I64(n as i64),
        Field::Uint32 | Field::Fixed32 => Value::U32(n as u32),
        Field::Uint64 | Field::Fixed64 => Value::U64(n),
        Field::Bool => Value::Bool(n & 1 == 1),
        Field::String => Value::String(char::from_u32(n as u32 % 0xd800).unwrap().to_string().repeat(1 + n as usize % 3)),
        Field::Bytes => Value::Bytes(n.to_le_bytes().to_vec().into()),
        Field::Enum(_) => Value::EnumNumber((n % 5) as i32 - 2),
        // of a time that is none the other library makes the next best one
        Field::Message(of) if matches!(of.full_name(), "google.protobuf.Timestamp" | "google.protobuf.Duration") => {
            let mut time = DynamicMessage::new(of.clone());
            time.set_field_by_number(1, Value::I64((n >> 32) as i64));
            time.set_field_by_number(2, Value::I32((n % 1_000_000_000) as i32));
            Value::Message(time)
        }
        Field::Message(of) if depth < 4 => Value::Message(filled(of, numbers, depth + 1)),
        Field::Message(of) => Value::Message(DynamicMessage::new(of.clone())),
    }
}

proptest! {
    /// Whatever another encoder makes is read, with every field under its name, whole, cut anywhere, and without the schema.
    #[test]
    fn what_was_encoded_is_read(numbers in prop::collection::vec(any::<u64>(), 0..60), at in 0.0..1.0) {
        let of = message("test.v1.Everything");
        let sent = filled(&of, &mut numbers.into_iter(), 0);
        let bytes = sent.encode_to_vec();
        let shown: Json = serde_json::from_str(&json::json(&bytes, &of, &SCHEMAS).unwrap()).unwrap();
        // the other encoder's own JSON, where it has one: of a time in the year 300000 it has none
        if let Ok(theirs) = serde_json::to_value(&sent) {
            prop_assert_eq!(normal(shown.clone()), normal(theirs));
        }
        let names: Vec<String> = sent.fields().map(|(field, _)| field.json_name().to_owned()).collect();
        prop_assert_eq!(shown.as_object().unwrap().keys().cloned().collect::<Vec<_>>(), names);
        let cut = cut::mend(&bytes[..(bytes.len() as f64 * at) as usize], Some(&of));
        prop_assert!(json::json(&cut, &of, &SCHEMAS).is_ok(), "{:02x?}", cut);
        prop_assert!(guess::json(&bytes).is_ok());
    }

    /// No bytes panic, and what comes out is JSON, whatever the type is said to be.
    #[test]
    fn damage_costs_only_itself(
        numbers in prop::collection::vec(any::<u64>(), 0..40),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        noise in prop::collection::vec(any::<u8>(), 0..40),
        whole: bool,
    ) {
        let mut bytes = filled(&message("test.v1.Everything"), &mut numbers.into_iter(), 0).encode_to_vec();
        bytes.extend(noise);
        for (index, byte) in flips {
            if !bytes.is_empty() {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let length = bytes.len() as u64;
        for media in ["application/grpc", "application/x-protobuf; messageType=test.v1.Everything", "application/protobuf; proto=test.v1.Older; encoding=delimited"] {
            let sent = Body { bytes: if whole { length } else { length + 9 }, ..body(media, None, &bytes) };
            written(&sent, &SCHEMAS, Place::default());
        }
        rank::candidates(Pattern::Unary, &[&bytes], &[&bytes], &SCHEMAS);
    }
}
