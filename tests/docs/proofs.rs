//! docs/tests.md: which tests prove what the pages promise.
//!
//! A test says what it proves in a comment above it, `// proves: limit/max-head`. A page links to `tests.md#limit/max-head`
//! where it says so. The index is made of both, so a test can be renamed or moved and no page changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::{is_made_of_the_code, read, root};

const MARK: &str = "// proves: ";

/// The pages whose promises are proven by tests.
const PAGES: [&str; 4] = ["protocol.md", "features.md", "security.md", "guide/plain-websocket.md"];

/// A promise: its id, its page and what the page says.
struct Promise {
    id: String,
    page: &'static str,
    words: String,
}

/// The tests that prove each promise: a file, and the names of the tests in it.
type Proofs = BTreeMap<String, BTreeMap<String, Vec<String>>>;

fn promises() -> Vec<Promise> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for page in PAGES {
        for block in blocks(&read(Path::new("docs").join(page))) {
            for link in block.split("tests.md#").skip(1) {
                let id = link.split(')').next().unwrap_or_default().to_owned();
                if seen.insert(id.clone()) {
                    let words = words(&block, &id);
                    all.push(Promise { id, page, words });
                }
            }
        }
    }
    all
}

/// A page's paragraphs, rows of tables and items of lists, each on one line.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in text.lines() {
        let begins = line.is_empty() || line.starts_with("| ") || line.starts_with("- ");
        if begins {
            blocks.push(String::new());
        }
        let block = blocks.last_mut().expect("there is one");
        let _ = write!(block, "{}{}", if block.is_empty() { "" } else { " " }, line.trim());
    }
    blocks
}

/// What a block says, in short. Of a row: the words of the link, if its cell is a list of such; else the first cell, or the
/// one after a number or a single word such as `ids` that has the link. Of a paragraph: what is bold; else its first
/// sentence.
fn words(block: &str, id: &str) -> String {
    let cells: Vec<_> = block.trim_matches('|').split(" | ").map(str::trim).collect();
    let short = if block.starts_with("| ") {
        let linked = cells.iter().position(|cell| cell.contains(&format!("#{id})"))).unwrap_or_default();
        let numbered = cells[0].trim_start_matches('[').starts_with(|c: char| c.is_ascii_digit());
        let several = cells[linked].matches("tests.md#").count() > 1;
        if several && (linked > 0 || cells[0].starts_with('[')) {
            words_of_link(cells[linked], id)
        } else {
            let cell = if linked > 0 { 0 } else { usize::from(numbered) };
            cells[cell].to_owned()
        }
    } else if let Some(bold) = block.split("**").nth(1) {
        bold.to_owned()
    } else {
        let text = block.trim_start_matches("- ");
        text.split(". ").next().unwrap_or(text).to_owned()
    };
    without_links(&short).trim_end_matches([',', ':', ';', '.']).to_owned()
}

fn words_of_link(text: &str, id: &str) -> String {
    let before = text.split(&format!("](tests.md#{id})")).next().unwrap_or_default();
    before.rsplit('[').next().unwrap_or_default().to_owned()
}

/// Text with the words of its links alone.
fn without_links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let (before, words) = before.rsplit_once('[').unwrap_or((before, ""));
        out += before;
        out += words;
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    out + rest
}

fn proofs() -> Proofs {
    let mut proofs = Proofs::new();
    for folder in ["engineio", "server", "socketio", "tests"] {
        collect(Path::new(folder), &mut proofs);
    }
    proofs
}

fn collect(folder: &Path, proofs: &mut Proofs) {
    for entry in fs::read_dir(root().join(folder)).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        let path = folder.join(&name);
        if root().join(&path).is_dir() {
            if name != "node_modules" && name != "target" {
                collect(&path, proofs);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "mjs") {
            for (id, test) in marks(&read(&path), &path) {
                let file = path.to_str().expect("a name in UTF-8").to_owned();
                proofs.entry(id).or_default().entry(file).or_default().push(test);
            }
        }
    }
}

/// What the tests of a file prove.
fn marks(text: &str, path: &Path) -> Vec<(String, String)> {
    let mut marks = Vec::new();
    let mut ids = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(list) = line.strip_prefix(MARK) {
            ids.extend(list.split(", ").map(str::to_owned));
        } else if !ids.is_empty() && !line.starts_with("//") && !line.starts_with("#[") {
            let test = name(line).unwrap_or_else(|| panic!("{}: no test follows {ids:?}", path.display()));
            marks.extend(ids.drain(..).map(|id| (id, test.clone())));
        }
    }
    marks
}

/// The name of the test that begins on this line: of a function, or in quotes.
fn name(line: &str) -> Option<String> {
    if let Some((_, function)) = line.split_once("fn ") {
        return function.split_once('(').map(|(name, _)| name.to_owned());
    }
    let quote = line.chars().find(|c| "\"'`".contains(*c))?;
    line.split(quote).skip(1).step_by(2).max_by_key(|name| name.len()).map(str::to_owned)
}

/// docs/tests.md.
fn page() -> String {
    let proofs = proofs();
    let mut text = String::from(
        "# Which tests prove what\n\n\
         The pages link here. A test says in a comment above it what it proves, `// proves: limit/max-head`.\n\
         [How it is tested](testing.md) says which test belongs where.\n\n\
         This page is made of both: `REGENERATE=1 cargo test -p socketio-tests --test docs`.\n",
    );
    let mut page = "";
    for promise in promises() {
        if promise.page != page {
            page = promise.page;
            let _ = write!(text, "\n## [{page}]({page})\n\n| what | tests |\n|---|---|\n");
        }
        let mut tests = String::new();
        for (file, names) in proofs.get(&promise.id).into_iter().flatten() {
            let names = names.iter().map(|name| format!("`{}`", name.replace('`', ""))).collect::<Vec<_>>();
            let gap = if tests.is_empty() { "" } else { "; " };
            let _ = write!(tests, "{gap}[{file}](../{file}) {}", names.join(", "));
        }
        let _ = writeln!(text, "| <a id=\"{}\"></a>{} | {tests} |", promise.id, promise.words);
    }
    text
}

#[test]
fn the_index_of_tests_is_what_the_tests_say() {
    is_made_of_the_code("docs/tests.md", &page());
}

#[test]
fn every_promise_has_a_test_and_every_mark_a_promise() {
    let proofs = proofs();
    let promised: BTreeSet<_> = promises().into_iter().map(|promise| promise.id).collect();
    let proven: BTreeSet<_> = proofs.keys().cloned().collect();
    let without: Vec<_> = promised.difference(&proven).collect();
    assert!(without.is_empty(), "no test says that it proves these, which pages promise: {without:?}");
    let unknown: Vec<_> = proven.difference(&promised).map(|id| (id, &proofs[id])).collect();
    assert!(unknown.is_empty(), "no page promises what these tests prove: {unknown:?}");
    assert!(promised.len() > 350, "only {} promises were found", promised.len());
}

/// A decision, a feature, hostile input, a limit: each links to its tests. A feature may say why it can't.
#[test]
fn every_row_links_to_its_tests() {
    for block in blocks(&read("docs/protocol.md")).iter().filter(|block| block.starts_with("**")) {
        assert!(block.contains("](tests.md#"), "{block}");
    }
    for row in rows(&read("docs/features.md")) {
        assert!(row.contains("](tests.md#") || row.contains("No test:"), "{row}");
    }
    let security = read("docs/security.md");
    for heading in ["## Hostile input", "## Limits", "## Known vulnerabilities"] {
        let (_, section) = security.split_once(heading).expect("a heading");
        for row in rows(section.split("\n## ").next().unwrap_or(section)) {
            assert!(row.contains("](tests.md#") || row.contains("pickle"), "{row}");
        }
    }
}

/// The rows of tables, without their heads.
fn rows(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().collect();
    let row = |i: usize| {
        lines[i].starts_with("| ") && !lines.get(i + 1).is_some_and(|line| line.starts_with("|--"))
    };
    (0..lines.len()).filter(|&i| row(i)).map(|i| lines[i]).collect()
}
