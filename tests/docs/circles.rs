//! Files use each other in one direction: who uses a file needs to know nothing of what uses that.
//!
//! This reads the imports of each crate, and the paths in its code. It takes the name of a re-export for a use of the file
//! that has the item, and leaves tests out. Methods in several files are no circle: a type's file needs none of those that
//! add to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::clocks::{code_of, is_test, sources};
use super::{read, root};

/// The crates, by the folder of their files.
const CRATES: [&str; 11] = [
    "engineio/src",
    "socketio/contract/src",
    "socketio/redis/src",
    "socketio/src",
    "server/admin/src",
    "server/cli/src",
    "server/explain/src",
    "server/gateway/src",
    "server/lab/src",
    "server/load/src",
    "server/src",
];

/// The files that know each other because each of their types is made of the others: docs/architecture.md says why.
const TIED: &[&[&str]] = &[&[
    "socketio/src/ack/sender.rs",
    "socketio/src/handler/mod.rs",
    "socketio/src/namespace/mod.rs",
    "socketio/src/socket/mod.rs",
]];

/// The path of a module, from the root of its crate.
type Module = Vec<String>;

/// A crate's files, and what each of them has to do with the others.
#[derive(Default)]
struct Crate {
    files: BTreeMap<Module, File>,
}

#[derive(Default)]
struct File {
    /// What it imports: whether for others too, from where, and under which name.
    imports: Vec<(bool, Vec<String>, String)>,
    /// Its code, without its imports.
    rest: String,
}

impl Crate {
    fn add(&mut self, module: Module, code: &str) {
        let mut file = File::default();
        let mut rest = code;
        while let Some((before, statement, after)) = next_import(rest) {
            let public = before.trim_end().ends_with("pub") || before.trim_end().ends_with("pub(crate)");
            file.rest += before;
            for (path, name) in imported(statement) {
                file.imports.push((public, path, name));
            }
            rest = after;
        }
        file.rest += rest;
        self.files.insert(module, file);
    }

    /// The path of an item of this crate, from its root; `None` if it is of another.
    fn absolute(&self, within: &Module, path: &[String]) -> Option<Vec<String>> {
        match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([within, &path[1..]].concat()),
            "super" => {
                let up = path.iter().take_while(|part| *part == "super").count();
                Some([&within[..within.len().checked_sub(up)?], &path[up..]].concat())
            }
            first => {
                let child = [within.as_slice(), &[first.to_owned()]].concat();
                self.files.contains_key(&child).then(|| [within, path].concat())
            }
        }
    }

    /// The file that has an item: not the one that it is re-exported from.
    fn home(&self, path: &[String]) -> Module {
        let mut path = path.to_vec();
        for _ in 0..10 {
            let depth = (1..=path.len()).take_while(|depth| self.files.contains_key(&path[..*depth])).count();
            let module = path[..depth].to_vec();
            let found = path.get(depth).and_then(|item| {
                let file = self.files.get(&module)?;
                let (_, from, _) = file.imports.iter().find(|(_, _, name)| name == item)?;
                self.absolute(&module, from)
            });
            match found {
                Some(from) => path = [from.as_slice(), &path[depth + 1..]].concat(),
                None => return module,
            }
        }
        panic!("{path:?} is imported in a circle");
    }

    /// The files that a file uses.
    fn used_by(&self, module: &Module) -> BTreeSet<Module> {
        let file = &self.files[module];
        let imports = file.imports.iter().filter(|(public, _, name)| !public || has_word(&file.rest, name));
        let imports = imports.map(|(_, path, _)| path.clone());
        let paths = imports.chain(paths_in(&file.rest));
        let homes = paths.filter_map(|path| self.absolute(module, &path)).map(|path| self.home(&path));
        homes.filter(|home| home != module).collect()
    }

    /// Sets of files of which each uses all others, by way of them.
    fn circles(&self) -> Vec<Vec<Module>> {
        let uses: BTreeMap<_, _> = self.files.keys().map(|module| (module, self.used_by(module))).collect();
        let reached: BTreeMap<_, _> = self.files.keys().map(|from| (from, reach(from, &uses))).collect();
        let mut circles: Vec<Vec<Module>> = Vec::new();
        for module in self.files.keys().filter(|module| reached[module].contains(*module)) {
            if !circles.iter().any(|circle| circle.contains(module)) {
                let others = reached[module].iter().filter(|other| reached[other].contains(module));
                circles.push(others.cloned().collect());
            }
        }
        circles
    }
}

/// What is used by way of others, too.
fn reach(from: &Module, uses: &BTreeMap<&Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Module> = uses[from].iter().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module.clone()) {
            next.extend(&uses[module]);
        }
    }
    reached
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether code has this name somewhere; not where it declares a module of that name.
fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        !before.ends_with(is_word) && !after.starts_with(is_word) && !before.ends_with("mod ")
    })
}

/// The code before the next import, what is imported, and the code after it.
fn next_import(code: &str) -> Option<(&str, &str, &str)> {
    let at = code.match_indices("use ").map(|(at, _)| at).find(|at| {
        let line = code[..*at].rsplit('\n').next().unwrap_or_default().trim();
        line.is_empty() || line.starts_with("pub")
    })?;
    let (statement, after) = code[at + 4..].split_once(';')?;
    Some((&code[..at], statement, after))
}

/// `a::{b, c::D as E}` as the paths `a::b` and `a::c::D`, each with the name that it has here.
fn imported(statement: &str) -> Vec<(Vec<String>, String)> {
    let statement = statement.trim();
    if let Some((before, list)) = statement.split_once('{') {
        let list = list.strip_suffix('}').expect("the end of a list");
        let mut depth = 0;
        let parts = list.split(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && depth == 0
        });
        let parts = parts.map(str::trim).filter(|part| !part.is_empty());
        return parts.flat_map(|part| imported(&format!("{before}{part}"))).collect();
    }
    let (path, alias) =
        statement.split_once(" as ").map_or((statement, None), |(path, name)| (path, Some(name)));
    let mut path: Vec<_> = path.split("::").map(|part| part.trim().to_owned()).collect();
    if path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let name = alias.map(str::to_owned).or_else(|| path.last().cloned());
    vec![(path, name.unwrap_or_default())]
}

/// The paths in code, such as `crate::a::B` and `child::f`.
fn paths_in(code: &str) -> impl Iterator<Item = Vec<String>> {
    let words = code.split(|c| !is_word(c) && c != ':').filter(|word| word.contains("::"));
    words.map(|word| {
        let parts = word.split("::").map(|part| part.trim_matches(':').to_owned());
        parts.filter(|part| !part.is_empty()).collect()
    })
}

/// The module that a file is.
fn module_of(file: &Path) -> Module {
    let mut parts: Vec<String> =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if ["lib", "mod"].contains(&parts.last().map_or("", String::as_str)) {
        parts.pop();
    }
    parts
}

fn crate_in(folder: &str) -> (Crate, BTreeMap<Module, PathBuf>) {
    let mut files = Vec::new();
    sources(&root().join(folder), &mut files);
    let (mut made, mut places) = (Crate::default(), BTreeMap::new());
    for path in files {
        let inside = path.strip_prefix(root().join(folder)).expect("a file in it").to_owned();
        if !is_test(&inside) {
            let place = Path::new(folder).join(&inside);
            let code = without_comments_and_strings(code_of(&fs::read_to_string(&path).expect("text")));
            made.add(module_of(&inside), &code);
            places.insert(module_of(&inside), place);
        }
    }
    (made, places)
}

/// Code in which comments and the content of strings are left out.
fn without_comments_and_strings(code: &str) -> String {
    let mut kept = String::new();
    for line in code.lines() {
        let mut inside = false;
        let mut before = ' ';
        for (at, c) in line.char_indices() {
            match c {
                '/' if !inside && line[at..].starts_with("//") => break,
                '"' if before != '\\' && !line[at + 1..].starts_with('\'') => inside = !inside,
                _ if inside => {}
                c => kept.push(c),
            }
            before = if before == '\\' { ' ' } else { c };
        }
        kept.push('\n');
    }
    kept
}

#[test]
fn files_use_each_other_in_one_direction() {
    let mut found = Vec::new();
    for folder in CRATES {
        let (made, places) = crate_in(folder);
        assert!(!made.files.is_empty(), "{folder} has no files");
        for circle in made.circles() {
            let circle: Vec<_> =
                circle.iter().map(|module| places[module].to_string_lossy().replace('\\', "/")).collect();
            found.push(circle);
        }
    }
    found.iter_mut().for_each(|circle| circle.sort_unstable());
    let new: Vec<_> = found.iter().filter(|circle| !TIED.iter().any(|known| known == circle)).collect();
    assert!(
        new.is_empty(),
        "these files use each other in a circle; move what several need into a file of its own: {new:#?}"
    );
    assert_eq!(
        found.len(),
        TIED.len(),
        "a circle is gone: take it off its list, and out of docs/architecture.md: {found:#?}"
    );
    let architecture = read("docs/architecture.md");
    for file in TIED.iter().copied().flatten() {
        assert!(architecture.contains(&format!("(../{file})")), "docs/architecture.md does not name {file}");
    }
}

#[test]
fn a_circle_is_found_through_re_exports_lists_and_paths() {
    let made = |files: &[(&str, &str)]| {
        let mut made = Crate::default();
        for (file, code) in files {
            made.add(module_of(Path::new(file)), &without_comments_and_strings(code));
        }
        made.circles().len()
    };
    let lib = "mod a;\nmod b;\npub use a::A;\npub use b::B;\n";
    assert_eq!(made(&[("lib.rs", lib), ("a.rs", "use crate::B;"), ("b.rs", "struct B;")]), 0);
    let b = "use std::fmt;\nuse crate::{\n    C, A as Other,\n};\n";
    assert_eq!(made(&[("lib.rs", lib), ("a.rs", "use crate::B;"), ("b.rs", b)]), 1);
    assert_eq!(
        made(&[("lib.rs", lib), ("a.rs", "use crate::B;"), ("b.rs", "fn f() { super::A::new() }")]),
        1
    );
    assert_eq!(
        made(&[
            ("lib.rs", lib),
            ("a.rs", "use crate::B;"),
            ("b.rs", "// crate::A\nconst S: &str = \"crate::A\";")
        ]),
        0
    );
    // What a file only hands on, it doesn't use.
    let parent = "mod a;\npub use a::A;\nstruct Parent;\n";
    let child = "use super::Parent;\nstruct A;\n";
    assert_eq!(made(&[("p/mod.rs", parent), ("p/a.rs", child)]), 0);
    assert_eq!(made(&[("p/mod.rs", &format!("{parent}fn f(_: A) {{}}")), ("p/a.rs", child)]), 1);
    assert_eq!(made(&[("p/mod.rs", &format!("{parent}fn f() {{ a::f() }}")), ("p/a.rs", child)]), 1);
}
