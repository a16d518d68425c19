import { describe, expect, it } from 'vitest';
import { assignedTo, Company, open } from '../support/company.ts';
import { endToEnd } from '../support/e2e.ts';
import { agent, bot, tokenFor } from '../support/server.ts';
import { until } from '../support/until.ts';

const { connect } = endToEnd();

describe('the tokens of one agent', () => {
  it('[LEASE-1] count together while their devices are here, and a second device that leaves changes nothing', async () => {
    const company = new Company(connect);
    const watcher = await company.agent('watcher');
    const departmentsOfBob = async () =>
      (await watcher.request('agent:list', {})).agents.find(({ id }) => id === 'bob')?.departments;
    await company.online('bob', 10, { departments: ['support'], skills: ['german'] });
    const phone = await company.agent('bob', { departments: ['billing'] });
    expect(await departmentsOfBob()).toEqual(['support', 'billing']);

    const ann = await open(await company.customer('ann'), { department: 'billing', skills: ['german'] });
    await assignedTo(ann.client, ann.id, 'bob');
    phone.close();
    for (;;) if ((await departmentsOfBob())?.length === 1) break;
    expect(await departmentsOfBob()).toEqual(['support']);
    const ben = await open(await company.customer('ben'), { department: 'support', skills: ['german'] });
    await assignedTo(ben.client, ben.id, 'bob');
  });

  it('[ROUTE-2] a new token in the same session takes effect at once: what it adds is routed to him, what it lacks is not', async () => {
    const company = new Company(connect);
    const bob = await company.online('bob', 10, { departments: ['support'] });
    const ann = await open(await company.customer('ann'), { department: 'billing' });
    const renewed = { tenant: company.tenant, departments: ['billing'], name: 'Robert' };
    await bob.request('session:refresh', { token: tokenFor(agent('bob', renewed)) });
    await assignedTo(ann.client, ann.id, 'bob');
    const { agents } = await bob.request('agent:list', { department: 'billing' });
    expect(agents).toMatchObject([{ id: 'bob', name: 'Robert', departments: ['billing'] }]);

    const ben = await open(await company.customer('ben'), { department: 'support' });
    const cas = await open(await company.customer('cas'), { department: 'billing' });
    await assignedTo(cas.client, cas.id, 'bob');
    expect((await ben.client.request('conversation:get', { conversationId: ben.id })).conversation.status).toBe(
      'queued',
    );
    // New work is announced where the new token says.
    await bob.event('conversation:opened', ({ conversationId }) => conversationId === cas.id);
    expect(bob.all('conversation:opened').some(({ conversationId }) => conversationId === ben.id)).toBe(false);
  });

  it('[LEASE-1] a bot with the sub of an agent does not take him out of routing', async () => {
    const company = new Company(connect);
    await company.online('bob');
    const twin = await connect(bot('bob', { tenant: company.tenant }));
    const ann = await open(await company.customer('ann'));
    expect(await assignedTo(ann.client, ann.id, 'bob')).toMatchObject({ assignee: { role: 'agent' } });
    twin.close();
    const ben = await open(await company.customer('ben'));
    await assignedTo(ben.client, ben.id, 'bob');
    await until('two of them', () => ben.client.entries(ben.id).length >= 2);
  });
});
