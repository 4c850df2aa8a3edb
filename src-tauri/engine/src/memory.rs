//! Memory that runs out: a word ahead of it, with a checkpoint, and what is known of it when a process goes.

use std::{collections::HashMap, time::Duration};

use shim_api::events::Event as Told;
use shim_core::{
    chats::{ChatId, ProcessKey},
    crashes::MemoryAtDeath,
    memory::{Level, Memory, Word, heap_of, v8_heap},
    risk,
};

use crate::{processes, run::Watch};

const MIB: u64 = 1024 * 1024;
/// Largest share of the machine's memory that programs may take before it is short.
const HOST_SHARE_MAX: f64 = 0.97;

/// A process that the system ended was ended so long ago at most, when its death is judged.
const ENDED_WITHIN: Duration = Duration::from_secs(60);

/// What is remembered of memory between two readings.
pub struct Memories {
    host: Memory,
    chats: HashMap<ChatId, Heap>,
    /// Processes that the system ended for lack of memory, at the last reading and at the one before: a death may be
    /// told after the reading that follows it.
    ended_by_system: [u64; 2],
}

impl Default for Memories {
    fn default() -> Self {
        let ended_by_system = [processes::ended_for_lack_of_memory(); 2];
        Self { host: Memory::default(), chats: HashMap::new(), ended_by_system }
    }
}

struct Heap {
    process: ProcessKey,
    memory: Memory,
    /// What its heap may hold, in bytes; `None` of a program that has no such limit.
    limit: Option<u64>,
    rss_bytes: u64,
}

impl Watch {
    /// Looks whether a chat's own heap or the machine's memory runs out.
    pub fn look_at_memory(&mut self) {
        let (awake, thresholds) = (self.host.awake_seconds, self.home.settings.memory);
        let [last, _] = self.hangs.memories.ended_by_system;
        self.hangs.memories.ended_by_system = [processes::ended_for_lack_of_memory(), last];
        let mut words = Vec::new();
        for (chat, process) in self.supervisor.living() {
            let Some(reading) = self.readings.get(&chat).copied() else { continue };
            if self.hangs.memories.chats.get(&chat).is_none_or(|heap| heap.process != process) {
                let limit = self.heap_limit(&chat);
                let heap = Heap { process, memory: Memory::default(), limit, rss_bytes: 0 };
                self.hangs.memories.chats.insert(chat.clone(), heap);
            }
            let Some(heap) = self.hangs.memories.chats.get_mut(&chat) else { continue };
            heap.rss_bytes = reading.rss_bytes;
            if let Some(limit) = heap.limit {
                let word = heap.memory.look(awake, reading.rss_bytes, limit, &thresholds);
                words.extend(word.map(|word| (chat, word, reading.rss_bytes / MIB)));
            }
        }
        for (chat, word, held) in words {
            self.notice(&chat, "runs out of memory", &said(&word, held));
            self.risk_rose(&chat, risk::Level::Danger);
        }
        self.look_at_the_machine(awake);
        self.forget_the_gone();
    }

    fn look_at_the_machine(&mut self, awake: f64) {
        let used = self.host.memory_total.saturating_sub(self.host.memory_available);
        let limit = (self.host.memory_total as f64 * HOST_SHARE_MAX) as u64;
        let thresholds = self.home.settings.memory;
        let Some(word) = self.hangs.memories.host.look(awake, used, limit, &thresholds) else { return };
        let living = self.supervisor.living();
        // Much of a machine's memory is in use for days; that alone is no news.
        if living.is_empty() || word.level < Level::Critical && word.left.is_none() {
            return;
        }
        let body = said(&word, used / MIB);
        tracing::info!("the machine's memory runs out: {body}");
        self.handle.tell(Told::Notice { title: "The machine's memory runs out".to_owned(), body });
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

fn said(word: &Word, held: u64) -> String {
    let left = word.left.map(|left| left.as_secs().div_ceil(60));
    let ahead =
        left.map_or_else(String::new, |minutes| format!(", and full in about {minutes} min as it grows"));
    let advice = match word.level {
        Level::Critical => "Save what you can and start it anew now",
        Level::Warn | Level::Fine => "Start it anew when it is idle",
    };
    format!(
        "{held} MiB, {:.0} % of what there is{ahead}. {advice}; SHIM took a checkpoint.",
        word.share * 100.0
    )
}
