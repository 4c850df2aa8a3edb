// The ends of the restores that a list asked for.

import type { Restoring } from '../queries/restoring.svelte';

export interface Outcome {
  /** The chat's title. */
  title: string;
  restore: Restoring;
}

/** More would push the list itself out of sight. */
const OUTCOMES_MAX = 3;

export function outcomes() {
  let all = $state.raw<readonly Outcome[]>([]);
  return {
    get all() {
      return all;
    },
    add(outcome: Outcome): void {
      all = [outcome, ...all].slice(0, OUTCOMES_MAX);
    },
    dismiss(outcome: Outcome): void {
      all = all.filter((other) => other !== outcome);
    },
  };
}
