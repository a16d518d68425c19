import { isBuiltin } from 'node:module';
import { dirname, resolve } from 'node:path';
import { defineConfig } from 'eslint/config';
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/**
 * Imports in src/ run one way. Each layer lists what it stands on, and why it must not know the rest;
 * test/gates/layers.test.ts proves that every other pair is refused.
 */
const LAYERS = {
  contract: {
    uses: [],
    because: 'the contract is shared with browsers and every layer, so it stands on zod alone',
  },
  ports: {
    uses: ['contract'],
    because: 'a port is an interface in the words of the contract; what knows an implementation is no port',
  },
  core: {
    uses: ['contract', 'ports'],
    because:
      'the verbs of support work reach stores, sockets and other nodes through ports, so that each can be exchanged',
  },
  feed: {
    uses: ['contract', 'ports', 'core'],
    because: 'feeds deliver entries to any connection, whichever transport or store it has',
  },
  dispatch: {
    uses: ['contract', 'ports', 'core', 'feed'],
    because: 'one dispatcher serves every transport, so it knows none of them',
  },
  transport: {
    uses: ['contract', 'ports', 'core', 'feed', 'dispatch'],
    because:
      'transports are handed what they need by the server; only it chooses implementations and reads the configuration',
  },
  auth: { uses: ['contract', 'ports'], because: 'an implementation of a port knows the port, not who uses it' },
  store: { uses: ['contract', 'ports'], because: 'an implementation of a port knows the port, not who uses it' },
  media: { uses: ['contract', 'ports'], because: 'an implementation of a port knows the port, not who uses it' },
  cluster: { uses: ['contract', 'ports'], because: 'an implementation of a port knows the port, not who uses it' },
  spec: { uses: ['contract'], because: 'the document describes the contract, not how this server keeps it' },
  server: {
    uses: ['contract', 'ports', 'core', 'feed', 'dispatch', 'transport', 'auth', 'store', 'media', 'cluster', 'spec'],
    because: 'the server can be started without a command line, by tests for one',
  },
  cli: {
    uses: [
      'contract',
      'ports',
      'core',
      'feed',
      'dispatch',
      'transport',
      'auth',
      'store',
      'media',
      'cluster',
      'spec',
      'server',
    ],
    because: 'commands stand on everything',
  },
};

const NAMES = Object.keys(LAYERS);

const zones = [
  ...NAMES.flatMap((layer) => {
    const { uses, because } = LAYERS[layer];
    const refused = NAMES.filter((other) => other !== layer && !uses.includes(other));
    if (refused.length === 0) return [];
    const message = `src/${layer} may import ${uses.length === 0 ? 'no other layer' : uses.join(', ')}: ${because}.`;
    return [{ target: `./src/${layer}`, from: refused.map((other) => `./src/${other}`), message }];
  }),
  {
    target: './src',
    from: ['./test', './bench', './scripts', './examples'],
    message: 'src is built and shipped by itself: what it needs belongs in src.',
  },
];

/** Imports here are relative and carry their extension, so a path says by itself where it leads. */
const relativeImports = {
  interfaceVersion: 3,
  name: 'relative-imports',
  resolve: (source, file) => {
    if (isBuiltin(source)) return { found: true, path: null };
    return source.startsWith('.') ? { found: true, path: resolve(dirname(file), source) } : { found: false };
  },
};

const ENVIRONMENT_MESSAGE =
  'The environment is read once, by src/server/config.ts and src/cli: take the value from the Config.';

const TYPESCRIPT = ['**/*.ts'];
const JAVASCRIPT = ['**/*.js', '**/*.mjs'];

export default defineConfig(
  { ignores: ['node_modules/', 'dist/', 'data/', 'coverage/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: [...TYPESCRIPT, ...JAVASCRIPT],
    plugins: { 'import-x': importX },
    settings: {
      'import-x/resolver-next': [relativeImports],
      'import-x/extensions': ['.ts', '.js', '.mjs'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
    },
    rules: {
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'object-shorthand': 'error',
      'no-else-return': 'error',
      'import-x/no-cycle': 'error',
      'import-x/no-duplicates': 'error',
      'import-x/no-self-import': 'error',
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones }],
    },
  },
  {
    files: TYPESCRIPT,
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // `_` names what a signature needs and a function does not.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // A mapped or merged shape often can't be an interface, and one word for both is easier to read.
      '@typescript-eslint/consistent-type-definitions': 'off',
      // `() => socket.close()` as a callback says all there is to say.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // Forbids `while (true)` around an await, which is how loops that wait are written.
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      // With noPropertyAccessFromIndexSignature off, both spellings are sound; brackets mark keys that are data.
      '@typescript-eslint/dot-notation': 'off',
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-console': 'error',
      'no-restricted-properties': ['error', { object: 'process', property: 'env', message: ENVIRONMENT_MESSAGE }],
      'no-restricted-imports': [
        'error',
        {
          paths: ['process', 'node:process'].map((name) => ({
            name,
            importNames: ['env'],
            message: ENVIRONMENT_MESSAGE,
          })),
        },
      ],
    },
  },
  { files: ['src/cli/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['src/cli/**/*.ts', 'src/server/config.ts'],
    rules: { 'no-restricted-properties': 'off', 'no-restricted-imports': 'off' },
  },
  {
    files: ['src/contract/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: String.raw`^(?!\.{1,2}/|zod$)`,
              message: 'src/contract runs in browsers too: it may import zod and nothing else.',
            },
          ],
        },
      ],
      'no-restricted-globals': [
        'error',
        ...['process', 'Buffer', 'global', 'setImmediate', '__dirname', 'require'].map((name) => ({
          name,
          message: 'src/contract runs in browsers too, which do not have it.',
        })),
      ],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // A test states what it knows; when it is wrong, the test fails with a stack.
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    // Examples and scripts in JavaScript are read by people who have no build: the rules that need types don't apply.
    files: JAVASCRIPT,
    languageOptions: {
      // What Node and browsers share; a page names what it needs beyond that.
      globals: Object.fromEntries(
        ['console', 'fetch', 'URL', 'URLSearchParams', 'setTimeout', 'clearTimeout', 'structuredClone'].map((name) => [
          name,
          'readonly',
        ]),
      ),
    },
    rules: { 'no-undef': 'error', 'no-unused-vars': 'error', 'no-unreachable': 'error', 'no-dupe-keys': 'error' },
  },
  { files: ['scripts/**'], languageOptions: { globals: { process: 'readonly' } } },
);
