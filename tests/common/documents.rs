//! Code blocks and commands in the documentation.

use std::fs;
use std::path::{Path, PathBuf};

/// README.md and similar files, and all documents in `docs/` and `docs/recipes/`.
pub fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files =
        [root, &root.join("docs"), &root.join("docs/recipes")].map(|directory| fs::read_dir(directory).unwrap());
    let paths = files.into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// The fenced blocks of a document: line of the fence, language, text.
pub fn blocks(text: &str) -> Vec<(usize, &str, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| !line.starts_with("```"));
            blocks.push((number + 1, language, inside.map(|line| format!("{line}\n")).collect()));
        }
    }
    blocks
}

/// The shell commands in a document and their documented output: line, command, output.
pub fn commands(text: &str) -> Vec<(usize, String, String)> {
    let mut commands: Vec<(usize, String, String)> = Vec::new();
    for (fence, language, block) in
        blocks(text).into_iter().filter(|(_, language, _)| ["sh", "console"].contains(language))
    {
        for (number, line) in (fence + 1..).zip(block.lines()) {
            let command = if language == "sh" { Some(line) } else { line.strip_prefix("$ ") };
            match (command, commands.last_mut()) {
                (Some(command), _) => {
                    // Without the trailing comment.
                    let command = command.split_once("  #").map_or(command, |(command, _)| command);
                    commands.push((number, command.trim_end().to_owned(), String::new()));
                }
                (None, Some((_, _, answer))) => *answer += &format!("{line}\n"),
                (None, None) => panic!("line {number}: output without a command"),
            }
        }
    }
    commands
}

/// Words such as `--config`, anywhere in the text.
pub fn flags(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.len() > 2 && word.starts_with("--") && !word.starts_with("---"))
}
