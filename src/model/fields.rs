//! A protocol's own data: ordered fields with well-known dotted names, so that filters, columns and NDJSON need no code a protocol.

use compact_str::CompactString;

/// A value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(CompactString),
    /// Text that lets somebody in, by its place in its protocol: masked unless secrets are shown.
    Secret(CompactString),
    /// A whole number.
    Int(i64),
    /// A number as JSON writes it, with a fraction or of more digits.
    Number(CompactString),
    /// Nothing, where the wire has a value for that.
    Null,
    /// Yes or no.
    Bool(bool),
    /// Several.
    List(Vec<Value>),
    /// Ordered names and values; duplicates kept.
    Map(Vec<(CompactString, Value)>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

/// Names such as `http.method` (nested in NDJSON under `http`) or `sql` (top level), in the order in which they were learned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    /// Gives back the room for more.
    pub fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Sets a field; a field that is there is replaced in its place.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.put(name, value.into());
    }

    /// The same; the value that was there before.
    fn put(&mut self, name: &'static str, value: Value) -> Option<Value> {
        let slot = self.0.iter_mut().find(|(n, _)| *n == name);
        match slot {
            Some(slot) => Some(std::mem::replace(&mut slot.1, value)),
            None => {
                self.0.push((name, value));
                None
            }
        }
    }

    /// Chainable `set`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(n, v)| (*n, v))
    }

    /// Takes over all fields of `other`. How many bytes more are held, about.
    pub fn merge(&mut self, other: Self) -> isize {
        if self.0.is_empty() {
            *self = other;
            return self.cost() as isize;
        }
        let mut more = 0;
        for (name, value) in other.0 {
            more += cost_of(&value) as isize;
            more += match self.put(name, value) {
                Some(before) => -(cost_of(&before) as isize),
                None => size_of::<(&str, Value)>() as isize,
            };
        }
        more
    }

    /// Bytes held, about.
    pub fn cost(&self) -> usize {
        self.0.iter().map(|(_, v)| size_of::<(&str, Value)>() + cost_of(v)).sum()
    }
}

fn cost_of(value: &Value) -> usize {
    match value {
        Value::Text(t) | Value::Secret(t) | Value::Number(t) => t.len(),
        Value::Int(_) | Value::Null | Value::Bool(_) => 0,
        Value::List(items) => items.iter().map(|v| size_of::<Value>() + cost_of(v)).sum(),
        Value::Map(pairs) => pairs.iter().map(|(k, v)| size_of::<(CompactString, Value)>() + k.len() + cost_of(v)).sum(),
    }
}
