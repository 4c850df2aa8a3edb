// The frame and its pages in German: the language is chosen before their modules are loaded, as main.ts does it.

import { cleanup, configure, render, screen } from '@testing-library/svelte';
import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { withHost } from './host/context';
import { fakeHost, unwelcomed, type FakeHost } from './host/fake';
import { freshWorld } from './host/fake-world';

configure({ asyncUtilTimeout: 8000 });

beforeAll(() => {
  vi.spyOn(navigator, 'language', 'get').mockReturnValue('de-DE');
});
afterEach(cleanup);

async function open(route: string, host: FakeHost): Promise<void> {
  const { speak } = await import('./language');
  speak('de');
  const { default: App } = await import('./App.svelte');
  location.hash = route;
  await new Promise((done) => setTimeout(done));
  render(App, { props: { reload: () => expect.fail('loaded anew') }, context: withHost(host) });
}

const headings = () => screen.getAllByRole('heading').map((each) => each.textContent);

test('the pages speak German where the system does', async () => {
  const rows: [string, FakeHost, string, string][] = [
    ['#/', fakeHost(), 'headline', 'Was läuft'],
    ['#/', fakeHost({ world: unwelcomed(freshWorld(Date.now())) }), 'no-client', 'Was SHIM nie tut'],
    ['#/experiments', fakeHost(), 'totals', 'Wird ausprobiert'],
    ['#/doctor', fakeHost(), 'doctor-summary', 'Hooks und MCP'],
    ['#/settings', fakeHost(), 'setting-desktop.theme', 'Das Fenster'],
    ['#/search', fakeHost(), 'search-says', 'Suche'],
  ];
  for (const [route, host, shows, heading] of rows) {
    await open(route, host);
    await screen.findByTestId(shows);
    expect(headings(), route).toContain(heading);
    const links = screen.getByRole('navigation').querySelectorAll('li a');
    expect([...links].map((link) => link.firstChild?.textContent?.trim())).toEqual(['Übersicht', 'Chats', 'Abstürze', 'Zustand', 'Versuche', 'Chancen', 'Doktor', 'Einstellungen']);
    expect(document.documentElement.lang).toBe('de');
    cleanup();
  }
});
