// Copies into dist what the compiler leaves behind: SQL files, and the pages that the server serves from files.
import { chmod, cp, mkdir, readdir, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const viewer = join(root, 'node_modules/@asyncapi/react-component');
const demo = join(root, 'examples/browser');

const copy = async (from, to) => {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { recursive: true });
};

for (const entry of await readdir(join(root, 'src'), { recursive: true })) {
  if (entry.endsWith('.sql')) await copy(join(root, 'src', entry), join(dist, entry));
}

// Emptied first, so that a file that no longer exists is not served for ever.
await rm(join(dist, 'assets'), { recursive: true, force: true });
// The bundle with the parser: it takes the document as it is, and needs no build step of its own.
await copy(join(viewer, 'browser/standalone/index.js'), join(dist, 'assets/docs/asyncapi.js'));
await copy(join(viewer, 'browser/standalone/index.js.LICENSE.txt'), join(dist, 'assets/docs/asyncapi.js.LICENSE.txt'));
await copy(join(viewer, 'styles/default.min.css'), join(dist, 'assets/docs/asyncapi.css'));
if (existsSync(demo)) await copy(demo, join(dist, 'assets/demo'));
// The compiler writes it as a plain file; `npx deskwire` runs it.
await chmod(join(dist, 'cli/main.js'), 0o755);
