//! `.proto` sources to descriptors, file by file, so that a bad one takes only those away that import it. Reads files, watches none.

use super::{Set, builtin, scan};
use prost_reflect::FileDescriptor;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};
use protox::Compiler;
use protox::file::{ChainFileResolver, DescriptorSetFileResolver, GoogleFileResolver, IncludeFileResolver};
use std::path::{Path, PathBuf};

/// What became of one `--proto`.
pub(super) struct Compiled {
    /// What could be read; none where nothing could.
    pub set: Option<Set>,
    /// A line for each file that could not.
    pub problems: Vec<String>,
    /// The files that it is made of, imports too, and those that it would be made of: a change of any mends it or breaks it.
    pub files: Vec<PathBuf>,
}

/// Compiles a file or all files of a folder, imports looked up in `includes`, then in the path's own folder.
pub(super) fn sources(path: &Path, includes: &[PathBuf]) -> Compiled {
    let (folder, files) = if path.is_dir() {
        (path.to_owned(), scan::files_below(path, scan::is_proto))
    } else {
        // of a bare name the parent is "", which no path is below of
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        (parent.to_owned(), vec![path.to_owned()])
    };
    if files.is_empty() {
        let why = format!("{}: no .proto file in it; name the folder that has them", path.display());
        return Compiled { set: None, problems: vec![why], files };
    }
    let mut resolver = ChainFileResolver::new();
    for include in includes.iter().chain([&folder]) {
        resolver.add(IncludeFileResolver::new(include.clone()));
    }
    resolver.add(GoogleFileResolver::new());
    resolver.add(DescriptorSetFileResolver::new(FileDescriptorSet::decode(builtin::BYTES).unwrap_or_default()));
    let mut compiler = Compiler::with_file_resolver(resolver);
    let mut problems: Vec<String> = Vec::new();
    let mut culprits: Vec<PathBuf> = Vec::new();
    let roots: Vec<&Path> = includes.iter().map(PathBuf::as_path).chain([folder.as_path()]).collect();
    let mut good = 0;
    for file in &files {
        match compiler.open_file(file) {
            Ok(_) => good += 1,
            // it is known already, by the name that its imports give it
            Err(_) if built_in(file) => good += 1,
            Err(error) => {
                let path = culprit(file, &error, &roots);
                let told = problem(&path, &error);
                culprits.push(path);
                culprits.extend(missing(&error).iter().flat_map(|name| roots.iter().map(move |root| root.join(name))));
                // a file that many import is told once
                if !problems.contains(&told) {
                    problems.push(told);
                }
            }
        }
    }
    let place = |file: &protox::file::FileMetadata| Some((file.name().to_owned(), file.path()?.display().to_string()));
    let read: Vec<PathBuf> = compiler.files().filter_map(|file| file.path().map(Path::to_owned)).collect();
    let set = (good > 0).then(|| Set {
        pool: compiler.descriptor_pool(),
        origin: builtin::ORIGIN.to_owned(),
        files: compiler.files().filter_map(place).collect(),
        is_file: false,
    });
    Compiled { set, problems, files: files.into_iter().chain(read).chain(culprits).collect() }
}

/// Whether a file says what one that is built in says, whose name its path ends with.
fn built_in(file: &Path) -> bool {
    let built_in = &builtin::set().pool;
    let Some(known) = built_in.files().find(|known| file.ends_with(known.name())) else { return false };
    let Some(root) = file.ancestors().nth(Path::new(known.name()).components().count()) else { return false };
    let mut resolver = ChainFileResolver::new();
    resolver.add(IncludeFileResolver::new(root.to_owned()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    let read = compiler.open_file(file).is_ok().then(|| compiler.descriptor_pool());
    // what is built in has no comments
    let said = |file: FileDescriptor| FileDescriptorProto { source_code_info: None, ..file.file_descriptor_proto().clone() };
    read.and_then(|pool| pool.get_file_by_name(known.name())).is_some_and(|found| said(found) == said(known))
}

/// The file in which the error is: one that `file` imports, or itself.
fn culprit(file: &Path, error: &protox::Error, roots: &[&Path]) -> PathBuf {
    let named = error.file().filter(|name| !name.is_empty());
    let found = named.and_then(|name| roots.iter().map(|root| root.join(name)).find(|path| path.is_file()));
    found.unwrap_or_else(|| file.to_owned())
}

/// The import that is not there, by its name; none where another thing is wrong.
fn missing(error: &protox::Error) -> Option<String> {
    error.to_string().strip_prefix("import '")?.strip_suffix("' not found").map(str::to_owned)
}

/// One line: the file, its line, what is wrong, and what to do where that is not plain. The compiler's own text is
/// `name:line:column: what`, with the name that imports give the file.
fn problem(path: &Path, error: &protox::Error) -> String {
    let text = format!("{error:?}");
    let text = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let named = error.file().unwrap_or_default();
    let what = text.strip_prefix(named).and_then(|rest| rest.strip_prefix(':')).filter(|_| !named.is_empty()).unwrap_or(&text);
    let placed = what.starts_with(|c: char| c.is_ascii_digit());
    // what is missing at the end has no place of its own
    let last = || std::fs::read_to_string(path).map_or(1, |text| text.lines().count());
    let text = match what.trim_start() {
        what if placed => format!("{}:{what}", path.display()),
        what if what.ends_with("end of file") => format!("{}:{}: {what}", path.display(), last()),
        what => format!("{}: {what}", path.display()),
    };
    if error.is_file_not_found() { text + "; give the folder that imports are relative to with -I" } else { text }
}
