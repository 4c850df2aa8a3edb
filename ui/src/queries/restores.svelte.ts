// Which chats are being restored at this moment, whoever asked: the page, the tray, a notification or a
// command line. Known from events alone.

import { getContext, onMount, setContext } from 'svelte';
import { SvelteSet } from 'svelte/reactivity';
import { useHost } from '../host/context';

const UNDER_WAY = Symbol('restores under way');

/** To be called by the app; components read it with `restoresUnderWay`. */
export function watchRestores(): void {
  const host = useHost();
  const chats = new SvelteSet<string>();
  setContext(UNDER_WAY, chats);
  onMount(() => {
    const stops = [
      host.onEvent((event) => {
        if (event.event === 'restore_started') chats.add(event.chat);
        else if (event.event === 'restore_finished') {
          chats.delete(event.receipt.chat);
          if (event.receipt.fork_of !== null) chats.delete(event.receipt.fork_of);
        } else if (event.event === 'missed') chats.clear();
      }),
      host.onEngine(() => chats.clear()),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  });
}

export function restoresUnderWay(): ReadonlySet<string> {
  return getContext<SvelteSet<string>>(UNDER_WAY);
}
