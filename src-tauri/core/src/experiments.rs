//! Experiments: what a change of a setting does, told from chats that got it by chance and chats that did not.
//! Everything here may be looked at after every session without a verdict becoming less true.

pub mod assignment;
pub mod audit;
pub mod contest;
pub mod evidence;
pub mod improvement;
pub mod judge;
pub mod machine;
pub mod outcomes;
pub mod ratio;
pub mod safety;
