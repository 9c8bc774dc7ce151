//! What a statement is called, and what its comments carry. Not a parser of SQL: it reads words, and knows where strings and comments
//! end (PostgreSQL documentation, "Lexical Structure").

/// How many words are read of a statement.
const WORDS: usize = 2000;

/// Words between a verb and what it is about.
const BETWEEN: &[&str] = &["ONLY", "TABLE", "IF", "NOT", "EXISTS", "LATERAL"];

/// What a person would call a statement: its verb and its first table (`SELECT orders`, `BEGIN`).
pub fn operation(sql: &str) -> String {
    let words: Vec<Word<'_>> = Words { sql, depth: 0 }.take(WORDS).collect();
    let Some(first) = words.first() else { return "empty statement".to_owned() };
    let at = match first.upper().as_str() {
        "WITH" => {
            let main = |w: &Word<'_>| {
                w.depth == first.depth && ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"].contains(&w.upper().as_str())
            };
            match words.iter().position(main) {
                Some(at) => at,
                None => return "WITH".to_owned(),
            }
        }
        _ => 0,
    };
    let verb = words.get(at).map(Word::upper).unwrap_or_default();
    let words = behind(&words, at);
    let next = |skip: &[&str]| words.iter().find(|w| !skip.contains(&w.upper().as_str()));
    let table = match verb.as_str() {
        "SELECT" | "DELETE" => from(words, first.depth),
        "INSERT" | "MERGE" => next(&["INTO", "ONLY"]),
        // a query's table where it is one that is copied
        "COPY" => next(BETWEEN).and_then(|w| if w.upper() == "SELECT" { from(behind(words, 0), w.depth) } else { Some(w) }),
        "UPDATE" | "TRUNCATE" | "LOCK" | "CALL" | "EXECUTE" | "PREPARE" | "DEALLOCATE" | "LISTEN" | "UNLISTEN" | "NOTIFY"
        | "SHOW" | "CLOSE" | "DECLARE" | "VACUUM" | "ANALYZE" | "START" => next(BETWEEN),
        // `FETCH FORWARD 2 FROM page`
        "FETCH" | "MOVE" => words.last(),
        "SET" => next(&["SESSION", "LOCAL"]),
        "CREATE" | "DROP" | "ALTER" => {
            let skip = ["OR", "REPLACE", "UNIQUE", "TEMP", "TEMPORARY", "UNLOGGED", "MATERIALIZED", "CONCURRENTLY"];
            let Some(at) = words.iter().position(|w| !skip.contains(&w.upper().as_str())) else { return verb };
            let skip = ["IF", "NOT", "EXISTS", "CONCURRENTLY", "ON"];
            let name = behind(words, at).iter().find(|w| !skip.contains(&w.upper().as_str()));
            let kind = words.get(at).map(Word::upper).unwrap_or_default();
            return name.map_or_else(|| format!("{verb} {kind}"), |name| format!("{verb} {kind} {}", name.plain()));
        }
        _ => None,
    };
    table.map_or_else(|| verb.clone(), |table| format!("{verb} {}", table.plain()))
}

/// The first table that a query reads, of the words behind its verb: what is selected from a query is selected from that query's table.
fn from<'w, 'a>(words: &'w [Word<'a>], depth: usize) -> Option<&'w Word<'a>> {
    // `IS DISTINCT FROM` compares, and within brackets are functions (`EXTRACT(year FROM …)`) and queries for a value
    let reads = |at: &usize| {
        let distinct = at.checked_sub(1).and_then(|before| words.get(before)).is_some_and(|w| w.upper() == "DISTINCT");
        words.get(*at).is_some_and(|w| w.depth == depth && w.upper() == "FROM") && !distinct
    };
    let at = (0..words.len()).find(reads)? + 1;
    let rest = words.get(at..).unwrap_or_default();
    let skipped = rest.iter().position(|w| !BETWEEN.contains(&w.upper().as_str()))?;
    let table = rest.get(skipped)?;
    match table.upper().as_str() {
        "SELECT" if table.depth > depth => from(behind(rest, skipped), table.depth),
        "VALUES" if table.depth > depth => None,
        _ => Some(table),
    }
}

/// The words behind one.
fn behind<'w, 'a>(words: &'w [Word<'a>], at: usize) -> &'w [Word<'a>] {
    words.get(at + 1..).unwrap_or_default()
}

/// What the comments of a statement carry (sqlcommenter: `/*key='value',key='value'*/`, both percent-encoded).
pub fn comments(sql: &str) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut rest = sql;
    while let Some(at) = rest.find("/*") {
        let Some((comment, behind)) = rest[at + 2..].split_once("*/") else { break };
        for pair in comment.split(',') {
            let quoted =
                pair.trim().split_once('=').and_then(|(key, value)| Some((key, value.strip_prefix('\'')?.strip_suffix('\'')?)));
            if let Some((key, value)) = quoted {
                let plain = |text: &str| crate::text::percent(text, b'+');
                found.push((String::from_utf8_lossy(&plain(key)).to_lowercase(), plain(value)));
            }
        }
        rest = behind;
    }
    found
}

/// A word of a statement, with the names that points join to it, and how many brackets it is in.
#[derive(Clone, Copy, Debug)]
struct Word<'a> {
    text: &'a str,
    depth: usize,
}

impl Word<'_> {
    fn upper(&self) -> String {
        self.text.to_ascii_uppercase()
    }

    fn plain(&self) -> String {
        self.text.replace('"', "")
    }
}

struct Words<'a> {
    sql: &'a str,
    depth: usize,
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        loop {
            let sql = self.sql;
            let c = sql.chars().next()?;
            let after = |at: usize| sql.get(at..).unwrap_or_default();
            let behind = |start: usize, end: &str| after(start).find(end).map_or("", |at| after(start + at + end.len()));
            if sql.starts_with("--") {
                self.sql = behind(2, "\n");
            } else if sql.starts_with("/*") {
                self.sql = behind(2, "*/");
            } else if c == '\'' {
                self.sql = behind(1, "'");
            } else if c == '$'
                && let Some(tag) = dollar(sql)
            {
                self.sql = behind(tag.len(), tag);
            } else if c == '"' || c == '_' || c.is_alphabetic() {
                let end = name(sql);
                self.sql = after(end);
                return Some(Word { text: sql.get(..end)?, depth: self.depth });
            } else if c == ';' {
                // of several statements the first one names them
                self.sql = "";
            } else {
                match c {
                    '(' => self.depth += 1,
                    ')' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                self.sql = after(c.len_utf8());
            }
        }
    }
}

/// The `$tag$` that a string starts with.
fn dollar(sql: &str) -> Option<&str> {
    let end = sql.get(1..)?.find('$')? + 2;
    let tag = sql.get(..end)?;
    tag.get(1..end - 1)?.chars().all(|c| c == '_' || c.is_alphanumeric()).then_some(tag)
}

/// How long the name is that starts here: words and quoted ones, joined by points.
fn name(sql: &str) -> usize {
    let mut at = 0;
    loop {
        let rest = sql.get(at..).unwrap_or_default();
        let length = match rest.strip_prefix('"') {
            Some(quoted) => quoted.find('"').map_or(rest.len(), |end| end + 2),
            None => rest.find(|c: char| !(c == '_' || c == '$' || c.is_alphanumeric())).unwrap_or(rest.len()),
        };
        at += length;
        let rest = sql.get(at..).unwrap_or_default();
        let joined = rest
            .strip_prefix('.')
            .and_then(|rest| rest.chars().next())
            .is_some_and(|c| c == '"' || c == '_' || c.is_alphabetic());
        if length == 0 || !joined {
            return at;
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_called_by_verb_and_table() {
        for (sql, wanted) in [
            ("SELECT * FROM orders WHERE id = $1", "SELECT orders"),
            ("select 1", "SELECT"),
            ("select count(*) from (select id from shop.items) t", "SELECT shop.items"),
            ("/* from x */ SELECT a -- from y\n FROM \"Order Lines\" l", "SELECT Order Lines"),
            ("SELECT 'it''s from me' FROM t", "SELECT t"),
            ("SELECT $x$ from a $x$ FROM t", "SELECT t"),
            ("INSERT INTO \"shop\".\"orders\" (a) VALUES (1)", "INSERT shop.orders"),
            ("UPDATE ONLY stock SET n = 1", "UPDATE stock"),
            ("delete from only carts", "DELETE carts"),
            ("WITH x AS (SELECT * FROM a), y AS (DELETE FROM b RETURNING *) INSERT INTO c SELECT * FROM x", "INSERT c"),
            ("CREATE TABLE IF NOT EXISTS orders (id int)", "CREATE TABLE orders"),
            ("create unique index on t (a)", "CREATE INDEX t"),
            ("DROP TABLE orders", "DROP TABLE orders"),
            ("ALTER ROLE me PASSWORD 'x'", "ALTER ROLE me"),
            ("BEGIN", "BEGIN"),
            ("begin; select * from t", "BEGIN"),
            ("SET LOCAL statement_timeout = 1", "SET statement_timeout"),
            ("CALL pay(1)", "CALL pay"),
            ("COPY orders FROM STDIN", "COPY orders"),
            ("copy shop.orders (id, total) to stdout", "COPY shop.orders"),
            ("COPY (SELECT id, (select 1 from x) FROM only orders) TO STDOUT (FORMAT csv)", "COPY orders"),
            ("COPY (SELECT 1) TO STDOUT", "COPY"),
            ("SELECT EXTRACT(epoch FROM made), a IS DISTINCT FROM b FROM orders", "SELECT orders"),
            (
                "SELECT (SELECT max(n) FROM stock) FROM (SELECT substring(a FROM 2) FROM (SELECT * FROM lines) x) y",
                "SELECT lines",
            ),
            ("SELECT a FROM (VALUES (1)) v", "SELECT"),
            ("SELECT count(*) FROM generate_series(1, 9)", "SELECT generate_series"),
            ("START TRANSACTION READ ONLY", "START TRANSACTION"),
            ("FETCH FORWARD 2 FROM \"page\"", "FETCH page"),
            ("MOVE page", "MOVE page"),
            ("DECLARE c CURSOR FOR SELECT * FROM t", "DECLARE c"),
            ("MERGE INTO stock s USING t ON true", "MERGE stock"),
            ("TRUNCATE TABLE a, b", "TRUNCATE a"),
            ("", "empty statement"),
            ("  -- nothing", "empty statement"),
        ] {
            assert_eq!(operation(sql), wanted, "{sql}");
        }
    }

    #[test]
    fn comments_carry_what_sqlcommenter_writes() {
        let sql = "SELECT 1 /*framework='django%3A5',traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'*/";
        let found = comments(sql);
        assert_eq!(found[0], ("framework".to_owned(), b"django:5".to_vec()));
        assert_eq!(found[1].0, "traceparent");
        assert_eq!(comments("SELECT 1 /* a remark */ /*"), []);
    }
}
