//! The reader of tables.

use crate::decode::amqp::field::{Field, bare_table};

#[test]
fn decimals_have_their_point() {
    for (digits, scale, text) in [(12345, 2, "123.45"), (-5, 3, "-0.005"), (7, 0, "7"), (0, 1, "0.0")] {
        assert_eq!(Field::Decimal(digits, scale).text(), text);
    }
}

#[test]
fn tables_keep_order_and_duplicates() {
    let table = bare_table(b"\x01bt\x01\x01aV\x01bt\0").unwrap();
    let names: Vec<_> = table.0.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [b"b", b"a", b"b"]);
}
