use std::path::Path;

use super::*;

fn file(text: &str) -> Result<Vec<Layer>, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    Ok(Layer::read(&path)?.into_iter().collect())
}

fn load(text: &str) -> Result<NodeConfig, ConfigError> {
    NodeConfig::from_layers(&file(text)?)
}

fn message(text: &str) -> String {
    load(text).unwrap_err().to_string()
}

#[test]
fn no_file_means_the_defaults() {
    assert_eq!(Layer::read(Path::new("/nonexistent/config.toml")), Ok(None));
    assert_eq!(NodeConfig::from_layers(&[]), Ok(NodeConfig::default()));
}

#[test]
fn the_template_holds_the_defaults() {
    assert_eq!(load(&template(None)), Ok(NodeConfig::default()));
    let uncommented: String = template(None)
        .lines()
        .filter(|line| !line.contains("<peer id>") && !line.contains("<path>"))
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.contains(" = ") || rest.starts_with(['[', ']', ' ']) => rest,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let expected = NodeConfig::default().with_entity("my_entity".parse().unwrap());
    assert_eq!(load(&uncommented), Ok(expected), "{uncommented}");
}

#[test]
fn the_template_quotes_any_entity() {
    for name in ["entity_a", "エンティティ", r#"a "quoted" \ name"#] {
        let entity: EntityId = name.parse().unwrap();
        let config = load(&template(Some(&entity))).unwrap();
        assert_eq!(config.entity(), Some(&entity));
    }
}

#[test]
fn environment_overrides_the_file_and_flags_override_both() {
    let mut layers =
        file("three_way = true\nentity = 'f'\nsuites = ['AES-256-GCM']\nlegacy = false").unwrap();
    let variables = |name: &str| match name {
        "PEER_ENTITY" => Some("e".to_owned()),
        "PEER_LISTEN" => Some("/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2".to_owned()),
        "PEER_LEGACY" => Some("yes".to_owned()),
        "PEER_SUITES" => Some(String::new()),
        _ => None,
    };
    let environment = Settings::from_environment(variables).unwrap();
    layers.push(Layer::new(Origin::Environment, environment));
    let flags =
        Settings { listen: Some(vec!["/ip6/::1/udp/3/quic-v1".to_owned()]), ..Settings::default() };
    layers.push(Layer::new(Origin::Flags, flags));
    let config = NodeConfig::from_layers(&layers).unwrap();
    assert_eq!(config.entity().map(EntityId::as_str), Some("e"));
    assert!(config.three_way());
    assert!(config.legacy());
    assert_eq!(config.suites(), ["AES-256-GCM"]);
    assert_eq!(config.listen(), ["/ip6/::1/udp/3/quic-v1".parse().unwrap()]);
}

#[test]
fn errors_name_the_place_and_what_is_expected() {
    let unknown = message("entity = 'a'\nthreeway = true\n");
    assert!(unknown.contains("line 2"), "{unknown}");
    assert!(unknown.contains("unknown field `threeway`"), "{unknown}");
    let kind = message("\nthree_way = \"yes\"\n");
    assert!(kind.contains("line 2") && kind.contains("expected a boolean"), "{kind}");
    let syntax = message("listen = [\n");
    assert!(syntax.contains("config.toml, line"), "{syntax}");
    let address = message("# x\nlisten = ['/ip4/1.2.3/tcp/1']\n");
    assert!(address.contains("line 2, key `listen`"), "{address}");
    let nested = message("[rate.task]\nburst = 3\nper_hour = 1");
    assert!(nested.contains("line 3") && nested.contains("per_hour"), "{nested}");
    let lifetime = message("session_lifetime = '48h'");
    assert!(lifetime.contains("48h is out of bounds: expected 1s to 24h"), "{lifetime}");
    let suites = message("suites = ['AES-256-GCM', 'ROT13']");
    assert!(suites.contains("\"ROT13\"") && suites.contains("ChaCha20-Poly1305"), "{suites}");
    assert!(message("suites = []").contains("no suite"));
    assert!(message("suites = ['AES-256-GCM', 'AES-256-GCM']").contains("each once"));
    assert!(message("trust_policy = 'closed'").contains("open, pinned-only"));
    assert!(message("max_connections = 0").contains("at least 1"));
    assert!(message("max_connections = -1").contains("line 1"));
    assert!(message("entity = ''").contains("1 to 128 bytes"));
}

#[test]
fn errors_name_the_variable_or_flag() {
    let bad = Settings::from_environment(|name| {
        (name == "PEER_MAX_CONNECTIONS").then(|| "many".to_owned())
    });
    let text = bad.unwrap_err().to_string();
    assert!(text.contains("environment variable PEER_MAX_CONNECTIONS: \"many\""), "{text}");
    let flags = Settings { shutdown_grace: Some("soon".to_owned()), ..Settings::default() };
    let error = NodeConfig::from_layers(&[Layer::new(Origin::Flags, flags)]).unwrap_err();
    assert!(error.to_string().starts_with("flag --shutdown-grace: "), "{error}");
}

#[test]
fn a_partial_rate_keeps_the_rest() {
    let config = load("[rate.task]\nburst = 7\n[trusted_rate.chunk]\nper_minute = 9").unwrap();
    let expected = RateProfile::default();
    assert_eq!(config.rate().task.burst, 7);
    assert_eq!(config.rate().task.per_minute, expected.task.per_minute);
    assert_eq!(config.rate().chunk, expected.chunk);
    assert_eq!(config.trusted_rate().chunk.per_minute, 9);
    assert_eq!(config.trusted_rate().chunk.burst, RateProfile::trusted().chunk.burst);
}

#[test]
fn durations_read_back() {
    for text in ["0ms", "500ms", "1s", "90s", "30m", "24h"] {
        assert_eq!(format_duration(parse_duration(text).unwrap()), text);
    }
    assert_eq!(parse_duration("2 min"), Ok(Duration::from_secs(120)));
    assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
    for text in ["", "5", "s", "-1s", "1.5s", "1w", "99999999999999999999s", "9999999999999999h"] {
        assert_eq!(parse_duration(text), Err(BadDuration), "{text}");
    }
}

#[test]
fn addresses_are_checked_for_their_use() {
    for good in ["/ip4/0.0.0.0/tcp/0", "/ip6/::/udp/4711/quic-v1", "/ip4/0.0.0.0/tcp/80/ws"] {
        assert!(listen_address(good).is_ok(), "{good}");
    }
    for bad in [
        "/ip4/1.2.3.4",
        "/dns/a/tcp/1",
        "/ip4/1.2.3.4/udp/1",
        "nonsense",
        "",
        "/ip4/1.2.3.4/tcp/70000",
    ] {
        assert!(listen_address(bad).is_err(), "{bad}");
    }
    let id = "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo";
    for good in [
        "/ip4/1.2.3.4/tcp/1".to_owned(),
        format!("/dns/example.org/udp/1/quic-v1/p2p/{id}"),
        format!("/ip6/2001:db8::1/tcp/1/p2p/{id}"),
        format!("/dns4/example.org/tcp/443/wss/p2p/{id}"),
        "/dns6/example.org/tcp/443/tls/ws".to_owned(),
        format!("/ip4/1.2.3.4/tcp/1/ws/p2p/{id}"),
        format!("/ip4/1.2.3.4/tcp/1/p2p/{id}/p2p-circuit/p2p/{id}"),
        "/dnsaddr/example.org".to_owned(),
        format!("/dnsaddr/example.org/p2p/{id}"),
    ] {
        assert!(dial_address(&good).is_ok(), "{good}");
    }
    for bad in
        ["/ip4/1.2.3.4/tcp/0", "/ip4/1.2.3.4", "/p2p-circuit", "1.2.3.4:5", "/ip4/1.2.3.4/udp/1"]
    {
        assert!(dial_address(bad).is_err(), "{bad}");
    }
}

#[test]
fn settings_of_registry_and_reachability_come_from_every_layer() {
    let mut layers = file(
        "capabilities = ['translate', 'review', 'translate']\ndht = 'client'\nmdns = false\n\
         registry_file = 'peers.json'\nexternal = ['/ip4/192.0.2.1/tcp/1']\nrelays = false",
    )
    .unwrap();
    let config = NodeConfig::from_layers(&layers).unwrap();
    let names: Vec<_> = config.capabilities().iter().map(Capability::as_str).collect();
    assert_eq!(names, ["review", "translate"]);
    assert_eq!((config.dht(), config.mdns(), config.upnp()), (DhtMode::Client, false, true));
    assert_eq!((config.relays(), config.relay_server(), config.carry()), (false, false, true));
    let beside = config.registry_file().unwrap();
    assert!(beside.is_absolute() && beside.ends_with("peers.json"), "{}", beside.display());
    let environment = Settings::from_environment(|name| match name {
        "PEER_MDNS" => Some("on".to_owned()),
        "PEER_CAPABILITIES" => Some("test, deploy".to_owned()),
        "PEER_RELAY_SERVER" => Some("yes".to_owned()),
        "PEER_REGISTRY_FILE" => Some("here.json".to_owned()),
        _ => None,
    });
    layers.push(Layer::new(Origin::Environment, environment.unwrap()));
    let flags = Settings {
        dht: Some("server".to_owned()),
        upnp: Some(false),
        carry: Some(false),
        external: Some(vec!["/dns/example.org/udp/9/quic-v1".to_owned()]),
        ..Settings::default()
    };
    layers.push(Layer::new(Origin::Flags, flags));
    let config = NodeConfig::from_layers(&layers).unwrap();
    let names: Vec<_> = config.capabilities().iter().map(Capability::as_str).collect();
    assert_eq!(names, ["deploy", "test"]);
    assert_eq!((config.dht(), config.mdns(), config.upnp()), (DhtMode::Server, true, false));
    assert_eq!((config.relays(), config.relay_server(), config.carry()), (false, true, false));
    assert_eq!(config.external(), ["/dns/example.org/udp/9/quic-v1".parse().unwrap()]);
    assert_eq!(config.registry_file(), Some(Path::new("here.json")));
}

#[test]
fn wrong_settings_of_registry_and_reachability_are_explained() {
    assert!(message("dht = 'maybe'").contains("auto, server, client, off"));
    let long = message(&format!("capabilities = ['{}']", "x".repeat(65)));
    assert!(long.contains("line 1, key `capabilities`") && long.contains("64 bytes"), "{long}");
    let names: Vec<String> = (0..33).map(|n| format!("'c{n}'")).collect();
    let many = message(&format!("capabilities = [{}]", names.join(", ")));
    assert!(many.contains("33 are too many: expected at most 32"), "{many}");
    for bad in ["/ip4/0.0.0.0/tcp/1", "/ip6/::/tcp/1", "/ip4/1.2.3.4/tcp/0", "/dnsaddr/a.example"] {
        assert!(external_address(bad).is_err(), "{bad}");
    }
    let flags = Settings { capabilities: Some(vec![String::new()]), ..Settings::default() };
    let error = NodeConfig::from_layers(&[Layer::new(Origin::Flags, flags)]).unwrap_err();
    assert!(error.to_string().starts_with("flag --capability: "), "{error}");
    let missing = message("private_network = 'no.key'");
    assert!(missing.contains("key `private_network`") && missing.contains("no.key"), "{missing}");
}

/// The key of a private network protects TCP only.
#[test]
fn a_private_network_refuses_quic() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("swarm.key");
    let key = "/key/swarm/psk/1.0.0/\n/base16/\n".to_owned() + &"5a".repeat(32);
    std::fs::write(&path, key).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let with = |settings: Settings| {
        let settings = Settings { private_network: Some(path.clone()), ..settings };
        NodeConfig::from_layers(&[Layer::new(Origin::Flags, settings)])
    };
    let config = with(Settings::default()).unwrap();
    assert_eq!(config.private_network(), Some(&PrivateNetwork::new([0x5a; 32])));
    let tcp = ["/ip4/0.0.0.0/tcp/4711", "/ip6/::/tcp/4711"].map(|text| text.parse().unwrap());
    assert_eq!(config.listen(), tcp, "the default loses QUIC");
    let default = default_listen().iter().map(ToString::to_string).collect();
    let quic = Some(vec!["/ip4/192.0.2.1/udp/4711/quic-v1".to_owned()]);
    for (settings, flag) in [
        (Settings { listen: quic.clone(), ..Settings::default() }, "--listen"),
        (Settings { listen: Some(default), ..Settings::default() }, "--listen"),
        (Settings { bootstrap: quic.clone(), ..Settings::default() }, "--bootstrap"),
        (Settings { external: quic, ..Settings::default() }, "--external"),
    ] {
        let error = with(settings).unwrap_err().to_string();
        assert!(error.contains(flag) && error.contains("protects TCP only"), "{error}");
    }
    let address = "/ip4/192.0.2.1/udp/4711/quic-v1".parse().unwrap();
    let embedded = config.with_bootstrap(vec![address]);
    assert!(matches!(embedded.check(), Err(InvalidSetting::Bypass { .. })));
}

#[test]
fn where_the_api_listens_comes_from_every_layer() {
    let origin = |settings| Layer::new(Origin::Flags, settings);
    let flag = |listen: &str| {
        let api = Some(ApiSettings { listen: Some(listen.to_owned()) });
        origin(Settings { api, ..Settings::default() })
    };
    let variable = |name: &str| (name == "PEER_API").then(|| "localhost:1".to_owned());
    let environment = Settings::from_environment(variable).unwrap();
    let environment = Layer::new(Origin::Environment, environment);
    let listen = |layers: &[Layer]| NodeConfig::from_layers(layers).map(|it| it.api().listen);
    assert_eq!(listen(&[]), Ok(None));
    let port = |port| Ok(Some(([127, 0, 0, 1], port).into()));
    assert_eq!(listen(std::slice::from_ref(&environment)), port(1));
    assert_eq!(listen(&[environment.clone(), flag("127.0.0.1:2")]), port(2));
    assert_eq!(listen(&[environment, flag("off")]), Ok(None));

    let refused = listen(&[flag("0.0.0.0:1")]).unwrap_err().to_string();
    assert!(refused.starts_with("flag --api: 0.0.0.0:1 can be reached from other"), "{refused}");
    let file = "listen = []\n[api]\nlisten = \"192.0.2.1:80\"\n";
    let refused = load(file).unwrap_err().to_string();
    assert!(refused.contains("config.toml, line 3, key `listen`: 192.0.2.1:80"), "{refused}");
}

#[test]
fn directories_open_to_models_are_relative_to_their_file() {
    let config = load("[mcp]\nfiles = [\"out\", \"/srv/x\"]\n").unwrap();
    let [out, srv] = config.mcp_files() else { panic!("{:?}", config.mcp_files()) };
    assert!(out.is_absolute() && out.ends_with("out"), "{out:?}");
    assert_eq!(srv.to_str(), Some("/srv/x"));
    let variable = |name: &str| (name == "PEER_MCP_FILES").then(|| "/a,/b".to_owned());
    let environment = Settings::from_environment(variable).unwrap();
    let layers = [Layer::new(Origin::Environment, environment)];
    assert_eq!(NodeConfig::from_layers(&layers).unwrap().mcp_files().len(), 2);
    assert!(NodeConfig::default().mcp_files().is_empty());
}
