//! `peer completions` and `peer man`.

use super::*;

#[tokio::test]
async fn completions_name_every_command() {
    let rig = Rig::without_node();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = rig.peer(&["completions", shell]).await;
        assert_eq!((ended.exit, ended.err.as_str()), (Exit::Ok, ""), "{shell}");
        for command in Cli::command().get_subcommands() {
            assert!(ended.out.contains(command.get_name()), "{shell}: {}", command.get_name());
        }
    }
    let json = rig.peer(&["--json", "completions", "bash"]).await.json();
    assert_eq!(json["shell"], "bash");
}

#[tokio::test]
async fn every_command_has_a_page_and_what_is_below_it_too() {
    let rig = Rig::without_node();
    let dir = rig.temp.path().join("a/man1");
    let json = rig.peer(&["--json", "man", dir.to_str().unwrap()]).await.json();
    let pages: Vec<&str> =
        json["pages"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
    let count = std::fs::read_dir(&dir).unwrap().count();
    assert_eq!(pages.len(), count);
    for command in Cli::command().get_subcommands() {
        let page = format!("peer-{}.1", command.get_name());
        assert!(pages.contains(&page.as_str()), "{page}");
    }
    assert!(pages.contains(&"peer.1") && pages.contains(&"peer-trust-pin.1"), "{pages:?}");

    let page = rig.peer(&["man"]).await.out;
    assert_eq!(page.trim_end(), std::fs::read_to_string(dir.join("peer.1")).unwrap().trim_end());
    let file = rig.temp.path().join("file");
    std::fs::write(&file, "").unwrap();
    let ended = rig.peer(&["man", file.to_str().unwrap()]).await;
    assert_eq!(ended.exit, Exit::Failed);
    assert!(ended.err.contains("cannot write manual pages"), "{}", ended.err);
}
