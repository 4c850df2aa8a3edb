//! (in work)
pub enum Turn { None, Done, Interrupted, Failed, Open{} }
pub struct Digest { pub turn: Turn }
impl Digest { pub fn in_flight(&self) -> Vec<crate::crashes::ToolCall> { vec![] } }
impl std::fmt::Debug for Digest { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("") } }
