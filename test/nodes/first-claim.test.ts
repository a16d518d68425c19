import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { Clients } from '../support/client.ts';
import { Company, historyOf, open } from '../support/company.ts';
import { startNodes, type TestNodes } from '../support/nodes.ts';

let nodes: TestNodes;
const clients = new Clients();
beforeAll(async () => {
  nodes = await startNodes({ count: 2 });
});
afterEach(() => clients.closeAll());
afterAll(() => nodes.stop());

const companyAt = (at: number, tenant?: string): Company =>
  new Company((identity, options) =>
    clients.connect(nodes.servers[at]?.url ?? '', { ...identity, ...(tenant && { tenant }) }, options),
  );

/** Keeps all nodes from telling that an agent of one of these tenants is with them, until its end. */
const holdPresences = async (tenants: readonly string[], agentId: string): Promise<Client> => {
  const holder = new Client({ connectionString: nodes.env['DATABASE_URL'] });
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query(
    `INSERT INTO presences (tenant, agent_id, node, presence, written)
     SELECT t.tenant, $2, n.id, '{}', pg_current_xact_id() FROM unnest($1::text[]) AS t(tenant), nodes n`,
    [tenants, agentId],
  );
  return holder;
};

it('[NODE-5] who claims before other nodes could hear that he is here keeps what he claimed', async () => {
  // Of so many tenants each node routes for some.
  const companies = Array.from({ length: 6 }, () => companyAt(0));
  const holder = await holdPresences(
    companies.map(({ tenant }) => tenant),
    'new',
  );
  try {
    const claimed = await Promise.all(
      companies.map(async (company) => {
        const { id } = await open(await company.customer('ann'));
        const boss = await company.supervisor('boss');
        const agent = await companyAt(1, company.tenant).agent('new');
        return { boss, agent, id, claim: agent.reply('assignment:claim', { conversationId: id }) };
      }),
    );
    // Answered once the first node has heard of all that is committed: of claims too, if they are.
    const hear = () => Promise.all(claimed.map(({ boss }) => boss.request('agent:status', { status: 'away' })));
    for (let round = 0; round < 20; round += 1) await hear();
    await holder.query('ROLLBACK');
    for (const { claim } of claimed) expect(await claim).toMatchObject({ ok: true });
    await hear();
    for (const { agent, id } of claimed) {
      expect((await historyOf(agent, id)).map(({ type }) => type)).toEqual([
        'conversation:opened',
        'conversation:assigned',
      ]);
    }
  } finally {
    await holder.end();
  }
});
