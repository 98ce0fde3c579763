//! ARCHITECTURE.md says which room knows of which; here it is held to what stands in the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const EVERYWHERE: [&str; 5] = ["types", "algorithm", "json", "base64url", "scan"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The rooms of the table, each with what it says that they know of.
fn stated() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `src/")?.strip_suffix('|')?.split(" | ");
        let name =
            cells.next()?.trim_end_matches('`').trim_end_matches('/').trim_end_matches(".rs").to_owned();
        let known = cells.nth(1)?.trim();
        let known = known.split(", ").filter(|room| !room.is_empty()).map(str::to_owned);
        Some((name, known.collect()))
    });
    rows.filter(|(name, _): &(String, _)| !["lib", "testing"].contains(&name.as_str())).collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What is tests alone: files that say so, and what stands behind `#[cfg(test)]`.
fn without_tests(path: &Path, text: &str) -> String {
    let is_test = path
        .components()
        .any(|part| ["tests", "tests.rs", "vectors.rs"].iter().any(|own| part.as_os_str() == *own));
    if is_test { String::new() } else { text.split("#[cfg(test)]").next().unwrap_or_default().to_owned() }
}

/// The rooms that a room's files name.
fn known(room: &str) -> BTreeSet<String> {
    let source = root().join("src");
    let mut found = Vec::new();
    if source.join(room).is_dir() {
        files(&source.join(room), &mut found);
    }
    let file = source.join(format!("{room}.rs"));
    if file.is_file() {
        found.push(file);
    }
    assert!(!found.is_empty(), "there is no room {room}");
    let mut rooms = BTreeSet::new();
    for path in found {
        let text = without_tests(&path, &fs::read_to_string(&path).unwrap());
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for after in line.split("crate::").skip(1) {
                let name = after
                    .split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
                    .next();
                rooms.extend(name.map(str::to_owned));
            }
        }
    }
    rooms.retain(|own| own != room && !own.is_empty() && !EVERYWHERE.contains(&own.as_str()));
    rooms
}

#[test]
fn each_room_knows_of_those_that_architecture_md_says() {
    let stated = stated();
    assert!(stated.len() > 10, "{stated:?}");
    for (room, rooms) in stated {
        assert_eq!(known(&room), rooms, "{room}");
    }
}

#[test]
fn requests_go_one_way_and_the_rules_know_of_no_room() {
    assert_eq!(known("mfa"), BTreeSet::new());
    let all = stated();
    let knowing = |wanted: &str| -> BTreeSet<&str> {
        all.iter().filter(|(_, rooms)| rooms.contains(wanted)).map(|(room, _)| room.as_str()).collect()
    };
    assert_eq!(knowing("workers"), BTreeSet::new());
    assert_eq!(knowing("routes"), BTreeSet::from(["workers"]));
    assert_eq!(knowing("development"), BTreeSet::from(["routes"]));
    assert_eq!(knowing("endpoints"), BTreeSet::from(["development", "routes"]));
}
