//! Cycles between the files of a layer, and duplicate type names in a layer.

use std::collections::{BTreeMap, BTreeSet};

use crate::code::code;
use crate::sources;

/// The path of a module, and of an item in it: `["metrics", "history", "Snapshot"]`.
type ModulePath = Vec<String>;

/// The modules of the crate, without tests.
#[derive(Default)]
struct Modules {
    code: BTreeMap<ModulePath, String>,
    /// The `use` declarations of each module: the local name and the path.
    names: BTreeMap<ModulePath, BTreeMap<String, ModulePath>>,
}

impl Modules {
    fn new(files: &[(&str, &str)]) -> Self {
        let mut modules = Self::default();
        for (path, text) in files {
            let mut module: ModulePath = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            if module.iter().any(|part| part == "tests" || part == "harness") {
                continue;
            }
            module.pop_if(|last| last == "mod");
            modules.code.insert(module, code(text));
        }
        for (module, code) in &modules.code {
            let names = uses(code).into_iter().filter_map(|path| modules.absolute(module, &path));
            let names = names.filter_map(|path| Some((path.last()?.clone(), path.clone()))).collect();
            modules.names.insert(module.clone(), names);
        }
        modules
    }

    /// The path from the root of the crate for a path in a module; `None` for other crates.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<ModulePath> {
        let mut base = module.to_vec();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => (base, rest) = (Vec::new(), &path[1..]),
            "self" | "super" => {
                while let Some(step @ ("self" | "super")) = rest.first().map(String::as_str) {
                    if step == "super" {
                        base.pop();
                    }
                    rest = &rest[1..];
                }
            }
            child => {
                base.push(child.to_owned());
                if !self.code.contains_key(&base) {
                    return None;
                }
                rest = &path[1..];
            }
        }
        base.extend(rest.iter().filter(|part| *part != "self").cloned());
        Some(base)
    }

    /// The module that declares an item, resolved through re-exports.
    fn declares(&self, path: &[String], depth: usize) -> Option<ModulePath> {
        let length = (1..=path.len()).rev().find(|length| self.code.contains_key(&path[..*length]))?;
        let (module, items) = path.split_at(length);
        let origin = items.first().and_then(|item| self.names.get(module)?.get(item)).filter(|_| depth < 8);
        match origin {
            Some(origin) => self.declares(&[origin.as_slice(), &items[1..]].concat(), depth + 1),
            None => Some(module.to_vec()),
        }
    }

    /// The modules of the same layer that each module uses.
    fn arrows(&self) -> BTreeMap<&ModulePath, BTreeSet<ModulePath>> {
        let mut arrows = BTreeMap::new();
        for (module, code) in &self.code {
            let inline = inline_paths(code).into_iter().filter_map(|path| self.absolute(module, &path));
            let used = inline.chain(self.names[module].values().cloned()).filter_map(|path| self.declares(&path, 0));
            arrows.insert(module, used.filter(|used| used != module && used.first() == module.first()).collect());
        }
        arrows
    }

    /// Modules that use themselves through others, with the modules on the way.
    fn cycles(&self) -> Vec<String> {
        let arrows = self.arrows();
        let reached = |from: &ModulePath| {
            let (mut reached, mut todo) = (BTreeSet::new(), vec![from]);
            while let Some(module) = todo.pop() {
                todo.extend(arrows.get(module).into_iter().flatten().filter(|next| reached.insert((*next).clone())));
            }
            reached
        };
        let in_circle = |module: &ModulePath| reached(module).contains(module);
        let line = |(module, used): (&ModulePath, &BTreeSet<ModulePath>)| {
            let used = used.iter().filter(|used| reached(used).contains(module)).map(|used| used.join("::"));
            format!("{} uses {}", module.join("::"), used.collect::<Vec<_>>().join(", "))
        };
        arrows.iter().map(|(module, used)| (*module, used)).filter(|(module, _)| in_circle(module)).map(line).collect()
    }

    /// Types that two modules of one layer declare.
    fn duplicates(&self) -> Vec<String> {
        let mut declared: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for (module, code) in &self.code {
            for name in types(code) {
                declared.entry((&module[0], name)).or_default().push(module.join("::"));
            }
        }
        let line = |((_, name), modules): ((&str, &str), Vec<String>)| format!("{name}: {}", modules.join(", "));
        declared.into_iter().filter(|(_, modules)| modules.len() > 1).map(line).collect()
    }
}

/// The paths of all `use` declarations, with braces expanded and without `as`.
pub(crate) fn uses(code: &str) -> Vec<ModulePath> {
    let mut found = Vec::new();
    for after in code.split("use ").skip(1) {
        if let Some((tree, _)) = after.split_once(';') {
            expand(&[], tree, &mut found);
        }
    }
    found
}

fn expand(prefix: &[String], tree: &str, found: &mut Vec<ModulePath>) {
    let (head, list) = match tree.split_once('{') {
        Some((head, list)) => (head, list.rsplit_once('}').map(|(list, _)| list)),
        None => (tree.split(" as ").next().unwrap_or_default(), None),
    };
    let parts = head.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
    let path: ModulePath = prefix.iter().cloned().chain(parts).collect();
    let Some(list) = list else { return found.push(path) };
    let (mut depth, mut start) = (0, 0);
    for (at, c) in list.char_indices().chain([(list.len(), ',')]) {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 {
            if !list[start..at].trim().is_empty() {
                expand(&path, &list[start..at], found);
            }
            start = at + 1;
        }
    }
}

/// Paths from `crate`, `self` or `super` in the code outside `use` and `pub(in …)`.
fn inline_paths(code: &str) -> Vec<ModulePath> {
    let mut found = Vec::new();
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    for start in ["crate::", "self::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].trim_end();
            if before.ends_with("use")
                || before.ends_with("(in")
                || before.ends_with(part_of_name) && !code[..at].ends_with(' ')
            {
                continue;
            }
            let end = code[at..].find(|c: char| !part_of_name(c) && c != ':').map_or(code.len(), |end| at + end);
            found.push(code[at..end].split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect());
        }
    }
    found
}

/// The names of the types that a module declares, without associated types.
fn types(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter_map(|line| {
        let line =
            ["pub(crate) ", "pub(super) ", "pub "].iter().find_map(|start| line.strip_prefix(start)).unwrap_or(line);
        let rest = ["struct ", "enum ", "trait ", "type ", "union "].iter().find_map(|word| line.strip_prefix(word))?;
        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
    })
}

#[test]
fn files_of_a_layer_use_each_other_in_one_direction() {
    let texts = sources();
    let modules = Modules::new(&texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>());
    assert_eq!(modules.cycles(), [""; 0]);
    assert_eq!(modules.duplicates(), [""; 0]);
    let arrows: usize = modules.arrows().values().map(BTreeSet::len).sum();
    assert!(arrows > 200, "{arrows} uses found: is this the right folder?");
}

#[test]
fn finds_cycles_and_duplicates() {
    for (files, cycles) in [
        (&[("m/a.rs", "use super::b::B;"), ("m/b.rs", "")][..], &[][..]),
        (
            &[("m/a.rs", "use super::b::{B, c};"), ("m/b.rs", "fn f() -> crate::m::a::A {}")],
            &["m::a uses m::b", "m::b uses m::a"],
        ),
        (
            &[("m/mod.rs", "mod a;\nuse a::f;\npub struct S;"), ("m/a.rs", "use super::S;")],
            &["m uses m::a", "m::a uses m"],
        ),
        // A re-export resolves to its origin.
        (&[("m/mod.rs", "pub use self::b::S;\nuse self::a::f;"), ("m/a.rs", "use super::S;"), ("m/b.rs", "")], &[]),
        (&[("m.rs", "mod a;"), ("m/a.rs", "use super::S;\npub(in crate::m) struct T;")], &[]),
        // Other layers and tests are not checked here.
        (&[("m/a.rs", "use crate::n::b::B;"), ("n/b.rs", "use crate::m::a::A;")], &[]),
        (&[("m/a.rs", "use super::b::B;"), ("m/b.rs", "#[cfg(test)]\nmod t { use crate::m::a::A; }")], &[]),
        (
            &[("m/a.rs", "use super::b::B;"), ("m/b.rs", "use super::c::C as D;"), ("m/c.rs", "use super::a;")],
            &["m::a uses m::b", "m::b uses m::c", "m::c uses m::a"],
        ),
    ] {
        assert_eq!(Modules::new(files).cycles(), cycles, "{files:?}");
    }
    let files = [
        ("m/a.rs", "pub struct S;\nimpl T for S {\n    type Item = u8;\n}\nenum E {}"),
        ("m/b.rs", "pub(super) enum S {}\nimpl T for S {\n    type Item = u8;\n}"),
        ("n/c.rs", "struct E;\n#[cfg(test)]\nmod t {\nstruct S;\n}"),
        ("n/d.rs", "struct S;"),
    ];
    assert_eq!(Modules::new(&files).duplicates(), ["S: m::a, m::b"]);
}
