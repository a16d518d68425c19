import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/contract/limits.ts';
import { DEFAULT_ATTACHMENT_TYPES } from '../../src/server/attachment-settings.ts';
import { effectiveSettings, loadConfig } from '../../src/server/config.ts';
import { ConfigError, describeStartError } from '../../src/server/start-error.ts';
import { testFolder } from '../support/files.ts';
import { startS3 } from '../support/s3.ts';
import { scanCommand, startClamd } from '../support/scanners.ts';
import { startServer, type TestServer } from '../support/server.ts';

type Env = Record<string, string>;

const failure = (env: Env): ConfigError => {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('expected the configuration to be refused');
};

const s3 = (more: object) => ({
  kind: 's3',
  place: { bucket: 'desk', prefix: '', region: undefined, endpoint: undefined, forcePathStyle: false, ...more },
});

describe('without settings', () => {
  it('attachments stand in DATA_DIR, of the types that a desk is sent, unscanned, with relative links', () => {
    expect(loadConfig({ DATA_DIR: '/srv/x' })).toMatchObject({
      attachments: { kind: 'disk', folder: '/srv/x/attachments' },
      attachmentTypes: DEFAULT_ATTACHMENT_TYPES,
      scanner: undefined,
      publicUrl: '',
    });
    const shown = effectiveSettings({ DATA_DIR: '/srv/x' }).find(({ name }) => name === 'ATTACHMENTS_URL');
    expect(shown).toEqual({ name: 'ATTACHMENTS_URL', value: 'file:/srv/x/attachments', source: 'default' });
  });
});

describe('values that are taken', () => {
  it.each<[string, object]>([
    ['file:/srv/files', { kind: 'disk', folder: '/srv/files' }],
    ['file:///srv/files', { kind: 'disk', folder: '/srv/files' }],
    ['file:./files', { kind: 'disk', folder: resolve('files') }],
    ['file:files', { kind: 'disk', folder: resolve('files') }],
    ['s3://desk', s3({})],
    ['s3://desk/', s3({})],
    ['s3://desk/a', s3({ prefix: 'a/' })],
    ['s3://desk/a/b/', s3({ prefix: 'a/b/' })],
    ['s3://desk/a%20b', s3({ prefix: 'a b/' })],
    ['s3://desk?region=eu-central-1', s3({ region: 'eu-central-1' })],
    [
      's3://desk/a?region=x&endpoint=http://127.0.0.1:9000&forcePathStyle=true',
      s3({ prefix: 'a/', region: 'x', endpoint: 'http://127.0.0.1:9000', forcePathStyle: true }),
    ],
    ['s3://desk?endpoint=https%3A%2F%2Fs3.example%3A9000', s3({ endpoint: 'https://s3.example:9000' })],
    ['s3://my.old.bucket-1?forcePathStyle=false', s3({ bucket: 'my.old.bucket-1' })],
  ])('ATTACHMENTS_URL=%s', (value, expected) => {
    expect(loadConfig({ ATTACHMENTS_URL: value }).attachments).toEqual(expected);
  });

  it.each<[string, string[]]>([
    ['image/png', ['image/png']],
    [' image/png , IMAGE/*,image/png', ['image/png', 'image/*']],
    ['*/*', ['*/*']],
    ['application/vnd.oasis.opendocument.text', ['application/vnd.oasis.opendocument.text']],
    ['image/svg+xml', ['image/svg+xml']],
  ])('ATTACHMENTS_TYPES=%s', (value, expected) => {
    expect(loadConfig({ ATTACHMENTS_TYPES: value }).attachmentTypes).toEqual(expected);
  });

  it.each<[string, string, object]>([
    ['ATTACHMENTS_SCAN_COMMAND', 'clamscan', { kind: 'command', command: ['clamscan'] }],
    [
      'ATTACHMENTS_SCAN_COMMAND',
      '  clamdscan  --no-summary --fdpass ',
      { kind: 'command', command: ['clamdscan', '--no-summary', '--fdpass'] },
    ],
    ['ATTACHMENTS_CLAMD', '127.0.0.1:3310', { kind: 'clamd', address: { host: '127.0.0.1', port: 3310 } }],
    ['ATTACHMENTS_CLAMD', 'tcp://clamav:3310', { kind: 'clamd', address: { host: 'clamav', port: 3310 } }],
    ['ATTACHMENTS_CLAMD', '[::1]:3310', { kind: 'clamd', address: { host: '::1', port: 3310 } }],
    ['ATTACHMENTS_CLAMD', '/run/clamav/clamd.ctl', { kind: 'clamd', address: { path: '/run/clamav/clamd.ctl' } }],
  ])('%s=%s', (name, value, expected) => {
    expect(loadConfig({ [name]: value }).scanner).toMatchObject(expected);
  });

  it('ATTACHMENTS_SCAN_COMMAND gets no secret of the server to see', () => {
    const env = { ATTACHMENTS_SCAN_COMMAND: 'clamscan', DESKWIRE_JWT_SECRET: 'hunter2'.repeat(8), PATH: '/usr/bin' };
    const { scanner } = loadConfig(env);
    expect(scanner).toMatchObject({ kind: 'command', environment: { PATH: '/usr/bin' } });
    expect(JSON.stringify(scanner)).not.toContain('hunter2');
  });

  it.each([
    ['https://support.example.com', 'https://support.example.com'],
    ['https://support.example.com/', 'https://support.example.com'],
    ['http://127.0.0.1:3000', 'http://127.0.0.1:3000'],
    ['https://example.com/desk/', 'https://example.com/desk'],
  ])('DESKWIRE_PUBLIC_URL=%s', (value, expected) => {
    expect(loadConfig({ DESKWIRE_PUBLIC_URL: value }).publicUrl).toBe(expected);
  });

  it('a chunk that just fits into a request', () => {
    const limits = { chunkBytes: 65_536, payloadBytes: 65_536 + 1_024 };
    expect(loadConfig({ DESKWIRE_LIMITS: JSON.stringify(limits) }).limits).toEqual({ ...DEFAULT_LIMITS, ...limits });
  });
});

describe('values that are refused, by name and with what was expected', () => {
  it.each<[string, string, RegExp]>([
    ['ATTACHMENTS_URL', './files', /file:<folder>/],
    ['ATTACHMENTS_URL', '/srv/files', /file:<folder>/],
    ['ATTACHMENTS_URL', 'file:', /file:<folder>/],
    ['ATTACHMENTS_URL', 'https://s3.example/desk', /file:<folder>/],
    ['ATTACHMENTS_URL', 's3:', /s3:\/\/bucket/],
    ['ATTACHMENTS_URL', 's3://', /s3:\/\/bucket/],
    ['ATTACHMENTS_URL', 's3:desk', /s3:\/\/bucket/],
    ['ATTACHMENTS_URL', 's3:///desk', /s3:\/\/bucket/],
    ['ATTACHMENTS_URL', 's3://Desk', /s3:\/\/bucket/],
    ['ATTACHMENTS_URL', 's3://a', /s3:\/\/bucket/],
    ['ATTACHMENTS_URL', 's3://under_score', /s3:\/\/bucket/],
    ['ATTACHMENTS_URL', 's3://AKIA:hunter2@desk', /AWS_ACCESS_KEY_ID/],
    ['ATTACHMENTS_URL', 's3://desk?zone=x', /found zone; expected region, endpoint or forcePathStyle/],
    ['ATTACHMENTS_URL', 's3://desk?endpoint=s3.example', /http:\/\/ or https:\/\//],
    ['ATTACHMENTS_URL', 's3://desk?forcePathStyle=yes', /true or false/],
    ['ATTACHMENTS_URL', 's3://desk?forcePathStyle=constructor', /true or false/],
    ['ATTACHMENTS_URL', 's3://desk/a%', /s3:\/\/bucket/],
    ['ATTACHMENTS_URL', 's3://desk:9000/a', /s3:\/\/bucket|endpoint/],
    ['ATTACHMENTS_URL', 'file://data/attachments', /file:<folder>/],
    ['ATTACHMENTS_TYPES', 'png', /"png".*image\/png, or image\/\*/],
    ['ATTACHMENTS_TYPES', 'image/png,', /""/],
    ['ATTACHMENTS_TYPES', 'image/png;q=1', /media type/],
    ['ATTACHMENTS_TYPES', '*/png', /media type/],
    ['ATTACHMENTS_TYPES', 'image/png image/gif', /media type/],
    ['ATTACHMENTS_CLAMD', 'clamav', /host:port/],
    ['ATTACHMENTS_CLAMD', 'clamav:0', /host:port/],
    ['ATTACHMENTS_CLAMD', 'clamav:65536', /host:port/],
    ['ATTACHMENTS_CLAMD', 'http://clamav:3310', /host:port/],
    ['ATTACHMENTS_CLAMD', './clamd.sock', /host:port/],
    ['DESKWIRE_PUBLIC_URL', 'support.example.com', /http/],
    ['DESKWIRE_PUBLIC_URL', 'ftp://support.example.com', /http/],
    ['DESKWIRE_PUBLIC_URL', 'https://me:hunter2@support.example.com', /without/],
    ['DESKWIRE_PUBLIC_URL', 'https://support.example.com/?a=1', /query/],
    ['DESKWIRE_PUBLIC_URL', 'https://support.example.com/#top', /query|fragment/],
    ['DESKWIRE_LIMITS', '{"chunkBytes":1048576}', /chunkBytes = 1048576 with payloadBytes = 262144/],
    ['DESKWIRE_LIMITS', '{"payloadBytes":65536}', /chunkBytes = 65536 with payloadBytes = 65536/],
    ['DESKWIRE_LIMITS', '{"payloadBytes":66559}', /at least 1024 more/],
    ['DESKWIRE_LIMITS', '{"imagePixels":0}', /imagePixels = 0/],
    ['DESKWIRE_LIMITS', '{"attachmentBytes":-1}', /attachmentBytes = -1/],
    ['ATTACHMENTS_URI', 'file:x', /no such setting.*ATTACHMENTS_URL/],
    ['ATTACHMENTS_TYPE', 'image/png', /no such setting.*ATTACHMENTS_TYPES/],
  ])('%s=%s', (name, value, expected) => {
    const error = failure({ [name]: value });
    expect(error.problems.map(({ setting }) => setting)).toEqual([name]);
    expect(error.message).toMatch(expected);
    expect(error.message).not.toContain('hunter2');
    expect(error.exitCode).toBe(78);
  });

  it('two scanners', () => {
    const error = failure({ ATTACHMENTS_SCAN_COMMAND: 'clamscan', ATTACHMENTS_CLAMD: 'clamav:3310' });
    expect(error.message).toMatch(/ATTACHMENTS_SCAN_COMMAND, ATTACHMENTS_CLAMD: found together/);
  });
});

describe('a start', () => {
  /** A server that goes with the test. */
  const start = async (env: Env, dataDir: string): Promise<TestServer> => {
    const server = await startServer({ env, dataDir });
    onTestFinished(() => server.stop());
    return server;
  };

  /** What the operator reads. */
  const refusalOf = async (env: Env, dataDir: string): Promise<string> => {
    const error: unknown = await start(env, dataDir).then(
      () => new Error('it started'),
      (thrown: unknown) => thrown,
    );
    return describeStartError(error).message;
  };

  it('with a file where the folder should be is refused, and leaves the data to the next', async () => {
    const dataDir = testFolder();
    const file = join(dataDir, 'file');
    writeFileSync(file, '');
    const message = await refusalOf({ ATTACHMENTS_URL: `file:${file}` }, dataDir);
    expect(message).toMatch(/ATTACHMENTS_URL: the folder .*file can't be written/);
    await start({ ATTACHMENTS_URL: `file:${join(dataDir, 'files')}` }, dataDir);
    expect(existsSync(join(dataDir, 'files'))).toBe(true);
  });

  it('with a folder whose files can not be read is refused, by the setting', async () => {
    const dataDir = testFolder();
    mkdirSync(join(dataDir, 'attachments', 'blobs'), { recursive: true });
    // Where the folder of the owner's mark should be.
    writeFileSync(join(dataDir, 'attachments', 'blobs', '_ne'), '');
    expect(await refusalOf({}, dataDir)).toMatch(/ATTACHMENTS_URL/);
  });

  it('with a bucket that is not there is refused, and with one that is not', { timeout: 60_000 }, async () => {
    const bucket = await startS3();
    onTestFinished(() => bucket.remove());
    const dataDir = testFolder();
    const wrong = bucket.url.replace('s3://attachments', 's3://nobody-made-it');
    expect(await refusalOf({ ATTACHMENTS_URL: wrong }, dataDir)).toMatch(/ATTACHMENTS_URL: the bucket nobody-made-it/);
    await start({ ATTACHMENTS_URL: bucket.url }, dataDir);
  });

  it('with the attachments of another database is refused, on disk and in a bucket', { timeout: 60_000 }, async () => {
    const bucket = await startS3();
    onTestFinished(() => bucket.remove());
    for (const ATTACHMENTS_URL of [`file:${join(testFolder(), 'files')}`, bucket.url]) {
      const [own, other] = [testFolder(), testFolder()];
      await (await startServer({ env: { ATTACHMENTS_URL }, dataDir: own })).drain();
      const message = await refusalOf({ ATTACHMENTS_URL }, other);
      expect(message).toMatch(/ATTACHMENTS_URL: found the attachments of another database/);
      await start({ ATTACHMENTS_URL }, own);
    }
  });

  it('shares a bucket with another database under another prefix', { timeout: 60_000 }, async () => {
    const bucket = await startS3();
    onTestFinished(() => bucket.remove());
    for (const prefix of ['one', 'two'])
      await start({ ATTACHMENTS_URL: bucket.url.replace('attachments?', `attachments/${prefix}?`) }, testFolder());
    expect(readdirSync(bucket.folder).sort()).toEqual(['one', 'two']);
  });

  it('with a scan command that is not there, or can not be run, is refused', async () => {
    const folder = testFolder();
    const plain = join(folder, 'plain');
    writeFileSync(plain, '');
    for (const [command, code] of [
      [join(folder, 'nothing'), 'ENOENT'],
      ['no-such-scanner-anywhere --quiet', 'ENOENT'],
      [plain, 'EACCES'],
    ] as const) {
      const message = await refusalOf({ ATTACHMENTS_SCAN_COMMAND: command }, folder);
      expect(message).toMatch(new RegExp(`ATTACHMENTS_SCAN_COMMAND: .*${code}`));
    }
    const stand = scanCommand();
    await start({ ATTACHMENTS_SCAN_COMMAND: stand.setting }, folder);
    expect(stand.scanned()).toHaveLength(1);
  });

  it('leaves nothing on its way when it is refused', async () => {
    const folder = testFolder();
    await refusalOf({ ATTACHMENTS_SCAN_COMMAND: join(folder, 'nothing') }, folder);
    expect(readdirSync(join(folder, 'temp'))).toEqual([]);
    expect(readdirSync(join(folder, 'attachments', 'drafts'))).toEqual([]);
  });

  it('with a scanner that fails, or is not up yet, warns and goes on', async () => {
    const gone = await startClamd();
    await gone.stop();
    for (const env of [
      { ATTACHMENTS_SCAN_COMMAND: scanCommand('failing').setting },
      { ATTACHMENTS_CLAMD: gone.setting },
      { ATTACHMENTS_CLAMD: join(testFolder(), 'clamd.sock') },
    ]) {
      const { logged } = await start(env, testFolder());
      expect(logged.filter(({ level, message }) => level === 'warn' && message.includes('scanner'))).toHaveLength(1);
    }
  });
});
