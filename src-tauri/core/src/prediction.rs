//! Prediction: how likely a chat is to crash within the next quarter of an hour, learned from this machine's own
//! history. Nothing is claimed that was not scored on what happened.

pub mod hazard;
