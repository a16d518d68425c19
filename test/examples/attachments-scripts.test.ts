import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Clients, clientId } from '../support/client.ts';
import { Random, seedOf } from '../support/random.ts';
import { agent, bot, customer, supervisor } from '../support/server.ts';
import { until } from '../support/until.ts';
import { CutLine, type CutLineOptions } from './cut-line.ts';
import { Desk, Example, EXAMPLES, placesIn, PYTHON, seededText, sha256 } from './support.ts';

const MIB = 1024 * 1024;
const SEED = seedOf(20_260_102);

interface Language {
  readonly command: string;
  readonly send: string[];
  readonly save: string[];
}
const NODE: Language = {
  command: process.execPath,
  send: [`${EXAMPLES}/node/send-file.mjs`],
  save: [`${EXAMPLES}/node/save-files.mjs`],
};
const inPython = (transport: string): Language => ({
  command: PYTHON,
  send: [`${EXAMPLES}/python/send_file.py`, '--transport', transport],
  save: [`${EXAMPLES}/python/save_files.py`, '--transport', transport],
});

let desk: Desk;
let folder: string;
let lines: CutLine[] = [];
let examples: Example[] = [];
const clients = new Clients();

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'deskwire-files-'));
  desk = new Desk();
  await desk.start();
});
afterEach(async () => {
  clients.closeAll();
  for (const example of examples) await example.kill();
  examples = [];
  for (const line of lines) line.close();
  lines = [];
  await desk.remove();
  rmSync(folder, { recursive: true, force: true });
});

const run = (...args: Parameters<typeof Example.of>): Example => {
  const example = Example.of(...args);
  examples.push(example);
  return example;
};

const openLine = async (options: CutLineOptions): Promise<CutLine> => {
  const line = await CutLine.open(desk.url, options);
  lines.push(line);
  return line;
};

const file = (name: string, content: Buffer | string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

/** Percents that were printed, in the order in which they were. */
const percents = ({ lines }: Example): number[] =>
  lines.flatMap((line) => (/^sent (\d+) %$/.test(line) ? [Number(line.split(' ')[1])] : []));

const ascending = (numbers: number[]): number[] => [...numbers].sort((a, b) => a - b);

const DAVE = customer('dave', { name: 'Dave' });
const ARCHIVE = supervisor('archive', { name: 'Archive' });

/** The files of the only conversation. */
const sentFiles = async () => {
  const reader = await clients.connect(desk.url, supervisor('reader'));
  const { conversations } = await reader.request('conversation:list', {});
  const { entries } = await reader.request('conversation:history', { conversationId: conversations[0]?.id ?? '' });
  return entries.flatMap((entry) => (entry.type === 'message:created' ? entry.attachments : []));
};

const download = async (link = ''): Promise<Buffer> =>
  Buffer.from(await (await fetch(new URL(link, desk.url))).arrayBuffer());

describe.each([
  ['Node', NODE],
  ['Python over WebSocket', inPython('websocket')],
  ['Python over long-polling', inPython('polling')],
])('files by script, in %s', { timeout: 90_000 }, (_name, { command, send, save }) => {
  it('[CLIENT-2] [CLIENT-3] [CLIENT-4] sends 20 MB over a line cut three times, and saves them intact', async () => {
    const content = seededText(SEED, 20 * MIB);
    const path = file('measurements.csv', content);
    // Polling carries bytes as text, a third larger; the last place is passed in any case.
    const line = await openLine({ cutAfterBytes: placesIn(new Random(SEED), content.length, 3) });
    const sending = run(command, [...send, line.url, path, '--text', 'All of them.'], DAVE);
    expect(await sending.exitCode(), sending.errors).toBe(0);
    expect(line.cuts, `seed ${String(SEED)}`).toBe(3);
    expect(sending.lines.at(-1)).toMatch(/^stored as \d+ in c_/);
    // Nothing acknowledged is lost with a connection.
    expect(percents(sending)).toEqual(ascending(percents(sending)));
    expect(new Set(percents(sending)).size).toBe(11);
    expect(sending.lines.filter((said) => said === 'waiting')).toHaveLength(3);

    const down = await openLine({});
    const saved = join(folder, 'saved');
    const saving = run(command, [...save, down.url, saved, '--once'], ARCHIVE);
    expect(await saving.exitCode(), saving.errors).toBe(0);
    await saving.line(/^saved a_\w[\w-]*-measurements\.csv of Dave: text\/csv, 20971520 bytes$/);
    const [name = ''] = readdirSync(saved);
    expect(sha256(readFileSync(join(saved, name)))).toBe(sha256(content));
  });

  it('[CLIENT-2] [CLIENT-3] [CLIENT-4] sends a file once though the server is killed under it', async () => {
    const content = seededText(SEED, 6 * MIB);
    const line = await openLine({ holdAfterBytes: 3 * MIB });
    const sending = run(command, [...send, line.url, file('log.txt', content)], DAVE);
    await until('the line to be held', () => line.holds, 20_000);
    await desk.kill();
    await sending.line('waiting');
    line.release();
    await desk.start();
    expect(await sending.exitCode(), sending.errors).toBe(0);
    const sent = await sentFiles();
    expect(sent).toHaveLength(1);
    expect(sha256(await download(sent[0]?.url))).toBe(sha256(content));
  });

  it('[CLIENT-2] [CLIENT-3] [CLIENT-4] saves what comes, each file once, before and after SIGKILL and a new start', async () => {
    const saved = join(folder, 'saved');
    const saving = run(command, [...save, desk.url, saved], ARCHIVE);
    await saving.line('ready as Archive');
    const first = run(command, [...send, desk.url, file('one.txt', 'one\n')], DAVE);
    expect(await first.exitCode(), first.errors).toBe(0);
    await saving.line(/-one\.txt of Dave: text\/plain, 4 bytes$/);
    await desk.kill();
    await desk.start();
    const second = run(command, [...send, desk.url, file('two.txt', 'two\n')], DAVE);
    expect(await second.exitCode(), second.errors).toBe(0);
    await saving.line(/-two\.txt of Dave: text\/plain, 4 bytes$/);
    expect(saving.lines.filter((said) => said.startsWith('saved'))).toHaveLength(2);
    expect(
      readdirSync(saved)
        .map((name) => readFileSync(join(saved, name), 'utf8'))
        .sort(),
    ).toEqual(['one\n', 'two\n']);
    // What is there is not fetched again.
    const again = run(command, [...save, desk.url, saved, '--once'], ARCHIVE);
    expect(await again.exitCode(), again.errors).toBe(0);
    expect(again.lines).toEqual(['ready as Archive']);
  });
});

describe.each([
  ['Node', NODE],
  ['Python', inPython('websocket')],
])('files by script, whatever carries them, in %s', { timeout: 90_000 }, (_name, { command, send, save }) => {
  it('[CLIENT-2] [CLIENT-3] [CLIENT-4] says what is wrong with a file, an order or a token, and ends with 1', async () => {
    const disguised = Buffer.concat([
      Buffer.from('4d5a90000300000004000000ffff0000b800000000000000', 'hex'),
      Buffer.alloc(6_000),
    ]);
    const holiday = run(command, [...send, desk.url, file('holiday.png', disguised)], DAVE);
    expect(await holiday.exitCode()).toBe(1);
    expect(holiday.errors).toMatch(
      /^refused: unsupported_media_type: Found application\/x-msdownload in the content, expected image\/png/,
    );
    const stranger = run(command, [...send, desk.url, file('note.txt', 'x')], agent('bob'));
    expect(await stranger.exitCode()).toBe(1);
    expect(stranger.errors).toMatch(/--conversation/);
    const nobody = new Example(command, [...save, desk.url, join(folder, 'saved')], 'not-a-token');
    examples.push(nobody);
    expect(await nobody.exitCode()).toBe(1);
    expect(nobody.errors).toMatch(/^refused: token_invalid: \S/);
  });

  it('[CLIENT-2] [CLIENT-3] [CLIENT-4] sends a file of a bot into its conversation', async () => {
    const ann = await clients.connect(desk.url, customer('ann', { name: 'Ann' }));
    const { entry } = await ann.request('message:send', { clientMessageId: clientId(), text: 'My label, please.' });
    const helper = bot('labels', { name: 'Labels' });
    const claiming = await clients.connect(desk.url, helper);
    const { conversationId } = entry;
    await claiming.request('assignment:claim', { conversationId });
    const path = file('label.txt', 'To: Ann\n');
    const sending = run(command, [...send, desk.url, path, '--conversation', conversationId], helper);
    expect(await sending.exitCode(), sending.errors).toBe(0);
    const answer = await ann.event('message:created', ({ attachments }) => attachments.length === 1);
    expect(answer.author?.name).toBe('Labels');
    expect((await download(answer.attachments[0]?.url)).toString()).toBe('To: Ann\n');
  });

  it('[CLIENT-2] [CLIENT-3] [CLIENT-4] goes on with a download that was ended in the middle', async () => {
    const content = seededText(SEED, 6 * MIB);
    const sending = run(command, [...send, desk.url, file('log.txt', content)], DAVE);
    expect(await sending.exitCode(), sending.errors).toBe(0);
    const saved = join(folder, 'saved');
    mkdirSync(saved);
    const [attachment] = await sentFiles();
    // What an earlier run had, when it was ended.
    writeFileSync(join(saved, `${String(attachment?.id)}-log.txt.part`), content.subarray(0, 2 * MIB));
    const saving = run(command, [...save, desk.url, saved, '--once'], ARCHIVE);
    expect(await saving.exitCode(), saving.errors).toBe(0);
    expect(readdirSync(saved)).toEqual([`${String(attachment?.id)}-log.txt`]);
    expect(sha256(readFileSync(join(saved, `${String(attachment?.id)}-log.txt`)))).toBe(sha256(content));
  });
});
