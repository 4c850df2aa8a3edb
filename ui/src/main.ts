// Chooses the host and mounts the app. Outside the desktop app, the development server shows a recorded world.

import './tokens.css';
import './base.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { withHost } from './host/context';
import { asApiError, type Host } from './host/host';

async function openHost(): Promise<Host> {
  if (import.meta.env.DEV && !('__TAURI_INTERNALS__' in window)) {
    const { openFakeHost } = await import('./host/fake');
    return openFakeHost(new URLSearchParams(location.search));
  }
  const { openTauriHost } = await import('./host/tauri');
  return openTauriHost();
}

openHost().then(
  (host) => mount(App, { target: document.getElementById('app') ?? document.body, context: withHost(host) }),
  (failure: unknown) => {
    document.body.textContent = `The dashboard could not be connected to SHIM: ${asApiError(failure).message}`;
  },
);
