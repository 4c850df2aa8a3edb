// Whether the engine can be reached, as the host tells it and as the status shows it.

import { getContext, onMount, setContext } from 'svelte';
import type { Status } from '../bindings/api';
import { useHost } from '../host/context';
import type { Live } from './live.svelte';

const ENGINE = Symbol('engine');

export interface EngineState {
  readonly down: boolean;
}

/** To be called by the app; components read it with `useEngine`. */
export function watchEngine(status: Live<Status>): EngineState {
  const host = useHost();
  let heard = $state<boolean>();
  onMount(() => host.onEngine((up) => (heard = up)));
  // The event says it first; a status that cannot be had says it where the engine was down from the start.
  const down = $derived(heard === false || status.error?.code === 'engine_down');
  return setContext<EngineState>(ENGINE, {
    get down() {
      return down;
    },
  });
}

export function useEngine(): EngineState {
  return getContext<EngineState>(ENGINE);
}
