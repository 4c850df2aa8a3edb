// How components reach the host: through Svelte's context, set once where the app is mounted.

import { getContext } from 'svelte';
import type { Host } from './host';

const HOST = Symbol('host');

export function withHost(host: Host): Map<symbol, Host> {
  return new Map([[HOST, host]]);
}

export function useHost(): Host {
  return getContext<Host>(HOST);
}
