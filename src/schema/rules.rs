//! Which message a body holds where only the user knows: `[[body]]` in the configuration. It matches texts and opens nothing.

use crate::model::{Detail, Value};
use serde::{Deserialize, Serialize};

/// One `[[body]]`: what is given must match, exactly or with `*` for any run of characters; then the body is a `type`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// The request's path, without its query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The topic or subject of a message (Kafka, MQTT, NATS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The exchange of a message (AMQP).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<String>,
    /// The content type, with its parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The full name of the message.
    #[serde(rename = "type")]
    pub message: String,
}

/// Where a body was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The path of an HTTP request, without its query.
    pub path: Option<&'a str>,
    /// The topic or subject.
    pub topic: Option<&'a str>,
    /// The exchange.
    pub exchange: Option<&'a str>,
    /// The method, and the side of it, that a gRPC message may be of whose own was not captured: `/shop.v1.Orders/Get>`.
    pub may_be: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// What a flow's own fields say.
    pub fn of(detail: &'a Detail) -> Self {
        let text = |names: &[&str]| {
            detail.fields.iter().find_map(|(name, value)| match value {
                Value::Text(text) if names.contains(&name) => Some(&**text),
                _ => None,
            })
        };
        let path = text(&["http.target"]).map(|target| target.split(['?', '#']).next().unwrap_or(target));
        Self {
            path,
            topic: text(&["kafka.topic", "mqtt.topic", "nats.subject"]),
            exchange: text(&["amqp.exchange"]),
            may_be: None,
        }
    }
}

impl Rule {
    /// Why it cannot be used.
    pub fn fault(&self) -> Option<&'static str> {
        let given = [&self.path, &self.topic, &self.exchange, &self.content_type].into_iter().any(Option::is_some);
        match self.message.trim() {
            "" => Some("'type' is to name a message, as in \"shop.v1.Order\""),
            _ if !given => Some("it matches every body: give path, topic, exchange or content-type"),
            _ => None,
        }
    }

    /// Whether it is about a body.
    pub fn matches(&self, place: Place<'_>, content_type: &str) -> bool {
        let fits = |pattern: &Option<String>, text: Option<&str>| {
            pattern.as_deref().is_none_or(|pattern| text.is_some_and(|text| glob(pattern, text)))
        };
        fits(&self.path, place.path)
            && fits(&self.topic, place.topic)
            && fits(&self.exchange, place.exchange)
            && fits(&self.content_type, Some(content_type))
    }
}

/// Whether a pattern covers a whole text; `*` is any run of characters, also none. The first place that fits a part is as good as any
/// later one, so that it takes one pass.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in between.split('*') {
        match text.find(part) {
            Some(at) => text = text.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_whole_texts() {
        for (pattern, text, fits) in [
            ("/orders", "/orders", true),
            ("/orders", "/orders/1", false),
            ("/orders/*", "/orders/1", true),
            ("/orders/*", "/orders", false),
            ("*", "", true),
            ("*/items/*/price", "/orders/1/items/2/price", true),
            ("a*b*c", "abbc", true),
            ("a*bc*bc", "abc", false),
            ("*aa", "aaa", true),
            ("a*a", "a", false),
            ("application/x-*", "application/x-protobuf", true),
            ("é*", "éa", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn everything_given_must_match() {
        let rule = Rule { path: Some("/a*".into()), content_type: Some("x/y".into()), message: "a.B".into(), ..Rule::default() };
        let at = |path| Place { path, ..Place::default() };
        assert!(rule.matches(at(Some("/ab")), "x/y"));
        assert!(!rule.matches(at(Some("/ab")), "x/z"));
        assert!(!rule.matches(at(None), "x/y"));
        assert_eq!(rule.fault(), None);
        assert!(Rule { message: "a.B".into(), ..Rule::default() }.fault().is_some_and(|f| f.contains("every body")));
        assert!(Rule { message: " ".into(), ..rule }.fault().is_some_and(|f| f.contains("'type'")));
    }
}
