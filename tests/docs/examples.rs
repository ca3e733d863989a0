//! Each public type has an example on its page.
//!
//! The types are those that the roots of the crates export. Their documentation is read from the source, so this needs no
//! nightly compiler. `cargo test --doc` compiles the examples.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{read, root};

const CRATES: [&str; 6] =
    ["engineio", "socketio", "socketio/redis", "server", "server/explain", "server/load"];

/// The types without an example. This list only gets shorter.
const WITHOUT: &[&str] = &[];

/// The documentation of each type, by its name, in a folder.
fn documented(folder: &Path, types: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            documented(&path, types);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut doc = String::new();
            let mut in_attribute = false;
            for line in fs::read_to_string(&path).expect("a file of text").lines().map(str::trim) {
                if in_attribute || line.starts_with("#[") {
                    in_attribute = !line.ends_with(']');
                } else if line.starts_with("///") {
                    doc += line;
                    doc.push('\n');
                } else if let Some(name) = type_name(line) {
                    types.entry(name.to_owned()).or_default().push_str(&doc);
                    doc.clear();
                } else {
                    doc.clear();
                }
            }
        }
    }
}

/// The name of the public type that a line declares.
fn type_name(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ")?;
    let rest = ["struct ", "enum ", "trait "].iter().find_map(|kind| rest.strip_prefix(kind))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// The names that the root of a crate exports: those of its own types, and those after `pub use`.
fn exported(lib: &str) -> Vec<String> {
    let mut names = Vec::new();
    let hidden = lib.replace("#[doc(hidden)]\npub use", "#[doc(hidden)]\nuse");
    for line in hidden.lines() {
        if let Some(name) = type_name(line) {
            names.push(name.to_owned());
        }
    }
    for export in hidden.split("pub use ").skip(1) {
        let export = export.split(';').next().unwrap_or_default();
        if !export.starts_with("engineio") {
            let list = export.rsplit("::").next().unwrap_or_default();
            let list = export.split_once('{').map_or(list, |(_, list)| list.trim_end_matches('}'));
            names.extend(
                list.split(',').map(|name| name.rsplit("::").next().unwrap_or_default().trim().to_owned()),
            );
        }
    }
    names.retain(|name| {
        name.starts_with(|c: char| c.is_uppercase()) && name.contains(|c: char| c.is_lowercase())
    });
    names
}

#[test]
fn every_public_type_has_an_example() {
    let mut without = Vec::new();
    let mut count = 0;
    for folder in CRATES {
        let mut types = BTreeMap::new();
        documented(&root().join(folder).join("src"), &mut types);
        for name in exported(&read(Path::new(folder).join("src/lib.rs"))) {
            // What is not found is another name for a type elsewhere.
            let Some(doc) = types.get(&name) else { continue };
            count += 1;
            if !doc.contains("```") {
                without.push(format!("{folder} {name}"));
            }
        }
    }
    assert!(count > 120, "only {count} types were found");
    let new: Vec<_> = without.iter().filter(|name| !WITHOUT.contains(&name.as_str())).collect();
    assert!(new.is_empty(), "these types need an example in their documentation: {new:#?}");
    let done: Vec<_> =
        WITHOUT.iter().filter(|name| !without.iter().any(|without| without == *name)).collect();
    assert!(done.is_empty(), "these have one: take them out of the list: {done:?}");
}
