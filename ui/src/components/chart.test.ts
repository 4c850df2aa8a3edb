import { expect, test } from 'vitest';
import { crashChart, signalsChart } from '../host/fake-charts';
import { ELEMENTS_MAX, labelled, takeOver } from './chart';

const SVG = 'xmlns="http://www.w3.org/2000/svg"';
const taken = (body: string) => takeOver(`<svg ${SVG} viewBox="0 0 10 10">${body}</svg>`)?.innerHTML;

test('shapes, texts and tooltips are taken over as they are', () => {
  const rows = [
    '<rect x="1" y="-2.5" width="3" height="4" fill="var(--chart-1)" stroke="none"><title>21 Nov: killed 2</title></rect>',
    '<polyline points="1,2 3,4" fill="none" stroke="var(--chart-6)" stroke-width="2" opacity="0.5"></polyline>',
    '<g transform="rotate(90, 3, 4)"><path d="M1 2L3,4Z" stroke-linecap="round"></path></g>',
    '<text x="3" y="4" dy="0.76em" text-anchor="end" font-size="9.7" fill="var(--text-muted)">100 %</text>',
    '<text>a &lt; b &amp; c</text>',
  ];
  for (const body of rows) expect(taken(body)).toBe(body);
});

test('what could load, run or style anything stays out', () => {
  const rows: [string, string][] = [
    ['<script>alert(1)</script><rect x="1"/>', '<rect x="1"></rect>'],
    ['<style>*{}</style>', ''],
    ['<foreignObject><p>x</p></foreignObject>', ''],
    ['<image href="http://a.example/x.png"/>', ''],
    ['<use href="#a"/><a href="javascript:alert(1)"><rect/></a>', ''],
    ['<animate attributeName="x"/><set/><filter/><iframe xmlns="http://www.w3.org/1999/xhtml"/>', ''],
    ['<rect onload="x()" onclick="x()" style="fill:red" class="a" id="b" x="1"/>', '<rect x="1"></rect>'],
    ['<rect fill="url(http://a.example)" stroke="#ff0000" x="1"/>', '<rect x="1"></rect>'],
    ['<rect fill="var(--a);x:y" width="expression(&apos;a&apos;)"/>', '<rect></rect>'],
    ['<rect xmlns:l="http://www.w3.org/1999/xlink" l:href="http://a.example"/>', '<rect></rect>'],
    ['<!-- said --><title>a</title><?run x?>', '<title>a</title>'],
  ];
  for (const [body, left] of rows) expect([body, taken(body)]).toEqual([body, left]);
});

test('what is no picture, or too large a one, is refused', () => {
  const rows = ['', 'text', '<html><svg/></html>', '<svg/>', `<svg ${SVG}>`, `<g ${SVG}/>`, `<svg ${SVG}>${'<g/>'.repeat(ELEMENTS_MAX)}</svg>`];
  for (const svg of rows) expect(takeOver(svg), svg.slice(0, 40)).toBeNull();
  const deep = takeOver(`<svg ${SVG}>${'<g>'.repeat(100)}<rect/>${'</g>'.repeat(100)}</svg>`);
  expect(deep?.querySelector('rect')).toBeNull();
});

test('the recorded pictures keep every shape', () => {
  for (const chart of [crashChart([], 30, 0), signalsChart(60, 0)]) {
    expect(takeOver(chart.svg)?.querySelectorAll('rect')).toHaveLength(30);
  }
});

test('days stay as they are, moments are those of here', () => {
  const here = new Date(Date.UTC(2026, 10, 30, 10, 5));
  const time = [here.getHours(), here.getMinutes()].map((n) => String(n).padStart(2, '0')).join(':');
  expect(['2026-11-30', here.toISOString(), 'Monday'].map(labelled)).toEqual(['2026-11-30', time, 'Monday']);
});
