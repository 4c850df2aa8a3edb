// Chooses the host, puts on the look that the settings ask for, and mounts the app. Outside the desktop app, the
// development server shows a recorded world.

import './tokens.css';
import './base.css';
import { mount } from 'svelte';
import { withHost } from './host/context';
import { asApiError, type Host } from './host/host';
import { speak } from './language';
import { firstLook, wear } from './look';

async function openHost(): Promise<Host> {
  if (import.meta.env.DEV && !('__TAURI_INTERNALS__' in window)) {
    const { openFakeHost } = await import('./host/fake');
    return openFakeHost(new URLSearchParams(location.search));
  }
  const { openTauriHost } = await import('./host/tauri');
  return openTauriHost();
}

async function start(): Promise<void> {
  const host = await openHost();
  const look = await firstLook(host.settings(), navigator.language);
  wear(look);
  speak(look.language);
  // Loaded only here: what its modules say is chosen as they are loaded.
  const { default: App } = await import('./App.svelte');
  mount(App, { target: document.getElementById('app') ?? document.body, context: withHost(host) });
}

start().catch((failure: unknown) => {
  document.body.textContent = `The dashboard could not be connected to SHIM: ${asApiError(failure).message}`;
});
