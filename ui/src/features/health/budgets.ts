// What SHIM allows itself, and how much of that it uses.

import type { OwnUse } from '../../bindings/api';
import { bytes, decimal, fine } from '../../format';
import { t } from '../../language';

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
  return { name: t('Memory'), says: bytes(memory_bytes), limit: bytes(MEMORY_BYTES_MAX), share: memory_bytes / MEMORY_BYTES_MAX };
}

function processor({ cpu_seconds }: OwnUse, up_ms: number): Budget {
  const used = up_ms > 0 ? (cpu_seconds * 1000) / up_ms : 0;
  return {
    name: t('Processor'),
    says: t('{share} of one core, on average since it was started', { share: fine(used, 2) }),
    limit: fine(CPU_SHARE_MAX),
    share: used / CPU_SHARE_MAX,
  };
}

function writes({ written_bytes, watched_bytes }: OwnUse): Budget {
  const about = { name: t('Disk writes'), limit: t('{n} times what clients write', { n: decimal(WRITES_MAX, 1) }) };
  if (written_bytes === null) return { ...about, says: t('this system does not tell'), share: null };
  const written = t('{written} for {watched} that clients wrote', { written: bytes(written_bytes), watched: bytes(watched_bytes) });
  if (watched_bytes < WATCHED_BYTES_MIN) return { ...about, says: t('{written}: not enough yet to compare', { written }), share: null };
  const times = written_bytes / watched_bytes;
  return { ...about, says: t('{written}: {n} times', { written, n: decimal(times, 1) }), share: times / WRITES_MAX };
}
