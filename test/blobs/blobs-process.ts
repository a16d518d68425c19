/**
 * A process that works on a folder of attachments until it is killed: `put` puts one key again and again, each time a
 * file of another letter; `append` adds to an upload, and says how far it came.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDiskBlobs } from '../../src/store/blobs/disk.ts';
import { noise } from '../support/files.ts';
import { silentLog } from '../support/store.ts';

const [, , work = '', folder = '', name = '', scratch = ''] = process.argv;
const blobs = await openDiskBlobs({ folder, log: silentLog });
process.stdout.write('ready\n');

const PUT_BYTES = 8_000_000;
const CHUNK_BYTES = 65_536;

if (work === 'put') {
  for (let round = 0; ; round += 1) {
    const path = join(scratch, `source-${String(round % 2)}`);
    writeFileSync(path, Buffer.alloc(PUT_BYTES, 97 + (round % 26)));
    await blobs.put(name, path);
    process.stdout.write(`put ${String(round)}\n`);
  }
}
const content = noise(CHUNK_BYTES * 64, 7);
for (let offset = 0; ; offset = (offset + CHUNK_BYTES) % content.length) {
  const kept = await blobs.append(name, offset, content.subarray(offset, offset + CHUNK_BYTES));
  process.stdout.write(`kept ${String(kept)}\n`);
}
