//! The documentation keeps its word: what it links to is there, and each test that it names exists.

mod wire;

use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 33] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/architecture.md",
    "docs/explain.md",
    "docs/features.md",
    "docs/protocol.md",
    "docs/security.md",
    "docs/violations.md",
    "docs/journal.md",
    "docs/wire/README.md",
    "docs/wire/handshake.md",
    "docs/wire/polling.md",
    "docs/wire/payloads.md",
    "docs/wire/upgrade.md",
    "docs/wire/heartbeat.md",
    "docs/wire/namespaces.md",
    "docs/wire/events.md",
    "docs/wire/binary.md",
    "docs/wire/errors.md",
    "docs/wire/closing.md",
    "docs/wire/recovery.md",
    "docs/wire/revisions.md",
    "docs/guide/adapters.md",
    "docs/guide/chat.md",
    "docs/guide/cluster.md",
    "docs/guide/from-javascript.md",
    "docs/guide/inspector.md",
    "docs/guide/options.md",
    "docs/guide/plain-websocket.md",
    "docs/guide/running.md",
    "docs/guide/embedding.md",
];

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

#[test]
fn every_link_leads_somewhere() {
    for document in DOCUMENTS {
        let text = read(document);
        let folder = Path::new(document).parent().unwrap_or(Path::new(""));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            // Pictures are taken by `tests/browser/run --picture`.
            if link.starts_with("http") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { PathBuf::from(document) } else { folder.join(file) };
            assert!(root().join(&target).exists(), "{document} links to {link}");
            if !heading.is_empty() {
                let found =
                    read(&target).lines().any(|line| line.starts_with('#') && anchor(line) == heading);
                assert!(found, "{document} links to {link}");
            }
        }
    }
}

/// `file` in backticks, then names of tests in backticks up to the next file or paragraph.
#[test]
fn every_test_that_is_named_exists() {
    let mut named = 0;
    for paragraph in read("docs/protocol.md").split("\n\n").flat_map(|block| block.split("\n- ")) {
        let mut source = None;
        for code in paragraph.split('`').skip(1).step_by(2) {
            let name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if code.ends_with(".rs") {
                source = Some((code, read(code)));
            } else if code.chars().all(name) && code.matches('_').count() >= 2 {
                let (file, text) = source.as_ref().unwrap_or_else(|| panic!("no file stands before {code}"));
                assert!(text.contains(&format!("fn {code}()")), "{file} has no test {code}");
                named += 1;
            }
        }
    }
    assert!(named > 100, "only {named} tests were found in the text");
}

/// The last cell of each row links to files, and behind each has the names of its tests in backticks. A row may
/// do without if it says that there is nothing to test.
#[test]
fn every_feature_has_its_tests_or_a_reason() {
    let mut named = 0;
    let document = read("docs/features.md");
    for row in document.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.len() == 4 && cells.iter().all(|cell| !cell.is_empty()), "an empty cell: {row}");
        if cells[3] == "Tests" {
            continue;
        }
        let mut tests = 0;
        for file in cells[3].split("](../").skip(1) {
            let (path, names) = file.split_once(')').expect("a link has an end");
            let text = read(path);
            for name in names.split('`').skip(1).step_by(2) {
                let test = if path.ends_with(".rs") { format!("fn {name}()") } else { name.to_owned() };
                assert!(text.contains(&test), "{path} has no test {name}");
                tests += 1;
            }
        }
        let excused = cells[3].starts_with("none") && (cells[2].contains("**Not") || cells[3].len() > 4);
        assert!(tests > 0 || excused, "neither tests nor a reason: {row}");
        named += tests;
    }
    assert!(named > 150, "only {named} tests were found in the text");
}

/// Whatever looks like the name of a test in docs/security.md is one, and each row of hostile input has some.
#[test]
fn every_promise_of_security_has_its_tests() {
    let folders = ["tests", "server", "socketio", "engineio"].map(|folder| root().join(folder));
    let sources: String = folders.iter().map(|folder| sources(folder)).collect();
    let text = read("docs/security.md");
    for code in text.split('`').skip(1).step_by(2) {
        let name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if code.chars().all(name) && !code.starts_with('_') && code.matches('_').count() >= 3 {
            assert!(sources.contains(&format!("fn {code}()")), "there is no test {code}");
        }
    }
    let rows = section_of(&text, "## Hostile input");
    for number in 1..=76 {
        let row = rows.lines().find(|line| line.starts_with(&format!("| {number} | ")));
        let tests = row.and_then(|row| row.rsplit(" | ").next()).unwrap_or_default();
        assert!(tests.starts_with('`'), "row {number} has no tests: {row:?}");
    }
}

/// What stands under a heading.
fn section_of<'a>(text: &'a str, heading: &str) -> &'a str {
    let (_, rest) = text.split_once(heading).expect("a heading");
    rest.split("\n## ").next().unwrap_or(rest)
}

/// All Rust in a folder.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("node_modules") && !path.ends_with("target") {
            all.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(path).expect("a file of text"));
        }
    }
    all
}

/// The readme has the options that matter most; all are in docs/guide/options.md, which is made of the code.
#[test]
fn the_readmes_options_are_options() {
    let readme = read("README.md");
    let table = readme.split("## ").find(|section| section.starts_with("Options")).expect("a section");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let named: Vec<_> = rows.flat_map(|row| row.split(", ")).map(|key| key.trim_matches('`')).collect();
    let source = read("server/cli/src/options.rs");
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
            "\n## {heading}\n\n| Id | What is wrong | Where the rule stands | The server |\n|---|---|---|---|\n"
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
        "// Every rule that a client can break: what is wrong, where the rule stands, what the server does.\n\
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
            assert!(!line.contains("CARGO_PROFILE_"), "{}: a profile has a name: {line}", script.display());
        }
        checked += 1;
    }
    assert!(checked >= 8, "only {checked} scripts were found");
}
