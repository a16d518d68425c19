#!/usr/bin/env node
// Sends a file, with a word if you like. A customer's goes to his open conversation, or opens one; agents and bots say which.
//
//   export TOKEN=$(npx deskwire token --role customer --sub erin --name Erin)
//   node examples/node/send-file.mjs http://localhost:3000 invoice.pdf --text "This one is wrong."
//   node examples/node/send-file.mjs http://localhost:3000 label.pdf --conversation c_343SfhDnJb0JFjXM
//
// The server may be killed at any time: the file goes on from where it was, and is sent once.
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { Upload } from '../browser/upload.js';
import { connect, openFile, request } from './attachments.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { conversation: { type: 'string' }, text: { type: 'string' } },
});
const [url, path] = positionals;
const token = process.env.TOKEN;
if (!path || !token) {
  console.error('usage: TOKEN=… send-file.mjs http://localhost:3000 FILE [--text TEXT] [--conversation ID]');
  process.exit(2);
}

const file = await openFile(path).catch((error) => {
  console.error(`not read: ${error.message}`);
  process.exit(2);
});
const { socket, session } = await connect(url, token);

/** A line for every tenth of it, and for whatever else happens. */
let last;
const print = ({ state, receivedBytes }) => {
  const line = state === 'sending' ? `sent ${Math.floor((10 * receivedBytes) / file.size) * 10} %` : state;
  if (line !== last) console.log(line);
  last = line;
};

const findConversation = async () => {
  if (options.conversation) return options.conversation;
  if (session.role === 'customer') return (await request(socket, 'conversation:open', {})).conversation.id;
  throw Object.assign(new Error('say which: --conversation ID'), { code: 'no_conversation', retryable: false });
};

try {
  const upload = new Upload(socket, file, print);
  await upload.run(findConversation);
  if (upload.state === 'refused') throw upload.error;
  const { entry } = await request(socket, 'message:send', {
    conversationId: upload.conversationId,
    clientMessageId: randomUUID(),
    attachmentIds: [upload.attachment.id],
    ...(options.text && { text: options.text }),
  });
  console.log(`stored as ${entry.seq} in ${entry.conversationId}`);
} catch (error) {
  console.error(`refused: ${error.code}: ${error.message}`);
  process.exitCode = 1;
} finally {
  socket.disconnect();
  await file.close();
}
