// A picture that the engine drew, taken over element by element: what is not a shape, a text or a tooltip stays out,
// and so does every attribute that could load, run or style anything.

const SVG = 'http://www.w3.org/2000/svg';
/** A year of days with six kinds each, twice over. */
export const ELEMENTS_MAX = 6000;
const DEPTH_MAX = 20;

const ELEMENTS = new Set(['svg', 'g', 'rect', 'line', 'polyline', 'polygon', 'path', 'circle', 'text', 'tspan', 'title']);
const NUMBERS = new Set([
  'viewBox', 'x', 'y', 'x1', 'y1', 'x2', 'y2', 'cx', 'cy', 'r', 'rx', 'ry', 'dx', 'dy', 'width', 'height', 'points', 'd',
  'transform', 'opacity', 'fill-opacity', 'stroke-opacity', 'stroke-width', 'stroke-dasharray', 'font-size',
]);
const COLOURS = new Set(['fill', 'stroke']);
const WORDS = new Set(['text-anchor', 'dominant-baseline', 'stroke-linecap', 'stroke-linejoin', 'font-weight', 'fill-rule']);

/** Numbers, letters of paths, and `rotate(…)`. */
const IS_NUMBERS = /^[\w\s.,()%+-]*$/;
const IS_COLOUR = /^(none|currentColor|var\(--[a-z0-9-]+\))$/;
const IS_WORD = /^[\w-]+$/;

/** Null where it is no such picture, or one that is too large. */
export function takeOver(svg: string): SVGElement | null {
  const read = new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement;
  if (read.namespaceURI !== SVG || read.localName !== 'svg' || read.getElementsByTagName('*').length >= ELEMENTS_MAX) return null;
  return copy(read, 0);
}

function copy(from: Element, depth: number): SVGElement {
  const made = document.createElementNS(SVG, from.localName);
  for (const { name, value } of from.attributes) if (isHarmless(name, value)) made.setAttribute(name, value);
  for (const child of from.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) made.append(child.textContent ?? '');
    else if (child instanceof Element && child.namespaceURI === SVG && ELEMENTS.has(child.localName) && depth < DEPTH_MAX) {
      made.append(copy(child, depth + 1));
    }
  }
  return made;
}

function isHarmless(name: string, value: string): boolean {
  if (NUMBERS.has(name)) return IS_NUMBERS.test(value);
  if (COLOURS.has(name)) return IS_COLOUR.test(value);
  return WORDS.has(name) && IS_WORD.test(value);
}

/** A day or a moment as the reader writes it: `2026-11-21` stays, a moment of UTC becomes one of here. */
export function labelled(label: string): string {
  if (!/^\d{4}-\d\d-\d\dT/.test(label)) return label;
  const at = new Date(label);
  const two = (n: number) => String(n).padStart(2, '0');
  return Number.isNaN(at.getTime()) ? label : `${two(at.getHours())}:${two(at.getMinutes())}`;
}
