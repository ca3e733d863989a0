//! A public type has a name that no other public type of our libraries has: programs import from several of them.

use std::collections::BTreeMap;
use std::fs;

use super::clocks::{is_test, sources};
use super::root;

/// The libraries, by the folder of their files.
const LIBRARIES: [&str; 10] = [
    "engineio/src",
    "socketio/contract/src",
    "socketio/redis/src",
    "socketio/src",
    "server/admin/src",
    "server/explain/src",
    "server/gateway/src",
    "server/lab/src",
    "server/load/src",
    "server/src",
];

/// The names that several public types may have, because nobody would take one for the other.
const SHARED: &[&str] = &[];

/// The types and traits that a file makes public. The lint `unreachable_pub` sees to it that `pub` means public.
fn public_types(source: &str) -> Vec<&str> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let names = code.lines().filter_map(|line| {
        // The types of a macro are indented, and so are associated types, which are no types of their own.
        let declared = match line.strip_prefix("pub type ") {
            Some(declared) => declared,
            None => {
                let declared = line.trim_start().strip_prefix("pub ")?;
                ["struct ", "enum ", "trait ", "union "]
                    .iter()
                    .find_map(|word| declared.strip_prefix(word))?
            }
        };
        declared.split(|c: char| !c.is_alphanumeric() && c != '_').next()
    });
    names.filter(|name| !name.is_empty()).collect()
}

/// The names that several of these files have for a public type, with the files.
fn twins<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (file, source) in files {
        for name in public_types(source) {
            names.entry(name).or_default().push(file);
        }
    }
    names.retain(|_, files| files.len() > 1);
    names
}

#[test]
fn no_two_public_types_have_the_same_name() {
    let mut paths = Vec::new();
    for folder in LIBRARIES {
        sources(&root().join(folder), &mut paths);
    }
    let inside = |path: &std::path::Path| {
        path.strip_prefix(root()).expect("a file in it").to_string_lossy().replace('\\', "/")
    };
    let files: Vec<_> = paths
        .iter()
        .filter(|path| !is_test(path.strip_prefix(root()).expect("a file in it")))
        .map(|path| (inside(path), fs::read_to_string(path).expect("a file of text")))
        .collect();
    let public: usize = files.iter().map(|(_, source)| public_types(source).len()).sum();
    assert!(public > 150, "only {public} public types are found");
    let found = twins(files.iter().map(|(file, source)| (&**file, &**source)));
    let new: Vec<_> = found.iter().filter(|(name, _)| !SHARED.contains(*name)).collect();
    assert!(new.is_empty(), "several public types have the same name; give each its own: {new:#?}");
    let done: Vec<_> = SHARED.iter().filter(|name| !found.contains_key(**name)).collect();
    assert!(done.is_empty(), "take these off the list: {done:#?}");
}

#[test]
fn private_types_and_those_of_tests_may_share_a_name() {
    let found = |second| twins([("a.rs", "pub struct Name;"), ("b.rs", second)].into_iter()).len();
    assert_eq!(found("pub enum Name {"), 1);
    assert_eq!(found("rules! {\n    pub enum Name {"), 1);
    assert_eq!(found("pub(crate) struct Name;\nstruct Name;\npub struct Names;"), 0);
    assert_eq!(found("trait Of {\n    pub type Name;\n}"), 0);
    assert_eq!(found("#[cfg(test)]\nmod tests {\n    pub struct Name;\n}"), 0);
}
