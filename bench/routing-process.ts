/** One process of the routing benchmark: takes a job as a JSON argument, prints the result as JSON. */
import { runDesk } from './desk-run.ts';
import { runFloor } from './floor-run.ts';
import type { RoutingJob } from './routing-jobs.ts';

const job = JSON.parse(process.argv[2] ?? '') as RoutingJob;
const result = job.kind === 'floor' ? runFloor(job) : await runDesk(job);
process.stdout.write(`${JSON.stringify(result)}\n`);
