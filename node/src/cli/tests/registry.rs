//! The registry's commands against a fake node.

use super::*;

#[tokio::test]
async fn a_lookup_shows_key_addresses_and_rivals() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["lookup", "entity_b"]).await;
    assert_eq!(ended.exit, Exit::Ok);
    for part in [
        "entity       entity_b",
        &fingerprint().to_string(),
        "trust        seen",
        "can do       ocr, translate",
        "2023-11-14 22:13:20Z, holds until 2023-11-15",
        "--fresh asks again",
        "  /ip4/192.0.2.7/tcp/4711\n",
        "also claimed by the key",
        "found in 31 ms, after 7 requests",
    ] {
        assert!(ended.out.contains(part), "{part:?} in {}", ended.out);
    }
    let json = rig.peer(&["--json", "lookup", "--fresh", "entity_b"]).await.json();
    assert_eq!((&json["listing"]["source"], &json["asked"]), (&"registry".into(), &7.into()));
}

#[tokio::test]
async fn nobody_found_is_a_failure_of_its_own() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["lookup", "missing"]).await;
    assert_eq!(ended.exit, Exit::Unreachable);
    assert!(
        ended.err.contains("the registry does not know it, after 20 requests"),
        "{}",
        ended.err
    );
    let json = rig.peer(&["--json", "lookup", "missing"]).await.json();
    assert_eq!(json["error"]["kind"], "not_found");
    assert_eq!(json["error"]["code"], "DHT_ERROR");
    let ended = rig.peer(&["discover", "unknown"]).await;
    assert_eq!(ended.exit, Exit::Unreachable);
    assert!(ended.out.contains("nobody was found"), "{}", ended.out);
}

#[tokio::test]
async fn a_search_lists_whom_it_found_and_says_whether_there_may_be_more() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["discover", "ocr,translate"]).await;
    assert_eq!(ended.exit, Exit::Ok);
    for part in ["entity_b", "entity_c", "and 1 more", "2 found in 55 ms", "1 entries were dropped"]
    {
        assert!(ended.out.contains(part), "{part:?} in {}", ended.out);
    }
    assert!(!ended.out.contains("there may be more"));
    let ended = rig.peer(&["discover", "ocr", "--limit", "1"]).await;
    assert!(ended.out.contains("there may be more"), "{}", ended.out);
    for wrong in [["discover", "a\u{7}", "--limit", "1"], ["discover", "ocr", "--limit", "0"]] {
        let ended = rig.peer(&wrong).await;
        assert_eq!(ended.exit, Exit::Usage, "{wrong:?}: {}", ended.err);
    }
}

#[tokio::test]
async fn registering_says_how_many_nodes_took_it() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["register", "ocr", "draw"]).await;
    assert_eq!(ended.exit, Exit::Ok);
    assert!(ended.out.contains("can do       ocr, draw"), "{}", ended.out);
    assert!(ended.out.contains("under 3 of 3 keys, after 42 ms"), "{}", ended.out);
    let ended = rig.peer(&["register", "--remove", "ocr"]).await;
    assert!(ended.out.contains("no other node keeps it yet"), "{}", ended.out);
}

#[tokio::test]
async fn the_dht_is_shown_with_its_table_and_what_was_refused() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["dht"]).await;
    for part in [
        "server (it has a public address)",
        "1 peers in 1 buckets",
        "12 kept for others, 3 own",
        "1 running, 0 waiting, 88 done, 2 out of time",
        "5 bad signature",
        "under 3 of 3 keys",
        "2^256",
    ] {
        assert!(ended.out.contains(part), "{part:?} in {}", ended.out);
    }
    let ended = rig.peer(&["dht", "--peers"]).await;
    assert!(ended.out.contains("/ip4/192.0.2.7/tcp/4711"), "{}", ended.out);
}

#[tokio::test]
async fn pings_show_the_way_and_the_times() {
    let rig = Rig::start().await;
    let ended = rig.peer(&["ping", "entity_b", "--count", "2", "--interval", "100ms"]).await;
    assert_eq!(ended.exit, Exit::Ok);
    let line = "entity_b answered in 812 µs, direct at /ip4/127.0.0.1/tcp/4711";
    assert!(ended.out.contains(&format!("1  {line}")), "{}", ended.out);
    assert!(ended.out.contains("2 of 2 answered; round trip 812 µs at best"), "{}", ended.out);
    let dead = rig.peer(&["--json", "ping", "dead", "-c", "1"]).await;
    assert_eq!(dead.exit, Exit::Unreachable);
    let json = dead.json();
    assert_eq!((&json["sent"], &json["answered"]), (&1.into(), &0.into()));
    assert_eq!(json["pings"][0]["error"], "connection refused");
    let hasty = rig.peer(&["ping", "entity_b", "-i", "1ms"]).await;
    assert_eq!(hasty.exit, Exit::Usage);
}
