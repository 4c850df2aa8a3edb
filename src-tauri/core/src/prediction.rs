//! Prediction: how likely a chat is to crash within the hour, learned from this machine's own
//! history. Nothing is claimed that was not scored on what happened, and nothing is done here about it.

pub mod alarms;
pub mod features;
pub mod hazard;
pub mod model;
pub mod scoring;
pub mod training;
