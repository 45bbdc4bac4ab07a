//! Buffers that nobody needs any more go back to the allocator.

use std::time::Duration;

use peer_protocol::spare;
use peer_protocol::time::Instant;

use super::EventLoop;

/// How often. What bulk uses again and again stays.
const EVERY: Duration = Duration::from_secs(10);

impl EventLoop {
    pub(super) fn tick_spare(&mut self, now: Instant) {
        if now >= self.give_back_at {
            self.give_back_at = now + EVERY;
            spare::give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NodeConfig;
    use crate::{Node, Store};

    #[tokio::test(start_paused = true)]
    async fn a_node_that_has_nothing_to_do_keeps_no_buffers() {
        let config = NodeConfig::default().with_listen(Vec::new());
        let config = config.with_mdns(false).with_upnp(false);
        let node = Node::builder().config(config).store(Store::in_memory().unwrap());
        let node = node.start().await.unwrap();
        for _ in 0..4 {
            spare::give(vec![0; 1 << 20]);
        }
        assert!(spare::kept_bytes() >= 4 << 20);
        // Once to see that they lie there, once to find that they still do.
        tokio::time::sleep(2 * EVERY + Duration::from_secs(1)).await;
        assert_eq!(spare::kept_bytes(), 0);
        node.handle().shutdown().await;
    }
}
