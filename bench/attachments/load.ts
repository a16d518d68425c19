/** A process of the attachments' benchmark: takes a target and a job as JSON arguments, prints the result as JSON. */
import { createSecretKey } from 'node:crypto';
import type { AttachmentJob, AttachmentResults, AttachmentTarget } from './jobs.ts';
import { runLine } from './line-run.ts';
import { runMessages } from './messages-run.ts';
import { runUploads } from './uploads-run.ts';
import type { ClientOptions } from '../client.ts';

const run = async (
  target: AttachmentTarget,
  options: ClientOptions,
  job: AttachmentJob,
): Promise<AttachmentResults[AttachmentJob['kind']]> => {
  switch (job.kind) {
    case 'uploads':
      return runUploads(target, options, job);
    case 'messages':
      return runMessages(target, options, job);
    case 'line':
      return runLine(target, options, job);
    case 'steps': {
      // It brings half of the program with it, which no other job needs.
      const { runSteps } = await import('./steps-run.ts');
      return runSteps(job);
    }
  }
};

const [targetText = '', jobText = ''] = process.argv.slice(2);
const target = JSON.parse(targetText) as AttachmentTarget;
const key = createSecretKey(Buffer.from(process.env['DESKWIRE_JWT_SECRET'] ?? ''));
const options = { url: target.url, key, saysReady: target.kind === 'deskwire' };
const result = await run(target, options, JSON.parse(jobText) as AttachmentJob);
process.stdout.write(`${JSON.stringify(result)}\n`);
