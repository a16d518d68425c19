/** A process of the nodes' benchmark: takes a target and a job as JSON arguments, prints the result as JSON on its last line. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { CostsRun } from './costs-run.ts';
import { runCatchUp, runStorm } from './crowd-runs.ts';
import type { NodesJob, NodesResults, NodesTarget } from './jobs.ts';
import { runMessages } from './messages-run.ts';
import { runPaced } from './paced-run.ts';

const run = (target: NodesTarget, key: KeyObject, job: NodesJob): Promise<NodesResults[NodesJob['kind']]> => {
  switch (job.kind) {
    case 'messages':
      return runMessages(target, key, job);
    case 'paced':
      return runPaced(target, key, job);
    case 'catch-up':
      return runCatchUp(target, key, job);
    case 'storm':
      return runStorm(target, key, job);
    case 'costs':
      return CostsRun.run(target, key, job);
  }
};

const [targetText = '', jobText = ''] = process.argv.slice(2);
const key = createSecretKey(Buffer.from(process.env['DESKWIRE_JWT_SECRET'] ?? ''));
const result = await run(JSON.parse(targetText) as NodesTarget, key, JSON.parse(jobText) as NodesJob);
process.stdout.write(`${JSON.stringify(result)}\n`);
