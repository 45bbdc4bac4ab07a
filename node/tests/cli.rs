//! The binary as people and scripts see it: what it prints, and how it exits.
#![expect(clippy::unwrap_used, reason = "a failed test says where")]

mod support;

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};

use support::{Ended, Home};

const COMMANDS: [&[&str]; 27] = [
    &[],
    &["init"],
    &["run"],
    &["id"],
    &["status"],
    &["peers"],
    &["connect"],
    &["talk"],
    &["report"],
    &["wake"],
    &["awake"],
    &["alive"],
    &["restart"],
    &["trust"],
    &["trust", "list"],
    &["trust", "pin"],
    &["trust", "revoke"],
    &["listen"],
    &["outbox"],
    &["outbox", "list"],
    &["outbox", "show"],
    &["outbox", "cancel"],
    &["outbox", "retry"],
    &["inbox"],
    &["inbox", "show"],
    &["inbox", "ack"],
    &["trace"],
];

#[test]
fn every_command_explains_itself() {
    let home = Home::new();
    for command in COMMANDS {
        let ended = home.peer(&[command, &["--help"]].concat());
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{command:?}");
        for part in ["Usage: peer", "--json", "--data-dir", "PEER_DATA_DIR", "--help"] {
            assert!(ended.out.contains(part), "{part} in {}", ended.out);
        }
    }
    let root = home.peer(&["--help"]).out;
    assert!(root.contains("Exit codes:") && root.contains(" 10  not delivered"), "{root}");
    assert!(home.peer(&["--version"]).out.starts_with("peer "));
    assert!(!home.path("").exists(), "asking for help makes no files");
}

#[test]
fn misuse_is_told_and_exits_with_2() {
    let home = Home::new();
    for arguments in [
        &[][..],
        &["dance"],
        &["talk"],
        &["status", "--colour"],
        &["talk", "a", "x", "--timeout", "soon"],
        &["listen", "--parallel", "2"],
        &["report", "a", "x", "--require", "read"],
        &["outbox", "cancel"],
        &["inbox", "ack", "17"],
        &["trace", "abc"],
        &["listen", "--exec", "cat", "--parallel", "0"],
        &["trust", "pin", "a"],
        &["run", "--max-connections", "-1"],
    ] {
        let ended = home.peer(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(!ended.err.is_empty());
    }
}

#[test]
fn init_makes_a_private_key_once() {
    let home = Home::new();
    let made = home.peer(&["init", "--entity", "エンティティ"]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    assert!(made.out.contains("エンティティ") && made.out.contains("peer run"), "{}", made.out);
    for (name, mode) in [("", 0o700), ("key", 0o600), ("config.toml", 0o600)] {
        assert_eq!(fs::metadata(home.path(name)).unwrap().mode() & 0o7777, mode, "{name}");
    }
    let key = fs::read(home.path("key")).unwrap();
    let config = fs::read(home.path("config.toml")).unwrap();
    fs::remove_file(home.path("config.toml")).unwrap();
    home.peer(&["init"]).failed(7, &["never overwritten", "mv "]);
    let again = home.peer(&["--json", "init"]);
    assert_eq!((again.code, again.json()["error"]["kind"].as_str()), (Some(7), Some("key_exists")));
    assert_eq!(fs::read(home.path("key")).unwrap(), key);
    assert!(!home.path("config.toml").exists(), "it changes nothing at all");
    fs::write(home.path("config.toml"), config).unwrap();

    let id = home.peer(&["id"]);
    assert_eq!(id.code, Some(0));
    let json = home.peer(&["id", "--json"]).json();
    assert_eq!(json["entity"], "エンティティ");
    let fingerprint = json["fingerprint"].as_str().unwrap();
    let groups: Vec<&str> = fingerprint.split(' ').collect();
    assert!(groups.len() == 8 && groups.iter().all(|group| group.len() == 8), "{fingerprint}");
    assert!(id.out.contains(fingerprint) && made.out.contains(fingerprint));
    assert!(json["peer_id"].as_str().unwrap().starts_with("12D3KooW"));
}

#[test]
fn init_keeps_a_configuration_and_says_if_it_will_not_do() {
    let home = Home::new();
    fs::create_dir(home.path("")).unwrap();
    fs::write(home.path("config.toml"), "entity = \"mine\"\n").unwrap();
    home.peer(&["init", "--entity", "other"]).failed(7, &["config.toml", "not changed"]);
    assert!(!home.path("key").exists());
    let made = home.peer(&["init"]);
    assert!(made.out.contains("mine") && made.out.contains("kept as it was"), "{}", made.out);

    let home = Home::new();
    fs::create_dir(home.path("")).unwrap();
    fs::write(home.path("config.toml"), "entitty = \"mine\"\n").unwrap();
    home.peer(&["init"]).failed(7, &["line 1", "unknown field `entitty`"]);
    home.peer(&["init", "--entity", ""]).code.filter(|code| *code == 2).unwrap();
}

#[test]
fn the_printed_configuration_is_valid() {
    let home = Home::new();
    let printed = home.peer(&["init", "--print-config"]);
    assert!(printed.out.contains("# listen = ["), "{}", printed.out);
    assert!(!home.path("").exists());
    fs::create_dir(home.path("")).unwrap();
    fs::write(home.path("config.toml"), printed.out).unwrap();
    assert_eq!(home.peer(&["init"]).code, Some(0));
}

#[test]
fn an_entity_id_that_belongs_to_another_key_is_refused() {
    let home = Home::initialised();
    let derived = "ent-aaaaaaaaaaaaaaaa";
    let ended: Ended = home.command(&["id"]).env("PEER_ENTITY", derived).output().unwrap().into();
    ended.failed(7, &[derived, "reserved"]);
}

#[test]
fn a_bad_configuration_names_file_line_and_remedy() {
    for (text, parts) in [
        ("entity = 'a'\nlisten_on = []\n", &["line 2", "listen_on", "expected one of"][..]),
        ("three_way = 'yes'", &["line 1", "boolean"]),
        ("listen = '/ip4/127.0.0.1/tcp/1'", &["line 1", "sequence"]),
        ("\nlisten = ['127.0.0.1:80']", &["line 2", "`listen`", "127.0.0.1:80"]),
        ("bootstrap = ['/ip4/127.0.0.1/tcp/1/p2p/abc']", &["line 1", "`bootstrap`"]),
        ("session_lifetime = 'forever'", &["line 1", "30s"]),
        ("= 5", &["line 1"]),
        ("[rate.tasks]\nburst = 1", &["unknown field `tasks`"]),
    ] {
        let home = Home::initialised();
        fs::write(home.path("config.toml"), text).unwrap();
        for command in ["id", "run"] {
            let ended = home.peer(&[command]);
            ended.failed(7, &["config.toml", "--print-config"]);
            ended.failed(7, parts);
        }
    }
    let home = Home::initialised();
    home.peer(&["run", "--listen", "here"]).failed(7, &["flag --listen", "here"]);
    home.peer(&["run", "--suites", "ROT13"]).failed(7, &["flag --suites", "AES-256-GCM"]);
    let ended: Ended =
        home.command(&["run"]).env("PEER_THREE_WAY", "maybe").output().unwrap().into();
    ended.failed(7, &["environment variable PEER_THREE_WAY", "true, false"]);
}

#[test]
fn a_bad_key_is_refused_with_the_remedy() {
    for command in ["id", "run"] {
        let home = Home::initialised();
        let key = home.path("key");
        fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
        let fix = format!("chmod 600 {}", key.display());
        home.peer(&[command]).failed(7, &["0644", &fix]);
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        let text = fs::read_to_string(&key).unwrap();
        fs::write(&key, &text[..text.len() - 10]).unwrap();
        home.peer(&[command]).failed(7, &["is no key file", "64 hex digits"]);
        fs::write(&key, "").unwrap();
        home.peer(&[command]).failed(7, &["it is empty"]);
        fs::remove_file(&key).unwrap();
        fs::create_dir(&key).unwrap();
        home.peer(&[command]).failed(7, &["no regular file"]);
        fs::remove_dir(&key).unwrap();
    }
    Home::new().peer(&["id"]).failed(7, &["there is no key", "peer init"]);
}

#[test]
fn a_bad_trust_list_or_data_directory_is_refused() {
    let home = Home::initialised();
    fs::write(home.path("trust.json"), "{").unwrap();
    fs::set_permissions(home.path("trust.json"), Permissions::from_mode(0o600)).unwrap();
    home.peer(&["run"]).failed(7, &["is no trust list", "mv "]);
    assert_eq!(fs::read_to_string(home.path("trust.json")).unwrap(), "{");
    fs::set_permissions(home.path(""), Permissions::from_mode(0o777)).unwrap();
    home.peer(&["run"]).failed(7, &["0777", "chmod 700"]);

    let home = Home::new();
    let long = home.path(&"x".repeat(120));
    let long = long.to_str().unwrap();
    home.peer(&["--data-dir", long]).code.filter(|code| *code == 2).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
    command.env("PEER_MDNS", "off").env("PEER_UPNP", "off");
    let ended: Ended = command.args(["run", "--data-dir", long]).output().unwrap().into();
    ended.failed(7, &["too many for a Unix socket", "--data-dir"]);
}

#[test]
fn without_a_node_commands_say_how_to_start_one() {
    let home = Home::initialised();
    let dir = home.path("");
    let dir = dir.to_str().unwrap().trim_end_matches('/');
    for arguments in [&["status"][..], &["talk", "a", "x"], &["listen"], &["outbox"], &["inbox"]] {
        home.peer(arguments).failed(3, &[dir, "no node runs on", "peer run"]);
    }
    // The socket of a node that was killed changes nothing.
    drop(std::os::unix::net::UnixListener::bind(home.path("api.sock")).unwrap());
    home.peer(&["status"]).failed(3, &["no node runs on"]);
    let json = home.peer(&["status", "--json"]);
    assert_eq!((json.code, json.err.as_str()), (Some(3), ""));
    assert_eq!(json.json()["error"]["kind"], "no_node");
}

#[test]
fn oversized_content_is_refused_before_it_is_sent() {
    let home = Home::initialised();
    let path = home.temp.path().join("big");
    fs::File::create(&path).unwrap().set_len((64 << 20) + 1).unwrap();
    let argument = format!("@{}", path.display());
    home.peer(&["talk", "a", &argument]).failed(9, &["67108865", "67108864", "64 MiB"]);
    home.peer(&["report", "a", "s", &argument]).failed(9, &["67108865"]);
    let mut child = home
        .command(&["talk", "a", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It stops reading as soon as it knows, so that writing may fail.
    let _ = child.stdin.take().unwrap().write_all(&vec![b'x'; 65 << 20]);
    let ended: Ended = child.wait_with_output().unwrap().into();
    ended.failed(9, &["standard input", "more than 67108864"]);
    home.peer(&["talk", "a", "@/nonexistent"]).failed(1, &["/nonexistent"]);
}

#[test]
fn colours_are_for_those_who_want_them() {
    let home = Home::new();
    let plain = home.peer(&["id"]).err;
    assert!(!plain.contains('\x1b'), "no terminal, no colours");
    let coloured = home.peer(&["id", "--color", "always"]).err;
    assert!(coloured.contains("\x1b["), "{coloured}");
    assert!(!home.peer(&["id", "--color", "never"]).err.contains('\x1b'));
    let run = |name: &str, value: &str| -> Ended {
        home.command(&["id"]).env("CLICOLOR_FORCE", "1").env(name, value).output().unwrap().into()
    };
    assert!(run("X", "1").err.contains('\x1b'));
    assert!(!run("NO_COLOR", "1").err.contains('\x1b'));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let home = Home::initialised();
    for arguments in [&["id"][..], &["id", "--json"], &["init", "--print-config"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended: Ended = home
            .command(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap()
            .into();
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn wrong_usage_is_json_too_where_json_is_asked_for() {
    let home = Home::new();
    let ended = home.peer(&["--json", "ping"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(2), ""));
    let error = &ended.json()["error"];
    assert_eq!(error["kind"], "usage");
    assert!(error["detail"].as_str().unwrap().contains("<PEER>"), "{error}");
    assert_eq!(home.peer(&["--json", "--help"]).code, Some(0));
}
