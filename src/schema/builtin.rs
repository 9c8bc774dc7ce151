//! The descriptors that ship: health, reflection, OTLP, `google.rpc` and `google.protobuf`. How they were made: `descriptors/README.md`.

use super::Set;
use prost_reflect::DescriptorPool;
use std::sync::LazyLock;

/// A `FileDescriptorSet` of everything under `descriptors`, imports included.
pub(super) const BYTES: &[u8] = include_bytes!("../../descriptors/builtin.binpb");

/// Read when it is first asked for.
pub(super) fn set() -> &'static Set {
    static SET: LazyLock<Set> = LazyLock::new(|| {
        // a test reads it: it cannot be broken in a build that passed
        let pool = DescriptorPool::decode(BYTES).unwrap_or_default();
        Set { pool, origin: "built in".to_owned(), ..Set::default() }
    });
    &SET
}

#[cfg(test)]
mod tests {
    use super::*;
    use protox::Compiler;
    use std::path::Path;

    /// `UPDATE_EXPECT=1` writes it anew.
    #[test]
    fn the_set_is_what_its_sources_say() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("descriptors");
        let mut sources = super::super::scan::files_below(&root, |path| path.extension().is_some_and(|e| e == "proto"));
        sources.sort();
        let mut compiler = Compiler::new([&root]).unwrap();
        let google = ["any", "api", "descriptor", "duration", "empty", "field_mask", "struct", "timestamp", "type", "wrappers"];
        let google = google.map(|name| format!("google/protobuf/{name}.proto"));
        compiler.include_imports(true).open_files(google).unwrap();
        compiler.open_files(sources).unwrap();
        let made = compiler.encode_file_descriptor_set();
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(root.join("builtin.binpb"), &made).unwrap();
            return;
        }
        assert!(made == BYTES, "descriptors/builtin.binpb is not made of its sources: UPDATE_EXPECT=1 makes it anew");
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
