//! Reports as they read.

use super::*;

#[test]
fn lines_are_as_wide_as_they_may_be_and_plain_unless_colours_are_asked_for() {
    let runs = [(Tone::Bad, "failed "), (Tone::Plain, "服务 → 订单 and more that does not fit on this line")];
    let mut plain = Paper::new(40, Ink::Black);
    plain.line(&runs);
    assert_eq!(plain.text(), "failed 服务 → 订单 and more that does n…\n");
    assert_eq!(plain.text().trim_end().width(), 40);
    let mut coloured = Paper::new(80, Ink::Colours);
    coloured.line(&runs[..1]);
    assert_eq!(coloured.text(), "\x1b[31mfailed \x1b[0m\n");
    let mut wrapped = Paper::new(40, Ink::Black);
    wrapped.wrapped(Tone::Plain, "  to do: ", 4, "its HTTP client is not instrumented: let billing inject the context");
    assert_eq!(wrapped.text(), "  to do: its HTTP client is not\n    instrumented: let billing inject the\n    context\n");
}

#[test]
fn counts_are_for_people() {
    assert_eq!([counted(1, "hop"), counted(0, "hop")], ["1 hop", "0 hops"]);
}
