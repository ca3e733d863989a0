//! The documentation keeps its word: what it links to is there, and what it promises has tests.

mod circles;
mod clocks;
mod examples;
mod names;
mod packages;
mod proofs;
mod troubleshooting;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A heading as it is linked to.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    words.chars().filter(|c| c.is_alphanumeric() || "- ".contains(*c)).collect::<String>().replace(' ', "-")
}

/// All pages: those of docs and its folders, and those beside the code.
fn documents() -> Vec<PathBuf> {
    let folders = ["", "docs", "docs/guide", "docs/lab", "docs/wire", "tests/bench", "tests/interop"];
    let mut documents = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(root().join(folder)).expect("a folder") {
            let path = Path::new(folder).join(entry.expect("an entry").file_name());
            if path.extension().is_some_and(|extension| extension == "md") {
                documents.push(path);
            }
        }
    }
    documents
}

/// Whether a page has a heading or a mark of this name.
fn has_anchor(page: &Path, name: &str) -> bool {
    let text = read(page);
    let mark = format!("<a id=\"{name}\">");
    text.lines().any(|line| line.contains(&mark) || (line.starts_with('#') && anchor(line) == name))
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    assert!(documents.len() > 35, "{documents:?}");
    for document in documents {
        let text = read(&document);
        let folder = document.parent().unwrap_or(Path::new(""));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.starts_with("http") {
                continue;
            }
            let (file, name) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { document.clone() } else { folder.join(file) };
            assert!(root().join(&target).exists(), "{} links to {link}", document.display());
            assert!(name.is_empty() || has_anchor(&target, name), "{} links to {link}", document.display());
        }
    }
}

/// The readme has the options that matter most; all are in docs/guide/options.md, which is made of the code.
#[test]
fn the_readmes_options_are_options() {
    let readme = read("README.md");
    let table = readme.split("## ").find(|section| section.starts_with("Options")).expect("a section");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let named: Vec<_> = rows.flat_map(|row| row.split(", ")).map(|key| key.trim_matches('`')).collect();
    let source = read("server/cli/src/options/mod.rs");
    let keys = source.lines().filter_map(|line| line.strip_prefix("        \"")?.split_once("\" "));
    let keys: Vec<_> = keys.filter(|(_, rest)| rest.contains(" as ")).map(|(key, _)| key).collect();
    assert!(keys.len() > 20, "the options are found in the source: {keys:?}");
    assert!((10..20).contains(&named.len()), "{named:?}");
    for key in named {
        assert!(keys.contains(&key), "{key} is not an option");
    }
}

/// A section as a table shows it: one of our own documents is linked to.
fn section(section: &str) -> String {
    let Some((file, heading)) = section.strip_prefix("docs/").and_then(|rest| rest.split_once(", ")) else {
        return section.to_owned();
    };
    let heading = heading.trim_matches('"');
    format!("[{heading}]({file}#{})", anchor(heading))
}

/// docs/violations.md, made of the list in the code.
fn violations() -> String {
    let mut text = String::from(
        "# Violations\n\n\
         Every rule that a client can break, by its id. The log and observers name it so, and \
         [`socketio-server explain`](explain.md)\nshows the byte that breaks it. \
         A probing WebSocket that breaks a rule ends alone; otherwise the session ends.\n\n\
         This page is made of the code: `REGENERATE=1 cargo test -p socketio-tests --test docs`.\n",
    );
    for (heading, rules) in socketio_explain::rules::all() {
        text += &format!(
            "\n## {heading}\n\n| Id | What is wrong | Where the rule is | The server |\n|---|---|---|---|\n"
        );
        for rule in rules {
            let what = rule.what.replace('|', "\\|");
            text += &format!("| `{}` | {what} | {} | {} |\n", rule.id, section(rule.section), rule.answer);
        }
    }
    text
}

/// The same for the inspector's page, which has no links into the documentation.
fn rules_for_the_inspector() -> String {
    let mut text = String::from(
        "// Every rule that a client can break: what is wrong, where the rule is, what the server does.\n\
         // Made of the code: `REGENERATE=1 cargo test -p socketio-tests --test docs`.\n\n\
         export const RULES = {\n",
    );
    for rule in socketio_explain::rules::all().into_iter().flat_map(|(_, rules)| rules) {
        let words = [&rule.what, rule.section, &rule.answer].map(|words| format!("{words:?}"));
        text += &format!("  {}: [{}],\n", rule.id, words.join(", "));
    }
    text + "};\n"
}

/// A file is what the code says, or is made so.
fn is_made_of_the_code(file: &str, text: &str) {
    let path = root().join(file);
    if std::env::var_os("REGENERATE").is_some() {
        fs::write(&path, text).expect("the file is written");
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == text,
        "{file} is not what the code says; make it anew with\n\
         REGENERATE=1 cargo test -p socketio-tests --test docs"
    );
}

#[test]
fn the_page_of_violations_is_what_the_code_says() {
    is_made_of_the_code("docs/violations.md", &violations());
}

#[test]
fn the_inspector_knows_every_rule() {
    is_made_of_the_code("server/src/observe/inspector/page/rules.js", &rules_for_the_inspector());
}

/// The scripts follow `CARGO_TARGET_DIR`, and none leaves a program in `release` that is no release.
#[test]
fn the_scripts_build_where_cargo_is_told_to() {
    let folders =
        fs::read_dir(root().join("tests")).expect("tests").map(|folder| folder.expect("tests").path());
    let beside = |folder: PathBuf| ["run", "instructions", "differential"].map(|name| folder.join(name));
    let scripts = [root().join("tests/run")].into_iter().chain(folders.flat_map(beside));
    let mut checked = 0;
    for script in scripts.filter(|script| script.is_file()) {
        let text = fs::read_to_string(&script).expect("a script");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let fixed =
                line.replace("CARGO_TARGET_DIR:-$root/target}", "").replace("CARGO_TARGET_DIR:-target}", "");
            let fixed = ["$root/target/", "$PWD/target", " target/"].iter().any(|path| fixed.contains(path));
            assert!(!fixed, "{}: {line}", script.display());
            assert!(
                !line.contains("CARGO_PROFILE_RELEASE"),
                "{}: a profile has a name: {line}",
                script.display()
            );
        }
        checked += 1;
    }
    assert!(checked >= 8, "only {checked} scripts were found");
}
