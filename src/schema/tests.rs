//! Descriptors from files: found, looked up, told apart, and read again when they change.

use super::load::{News, Watch};
use super::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const SHOP: &str = "syntax = \"proto3\"; package shop.v1; message Order { string id = 1; } message Id { string id = 1; }
service Orders { rpc Get(Id) returns (Order); rpc Watch(stream Id) returns (stream Order); }";

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        files.iter().for_each(|(path, text)| drop(folder.write(path, text)));
        folder
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn loader(&self, protos: &[&str], includes: &[&str]) -> Loader {
        let all = |paths: &[&str]| paths.iter().map(|path| self.path(path)).collect();
        Loader::new(Sources { protos: all(protos), includes: all(includes), ..Sources::default() })
    }
}

/// The problems of a load, the folder's own name left out.
fn problems(schemas: &Schemas, folder: &Folder) -> Vec<String> {
    let root = format!("{}/", folder.0.path().display());
    schemas.problems().iter().map(|p| p.replace(&root, "")).collect()
}

#[test]
fn a_method_is_found_by_its_path() {
    let folder = Folder::with(&[("shop.proto", SHOP)]);
    let schemas = folder.loader(&["shop.proto"], &[]).load().unwrap();
    let method = schemas.method("/shop.v1.Orders/Watch").unwrap();
    assert_eq!((method.input.message.full_name(), method.output.message.full_name()), ("shop.v1.Id", "shop.v1.Order"));
    assert_eq!(method.output.from, folder.path("shop.proto").display().to_string());
    for none in ["/shop.v1.Orders/Put", "/shop.v1.Stock/Get", "shop.v1.Orders/Get", "/", ""] {
        assert!(schemas.method(none).is_none(), "{none}");
    }
    let health = schemas.method("/grpc.health.v1.Health/Watch").unwrap();
    assert_eq!(health.input.from, "built into meshtop");
    assert_eq!(
        schemas.methods().map(|method| path(&method)).collect::<Vec<_>>(),
        ["/shop.v1.Orders/Get", "/shop.v1.Orders/Watch"]
    );
}

#[test]
fn a_tool_finds_the_files_from_wherever_it_is_run() {
    let here = std::env::current_dir().unwrap();
    let source = |path: &str, method: &str| {
        let loaded = Loader::new(Sources { protos: vec![path.into()], ..Sources::default() }).load().unwrap();
        loaded.source(method).unwrap()
    };
    let everything = "src/body/protobuf/tests/everything.proto";
    let Source::Proto { roots, name } = source(everything, "/test.v1.Orders/PlaceOrder") else { panic!() };
    assert_eq!((roots, &*name), (vec![here.join("src/body/protobuf/tests").display().to_string()], "everything.proto"));
    let set = source("descriptors/demo.binpb", "/shop.v1.Inventory/Reserve");
    assert_eq!(set, Source::Set(here.join("descriptors/demo.binpb").display().to_string()));
}

#[test]
fn a_call_has_the_shape_of_its_descriptor_unless_more_was_seen() {
    let folder = Folder::with(&[("shop.proto", SHOP)]);
    let schemas = folder.loader(&["shop.proto"], &[]).load().unwrap();
    let (watch, get, health) = ("/shop.v1.Orders/Watch", "/shop.v1.Orders/Get", "/grpc.health.v1.Health/Watch");
    use Pattern::{BidiStream, ClientStream, ServerStream, Unary};
    for seen in [Unary, ClientStream, ServerStream, BidiStream] {
        assert_eq!(schemas.shape(watch, seen), Some(BidiStream));
        assert_eq!(schemas.shape(get, seen), Some(Unary).filter(|_| seen == Unary));
        assert_eq!(schemas.shape(health, seen), Some(ServerStream).filter(|_| [Unary, ServerStream].contains(&seen)));
        assert_eq!(schemas.shape("unknown method", seen), None);
    }
    assert_eq!(schemas.shape(watch, Pattern::RequestResponse), None);
}

#[test]
fn a_bad_file_is_told_with_its_line_and_leaves_the_others() {
    let folder = Folder::with(&[
        ("p/shop.proto", SHOP),
        ("p/bad.proto", "syntax = \"proto3\";\nmessage X {\n  strin id = 1;\n}"),
        ("p/worse.proto", "syntax = \"proto3\";\nmessage Y\n"),
        ("p/lost.proto", "syntax = \"proto3\";\nimport \"gone.proto\";"),
    ]);
    let schemas = folder.loader(&["p"], &[]).load().unwrap();
    assert!(schemas.message("shop.v1.Order").is_some());
    let told = problems(&schemas, &folder);
    assert_eq!(told.len(), 3, "{told:?}");
    for (line, start, what) in [
        (&told[0], "p/bad.proto:3:3: ", "strin"),
        (&told[1], "p/lost.proto:2:1: ", "gone.proto' not found; give the folder that imports are relative to with -I"),
        (&told[2], "p/worse.proto:2: ", "expected"),
    ] {
        assert!(line.starts_with(start) && line.contains(what) && !line.contains('\n'), "{line}");
    }
    let alone = folder.loader(&["p/bad.proto"], &[]).load().unwrap_err();
    assert!(alone.starts_with("--proto ") && alone.contains("p/bad.proto:3:3: "), "{alone}");
}

#[test]
fn imports_are_looked_up_in_the_paths_given_and_well_known_ones_are_built_in() {
    let user = "syntax = \"proto3\"; import \"common/id.proto\"; import \"google/rpc/status.proto\"; import \"google/protobuf/any.proto\";
        message Use { common.Id id = 1; google.rpc.Status status = 2; google.protobuf.Any any = 3; }";
    let folder =
        Folder::with(&[("api/use.proto", user), ("third/common/id.proto", "syntax = \"proto3\"; package common; message Id {}")]);
    let schemas = folder.loader(&["api/use.proto"], &["third"]).load().unwrap();
    assert_eq!(problems(&schemas, &folder), [""; 0]);
    assert_eq!(schemas.message("common.Id").unwrap().from, folder.path("third/common/id.proto").display().to_string());
    assert!(folder.loader(&["api/use.proto"], &[]).load().unwrap_err().contains("common/id.proto"));
    for none in ["nope", "api/use.proto"] {
        let told = format!("-I {}: no such folder; it takes the one that imports are relative to", folder.path(none).display());
        assert_eq!(folder.loader(&[], &[none]).load().unwrap_err(), told);
    }
}

#[test]
fn a_descriptor_set_is_one_whatever_it_is_called() {
    let folder = Folder::with(&[]);
    for name in ["all.protoset", "all.pb", "all.bin", "all.desc"] {
        fs::write(folder.path(name), builtin::BYTES).unwrap();
        let schemas = folder.loader(&[name], &[]).load().unwrap();
        assert_eq!(schemas.message("google.rpc.Status").unwrap().from, folder.path(name).display().to_string());
    }
    folder.write("x.pb", "no set");
    let error = folder.loader(&["x.pb"], &[]).load().unwrap_err();
    assert!(error.contains("x.pb: no descriptor set: ") && error.contains("--descriptor_set_out"), "{error}");
}

#[test]
fn where_two_differ_the_first_wins_and_it_is_told() {
    let other = SHOP.replace("string id = 1", "int64 id = 1");
    let folder = Folder::with(&[("a/shop.proto", SHOP), ("b/shop.proto", &other), ("c/shop.proto", SHOP)]);
    let schemas = folder.loader(&["a", "b", "c"], &[]).load().unwrap();
    assert_eq!(schemas.message("shop.v1.Order").unwrap().from, folder.path("a/shop.proto").display().to_string());
    let told = problems(&schemas, &folder);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(
        told[0],
        "shop.v1.Order: a/shop.proto and b/shop.proto define it differently; a/shop.proto is used, leave one of them out"
    );
}

#[test]
fn a_rule_about_a_message_that_nobody_knows_is_told() {
    let rule = |message: &str| Rule { topic: Some("x".into()), message: message.into(), ..Rule::default() };
    let rules = vec![rule("google.rpc.Status"), rule("shop.v1.Order")];
    let schemas = Loader::new(Sources { rules, ..Sources::default() }).load().unwrap();
    assert_eq!(schemas.problems(), ["[[body]]: no schema has the message shop.v1.Order; give its file with --proto"]);
}

/// A later time than the file has, as an editor would leave.
fn touch(path: &Path, text: &str) {
    let before = fs::metadata(path).and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    fs::write(path, text).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(before + Duration::from_secs(2)).unwrap();
}

#[test]
fn files_are_read_again_when_one_changed_came_or_went() {
    let folder = Folder::with(&[("p/shop.proto", SHOP), ("i/common.proto", "syntax = \"proto3\"; message Common {}")]);
    folder.write("p/use.proto", "syntax = \"proto3\"; import \"common.proto\"; message Use { Common c = 1; }");
    let mut loader = folder.loader(&["p"], &["i"]);
    let first = loader.load().unwrap();
    assert_eq!((first.generation(), loader.reload().is_none()), (1, true));

    touch(&folder.path("p/shop.proto"), &SHOP.replace("Order", "Purchase"));
    let second = loader.reload().unwrap();
    assert_eq!(second.generation(), 2);
    assert!(second.message("shop.v1.Purchase").is_some() && second.message("shop.v1.Order").is_none());
    assert!(first.message("shop.v1.Order").is_some(), "who holds the first goes on with it");

    folder.write("p/new/more.proto", "syntax = \"proto3\"; message More {}");
    assert!(loader.reload().unwrap().message("More").is_some());
    // an import is watched too
    touch(&folder.path("i/common.proto"), "syntax = \"proto3\"; message Common { string added = 1; }");
    let common = loader.reload().unwrap().message("Common").unwrap().message;
    assert!(common.get_field_by_name("added").is_some());
    fs::remove_file(folder.path("p/new/more.proto")).unwrap();
    assert!(loader.reload().unwrap().message("More").is_none());
    assert!(loader.reload().is_none());
}

#[test]
fn an_import_that_breaks_or_is_missing_is_watched_until_it_is_mended() {
    let common = "syntax = \"proto3\"; message Common {}";
    let folder = Folder::with(&[
        ("p/use.proto", "syntax = \"proto3\"; import \"common.proto\"; message Use { Common c = 1; }"),
        ("i/common.proto", common),
    ]);
    let mut loader = folder.loader(&["p"], &["i"]);
    loader.load().unwrap();
    for _ in 0..2 {
        touch(&folder.path("i/common.proto"), "message {");
        let broken = loader.reload().unwrap();
        assert!(problems(&broken, &folder)[0].starts_with("i/common.proto:1:9: "), "{:?}", broken.problems());
        assert!(broken.message("Use").is_some() && loader.reload().is_none());
        touch(&folder.path("i/common.proto"), common);
        assert_eq!(loader.reload().unwrap().problems(), [""; 0]);
    }
    // one that was never there, and one that never was right
    let also = "syntax = \"proto3\"; import \"later.proto\"; message Also { Later l = 1; }";
    folder.write("p/also.proto", also);
    assert!(problems(&loader.reload().unwrap(), &folder)[0].contains("later.proto' not found"));
    folder.write("i/later.proto", "message {");
    assert!(problems(&loader.reload().unwrap(), &folder)[0].starts_with("i/later.proto:1:"));
    touch(&folder.path("i/later.proto"), "syntax = \"proto3\"; message Later {}");
    let mended = loader.reload().unwrap();
    assert!(mended.problems().is_empty() && mended.message("Also").is_some(), "{:?}", mended.problems());
}

#[test]
fn what_is_found_is_read_once_it_is_accepted() {
    let folder = Folder::with(&[("api/shop.proto", SHOP), ("node_modules/x/copy.proto", SHOP)]);
    let (accept, accepted) = crossbeam_channel::bounded(1);
    let (told, news) = crossbeam_channel::unbounded();
    let tell = move |news: News<'_>| {
        _ = told.send(match news {
            News::Offered(offers) => offers.iter().map(|offer| offer.path.clone()).collect(),
            News::Changed(schemas) => vec![PathBuf::from(schemas.methods().count().to_string())],
        });
    };
    let current = Current::default();
    let watch = Watch { below: Some(folder.path("")), accepted, tell: Box::new(tell) };
    Loader::new(Sources::default()).watch(&current, watch).unwrap();
    assert_eq!(news.recv().unwrap(), [folder.path("api")]);
    assert!(current.get().message("shop.v1.Order").is_none());
    accept.send(()).unwrap();
    assert_eq!((news.recv().unwrap(), news.recv().unwrap()), (vec![], vec![PathBuf::from("2")]));
    assert!(current.get().message("shop.v1.Order").is_some());
    // and watched like those that were named
    touch(&folder.path("api/shop.proto"), &SHOP.replace("Order", "Purchase"));
    assert_eq!(news.recv().unwrap(), [PathBuf::from("2")]);
    assert!(current.get().message("shop.v1.Purchase").is_some());
    drop(current);
    assert!(news.recv().is_err(), "the watch ends with whoever uses it");
}

#[test]
fn what_becomes_unusable_stays_as_it_was_and_that_is_told() {
    let folder = Folder::with(&[("shop.proto", SHOP)]);
    let mut loader = folder.loader(&["shop.proto"], &[]);
    loader.load().unwrap();
    touch(&folder.path("shop.proto"), "message {");
    let broken = loader.reload().unwrap();
    assert!(broken.message("shop.v1.Order").is_some());
    assert!(problems(&broken, &folder)[0].ends_with("; what was read before stays in force"), "{:?}", broken.problems());
    fs::remove_file(folder.path("shop.proto")).unwrap();
    assert!(loader.reload().unwrap().message("shop.v1.Order").is_some());
    touch(&folder.path("shop.proto"), SHOP);
    assert_eq!(loader.reload().unwrap().problems(), [""; 0]);
}

#[test]
fn what_is_built_in_is_no_problem_whatever_folder_it_is_read_from() {
    let ours = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("descriptors").join(path)).unwrap();
    let [common, resource] = ["common", "resource"].map(|name| format!("opentelemetry/proto/{name}/v1/{name}.proto"));
    let folder = Folder::with(&[(&common, &ours(&common)), (&resource, &ours(&resource))]);
    // its imports name it from two folders up
    let load = || problems(&folder.loader(&["opentelemetry/proto"], &[]).load().unwrap(), &folder);
    assert_eq!(load(), [] as [&str; 0]);
    folder.write(&resource, &ours(&resource).replace("message Resource {", "message Resource { string more = 99;"));
    assert!(load().iter().any(|problem| problem.contains("is already defined")), "{:?}", load());
}
