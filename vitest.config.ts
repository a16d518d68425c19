import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/postgres-version.ts'],
    // A process each: native modules, and servers that a test kills, stay its own.
    pool: 'forks',
    maxWorkers: 2,
    watch: false,
    // Real servers, browsers and processes start in them; a hang should still end.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
  },
});
