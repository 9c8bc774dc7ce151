//! Descriptors: which messages and methods are known, and from where. A set of them is plain data; where it comes from is [`load`]'s and
//! [`reflect`]'s. It reads no message: that is `body::protobuf`'s.

use crate::model::Pattern;
use prost_reflect::{DescriptorPool, MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::{self, Display, Formatter};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

pub(crate) use assemble::reason;
pub use load::{Loader, Sources};
pub use rules::{Place, Rule};
pub use scan::{Offer, offered};

mod assemble;
mod builtin;
mod compile;
pub mod load;
#[cfg(feature = "reflect")]
pub mod reflect;
mod rules;
mod scan;

/// Every descriptor that is known at one moment, in the order in which they win, and what is wrong with others.
#[derive(Debug, Default)]
pub struct Schemas {
    sets: Vec<Set>,
    rules: Vec<Rule>,
    problems: Vec<String>,
    generation: u64,
}

/// Descriptors that were read together, and agree with each other.
#[derive(Clone, Debug, Default)]
struct Set {
    pool: DescriptorPool,
    /// Where all of it comes from, for a person: `shop.protoset`, `localhost:8081, by reflection`.
    origin: String,
    /// Where single files of it come from, by the names that imports give them.
    files: HashMap<String, String>,
    /// Whether `origin` is the file that holds all of it.
    is_file: bool,
}

/// A message, and where its descriptor was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The message.
    pub message: MessageDescriptor,
    /// `protos/shop.proto`, `localhost:8081, by reflection`, `built into meshtop`.
    pub from: String,
}

/// For a person: `shop.v1.Order from protos/shop.proto`.
impl Display for Found {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let from = if self.from == builtin::ORIGIN { "," } else { " from" };
        write!(f, "{}{from} {}", self.message.full_name(), self.from)
    }
}

/// The files in which a method was found, for a tool that reads them too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A `.proto` file, by the name that imports give it, and the folders that imports are relative to.
    Proto {
        /// The folders, absolute, in the order of their names.
        roots: Vec<String>,
        /// The name.
        name: String,
    },
    /// A descriptor set, absolute.
    Set(String),
    /// None: it is built in, or a server told it.
    Elsewhere,
}

/// What a gRPC method takes and gives.
#[derive(Clone, Debug)]
pub struct Method {
    /// What the client sends.
    pub input: Found,
    /// What the server sends.
    pub output: Found,
}

impl Schemas {
    /// Nothing but what is built in.
    pub fn none() -> &'static Self {
        static NONE: LazyLock<Schemas> = LazyLock::new(Schemas::default);
        &NONE
    }

    /// Counts how often they were loaded in this run.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What could not be used, a line each that names the file, the line where there is one, and what to do.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// A message by its full name.
    pub fn message(&self, full_name: &str) -> Option<Found> {
        self.all().find_map(|set| set.pool.get_message_by_name(full_name).map(|message| set.found(message)))
    }

    /// A method by its path, `/shop.v1.Orders/PlaceOrder`.
    pub fn method(&self, path: &str) -> Option<Method> {
        self.find(path).map(|(set, method)| set.method(&method))
    }

    /// Where a method was found, by its path.
    pub fn source(&self, path: &str) -> Option<Source> {
        self.find(path).map(|(set, method)| set.source(method.parent_service().parent_file().name()))
    }

    /// The shape that its descriptor gives to a gRPC call, by its path. None for one of which more was seen than that allows: the
    /// descriptor is another's.
    pub fn shape(&self, path: &str, seen: Pattern) -> Option<Pattern> {
        if !seen.is_call() {
            return None;
        }
        self.find(path).and_then(|(_, method)| shape(&method, seen))
    }

    fn find(&self, path: &str) -> Option<(&Set, MethodDescriptor)> {
        let (service, name) = path.strip_prefix('/')?.rsplit_once('/')?;
        self.all().find_map(|set| {
            let service = set.pool.get_service_by_name(service)?;
            service.methods().find(|method| method.name() == name).map(|method| (set, method))
        })
    }

    /// Every method that the user gave; those of services that are built in are not among them, and of two of one name the first is.
    pub fn methods(&self) -> impl Iterator<Item = MethodDescriptor> {
        let built_in = |service: &ServiceDescriptor| builtin::set().pool.get_service_by_name(service.full_name()).is_some();
        let mut known = HashSet::new();
        let services = self.sets.iter().flat_map(|set| set.pool.services()).filter(move |service| !built_in(service));
        let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
        methods.filter(move |method| known.insert(method.full_name().to_owned()))
    }

    /// The first of the user's rules that is about a body.
    pub fn rule(&self, place: Place<'_>, content_type: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.matches(place, content_type))
    }

    fn all(&self) -> impl Iterator<Item = &Set> {
        // what is built in is read when nothing before it had the name
        self.sets.iter().map(Some).chain([None]).map(|set| set.unwrap_or_else(|| builtin::set()))
    }

    /// Tells where two sets define a message differently: the first wins, and somebody may have meant the other.
    fn tell_conflicts(&mut self) {
        let mut told = Vec::new();
        for (i, set) in self.sets.iter().enumerate() {
            let own = set.pool.all_messages().filter(|m| m.parent_message().is_none() && !m.full_name().starts_with("google."));
            for message in own {
                let before = self.sets.iter().take(i).find_map(|s| Some((s, s.pool.get_message_by_name(message.full_name())?)));
                if let Some((first, other)) = before.filter(|(_, other)| other.descriptor_proto() != message.descriptor_proto()) {
                    let (used, passed) = (first.from(&other), set.from(&message));
                    told.push(format!(
                        "{}: {used} and {passed} define it differently; {used} is used, leave one of them out",
                        message.full_name()
                    ));
                }
            }
        }
        self.problems.append(&mut told);
    }

    /// Tells which rules name a message that nobody knows.
    fn tell_rules(&mut self) {
        let unknown = self.rules.iter().filter(|rule| self.message(&rule.message).is_none());
        let told: Vec<_> = unknown
            .map(|rule| format!("[[body]]: no schema has the message {}; give its file with --proto", rule.message))
            .collect();
        self.problems.extend(told);
    }
}

impl Set {
    fn found(&self, message: MessageDescriptor) -> Found {
        Found { from: self.from(&message), message }
    }

    fn from(&self, message: &MessageDescriptor) -> String {
        self.files.get(message.parent_file().name()).unwrap_or(&self.origin).clone()
    }

    fn source(&self, file: &str) -> Source {
        if !self.files.contains_key(file) {
            return if self.is_file { Source::Set(absolute(&self.origin)) } else { Source::Elsewhere };
        }
        let root = |(name, path): (&String, &String)| match path.strip_suffix(name.as_str())? {
            "" => Some(absolute(".")),
            root => Some(absolute(root.strip_suffix('/').filter(|root| !root.is_empty()).unwrap_or(root))),
        };
        let roots: BTreeSet<String> = self.files.iter().filter_map(root).collect();
        Source::Proto { roots: roots.into_iter().collect(), name: file.to_owned() }
    }

    fn method(&self, method: &MethodDescriptor) -> Method {
        Method { input: self.found(method.input()), output: self.found(method.output()) }
    }
}

/// From wherever the tool is run.
fn absolute(path: &str) -> String {
    std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string())
}

/// A method's path, `/shop.v1.Orders/PlaceOrder`.
pub fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// The shape of a call of a method; none where more was seen of it than the method allows.
pub fn shape(method: &MethodDescriptor, seen: Pattern) -> Option<Pattern> {
    match (method.is_client_streaming(), method.is_server_streaming(), seen) {
        (true, true, _) => Some(Pattern::BidiStream),
        (true, false, Pattern::Unary | Pattern::ClientStream) => Some(Pattern::ClientStream),
        (false, true, Pattern::Unary | Pattern::ServerStream) => Some(Pattern::ServerStream),
        (false, false, Pattern::Unary) => Some(Pattern::Unary),
        _ => None,
    }
}

/// The schemas in force, replaced as a whole when their files change. A clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct Current(Arc<RwLock<Arc<Schemas>>>);

impl Current {
    /// The schemas of now; they stay as they are while they are held.
    pub fn get(&self) -> Arc<Schemas> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on these.
    pub fn set(&self, schemas: Schemas) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(schemas);
    }
}

#[cfg(test)]
mod tests;
