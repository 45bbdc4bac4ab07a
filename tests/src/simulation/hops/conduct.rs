//! What a node does with packets that it is to carry.

/// How a node behaves towards others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// As the protocol says.
    Honest,
    /// It keeps its connections and answers nothing.
    Silent,
    /// It answers with an outcome that does not hold, such as an answer that nobody signed.
    Garbage,
    /// It refuses with any reason.
    Refusing,
    /// It hands each packet to all its neighbours, back to where it came from too, with a full hop
    /// limit, and tells the first outcome.
    Flooding,
}

impl Conduct {
    /// Those of nodes that are not honest.
    pub const FOUL: [Self; 4] = [Self::Silent, Self::Garbage, Self::Refusing, Self::Flooding];
}
