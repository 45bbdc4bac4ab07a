//! What the machine has to have.

use std::os::unix::fs::MetadataExt as _;

use crate::network::{Namespace, PREFIX, run};

/// Why no network can be made here, if none can.
pub(crate) fn missing() -> Option<String> {
    if std::fs::metadata("/proc/self").map_or(true, |own| own.uid() != 0) {
        return Some("network namespaces need root".to_owned());
    }
    for (tool, package) in [("ip", "iproute2"), ("nft", "nftables")] {
        if run(tool, "-V").is_err() {
            return Some(format!("`{tool}` is not installed (apt-get install {package})"));
        }
    }
    let name = format!("{PREFIX}{}-try", std::process::id());
    let tried = Namespace::new(name).and_then(|namespace| {
        namespace.ip("link add try type bridge")?;
        namespace.rules("table inet try { }")
    });
    tried.err().map(|finding| format!("this kernel does not allow it: {finding}"))
}
