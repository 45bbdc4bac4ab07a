//! Rules as the operator writes them.

use std::path::Path;

use super::*;
use crate::config::{ConfigError, Layer};

fn load(text: &str) -> Result<NodeConfig, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let layer = Layer::read(Path::new(&path))?.unwrap();
    NodeConfig::from_layers(&[layer])
}

fn rule(text: &str) -> WakeRule {
    let config = load(&format!("[[wake]]\npeers = ['pinned']\n{text}")).unwrap();
    config.wake()[0].clone()
}

#[track_caller]
fn wrong(text: &str, parts: &[&str]) {
    let error = load(&format!("[[wake]]\npeers = ['pinned']\n{text}")).unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "{part:?} in {error}");
    }
}

#[test]
fn nobody_is_allowed_by_default() {
    assert!(load("").unwrap().wake().is_empty());
    assert!(load("wake = []").unwrap().wake().is_empty());
}

#[test]
fn rules_are_read_with_their_defaults() {
    let fingerprint = "0123456789abcdef".repeat(4);
    let text = format!(
        "[[wake]]\npeers = ['bob', '{fingerprint}', 'pinned']\nadapter = 'command'\ncommand = ['/bin/agent', '--go']\n\
         [[wake]]\npeers = ['eve']\nadapter = 'client'\ntimeout = '3s'\ncooldown = '0s'\nmax_per_hour = 7"
    );
    let config = load(&text).unwrap();
    let [first, second] = config.wake() else { panic!("{:?}", config.wake()) };
    let bob = WakePeer::Entity("bob".parse().unwrap());
    assert_eq!(first.peers, [bob, WakePeer::Key(fingerprint.parse().unwrap()), WakePeer::Pinned]);
    let command = vec!["/bin/agent".to_owned(), "--go".to_owned()];
    assert_eq!(first.adapter, Adapter::Command { command, replace: false });
    assert_eq!(
        (first.timeout, first.cooldown, first.max_per_hour),
        (Duration::from_secs(20), Duration::from_secs(5), 60)
    );
    assert_eq!(second.adapter, Adapter::Client);
    assert_eq!(
        (second.timeout, second.cooldown, second.max_per_hour),
        (Duration::from_secs(3), Duration::ZERO, 7)
    );
}

#[test]
fn every_adapter_says_what_it_needs() {
    wrong("", &["line 1, key `adapter` of [[wake]]", "\"\" is none of command, systemd"]);
    wrong("adapter = 'shell'", &["line 3, key `adapter`", "\"shell\" is none of"]);
    for (adapter, key) in
        [("command", "command"), ("systemd", "unit"), ("tmux", "target"), ("webhook", "url")]
    {
        wrong(&format!("adapter = '{adapter}'"), &[&format!("needs `{key}`")]);
    }
    wrong("adapter = 'client'\nunit = 'a.service'", &["line 4, key `unit`", "remove it"]);
    wrong("adapter = 'client'\nsehll = 'x'", &["sehll", "unknown field"]);
    let error = load("[[wake]]\nadapter = 'client'").unwrap_err().to_string();
    assert!(error.contains("key `peers`") && error.contains("the list is empty"), "{error}");
    let second = "adapter = 'client'\n[[wake]]\npeers = ['x']\nadapter = 'client'\ntimeout = '1h'";
    wrong(second, &["line 7, key `timeout`", "out of bounds"]);
    wrong("adapter = 'client'\nmax_per_hour = 0", &["key `max_per_hour`", "at least 1"]);
}

#[test]
fn nothing_can_be_taken_for_an_option_or_a_path() {
    for unit in ["--now", "../x.service", "a b.service", "", ".hidden", "x;y", "a\\u0000b"] {
        wrong(
            &format!("adapter = 'systemd'\nunit = \"{unit}\""),
            &["key `unit`", "name of a unit"],
        );
    }
    for target in ["-t", "", "a\\nb"] {
        let text = format!("adapter = 'tmux'\ntext = 'go'\ntarget = \"{target}\"");
        wrong(&text, &["key `target`", "no option"]);
    }
    wrong("adapter = 'tmux'\ntarget = 'a'\ntext = \"a\\nb\"", &["key `text`", "one line"]);
    wrong("adapter = 'tmux'\ntarget = 'a'\ntext = 'b'\nsocket = '-S'", &["key `socket`"]);
    wrong("adapter = 'tmux'\ntarget = 'a'\ntext = 'b'\nprogram = 'tmux'", &["absolute path"]);
    for command in ["[]", "['']", "['./agent']", "['bin/agent', 'x']", "[\"/bin/a\\u0000\"]"] {
        wrong(&format!("adapter = 'command'\ncommand = {command}"), &["key `command`"]);
    }
    let pane =
        rule("adapter = 'tmux'\ntarget = 'agent:0'\ntext = '--go {nonce}; x'\nenter = false");
    assert!(matches!(pane.adapter, Adapter::Tmux { enter: false, socket: None, .. }));
}

#[test]
fn plain_http_stays_on_this_machine_unless_the_operator_says_so() {
    let webhook = |url: &str| format!("adapter = 'webhook'\nurl = '{url}'");
    for url in
        ["http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]:1/", "https://a.example/"]
    {
        assert!(matches!(rule(&webhook(url)).adapter, Adapter::Webhook { .. }), "{url}");
    }
    for url in
        ["http://a.example/", "http://192.0.2.1/", "http://127.0.0.1.a.example/", "http://0.0.0.0/"]
    {
        wrong(&webhook(url), &["key `url`", "is another machine", "allow_http"]);
    }
    rule(&format!("{}\nallow_http = true", webhook("http://a.example/")));
    for url in ["ftp://a.example/", "a.example", "https://u:p@a.example/", "file:///etc/passwd"] {
        wrong(&webhook(url), &["key `url`", "an https:// or http:// URL"]);
    }
    wrong(&format!("{}\ntoken_file = 'token'", webhook("https://a.example/")), &["absolute path"]);
}

#[test]
fn rules_are_bounded() {
    let many = "[[wake]]\npeers = ['x']\nadapter = 'client'\n".repeat(MAX_WAKE_RULES + 1);
    assert!(load(&many).unwrap_err().to_string().contains("33 are too many"));
    let peers = vec!["'x'"; MAX_PEERS + 1].join(", ");
    let error = load(&format!("[[wake]]\nadapter = 'client'\npeers = [{peers}]")).unwrap_err();
    assert!(error.to_string().contains("257 are too many"), "{error}");
}
