//! What an operator writes: the configuration, a registry, the list of trusted keys; and single words.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use peer_node::config::{
    Layer, NodeConfig, Origin, Settings, dial_address, external_address, format_duration,
    format_size, listen_address, parse_duration, parse_size,
};
use peer_node::fuzzing;
use peer_node::trust_file::TrustFile;
use peer_protocol::identity::TrustPolicy;

/// The first byte says what the rest is: a configuration, a registry file, or a list of trusted keys.
pub fn operator(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    match (first % 3, std::str::from_utf8(rest)) {
        (0, Ok(text)) => configuration(text),
        (1, Ok(text)) => registry_file(text),
        (_, _) => trust_file(rest),
    }
}

/// What is read is written and read again as the same. What is wrong with it is said with its place.
fn configuration(text: &str) {
    let Ok(mut settings) = toml::from_str::<Settings>(text) else { return };
    let written = toml::to_string(&settings).expect("settings can be written");
    assert_eq!(toml::from_str::<Settings>(&written).as_ref(), Ok(&settings));
    // Files that it names are not the fuzzer's to open.
    settings.private_network = None;
    let path = PathBuf::from("/nowhere/config.toml");
    let origin = Origin::File { path, text: text.to_owned() };
    match NodeConfig::from_layers(&[Layer::new(origin, settings.clone())]) {
        Ok(config) => {
            // The same settings again over themselves change nothing.
            let twice =
                [Origin::Environment, Origin::Flags].map(|it| Layer::new(it, settings.clone()));
            let again = NodeConfig::from_layers(&twice).expect("they were fine before");
            assert_eq!(again.listen(), config.listen());
            assert_eq!(again.session_lifetime(), config.session_lifetime());
            assert_eq!(again.max_connections(), config.max_connections());
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty());
            let line = said.split("line ").nth(1).and_then(|rest| rest.split([',', ':']).next());
            if let Some(line) = line.and_then(|line| line.parse::<usize>().ok()) {
                assert!((1..=text.lines().count().max(1)).contains(&line), "{said}");
            }
        }
    }
}

/// Each entity stands there once.
fn registry_file(text: &str) {
    if let Ok(mut names) = fuzzing::registry_file(text) {
        let len = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), len);
    }
}

/// What is read is saved and read again as the same; what cannot be read is left as it is.
fn trust_file(bytes: &[u8]) {
    let scratch = Scratch::new();
    fs::write(&scratch.0, bytes).expect("room in the temporary directory");
    fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o600)).expect("its own file");
    match TrustFile::load(&scratch.0, TrustPolicy::PinnedOnly) {
        Ok(file) => {
            TrustFile::save(&scratch.0, file.store()).expect("room for a list");
            let again = TrustFile::load(&scratch.0, TrustPolicy::PinnedOnly);
            assert_eq!(again.expect("it was just written").store(), file.store());
        }
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.next_step().is_empty());
            assert_eq!(fs::read(&scratch.0).expect("it is still there"), bytes);
        }
    }
}

/// A file that is gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("peer-fuzz-{}-trust.json", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing is lost if it stays.
        let _ = fs::remove_file(&self.0);
    }
}

/// Single words of configuration, command line and requests.
pub fn words(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(duration) = parse_duration(text) {
        let written = format_duration(duration);
        assert_eq!(parse_duration(&written), Ok(duration), "{text:?} was written as {written:?}");
    }
    if let Ok(size) = parse_size(text) {
        let written = format_size(size);
        assert!(parse_size(&written).is_ok(), "{text:?} was written as {written:?}");
    }
    for parse in [listen_address, dial_address, external_address] {
        if let Ok(address) = parse(text) {
            assert_eq!(parse(&address.to_string()).ok(), Some(address));
        }
    }
    for written in fuzzing::names(text).into_iter().flatten() {
        assert!(fuzzing::names(&written).contains(&Some(written.clone())), "{text:?}: {written:?}");
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let config = "entity = \"alice\"\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\ntrust_policy = \"pinned-only\"\nsession_lifetime = \"30m\"\nsuites = [\"aes-256-gcm\"]\nmax_connections = 100\ncapabilities = [\"translate\"]\n[rate]\ntask = { per_minute = 5, burst = 6 }\n[transfers]\naccept_files = \"pinned\"\n[api]\nlisten = \"127.0.0.1:0\"\n[[wake]]\nagent = \"bob\"\n";
    let peer = "12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo";
    let registry = format!(
        "[[entity]]\nid = \"bob\"\naddresses = [\"/ip4/192.0.2.1/tcp/4711/p2p/{peer}\"]\ncapabilities = [\"search\"]\n"
    );
    let all = peer_node::config::template(None);
    let trust = crate::fuzzing::seeds::trust_stores().into_iter().map(|store| {
        let store = String::from_utf8(store).expect("JSON is text");
        format!("{{\"version\":1,\"trust\":{store}}}")
    });
    let behind = |first: u8, text: &str| [&[first], text.as_bytes()].concat();
    [behind(0, config), behind(1, &registry), behind(0, &all)]
        .into_iter()
        .chain(trust.map(|text| behind(2, &text)))
        .collect()
}

pub(super) fn words_seeds() -> Vec<Vec<u8>> {
    let words = [
        "30m",
        "1h30m",
        "500ms",
        "64 MiB",
        "10 kB",
        "/ip4/127.0.0.1/udp/0/quic-v1",
        "/dns4/example.org/tcp/443/wss",
        "n17",
        "3f2a91c0-0b4e",
        "00112233445566778899aabbccddeeff",
        "18446744073709551615",
    ];
    words.into_iter().map(|word| word.as_bytes().to_vec()).collect()
}
