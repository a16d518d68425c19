// `npm test [-- arguments of vitest]`: what the tests need, then the tests. The last line says how they went:
// "Tests: 412 passed, 0 failed", with ", 3 skipped" when there are any.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = (command, args, env = {}) =>
  spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } }).status ?? 1;

const testFiles = (folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => `${folder}/${name}`);

const AGAIN = [
  // What one server promises, two nodes with Postgres and Redis promise too: with people spread over both.
  { args: testFiles('test/e2e'), env: { TEST_NODES: '2' } },
  // What the installed Postgres makes of our statements, the oldest that is promised does too.
  {
    args: ['postgres', 'postgres-contention', 'postgres-floating', 'postgres-nodes'].map(
      (name) => `test/store/${name}.test.ts`,
    ),
    env: { TEST_POSTGRES: '14' },
  },
];

const count = (file) => {
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    // No report: vitest ended before it ran anything, and has said why.
    return { passed: 0, failed: 0, skipped: 0, failures: [] };
  }
  // A file that can't be loaded fails without a test of its own.
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  );
  const failures = report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName, failureMessages }) => `${name}: ${fullName}\n${failureMessages.join('\n')}`),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloaded.length,
    skipped: report.numPendingTests + report.numTodoTests,
    failures: [...failures, ...unloaded.map(({ name, message }) => `${name}: ${message}`)],
  };
};

const runTests = (folder) => {
  const toolsStatus = run('bash', [join(root, 'scripts/test-tools.sh')]);
  if (toolsStatus !== 0) return toolsStatus;

  const args = process.argv.slice(2);
  const runs = [{ args, env: {} }, ...(args.length === 0 ? AGAIN : [])];
  let vitestStatus = 0;
  const sum = { passed: 0, failed: 0, skipped: 0 };
  const failures = [];
  for (const [index, { args, env }] of runs.entries()) {
    const report = join(folder, `report-${String(index)}.json`);
    const status = run(
      process.execPath,
      [
        join(root, 'node_modules/vitest/vitest.mjs'),
        'run',
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${report}`,
        ...args,
      ],
      env,
    );
    vitestStatus ||= status;
    const counted = count(report);
    for (const key of Object.keys(sum)) sum[key] += counted[key];
    failures.push(...counted.failures);
    if (status !== 0 && counted.passed === 0) sum.failed ||= 1;
  }

  const { passed, failed: failedTests, skipped } = sum;
  // An error outside any test (an unhandled rejection, above all) fails the run with no test to blame.
  const failed = vitestStatus !== 0 && failedTests === 0 && passed > 0 ? 1 : failedTests;
  // Said again at the end: of a long output, the end is what is kept and read.
  for (const failure of failures) process.stdout.write(`Failed: ${failure.replaceAll(root, '')}\n\n`);
  if (passed + failed === 0) process.stderr.write('No test ran.\n');
  process.stdout.write(
    `Tests: ${String(passed)} passed, ${String(failed)} failed${skipped > 0 ? `, ${String(skipped)} skipped` : ''}\n`,
  );
  return failed > 0 || passed === 0 ? vitestStatus || 1 : 0;
};

const folder = mkdtempSync(join(tmpdir(), 'deskwire-tests-'));
try {
  process.exitCode = runTests(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
