#!/usr/bin/env node
// Saves what customers send into a folder, and goes on with what they send next; with --once it ends when it has it all. A
// supervisor's token sees every conversation without anybody being told.
//
//   export TOKEN=$(npx deskwire token --role supervisor --sub archive --name Archive)
//   node examples/node/save-files.mjs http://localhost:3000 ./files
//
// It may be stopped at any time, and so may the server: what is saved is whole, by its SHA-256, and is not fetched again.
import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connect, download, request } from './attachments.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { once: { type: 'boolean', default: false } },
});
const [url, folder] = positionals;
const token = process.env.TOKEN;
if (!folder || !token) {
  console.error('usage: TOKEN=… save-files.mjs http://localhost:3000 FOLDER [--once]');
  process.exit(2);
}

/** From one look to the next. */
const LOOK_MS = 2_000;
/** How far each conversation is read. */
const readUpTo = new Map();

const everyConversation = async function* (socket) {
  let cursor;
  do {
    const page = await request(socket, 'conversation:list', cursor ? { cursor } : {});
    yield* page.conversations;
    cursor = page.nextCursor;
  } while (cursor);
};

const save = async (socket, { author, conversationId }, attachment) => {
  // A name is for show: what some system would take for more than that is left out, and its end says what it is.
  const shown = [...attachment.name].slice(-50).join('');
  const name = `${attachment.id}-${shown.replace(/[^\p{L}\p{N}._ -]/gu, '_')}`;
  const path = join(folder, name);
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  try {
    await download(socket, url, attachment, path);
    console.log(`saved ${name} of ${author.name}: ${attachment.mediaType}, ${attachment.size} bytes`);
  } catch (error) {
    console.error(`not saved: ${name} in ${conversationId}: ${error.message}`);
  }
};

/** Reads what is new in a conversation, page by page. */
const readOn = async (socket, { id, lastSeq }) => {
  while ((readUpTo.get(id) ?? 0) < lastSeq) {
    const payload = { conversationId: id, afterSeq: readUpTo.get(id) ?? 0 };
    const { entries } = await request(socket, 'conversation:history', payload);
    for (const entry of entries) {
      if (entry.author?.role !== 'customer') continue;
      for (const attachment of entry.attachments ?? []) await save(socket, entry, attachment);
    }
    readUpTo.set(id, entries.at(-1)?.seq ?? lastSeq);
  }
};

await mkdir(folder, { recursive: true });
const { socket, session } = await connect(url, token);
console.log(`ready as ${session.name}`);
try {
  for (;;) {
    for await (const conversation of everyConversation(socket)) await readOn(socket, conversation);
    if (options.once) break;
    await sleep(LOOK_MS);
  }
} catch (error) {
  console.error(`refused: ${error.code}: ${error.message}`);
  process.exitCode = 1;
}
socket.disconnect();
