import { io } from 'socket.io-client';
const [url, token, conversationId, transport, style] = process.argv.slice(2);
const s = io(url, { auth: { token }, transports: [transport] });
await new Promise((r) => s.once('session:ready', r));
let lost = 0;
for (let run = 0; run < 60; run++) {
  await s.emitWithAck('conversation:leave', { conversationId });
  let last = (await s.emitWithAck('conversation:get', { conversationId })).data.conversation.lastSeq;
  const seen = []; let live = false;
  const take = (e) => { if (e.seq > last) { last = e.seq; seen.push(e.seq); } };
  const l = (e) => { if (live) take(e); };
  s.on('message:created', l);
  const block = () => setTimeout(() => { const t = Date.now(); while (Date.now() - t < 40); }, 0);
  if (style === 'await') { const p = s.emitWithAck('conversation:join', { conversationId, afterSeq: last }); block(); const page = await p; page.data.entries.forEach(take); live = true; }
  else await new Promise((r) => { s.emit('conversation:join', { conversationId, afterSeq: last }, (page) => { page.data.entries.forEach(take); live = true; r(); }); block(); });
  await new Promise((r) => setTimeout(r, 60));
  s.off('message:created', l);
  if (seen.some((x, i) => i && x !== seen[i - 1] + 1)) lost++;
}
console.log(transport, style, 'joins with a hole:', lost, 'of 60');
process.exit(0);
