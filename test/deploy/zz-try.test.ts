import { it } from 'vitest';
import { startDeployment, awaitNodes } from './deployment.ts';
import { PythonMember, JavaScriptMember, type Member } from './member.ts';
import { Clients, clientId } from '../support/client.ts';
import { agent, customer, supervisor } from '../support/server.ts';
it('tries', { timeout: 90000 }, async () => {
  const d = await startDeployment({ DESKWIRE_ROUTING: 'manual', LOG_LEVEL: 'debug' });
  const clients = new Clients();
  const m: Member[] = [];
  try {
    await awaitNodes(d, 3);
    for (let c = 0; c < 2; c++) {
      const opener = await clients.connect(d.proxy.url, customer('ann' + c));
      const { entry } = await opener.request('message:send', { clientMessageId: clientId(), text: 'Hello' });
      opener.close();
      const common = { url: d.proxy.url, conversationId: entry.conversationId, paceMs: 40 };
      m.push(new JavaScriptMember({ ...common, identity: customer('ann' + c) }, ['websocket']));
      m.push(new JavaScriptMember({ ...common, identity: agent('bob' + c) }, ['polling']));
      m.push(new PythonMember({ ...common, identity: supervisor('sup' + c) }));
    }
    await new Promise((r) => setTimeout(r, 2500));
    console.log(m.map((x) => [x.name, x.sent, x.sessions].join()).join(' '));
    await d.nodes[0].end('SIGKILL');
    await new Promise((r) => setTimeout(r, 1));
    console.log(m.map((x) => [x.name, x.sent, x.sessions].join()).join(' '));
    { const b = m.map((x) => x.sent); const t0 = Date.now();
      while (m.some((x, i) => x.sent < b[i]! + 10)) await new Promise((r) => setTimeout(r, 5));
      console.log('all went on', Date.now() - t0); }
    await Promise.all(m.map((x) => x.stop()));
    const reader = await clients.connect(d.proxy.url, supervisor('reader'));
    const { conversations } = await reader.request('conversation:list', {});
    console.log(conversations.map((c) => c.lastSeq).join());
    const log = d.proxy.requests().length;
    await new Promise((r) => setTimeout(r, 8000));
    for (const x of m) {
      const a = await x.account(1).catch((e) => ({ seen: [], faults: [String(e)] }));
      console.log(x.name, x.sent, x.sessions, 'last', a.seen.at(-1)?.[0], a.faults.join());
    }
    for (const n of d.nodes) console.log(n.name, n.address, (await fetch(n.url + '/metrics').then((r) => r.text()).catch(() => '')).split('\n').filter((l) => /^deskwire_(connections|feeds|feed_reads|bus|nodes|entries_del|slow)/.test(l)).join(' '), n.output.split('\n').slice(3).slice(-12).join('\n').slice(0, 2500));
    console.log(d.proxy.requests().slice(log - 12).map((r) => [r.method, r.path, r.status, r.triedAt.join('+')].join(' ')).join('\n'));
    console.log(d.proxy.complaints().split('\n').map((l) => l.slice(0, 330)).slice(-12).join('\n'));
  } finally { m.forEach((x) => x.close()); clients.closeAll(); await d.stop(); }
});
