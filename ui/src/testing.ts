// What tests of the pages share: the whole app on a recorded host, at a route.

import { configure, render, screen, within } from '@testing-library/svelte';
import { tick } from 'svelte';
import { vi } from 'vitest';
import App from './App.svelte';
import { withHost } from './host/context';
import { fakeHost, type FakeHost } from './host/fake';

// jsdom has the element `dialog` without its ways to open and close.
HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
  this.setAttribute('open', '');
  this.querySelector<HTMLElement>('[autofocus], input, button')?.focus();
};
HTMLDialogElement.prototype.close ??= function (this: HTMLDialogElement) {
  this.removeAttribute('open');
};

// A machine with other work to do is no reason to fail.
configure({ asyncUtilTimeout: 8000 });

// Nothing is laid out here, so nothing changes its size.
globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
};

export async function open(route: string, host: FakeHost = fakeHost()): Promise<FakeHost> {
  location.hash = route;
  // The fragment's event comes in a later task; it must not reach an app that was opened at this route.
  await new Promise((done) => setTimeout(done));
  render(App, { context: withHost(host) });
  return host;
}

export async function goTo(route: string): Promise<void> {
  location.hash = route;
  await new Promise((done) => setTimeout(done));
  await tick();
}

/** The element with `data-testid` and, where given, another attribute such as `data-crash`. */
export function found(testid: string, attribute?: string, value?: string | number): HTMLElement {
  const all = screen.getAllByTestId(testid);
  const element = all.find((each) => attribute === undefined || each.getAttribute(attribute) === String(value));
  if (!element) throw new Error(`no ${testid} with ${attribute}=${value}`);
  return element;
}

export function inside(element: HTMLElement) {
  return within(element);
}

/** Text with the no-break spaces of numbers as plain ones, and runs of space as one. */
export function textOf(element: HTMLElement): string {
  return (element.textContent ?? '').replaceAll('\u00a0', ' ').replace(/\s+/g, ' ').trim();
}

export function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** Nothing is laid out here. With this, the rows of long lists stand where their style says, in a page that scrolls as one. */
export function layOut(): void {
  document.documentElement.scrollTop = 0;
  vi.spyOn(Element.prototype, 'getBoundingClientRect').mockImplementation(function (this: Element) {
    const { top, height, minHeight } = (this as HTMLElement).style;
    const y = this.matches('[role=list], [role=list] > *') ? (parseFloat(top) || 0) - document.documentElement.scrollTop : 0;
    return new DOMRect(0, y, 0, parseFloat(minHeight) || parseFloat(height) || 0);
  });
}

export async function scrollTo(top: number): Promise<void> {
  document.documentElement.scrollTop = top;
  document.dispatchEvent(new Event('scroll'));
  await tick();
}
