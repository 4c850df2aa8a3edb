// An answer of the host that stays true: fetched at once, and again when an event made it stale or the
// engine came back. Never by polling, but for what is measured: no event says that a reading grew old.

import { onMount } from 'svelte';
import type { ApiError, Event } from '../bindings/api';
import { useHost } from '../host/context';
import { asApiError, type Host } from '../host/host';

/** Events within this many milliseconds lead to one fetch. */
export const GATHER_MS = 120;
/** The engine reads its processes every few seconds; a window that nobody sees asks for nothing. */
export const MEASURE_MS = 10_000;

export interface Live<T> {
  /** The newest answer; undefined before the first. */
  readonly data: T | undefined;
  /** Why the newest fetch failed; undefined after one that did not. */
  readonly error: ApiError | undefined;
  readonly fetching: boolean;
  refetch(): void;
}

type IsStale<T> = (event: Event, data: T | undefined) => boolean;

/** To be called while a component is set up; ends with it. What is `measured` is fetched anew as it grows old. */
export function live<T>(fetch: (host: Host) => Promise<T>, isStale: IsStale<T>, { measured = false } = {}): Live<T> {
  const host = useHost();
  let data = $state.raw<T>();
  let error = $state.raw<ApiError>();
  let fetching = $state(true);
  let again = false;
  let running = false;
  let ended = false;
  let gathering: ReturnType<typeof setTimeout> | undefined;

  // One fetch at a time: what goes stale meanwhile is fetched after it, so a busy engine cannot starve the page.
  async function refetch(): Promise<void> {
    if (running) {
      again = true;
      return;
    }
    running = true;
    fetching = true;
    try {
      data = await fetch(host);
      error = undefined;
    } catch (rejection) {
      error = asApiError(rejection);
    }
    running = false;
    fetching = false;
    if (again) {
      again = false;
      gather();
    }
  }

  function gather(): void {
    if (ended) return;
    gathering ??= setTimeout(() => {
      gathering = undefined;
      void refetch();
    }, GATHER_MS);
  }

  onMount(() => {
    const stops = [
      host.onEvent((event) => {
        if (event.event === 'missed' || isStale(event, data)) gather();
      }),
      host.onEngine((up) => {
        if (up) gather();
      }),
    ];
    const aging = measured ? setInterval(() => document.hidden || gather(), MEASURE_MS) : undefined;
    void refetch();
    return () => {
      ended = true;
      clearTimeout(gathering);
      clearInterval(aging);
      for (const stop of stops) stop();
    };
  });

  return {
    get data() {
      return data;
    },
    get error() {
      return error;
    },
    get fetching() {
      return fetching;
    },
    refetch: () => void refetch(),
  };
}
