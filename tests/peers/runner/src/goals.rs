//! What ours is to be, of a rival's number.

use peer_contest::Workload;

use crate::contestant::Contestant;

/// At most, or at least, that much of the rival's number; `None` without a goal.
pub(crate) const fn goal(workload: Workload, rival: Contestant) -> Option<f64> {
    match (workload, rival) {
        (Workload::Ask64 | Workload::Ask1k, Contestant::RequestResponse) => Some(0.65),
        (Workload::Ask64 | Workload::Ask1k, Contestant::GrpcCalls) => Some(1.1),
        (Workload::Flow1k, Contestant::RequestResponse) => Some(10.0),
        (Workload::Flow1k, Contestant::GrpcCalls) => Some(4.0),
        (Workload::Flow1k, Contestant::IrohCalls) => Some(1.0),
        (Workload::Bulk256k | Workload::Bulk1m, Contestant::Raw) => Some(0.8),
        (Workload::Bulk256k | Workload::Bulk1m, Contestant::IrohCalls) => Some(1.0),
        _ => None,
    }
}
