//! What could be typed next: fields, operators, values, by where the cursor stands. Nothing here knows a screen.

use super::expr::{OPS, Op};
use super::field::{FIELDS, HEADER, SQL};
use super::lex::{Kind, Token, lex};

/// What could stand at the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The byte where the word under the cursor begins: what is taken replaces the text from here to the cursor.
    pub from: usize,
    /// What could stand there, best first.
    pub words: Vec<String>,
}

/// Completes `text` at byte `cursor`. `values` are known values of fields (`("proto", ["http", …])`); a field among them that the language
/// does not have is offered too: it is a protocol's own (`http.method`).
pub fn complete(text: &str, cursor: usize, values: &[(String, Vec<String>)]) -> Completion {
    let before = text.get(..cursor).unwrap_or(text);
    let Ok(tokens) = lex(before) else { return Completion { from: before.len(), words: Vec::new() } };
    // a word that the cursor touches is being typed
    let (done, from) = match tokens.split_last() {
        Some((Token { kind: Kind::Word(_), start, end }, done)) if *end == before.len() => (done, *start),
        Some((Token { kind: Kind::Op(_) | Kind::And | Kind::Or | Kind::Not, start, end }, done))
            if *end == before.len() && before.ends_with(char::is_alphabetic) =>
        {
            (done, *start)
        }
        _ => (&tokens[..], before.len()),
    };
    let typed = before.get(from..).unwrap_or_default();
    let fits = |word: &String| word.to_lowercase().starts_with(&typed.to_lowercase()) && word != typed;
    Completion { from, words: candidates(done, values).into_iter().filter(fits).collect() }
}

fn candidates(done: &[Token], values: &[(String, Vec<String>)]) -> Vec<String> {
    let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect();
    match done.last().map(|t| &t.kind) {
        None | Some(Kind::And | Kind::Or | Kind::Not) => fields(values),
        Some(Kind::Open(_) | Kind::Comma) if list_field(done).is_some() => of_field(list_field(done), values),
        Some(Kind::Open(_)) => fields(values),
        Some(Kind::Op(Op::In)) => words(&["("]),
        Some(Kind::Op(_)) => of_field(word_before(done), values),
        Some(Kind::Word(_)) if !after_op(done) && list_field(done).is_none() => {
            OPS.iter().map(|(sign, _)| *sign).chain(["and", "or"]).map(str::to_owned).collect()
        }
        Some(Kind::Comma) => Vec::new(),
        Some(_) if list_field(done).is_some() => words(&[",", ")"]),
        Some(_) => words(&["and", "or"]),
    }
}

fn fields(values: &[(String, Vec<String>)]) -> Vec<String> {
    let known: Vec<_> = FIELDS.iter().map(|(name, ..)| *name).chain([HEADER, SQL]).collect();
    let more = values.iter().map(|(name, _)| name.as_str()).filter(|name| !known.contains(name));
    known.iter().copied().chain(more).chain(["not"]).map(str::to_owned).collect()
}

/// The known values of a field, in quotes where they would not be one word.
fn of_field(field: Option<&str>, values: &[(String, Vec<String>)]) -> Vec<String> {
    let quoted = |v: &String| match v.chars().any(|c| c.is_whitespace() || "(){},\"'&|".contains(c)) {
        true => format!("\"{}\"", v.replace('\\', "\\\\").replace('"', "\\\"")),
        false => v.clone(),
    };
    let known = values.iter().find(|(name, _)| Some(name.as_str()) == field).map(|(_, list)| list.iter().map(quoted).collect());
    match field {
        Some("ok") => vec!["true".to_owned(), "false".to_owned()],
        _ => known.unwrap_or_default(),
    }
}

/// The field before the last token, which is an operator.
fn word_before(done: &[Token]) -> Option<&str> {
    match &done.iter().rev().nth(1)?.kind {
        Kind::Word(word) => Some(word),
        _ => None,
    }
}

/// Whether the last token is a value.
fn after_op(done: &[Token]) -> bool {
    matches!(done.iter().rev().nth(1).map(|t| &t.kind), Some(Kind::Op(_)))
}

/// The field whose list is still open, where one is.
fn list_field(done: &[Token]) -> Option<&str> {
    let open = done.iter().rposition(|t| t.kind == Kind::Op(Op::In))?;
    let closed = done.iter().skip(open).any(|t| matches!(t.kind, Kind::Close(_)));
    if closed { None } else { word_before(done.get(..=open)?) }
}
