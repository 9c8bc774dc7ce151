//! The descriptors that ship: health, reflection, OTLP, `google.rpc` and `google.protobuf`; and apart from them the demo's, which are in
//! force in the demo alone. How they were made: `descriptors/README.md`.

use super::Set;
use prost_reflect::DescriptorPool;
use std::sync::LazyLock;

/// Where what is in force in every run comes from.
pub(super) const ORIGIN: &str = "built into meshtop";

/// A `FileDescriptorSet` of everything under `descriptors` but the demo's, imports included.
pub(super) const BYTES: &[u8] = include_bytes!("../../descriptors/builtin.binpb");

/// The same of `descriptors/demo`.
const DEMO: &[u8] = include_bytes!("../../descriptors/demo.binpb");

/// Read when it is first asked for.
pub(super) fn set() -> &'static Set {
    static SET: LazyLock<Set> = LazyLock::new(|| Set { pool: pool(BYTES), origin: ORIGIN.to_owned(), ..Set::default() });
    &SET
}

/// What the services of the demo say to each other.
pub(super) fn demo() -> Set {
    Set { pool: pool(DEMO), origin: "meshtop's demo".to_owned(), ..Set::default() }
}

/// Of a set that ships.
fn pool(bytes: &[u8]) -> DescriptorPool {
    // a test reads it: it cannot be broken in a build that passed
    DescriptorPool::decode(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::scan;
    use protox::Compiler;
    use std::path::{Path, PathBuf};

    /// A set is what its sources say; `UPDATE_EXPECT=1` writes it anew.
    fn made(name: &str, root: &Path, sources: Vec<PathBuf>, imports: &[&str], ships: &[u8]) {
        let mut compiler = Compiler::new([root]).unwrap();
        let imports = imports.iter().map(|name| format!("google/protobuf/{name}.proto"));
        compiler.include_imports(true).open_files(imports).unwrap();
        compiler.open_files(sources).unwrap();
        let made = compiler.encode_file_descriptor_set();
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            return std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("descriptors").join(name), &made).unwrap();
        }
        assert!(made == ships, "descriptors/{name} is not made of its sources: UPDATE_EXPECT=1 makes it anew");
    }

    #[test]
    fn the_sets_are_what_their_sources_say() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("descriptors");
        let (demo, mut sources): (Vec<_>, Vec<_>) =
            scan::files_below(&root, scan::is_proto).into_iter().partition(|path| path.starts_with(root.join("demo")));
        sources.sort();
        let google = ["any", "api", "descriptor", "duration", "empty", "field_mask", "struct", "timestamp", "type", "wrappers"];
        made("builtin.binpb", &root, sources, &google, BYTES);
        made("demo.binpb", &root.join("demo"), demo, &[], DEMO);
    }

    #[test]
    fn what_ships_is_read_and_the_demo_is_apart_from_it() {
        let shop = "shop.v1.Inventory";
        assert!(demo().pool.get_service_by_name(shop).is_some() && set().pool.get_service_by_name(shop).is_none());
        let names = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];
        assert!(names.iter().all(|name| set().pool.get_service_by_name(name).is_some()));
        for signal in ["trace.v1.Trace", "metrics.v1.Metrics", "logs.v1.Logs"] {
            let name = format!("opentelemetry.proto.collector.{signal}Service");
            assert!(set().pool.get_service_by_name(&name).is_some(), "{name}");
        }
        for name in ["google.rpc.Status", "google.rpc.BadRequest", "google.protobuf.Any", "google.protobuf.DoubleValue"] {
            assert!(set().pool.get_message_by_name(name).is_some(), "{name}");
        }
    }
}
