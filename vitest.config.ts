import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/built.ts', 'test/support/postgres-version.ts'],
    // Processes, for native modules and for what a test may end. Each runs one file after the other with the modules that it has: to load
    // all of them again for each file takes a fifth of the whole time, and what they keep (counters for names) no test can tell.
    pool: 'forks',
    isolate: false,
    maxWorkers: 2,
    watch: false,
    // Real servers, browsers and processes start in them; a hang should still end.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
  },
});
