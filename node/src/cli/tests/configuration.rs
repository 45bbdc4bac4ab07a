//! The tables of `docs/configuration.md` are made of the code: keys, types and meanings of the settings'
//! fields, defaults of the template, variables and flags by trying which key each of them sets.
//!
//! `UPDATE=1 cargo nextest run -p peer-node configuration` writes them anew.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use clap::CommandFactory as _;
use serde_json::Value;

use super::*;
use crate::config::template;

const BEGIN: &str = "<!-- begin: made of the code -->\n";
const END: &str = "<!-- end: made of the code -->\n";

/// A key with what the settings' fields say of it.
struct Key {
    /// With the tables around it: `transfers.max_file`; `[]` stands for one of several tables.
    path: String,
    kind: String,
    meaning: String,
}

/// A table of keys; the first has no name.
struct Table {
    name: String,
    meaning: String,
    keys: Vec<Key>,
}

/// The schema behind references and `null`.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.strip_prefix('#').unwrap();
        return resolved(root, root.pointer(pointer).unwrap());
    }
    match schema["anyOf"].as_array() {
        Some(any) => resolved(root, any.iter().find(|one| one["type"] != "null").unwrap()),
        None => schema,
    }
}

fn kind(schema: &Value) -> String {
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let first = types.iter().filter_map(Value::as_str).find(|one| *one != "null").unwrap();
    match first {
        "array" => format!("list of {}s", kind(&schema["items"])),
        one => one.to_owned(),
    }
}

fn lower(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().into_iter().flat_map(char::to_lowercase).chain(rest).collect()
}

fn collect(root: &Value, schema: &Value, prefix: &str, at: usize, tables: &mut Vec<Table>) {
    for (name, property) in schema["properties"].as_object().unwrap() {
        let path = format!("{prefix}{name}");
        let meaning = property["description"].as_str().unwrap_or_default().replace('\n', " ");
        assert!(!meaning.is_empty(), "{path} has no documentation");
        let schema = resolved(root, property);
        let items = resolved(root, &schema["items"]);
        let several = items["properties"].is_object();
        if several || (schema["properties"].is_object() && at == 0) {
            let (schema, path) = if several { (items, path + "[]") } else { (schema, path) };
            let prefix = format!("{path}.");
            tables.push(Table { name: path, meaning, keys: Vec::new() });
            let at = tables.len() - 1;
            collect(root, schema, &prefix, at, tables);
        } else if schema["properties"].is_object() {
            let first = tables[at].keys.len();
            collect(root, schema, &format!("{path}."), at, tables);
            for key in &mut tables[at].keys[first..] {
                key.meaning = format!("{}: {}", meaning.trim_end_matches('.'), lower(&key.meaning));
            }
        } else {
            let kind = kind(schema);
            tables[at].keys.push(Key { path, kind, meaning });
        }
    }
}

fn tables() -> Vec<Table> {
    let root = schemars::schema_for!(Settings);
    let mut tables = vec![Table { name: String::new(), meaning: String::new(), keys: Vec::new() }];
    collect(root.as_value(), root.as_value(), "", 0, &mut tables);
    tables
}

/// The keys that are set, and their values.
fn leaves(value: &Value, prefix: &str, leaves: &mut BTreeMap<String, Value>) {
    let Value::Object(entries) = value else {
        if !value.is_null() {
            leaves.insert(prefix.to_owned(), value.clone());
        }
        return;
    };
    for (name, value) in entries {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        self::leaves(value, &path, leaves);
    }
}

fn set(settings: &Settings) -> BTreeMap<String, Value> {
    let mut set = BTreeMap::new();
    leaves(&serde_json::to_value(settings).unwrap(), "", &mut set);
    set
}

/// The one key that is set.
fn only(settings: &Settings, by: &str) -> String {
    let keys: Vec<String> = set(settings).into_keys().collect();
    assert_eq!(keys.len(), 1, "{by} sets {keys:?}");
    keys.into_iter().next().unwrap()
}

/// Which variable sets which key.
fn variables() -> BTreeMap<String, String> {
    let names = RefCell::new(BTreeSet::new());
    let note = |name: &str| {
        names.borrow_mut().insert(name.to_owned());
        None
    };
    Settings::from_environment(note).unwrap();
    let key = |name: String| {
        let one = |asked: &str| (asked == name).then(|| "1".to_owned());
        (only(&Settings::from_environment(one).unwrap(), &name), name)
    };
    names.into_inner().into_iter().map(key).collect()
}

/// Which flag of `peer run` sets which key.
fn flags() -> BTreeMap<String, String> {
    let command = Cli::command();
    let run = command.find_subcommand("run").unwrap();
    let flags = run.get_arguments().filter(|it| !it.is_global_set()).filter_map(|it| it.get_long());
    let key = |flag: &str| {
        let parsed = ["1", "true"].iter().find_map(|value| {
            Cli::try_parse_from(["peer", "run", &format!("--{flag}={value}")]).ok()
        });
        let Some(Cli { command: Command::Run(args), .. }) = parsed else { panic!("--{flag}") };
        (only(&Settings::from(*args), flag), format!("--{flag}"))
    };
    flags.filter(|flag| *flag != "help").map(key).collect()
}

/// What each key is if nobody sets it. What the template shows for want of a default is no default.
fn defaults() -> BTreeMap<String, Value> {
    let example =
        |line: &str| ["<peer id>", "<path>", "entity = "].iter().any(|it| line.contains(it));
    let text: String = template(None)
        .lines()
        .filter(|line| !example(line))
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") || rest.starts_with(['[', ']', ' ']) => rest,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    set(&toml::from_str(&text).unwrap())
}

fn document() -> String {
    let (variables, flags, defaults) = (variables(), flags(), defaults());
    let cell = |text: Option<&String>| text.map_or_else(String::new, |text| format!("`{text}`"));
    let mut text = String::new();
    for Table { name, meaning, keys } in tables() {
        let heading = match name.strip_suffix("[]") {
            _ if name.is_empty() => "Top level".to_owned(),
            Some(name) => format!("`[[{name}]]`"),
            None => format!("`[{name}]`"),
        };
        text.push_str(&format!("\n### {heading}\n\n"));
        if !meaning.is_empty() {
            text.push_str(&format!("{meaning}\n\n"));
        }
        text.push_str(
            "| key | type | default | environment | flag | meaning |\n|---|---|---|---|---|---|\n",
        );
        let prefix = if name.is_empty() { String::new() } else { format!("{name}.") };
        for Key { path, kind, meaning } in keys {
            let default = cell(defaults.get(&path).map(Value::to_string).as_ref());
            let (variable, flag) = (cell(variables.get(&path)), cell(flags.get(&path)));
            let key = path.strip_prefix(&prefix).unwrap();
            let meaning = meaning.replace('|', "\\|");
            text.push_str(&format!(
                "| `{key}` | {kind} | {default} | {variable} | {flag} | {meaning} |\n"
            ));
        }
    }
    text
}

#[test]
fn the_configuration_is_documented_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let old = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = old.split_once(BEGIN).unwrap();
    let (_, tail) = rest.split_once(END).unwrap();
    let new = format!("{head}{BEGIN}{}\n{END}{tail}", document());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, new).unwrap();
        return;
    }
    let differs = old.lines().zip(new.lines()).find(|(old, new)| old != new);
    assert!(old == new, "docs/configuration.md: {differs:?}; UPDATE=1 writes it anew");
}

#[test]
fn the_template_names_every_key() {
    let template = template(None);
    for key in tables().into_iter().flat_map(|table| table.keys) {
        let name = key.path.rsplit('.').next().unwrap();
        let of_peer = key.path.starts_with("gateway.peer[]");
        let shown = template.contains(&format!("# {name} = "));
        // Peers of a gateway have no example, and are described in a sentence.
        assert!(shown || (of_peer && template.contains(name)), "{} is not there", key.path);
    }
}

#[test]
fn every_variable_and_flag_sets_a_key_that_is_documented() {
    let keys: BTreeSet<String> =
        tables().into_iter().flat_map(|table| table.keys).map(|key| key.path).collect();
    for (key, by) in variables().into_iter().chain(flags()) {
        assert!(keys.contains(&key), "{by} sets {key}");
    }
    for key in defaults().into_keys() {
        assert!(keys.contains(&key), "{key} has a default and no documentation");
    }
}
