/** Opens a store on the file that is named and keeps it: the other process in a test. */
import { noMetrics } from '../../src/ports/metrics.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { silentLog } from '../support/store.ts';

await openSqliteStore({ path: process.argv[2] ?? '', log: silentLog, metrics: noMetrics });
process.stdout.write('open\n');
