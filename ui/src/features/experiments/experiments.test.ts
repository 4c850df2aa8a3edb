import { fireEvent, screen, waitFor } from '@testing-library/svelte';
import { expect, test, vi } from 'vitest';
import { ENGINE_DOWN, fakeHost, STORE_FAILURE } from '../../host/fake';
import { emptyWorld } from '../../host/fake-world';
import { MEASURE_MS } from '../../queries/live.svelte';
import { found, goTo, inside, open, textOf } from '../../testing';

const card = (id: number) => found('experiment', 'data-experiment', id);
const row = (id: number) => found('experiment-row', 'data-experiment', id);
const section = (name: string) => inside(screen.getByRole('region', { name }));

/** Of a row of a table. */
const cells = (tr: HTMLElement) => [...tr.children].map((cell) => textOf(cell as HTMLElement)).join(' | ');

async function openPage(host = fakeHost()) {
  await open('#/experiments', host);
  await screen.findAllByTestId('experiment');
  return host;
}

test('each experiment stands under how it is, in words and with a shape of its own', async () => {
  await openPage();
  const under = (name: string, testid: string) => section(name).getAllByTestId(testid).map((each) => each.dataset['experiment']);
  expect(under('Being tried', 'experiment')).toEqual(['7']);
  expect(under('Deployed, not proved', 'experiment')).toEqual(['6']);
  expect(under('Confirmed', 'experiment-row')).toEqual(['5']);
  expect(under('Pinned by you', 'experiment-row')).toEqual(['4']);
  expect(under('Waiting', 'experiment-row')).toEqual(['8']);
  expect(under('Ended', 'experiment-row')).toEqual(['3', '2', '1']);
  const badges = [...document.querySelectorAll<HTMLElement>('[data-standing]')];
  expect(new Set(badges.map(textOf)).size).toBe(8);
  expect(new Set(badges.map((each) => each.querySelector('path')?.getAttribute('d'))).size).toBe(8);
});

test('what was deployed and what was confirmed are counted apart', async () => {
  await openPage();
  expect(textOf(found('totals'))).toBe(
    'Tried 7 Deployed 3 on most chats, not proved by that Confirmed 1 of those, proved better Rolled back 1 1 for a safety bound No verdict 1 Stopped 2',
  );
});

test('says what is tried and why, for how many chats, since when, and what that came to', async () => {
  await openPage();
  const text = textOf(card(7));
  expect(text).toMatch(/^Tool calls until the next checkpoint: 4 calls instead of 8 calls Being tried Since \d+ \w+( \d+)?, 25 of 100 chats that come up get what is tried; the others keep 8 calls\./);
  expect(text).toContain('Why crashes are associated with long stretches between checkpoints');
  expect(text).toMatch(/Whose idea found in this machine’s history What decides chats that crashed or hung Setting checkpoints\.calls Begun \d+ \w+/);
  expect(inside(card(7)).getAllByTestId('experiment-arm').map(cells)).toEqual(['8 calls old | 75 | 109 | 104 | 100 | 12 %', '4 calls new | 25 | 49 | 44 | 40 | 8 %']);
  expect(textOf(inside(card(7)).getByTestId('experiment-effect'))).toBe(
    'Anything from 12 of 100 chats fewer to 3.6 of 100 more that crashed: these chats do not tell. True 95 of 100 times, however often one looks.',
  );
  expect(textOf(inside(card(7)).getByTestId('experiment-stands'))).toBe(
    'Evidence that it is better: 2.4, confirmed at 20. That it is worse: 0.31, taken back at 5. Better with a probability of 81 %, as far as these chats tell.',
  );
  expect(textOf(row(5))).toContain('Between 3 and 9 of 100 chats fewer crashed.');
});

test('what is deployed says that it is not proved, and each new value stands by itself', async () => {
  await openPage();
  const text = textOf(card(6));
  expect(text).toContain('90 of 100 chats that come up get 5 minutes, the others keep 10 minutes to compare. It is not proved yet.');
  expect(text).toContain('better with probability 0.91, after 188 outcomes');
  expect(text).toContain('Dropped: worse with probability 0.71, after 120 outcomes');
  expect(inside(card(6)).getAllByTestId('experiment-effect').map(textOf)).toEqual([
    expect.stringMatching(/^Between 10 % and 42 % fewer tool calls since the last checkpoint, at a chat’s end\./),
    expect.stringMatching(/^Anything from 3 % fewer to 80 % more tool calls .*: these chats do not tell\./),
  ]);
  expect(inside(card(6)).getByText('Met two values')).toBeTruthy();
});

test('each safety bound says how far it is from being broken', async () => {
  await openPage();
  const bound = (id: number, name: string) => {
    const element = inside(card(id)).getAllByTestId('bound').find((each) => each.dataset['bound'] === name);
    if (!element) throw new Error(`no bound ${name}`);
    return element;
  };
  expect(textOf(bound(7, 'crash_rate'))).toBe(
    'Crashes Kept Evidence against it: 0.40 of 20 by itself, 0.80 of 20 beside the old value. at most 10 % of the chats crash, and no more than without the change',
  );
  expect(textOf(bound(6, 'checkpoint_time'))).toMatch(/^Slow checkpoints In doubt: nothing is deployed Evidence against it: 7\.5 of 20/);
  expect(bound(6, 'checkpoint_time').querySelector<HTMLElement>('.fill')?.style.width).toBe(`${(Math.log(7.5) / Math.log(20)) * 100}%`);
  expect(textOf(bound(6, 'crash_rate'))).toMatch(/^Crashes Kept The old value breaks it as well, so only the comparison counts: 0\.80 of 20\./);
});

test('the evidence is a picture with a table beside it', async () => {
  const host = await openPage();
  const chart = await inside(card(7)).findByTestId('chart');
  expect(inside(chart).getByRole('img', { name: 'Evidence over time' }).querySelectorAll('polyline')).toHaveLength(2);
  expect(host.called('experiment_chart')).toContainEqual({ experiment: 7, arm: 1, offset_minutes: -new Date().getTimezoneOffset() });
  await fireEvent.click(inside(chart).getByRole('button', { name: 'Show as table' }));
  expect(inside(chart).getAllByRole('columnheader').map(textOf)).toEqual([
    'Time',
    'Evidence that it is better',
    'That it is worse',
    'Chats, old value',
    'Chats, new value',
    'Mean, old value',
    'Mean, new value',
  ]);
  const [, newest] = inside(chart).getAllByRole('row');
  expect(newest && cells(newest)).toMatch(/\d\d:\d\d \| 2\.400 \| 0\.310 \| 100 \| 40 \| 0\.120 \| 0\.080$/);
});

test('a word says what it does before it is done', async () => {
  const rows: [number, string, RegExp, object, string][] = [
    [8, 'start', /^A few of the chats that come up get 65 %, the others keep 75 %\./, { do: 'start', experiment: 8 }, 'Experiment 8 has begun.'],
    [8, 'stop', /^The idea is dropped\. Nothing was changed/, { do: 'stop', experiment: 8 }, 'Experiment 8 is stopped: all chats keep 75 %.'],
    [7, 'stop', /^The trial ends\. All chats go back to 8 calls\./, { do: 'stop', experiment: 7 }, 'Experiment 7 is stopped: all chats keep 8 calls.'],
    [6, 'undo', /^All chats go back to 10 minutes\./, { do: 'undo', experiment: 6 }, 'Experiment 6 is taken back: all chats get 10 minutes.'],
    [5, 'undo', /^All chats go back to 1,800 seconds, though 900 seconds was confirmed here\./, { do: 'undo', experiment: 5 }, 'Experiment 5 is taken back: all chats get 1,800 seconds.'],
    [4, 'undo', /^All chats go back to 60 seconds\./, { do: 'undo', experiment: 4 }, 'Experiment 4 is taken back: all chats get 60 seconds.'],
  ];
  for (const [id, ask, says, request, did] of rows) {
    const host = await openPage();
    const about = inside(document.querySelector<HTMLElement>(`[data-experiment="${id}"]`) ?? document.body);
    await fireEvent.click(about.getByTestId(`experiment-${ask}`));
    const would = about.getByTestId('experiment-would');
    expect(document.activeElement).toBe(would);
    expect(textOf(would)).toMatch(says);
    expect(host.called('about_experiment')).toEqual([]);
    await fireEvent.click(about.getByTestId('experiment-do'));
    const told = await screen.findByTestId('experiment-told');
    expect(textOf(told)).toBe(`${did} Dismiss`);
    expect(document.activeElement).toBe(told.parentElement);
    expect(host.called('about_experiment')).toEqual([{ request }]);
    document.body.replaceChildren();
  }
});

test('a value is chosen and pinned for all chats, and what was pinned is taken back', async () => {
  const host = await openPage();
  await fireEvent.click(inside(card(6)).getByTestId('experiment-pin'));
  const would = inside(card(6)).getByTestId('experiment-would');
  expect(inside(would).getAllByRole('radio').map((each) => textOf(each.parentElement ?? each))).toEqual(['10 minutes', '5 minutes', '20 minutes']);
  expect(textOf(would)).toContain('all chats get 5 minutes from then on');
  await fireEvent.click(inside(would).getByRole('radio', { name: /^20/ }));
  expect(textOf(would)).toContain('all chats get 20 minutes from then on');
  await fireEvent.click(inside(card(6)).getByTestId('experiment-do'));
  await screen.findByTestId('experiment-told');
  expect(host.called('about_experiment')).toEqual([{ request: { do: 'pin', experiment: 6, arm: 2 } }]);
  await waitFor(() => expect(textOf(row(6))).toContain('all chats get 20 minutes.'));
  expect(screen.queryByRole('region', { name: 'Deployed, not proved' })).toBeNull();
  expect(inside(row(6)).getByTestId('experiment-undo')).toBeTruthy();
});

test('a word is taken back before it is done, and one that is refused says why', async () => {
  const host = await openPage();
  const stop = inside(card(7)).getByTestId('experiment-stop');
  await fireEvent.click(stop);
  expect(stop.getAttribute('aria-expanded')).toBe('true');
  await fireEvent.click(inside(card(7)).getByRole('button', { name: 'Cancel' }));
  expect(inside(card(7)).queryByTestId('experiment-would')).toBeNull();
  expect(document.activeElement).toBe(stop);
  host.failures.set('about_experiment', { code: 'refused', message: 'experiment 7 is confirmed', details: null });
  await fireEvent.click(stop);
  await fireEvent.click(inside(card(7)).getByTestId('experiment-do'));
  expect(textOf(await inside(card(7)).findByTestId('experiment-error'))).toBe('That could not be done. experiment 7 is confirmed');
  expect(screen.queryByTestId('experiment-told')).toBeNull();
});

test('the loop is switched off and on, and a failure leaves it as it is', async () => {
  const host = await openPage();
  const field = screen.getByRole<HTMLInputElement>('switch', { name: 'SHIM tries ideas by itself' });
  expect(field.checked).toBe(true);
  await fireEvent.click(field);
  await waitFor(() => expect(screen.getByText(/^Nothing begins unless you start it/)).toBeTruthy());
  expect(host.called('change_settings')).toEqual([{ change: { changes: { 'experiments.auto': false }, text: null } }]);
  host.failures.set('change_settings', STORE_FAILURE);
  await fireEvent.click(field);
  expect(textOf(await screen.findByTestId('loop-error'))).toMatch(/^That could not be saved\. the database/);
  expect(field.checked).toBe(false);
});

test('knobs say what they are set to, their bounds, who may change them, and how long they rest', async () => {
  await openPage();
  await fireEvent.click(screen.getByText('6 of 9 settings may be tried'));
  const knob = async (key: string) => {
    await screen.findAllByTestId('knob');
    return textOf(found('knob', 'data-knob', key));
  };
  expect(await knob('checkpoints.calls')).toBe(
    'Tool calls until the next checkpoint checkpoints.calls May change: chats that crashed or hung; tool calls since the last checkpoint, at a chat’s end ' +
      '8 calls default 8 calls 2 calls to 64 calls, at most 2 times up or down Experiments, within these bounds',
  );
  expect(await knob('checkpoints.minutes')).toContain('12 minutes default 10 minutes 1 minute to 60 minutes, at most 2 times up or down You: it is set in config.toml, and never tried');
  expect(await knob('risk.danger.context_percent')).toMatch(/Rests until \d+ \w+( \d+)?: crash_rate: worse than the control/);
  expect(await knob('signals.sample_seconds')).toContain('You alone: one value holds for the whole engine');
  expect(await knob('policy.auto_restore')).toMatch(/off default off You alone: it decides what is done to your processes and your money$/);
});

test('the log tells what was decided and why, newest first, a page at a time', async () => {
  const host = await openPage();
  const entries = await screen.findAllByTestId('audit-entry');
  expect(entries).toHaveLength(20);
  expect(entries.slice(0, 4).map(textOf)).toEqual([
    'Time until the next checkpoint: deployed on probation: 5 minutes better with probability 0.91, after 188 outcomes 3 d ago',
    'Time until the next checkpoint: dropped: 20 minutes worse with probability 0.71, after 120 outcomes 4 d ago',
    'Tool calls until the next checkpoint: goes to 25 of 100 chats 3 outcomes of what is tried, and nothing against it 6 d ago',
    expect.stringMatching(/^Tool calls until the next checkpoint: began crashes are associated with/),
  ]);
  await fireEvent.click(screen.getByRole('button', { name: 'Show more' }));
  await waitFor(() => expect(screen.getAllByTestId('audit-entry')).toHaveLength(38));
  expect(screen.queryByRole('button', { name: 'Show more' })).toBeNull();
  await fireEvent.click(screen.getByLabelText('Also what was only counted'));
  await waitFor(() => expect(screen.getAllByTestId('audit-entry').map(textOf)).toContainEqual(expect.stringMatching(/^A chat came up/)));
  await fireEvent.click(screen.getByRole('button', { name: 'Play the log again' }));
  expect(textOf(await screen.findByTestId('replay'))).toBe('Played again: 39 entries lead to the state that is in force.');
  expect(host.called('audit').at(-1)).toEqual({ all: true, before: null, limit: 1, replay: true });
});

test('where nothing was tried it says so, and what comes first', async () => {
  await open('#/experiments', fakeHost({ world: emptyWorld(Date.now()) }));
  expect(textOf(await screen.findByTestId('page-empty'))).toMatch(/^Nothing was tried yet SHIM tries nothing before it has an idea/);
  expect(screen.queryByTestId('experiment')).toBeNull();
  expect(await screen.findByText('Nothing was decided yet.')).toBeTruthy();
});

test('evidence is asked for anew as it grows, and at once where something was decided', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const host = await openPage();
  await waitFor(() => expect(host.called('experiments')).toHaveLength(1));
  vi.advanceTimersByTime(MEASURE_MS + 1);
  await waitFor(() => expect(host.called('experiments')).toHaveLength(2));
  vi.useRealTimers();
  const running = host.world.experiments.view.experiments.find(({ id }) => id === 7);
  if (!running) throw new Error('no experiment');
  running.state = { is: 'rolled_back', at: new Date().toISOString(), why: 'worse than the old value' };
  host.emit({ event: 'experiments_changed' });
  await waitFor(() => expect(textOf(row(7))).toMatch(/Taken back on .*: all chats keep 8 calls\. worse than the old value Rolled back$/));
});

test('one experiment has a page of its own, and a number that is none says so', async () => {
  await openPage();
  await fireEvent.click(inside(row(5)).getByRole('link'));
  await goTo('#/experiments/5');
  expect(textOf(await screen.findByRole('heading', { level: 1 }))).toBe('Silence, until a chat counts as hung: 900 seconds instead of 1,800 seconds');
  expect(textOf(card(5))).toContain('failed restores go on being watched');
  expect(await inside(card(5)).findByTestId('chart')).toBeTruthy();
  await goTo('#/experiments/99');
  expect(textOf(await screen.findByTestId('page-empty'))).toMatch(/^No such experiment/);
});

test('says why nothing could be loaded, and keeps what is shown while the engine is down', async () => {
  const failing = fakeHost();
  failing.failures.set('experiments', STORE_FAILURE);
  await open('#/experiments', failing);
  expect(textOf(await screen.findByTestId('page-error'))).toMatch(/^The experiments could not be loaded\. the database/);
  document.body.replaceChildren();
  const host = await openPage();
  for (const call of ['experiments', 'experiment_chart', 'audit', 'status'] as const) host.failures.set(call, ENGINE_DOWN);
  host.engine(false);
  host.emit({ event: 'missed' });
  await waitFor(() => expect(host.called('experiments').length).toBeGreaterThan(1));
  expect(screen.queryByTestId('page-error')).toBeNull();
  expect(textOf(card(7))).toContain('4 calls instead of 8 calls');
});

test('its user tries a value of their own, and a refusal stands beside the form', async () => {
  const host = await openPage();
  await fireEvent.click(screen.getByTestId('propose-open'));
  const form = inside(screen.getByTestId('propose'));
  // What nobody may try is not offered.
  const offered = [...form.getByLabelText<HTMLSelectElement>('Setting').options].map(({ value }) => value);
  expect(offered).not.toContain('policy.auto_restore');
  expect(offered).not.toContain('checkpoints.minutes');
  await fireEvent.change(form.getByLabelText('Setting'), { target: { value: 'checkpoints.calls' } });
  expect(textOf(screen.getByTestId('propose'))).toContain('Now 8 calls. 2 calls to 64 calls, at most 2 times up or down');
  const value = form.getByLabelText<HTMLInputElement>('Value to try');
  expect([value.min, value.max]).toEqual(['2', '64']);
  await fireEvent.input(value, { target: { value: '6' } });
  await fireEvent.change(form.getByLabelText('What decides'), { target: { value: 'unsaved_calls' } });
  await fireEvent.input(form.getByLabelText('Why'), { target: { value: 'less is lost' } });
  await fireEvent.submit(screen.getByTestId('propose'));
  expect(textOf(await screen.findByTestId('propose-error'))).toContain('experiment 7 on `checkpoints.calls` is open: one at a time');
  expect(value.getAttribute('aria-invalid')).toBe('true');
  const idea = { knob: 'checkpoints.calls', values: [6], metric: 'unsaved_calls', why: 'less is lost', from: 'user', worth: 0 };
  expect(host.called('about_experiment')).toEqual([{ request: { do: 'propose', idea, start: true } }]);

  await fireEvent.change(form.getByLabelText('Setting'), { target: { value: 'risk.warning.minutes' } });
  await fireEvent.input(value, { target: { value: '90' } });
  await fireEvent.submit(screen.getByTestId('propose'));
  expect(textOf(await screen.findByTestId('experiment-told'))).toBe('Experiment 9 has begun. Dismiss');
  expect(screen.queryByTestId('propose')).toBeNull();
  expect(textOf(card(9))).toMatch(/^Age of a chat, from where on SHIM warns: 90 minutes instead of 60 minutes Being tried.*Whose idea yours/);
});

test('one chat is given a value by its user', async () => {
  const host = await openPage();
  await fireEvent.click(inside(card(7)).getByTestId('experiment-override'));
  const would = inside(await inside(card(7)).findByTestId('experiment-would'));
  const chats = would.getByTestId<HTMLSelectElement>('experiment-chat');
  await waitFor(() => expect(chats.options.length).toBeGreaterThan(3));
  const second = chats.options[1]?.value ?? '';
  await fireEvent.change(chats, { target: { value: second } });
  await fireEvent.click(would.getByRole('radio', { name: /^4/ }));
  expect(textOf(inside(card(7)).getByTestId('experiment-would'))).toContain('This chat gets 4 calls from now on, whatever else is decided, and no longer counts.');
  await fireEvent.click(would.getByTestId('experiment-do'));
  expect(textOf(await screen.findByTestId('experiment-told'))).toBe('One chat gets 4 calls. Dismiss');
  expect(host.called('about_experiment')).toEqual([{ request: { do: 'override', experiment: 7, chat: second, arm: 1 } }]);
});
