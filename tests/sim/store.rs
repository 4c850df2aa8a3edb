//! A store that refuses commits when the disk is full, and keeps for ever what it took.

use std::collections::BTreeMap;

use shim_core::{
    chats::ProcessKey,
    journal::Known,
    restore::{Outcome, Step},
    supervisor::NewCrash,
    time::Timestamp,
};

/// The commit was refused; nothing of it was written.
#[derive(Debug)]
pub struct Full;

#[derive(Default)]
pub struct Journal {
    /// All versions of the file, the one that grows last.
    pub generations: Vec<Vec<u8>>,
    pub known: Known,
}

pub struct CrashRow {
    pub crash: NewCrash,
    pub resolved: bool,
}

pub struct RestoreRow {
    pub chat: String,
    pub at: Timestamp,
    pub started: bool,
    /// Empty until the restore has ended.
    pub steps: Vec<Step>,
}

#[derive(Clone)]
pub struct Checkpoint {
    pub chat: String,
    pub generation: usize,
    pub offset: usize,
}

#[derive(Default)]
pub struct Store {
    pub full: bool,
    pub journals: BTreeMap<String, Journal>,
    pub crashes: Vec<CrashRow>,
    pub restores: Vec<RestoreRow>,
    pub checkpoints: Vec<Checkpoint>,
}

impl Store {
    fn commit(&mut self) -> Result<&mut Self, Full> {
        if self.full { Err(Full) } else { Ok(self) }
    }

    /// Writes the file's bytes at `offset` of its last generation. Returns that generation's number.
    pub fn append(&mut self, chat: &str, offset: usize, bytes: &[u8], known: Known) -> Result<usize, Full> {
        let journal = self.commit()?.journals.entry(chat.to_owned()).or_default();
        if journal.generations.is_empty() {
            journal.generations.push(Vec::new());
        }
        let number = journal.generations.len() - 1;
        let generation = &mut journal.generations[number];
        generation.resize(generation.len().max(offset + bytes.len()), 0);
        generation[offset..offset + bytes.len()].copy_from_slice(bytes);
        journal.known = known;
        Ok(number)
    }

    pub fn set_known(&mut self, chat: &str, known: Known) -> Result<(), Full> {
        self.commit()?.journals.entry(chat.to_owned()).or_default().known = known;
        Ok(())
    }

    pub fn begin_generation(&mut self, chat: &str) -> Result<(), Full> {
        let journal = self.commit()?.journals.entry(chat.to_owned()).or_default();
        journal.generations.push(Vec::new());
        journal.known = Known::default();
        Ok(())
    }

    /// A death that is recorded already is left as it is.
    pub fn record_crash(&mut self, crash: &NewCrash) -> Result<(), Full> {
        let store = self.commit()?;
        if !store.crashes.iter().any(|row| row.crash.chat == crash.chat && row.crash.process == crash.process)
        {
            store.crashes.push(CrashRow { crash: crash.clone(), resolved: false });
        }
        Ok(())
    }

    pub fn resolve_crashes(&mut self, chat: &str) -> Result<(), Full> {
        let crashes = self.commit()?.crashes.iter_mut();
        crashes.filter(|row| row.crash.chat.session_id() == chat).for_each(|row| row.resolved = true);
        Ok(())
    }

    pub fn take_checkpoint(&mut self, checkpoint: Checkpoint) -> Result<(), Full> {
        self.commit()?.checkpoints.push(checkpoint);
        Ok(())
    }

    pub fn new_restore(&mut self, chat: &str, at: Timestamp) -> Result<usize, Full> {
        let restores = &mut self.commit()?.restores;
        restores.push(RestoreRow { chat: chat.to_owned(), at, started: false, steps: Vec::new() });
        Ok(restores.len() - 1)
    }

    pub fn mark_started(&mut self, number: usize) -> Result<(), Full> {
        self.commit()?.restores[number].started = true;
        Ok(())
    }

    pub fn put_receipt(&mut self, number: usize, outcome: &Outcome) -> Result<(), Full> {
        self.commit()?.restores[number].steps = outcome.steps.clone();
        Ok(())
    }

    /// The last generation of a chat's journal.
    pub fn journaled(&self, chat: &str) -> &[u8] {
        self.journals.get(chat).and_then(|journal| journal.generations.last()).map_or(&[], Vec::as_slice)
    }

    pub fn recorded(&self, chat: &str, process: &ProcessKey) -> Option<&CrashRow> {
        self.crashes.iter().find(|row| row.crash.chat.session_id() == chat && row.crash.process == *process)
    }
}
