//! The configuration file: its keys mirror the long options. What the command line says wins over it; that is decided in `cli`.
//!
//! There is one file: `--config FILE`, or the user's. No file of the folder that one happens to stand in is read: a program that captures,
//! often as root, does not take orders from a folder. Options of one run (`read`, `write`, `count`, `duration`) are no keys.

use crate::cli::{Color, Theme};
use crate::error::Error;
use crate::schema::Rule;
use crate::units;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Longest file that is read: far more than anybody writes, and a bound where the name leads to something else.
const MAX_FILE: u64 = 1 << 20;

/// What a file says; what it does not say is none or empty. Printed, it reads back the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// `interface = ["lo"]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<Vec<String>>,
    /// `netns = ["blue", "4121"]`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub netns: Vec<String>,
    /// `all-netns = true`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_netns: Option<bool>,
    /// `capture-filter = "tcp port 80"`: live capture only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_filter: Option<String>,
    /// `tap = ["amqp://localhost/%2f?exchange=shop"]`; who may write it here without USER:PASSWORD@, the environment has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tap: Vec<String>,
    /// `filter = "not ok"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// `decode-as = ["8080=http"]`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decode_as: Vec<String>,
    /// `proto = ["protos", "shop.protoset"]`, relative to the file's folder.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proto: Vec<PathBuf>,
    /// `proto-path = ["third_party"]`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proto_path: Vec<PathBuf>,
    /// `reflect = ["localhost:8081"]`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reflect: Vec<String>,
    /// `json = true`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<bool>,
    /// `emit = "flow,stats"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emit: Option<String>,
    /// `body-limit = "64KiB"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_limit: Option<Size>,
    /// `max-memory = "256MiB"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<Size>,
    /// `show-secrets = false`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show_secrets: Option<bool>,
    /// `color = "auto"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub color: Option<Color>,
    /// `theme = "dark"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theme: Option<Theme>,
    /// `no-mouse = true`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_mouse: Option<bool>,
    /// `[services]`: `"10.0.0.7" = "orders"`, `":8081" = "stock"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, String>,
    /// `[trace-headers]`: which other headers carry a trace, and like which one they are written: `"x-shop-trace" = "traceparent"`, or
    /// `"id"` for a bare ID.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub trace_headers: BTreeMap<String, String>,
    /// `[[body]]`: which message a body holds that nothing else tells, `topic = "orders.*"`, `type = "shop.v1.Order"`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub body: Vec<Rule>,
    /// `[keys]`: an action's keys, `follow = ["F"]`; which there are is the screen's to know.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, Keys>,
}

/// A size: a number of bytes, or text with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

/// One key or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Keys {
    /// `pause = "p"`
    One(String),
    /// `pause = ["p", "space"]`
    Several(Vec<String>),
}

impl Keys {
    /// All of them.
    pub fn into_list(self) -> Vec<String> {
        match self {
            Self::One(key) => vec![key],
            Self::Several(keys) => keys,
        }
    }
}

impl Config {
    /// Reads a file that must be there. Paths in it count from its folder.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = read(path).map_err(|e| Error::unusable(format!("{}: cannot read the configuration: {e}", path.display())))?;
        let mut config =
            Self::parse(&text).map_err(|(line, what)| Error::unusable(format!("{}:{line}: {what}", path.display())))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.proto.iter_mut().chain(&mut config.proto_path).for_each(|path| *path = folder.join(&*path));
        Ok(config)
    }

    /// Reads the text of a file; an error is a line, from 1 up, and what is wrong there.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        toml::from_str(text).map_err(|e| {
            let start = e.span().map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(start).filter(|&b| b == b'\n').count();
            (line, e.message().lines().collect::<Vec<_>>().join(", "))
        })
    }

    /// As a file.
    pub fn print(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|e| Error::failed(format!("cannot print the configuration: {e}")))
    }
}

/// The user's file, where there is one: `$XDG_CONFIG_HOME/meshtop/config.toml`, else below the home folder; on macOS `~/.config` comes
/// first, then the system's folder. `home` is the invoking user's under sudo.
pub fn default_file(home: Option<&Path>, config_home: Option<&Path>) -> Option<PathBuf> {
    let base = config_home.filter(|p| p.is_absolute()).map(Path::to_owned).or_else(|| home.map(|h| h.join(".config")));
    let system = home.filter(|_| cfg!(target_os = "macos")).map(|h| h.join("Library/Application Support"));
    base.into_iter().chain(system).map(|folder| folder.join("meshtop/config.toml")).find(|file| file.is_file())
}

fn read(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(|e| e.to_string())?;
    if text.len() as u64 > MAX_FILE { Err(format!("longer than {}", units::show_size(MAX_FILE))) } else { Ok(text) }
}

impl Serialize for Size {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&units::show_size(self.0))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Size;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a size, as in \"64KiB\"")
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Size, E> {
                u64::try_from(n).map(Size).map_err(|_| E::invalid_value(de::Unexpected::Signed(n), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                units::size(text).map(Size).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, what) in [
            ("filter = \"ok\"\nfliter = \"ok\"\n", 2, "unknown field `fliter`, expected one of `interface`"),
            ("\n\nbody-limit = \"4 bananas\"", 3, "'4 bananas' is no size"),
            ("body-limit = -1", 1, "invalid value: integer `-1`, expected a size"),
            ("theme = \"pink\"", 1, "unknown variant `pink`, expected one of `auto`, `dark`, `light`"),
            ("json = 1", 1, "invalid type: integer `1`, expected a boolean"),
            ("json = ", 1, ""),
            ("[[body]]\ntopic = \"x\"", 1, "missing field `type`"),
            ("[[body]]\ntype = \"x\"\ncontent = \"y\"", 3, "unknown field `content`"),
            ("count = 5", 1, "unknown field `count`"),
        ] {
            let (at, found) = Config::parse(text).unwrap_err();
            assert!(at == line && found.starts_with(what) && !found.contains('\n'), "{text}: {at}: {found}");
        }
    }

    #[test]
    fn keys_mirror_the_long_options() {
        let config = Config::parse(
            "interface = [\"lo\"]\nbody-limit = 100\nmax-memory = \"1GiB\"\nno-mouse = true\ncolor = \"never\"\n\
             proto = [\"a.proto\"]\n[[body]]\ntopic = \"o.*\"\ntype = \"a.B\"\n[services]\n\":8081\" = \"orders\"\n[trace-headers]\nx-shop = \"id\"\n[keys]\npause = \"p\"\nfollow = [\"F\", \"end\"]\n",
        )
        .unwrap();
        assert_eq!((config.body_limit, config.max_memory), (Some(Size(100)), Some(Size(1 << 30))));
        assert_eq!(config.services[":8081"], "orders");
        assert_eq!((config.body[0].topic.as_deref(), config.body[0].message.as_str()), (Some("o.*"), "a.B"));
        assert_eq!(config.keys["follow"].clone().into_list(), ["F", "end"]);
        assert_eq!(Config::parse(&config.print().unwrap()).unwrap(), config);
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn paths_count_from_the_files_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("meshtop.toml");
        std::fs::write(&file, "proto = [\"protos\", \"/etc/a.proto\"]\nproto-path = [\"../third_party\"]\n").unwrap();
        let config = Config::read(&file).unwrap();
        assert_eq!(config.proto, [folder.path().join("protos"), PathBuf::from("/etc/a.proto")]);
        assert_eq!(config.proto_path, [folder.path().join("../third_party")]);
    }

    #[test]
    fn the_default_file_is_the_users() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(default_file(Some(home.path()), None), None);
        let file = home.path().join(".config/meshtop/config.toml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "").unwrap();
        assert_eq!(default_file(Some(home.path()), None), Some(file.clone()));
        assert_eq!(default_file(None, Some(&home.path().join(".config"))), Some(file.clone()));
        assert_eq!(default_file(Some(home.path()), Some(Path::new("relative"))), Some(file));
    }
}
