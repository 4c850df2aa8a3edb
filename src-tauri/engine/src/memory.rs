//! Memory that runs out: a word ahead of it, with a checkpoint, and what is known of it when a process goes.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use shim_api::notices::{Fills, Said};
use shim_core::{
    chats::{ChatId, ProcessKey},
    crashes::MemoryAtDeath,
    memory::{Level, Memory, Word, heap_of, v8_heap},
    risk,
};

use crate::{
    processes::{self, MemoryGroup, memory_group},
    run::Watch,
};

const MIB: u64 = 1024 * 1024;
/// Largest share of the machine's memory that programs may take before it is short.
const HOST_SHARE_MAX: f64 = 0.97;

/// A process that the system ended was ended so long ago at most, when its death is judged.
const ENDED_WITHIN: Duration = Duration::from_secs(60);

/// What is remembered of memory between two readings.
pub struct Memories {
    host: Memory,
    chats: HashMap<ChatId, Heap>,
    /// Groups of processes with a limit that chats run in, by their own reckoning.
    groups: BTreeMap<MemoryGroup, Memory>,
    /// Processes that the system ended for lack of memory, at the last reading and at the one before: a death may be
    /// told after the reading that follows it.
    ended_by_system: [u64; 2],
}

impl Default for Memories {
    fn default() -> Self {
        let ended_by_system = [processes::ended_for_lack_of_memory(); 2];
        Self { host: Memory::default(), chats: HashMap::new(), groups: BTreeMap::new(), ended_by_system }
    }
}

struct Heap {
    process: ProcessKey,
    memory: Memory,
    /// What its heap may hold, in bytes; `None` of a program that has no such limit.
    limit: Option<u64>,
    /// The group it runs in, where that may take less than the machine has.
    group: Option<MemoryGroup>,
    rss_bytes: u64,
}

impl Watch {
    /// Looks whether a chat's own heap, its group's memory or the machine's runs out.
    pub fn look_at_memory(&mut self, living: &[(ChatId, ProcessKey)]) {
        let (awake, thresholds) = (self.host.awake_seconds, self.home.settings().memory);
        let [last, _] = self.hangs.memories.ended_by_system;
        self.hangs.memories.ended_by_system = [processes::ended_for_lack_of_memory(), last];
        let mut words = Vec::new();
        for (chat, process) in living {
            let Some(reading) = self.readings.get(chat).copied() else { continue };
            if self.hangs.memories.chats.get(chat).is_none_or(|heap| heap.process != *process) {
                let (limit, process) = (self.heap_limit(chat), process.clone());
                let group = memory_group(process.pid, self.host.memory_total);
                let heap = Heap { process, memory: Memory::default(), limit, group, rss_bytes: 0 };
                self.hangs.memories.chats.insert(chat.clone(), heap);
            }
            let Some(heap) = self.hangs.memories.chats.get_mut(chat) else { continue };
            heap.rss_bytes = reading.rss_bytes;
            if let Some(limit) = heap.limit {
                let word = heap.memory.look(awake, reading.rss_bytes, limit, &thresholds);
                words.extend(word.map(|word| (chat.clone(), word, reading.rss_bytes / MIB)));
            }
        }
        for (chat, word, held) in words {
            self.notice(Some(&chat), Said::HeapFills { memory: fills(&word, held) });
            self.risk_rose(&chat, risk::Level::Danger);
        }
        self.look_at_groups(living, awake);
        self.look_at_the_machine(awake);
        self.forget_the_gone();
    }

    /// Such as a container, or a service that may take only so much: what runs in one has one memory.
    fn look_at_groups(&mut self, living: &[(ChatId, ProcessKey)], awake: f64) {
        let thresholds = self.home.settings().memory;
        let Memories { chats, groups, .. } = &mut self.hangs.memories;
        let mut inside: BTreeMap<&MemoryGroup, Vec<ChatId>> = BTreeMap::new();
        for (chat, process) in living {
            let heap = chats.get(chat).filter(|heap| heap.process == *process);
            if let Some(group) = heap.and_then(|heap| heap.group.as_ref()) {
                inside.entry(group).or_default().push(chat.clone());
            }
        }
        groups.retain(|group, _| inside.contains_key(group));
        let mut words = Vec::new();
        for (group, chats) in inside {
            let Some(now) = group.read() else { continue };
            let memory = groups.entry(group.clone()).or_default();
            let word = memory.look(awake, now.used, now.limit, &thresholds);
            words.extend(word.filter(is_news).map(|word| (chats, fills(&word, now.used / MIB))));
        }
        for (chats, memory) in words {
            self.say_of_group(&chats, memory);
        }
    }

    fn say_of_group(&mut self, chats: &[ChatId], memory: Fills) {
        let only = match chats {
            [chat] => Some(chat),
            _ => None,
        };
        self.notice(only, Said::GroupFills { chats: chats.len(), memory });
        for chat in chats {
            self.risk_rose(chat, risk::Level::Danger);
        }
    }

    fn look_at_the_machine(&mut self, awake: f64) {
        let used = self.host.memory_total.saturating_sub(self.host.memory_available);
        let limit = (self.host.memory_total as f64 * HOST_SHARE_MAX) as u64;
        let thresholds = self.home.settings().memory;
        let Some(word) = self.hangs.memories.host.look(awake, used, limit, &thresholds) else { return };
        let living = self.supervisor.living();
        if living.is_empty() || !is_news(&word) {
            return;
        }
        self.notice(None, Said::MachineFills { memory: fills(&word, used / MIB) });
        for (chat, _) in living {
            self.risk_rose(&chat, risk::Level::Danger);
        }
    }

    /// Processes that are gone are remembered until their death was judged.
    fn forget_the_gone(&mut self) {
        let supervisor = &self.supervisor;
        self.hangs.memories.chats.retain(|chat, heap| supervisor.is_watched(chat, &heap.process));
    }

    /// What a chat's program allows its heap, of one that runs in Node.
    fn heap_limit(&self, chat: &ChatId) -> Option<u64> {
        let started = self.chats.get(chat)?.started.as_ref()?;
        let words = started.arguments.iter().map(|word| word.to_string_lossy());
        let options = started.environment.iter().filter(|(name, _)| name == "NODE_OPTIONS");
        let words: Vec<_> = words.chain(options.map(|(_, value)| value.to_string_lossy())).collect();
        let is_node = started.program.as_ref()?.file_stem()?.to_string_lossy().starts_with("node");
        is_node.then(|| {
            heap_of(words.iter().map(AsRef::as_ref)).unwrap_or_else(|| v8_heap(self.host.memory_total))
        })
    }

    /// What is known of the memory of a process that just went.
    pub fn memory_at_death(&self, chat: &ChatId, process: &ProcessKey) -> MemoryAtDeath {
        let all = &self.hangs.memories.chats;
        let heap = all.get(chat).filter(|heap| heap.process == *process);
        let (ended, [_, before]) =
            (processes::ended_for_lack_of_memory(), self.hangs.memories.ended_by_system);
        let gone = |heap: &&Heap| processes::probe(&heap.process) != processes::Liveness::Alive;
        let largest = all.values().filter(gone).map(|heap| heap.rss_bytes).max();
        let (rss_bytes, ended_by_system) =
            (heap.map_or(0, |heap| heap.rss_bytes), ended.saturating_sub(before));
        MemoryAtDeath {
            rss_bytes,
            heap_bytes: heap.and_then(|heap| heap.limit),
            ended_by_system,
            was_largest: largest.is_none_or(|largest| largest <= rss_bytes),
            named: (ended_by_system > 0)
                .then(|| processes::is_named_as_ended(process.pid, ENDED_WITHIN))
                .flatten(),
        }
    }
}

/// Much of a machine's memory is in use for days; that alone is no news.
fn is_news(word: &Word) -> bool {
    word.level >= Level::Critical || word.left.is_some()
}

fn fills(word: &Word, used_mib: u64) -> Fills {
    Fills {
        used_mib,
        percent: (word.share * 100.0).round() as u32,
        full_in_minutes: word.left.map(|left| left.as_secs().div_ceil(60)),
        is_critical: word.level >= Level::Critical,
    }
}
