// What SHIM allows itself, and how much of that it uses.

import type { OwnUse } from '../../bindings/api';
import { bytes, fine } from '../../format';

const MEMORY_BYTES_MAX = 30_000_000;
/** Of one core. */
const CPU_SHARE_MAX = 0.005;
/** Bytes written for each byte that clients append. */
const WRITES_MAX = 1.5;
/** Of less, what any program writes while it starts would be most. */
const WATCHED_BYTES_MIN = 1_000_000;

export interface Budget {
  name: string;
  /** How much, in words. */
  says: string;
  limit: string;
  /** Of the limit, 1 is all of it; null where nothing can be said yet. */
  share: number | null;
}

export function budgets(own: OwnUse, up_ms: number): Budget[] {
  return [memory(own), processor(own, up_ms), writes(own)];
}

function memory({ memory_bytes }: OwnUse): Budget {
  return { name: 'Memory', says: bytes(memory_bytes), limit: bytes(MEMORY_BYTES_MAX), share: memory_bytes / MEMORY_BYTES_MAX };
}

function processor({ cpu_seconds }: OwnUse, up_ms: number): Budget {
  const used = up_ms > 0 ? (cpu_seconds * 1000) / up_ms : 0;
  return {
    name: 'Processor',
    says: `${fine(used, 2)} of one core, on average since it was started`,
    limit: fine(CPU_SHARE_MAX),
    share: used / CPU_SHARE_MAX,
  };
}

function writes({ written_bytes, watched_bytes }: OwnUse): Budget {
  const about = { name: 'Disk writes', limit: `${WRITES_MAX} times what clients write` };
  if (written_bytes === null) return { ...about, says: 'this system does not tell', share: null };
  const written = `${bytes(written_bytes)} for ${bytes(watched_bytes)} that clients wrote`;
  if (watched_bytes < WATCHED_BYTES_MIN) return { ...about, says: `${written}: not enough yet to compare`, share: null };
  const times = written_bytes / watched_bytes;
  return { ...about, says: `${written}: ${times.toFixed(1)} times`, share: times / WRITES_MAX };
}
