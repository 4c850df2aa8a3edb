// The time, for `3 min ago`. Moves every few seconds while something shown reads it.

import { createSubscriber } from 'svelte/reactivity';

const STEP_MS = 5000;

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, STEP_MS);
  return () => clearInterval(timer);
});

/** Milliseconds since 1970 UTC; what reads it inside an effect or a template is run again as it moves. */
export function now(): number {
  subscribe();
  return Date.now();
}
