//! Each package can be published as it is: the registry learns what it is, and its archive has a readme and the licences.
//! `tests/package/run` makes the archives and looks into them.

use std::path::PathBuf;

use super::{read, root};

/// The manifests of the workspace's packages.
fn manifests() -> Vec<PathBuf> {
    let workspace = read("Cargo.toml");
    let members =
        workspace.lines().find_map(|line| line.strip_prefix("members = ")).expect("a list of members");
    members.split('"').skip(1).step_by(2).map(|folder| PathBuf::from(folder).join("Cargo.toml")).collect()
}

#[test]
fn what_is_published_says_what_it_is() {
    let mut published = 0;
    for path in manifests() {
        let manifest = read(&path);
        let folder = path.parent().expect("a folder");
        let is_test = folder.starts_with("tests");
        let kept = manifest.lines().any(|line| line == "publish = false");
        assert_eq!(kept, is_test, "{}: tests alone have publish = false", path.display());
        if kept {
            continue;
        }
        published += 1;
        for key in [
            "description = \"",
            "documentation = \"https://docs.rs/",
            "keywords = [\"",
            "categories = [\"",
            "include.workspace = true",
        ] {
            assert!(manifest.lines().any(|line| line.starts_with(key)), "{} lacks {key}", path.display());
        }
        let keywords = manifest.lines().find_map(|line| line.strip_prefix("keywords = ")).unwrap_or_default();
        assert!(keywords.matches('"').count() <= 10, "{}: the registry takes five keywords", path.display());
        for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md"] {
            assert!(root().join(folder).join(file).is_file(), "{} has no {file}", folder.display());
        }
        for license in ["LICENSE-APACHE", "LICENSE-MIT"] {
            assert_eq!(read(folder.join(license)), read(license), "{}", folder.display());
        }
    }
    assert!(published >= 9, "only {published} packages were found");
}
