/**
 * The compiled file `path`, beside the module whose `import.meta.url` is `from`: what a thread or a process is started with. From sources
 * it is the one in `dist` too, because a loader for TypeScript takes a second of every start.
 */
export const builtUrl = (path: string, from: string): URL =>
  new URL(path, from.endsWith('.ts') ? from.replace(/^(.*)\/src\//, '$1/dist/') : from);
