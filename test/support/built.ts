import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
/** Made anew by each build. */
const BUILT = join(ROOT, 'dist/assets');

/** Before all tests: what they start as a process or a thread is the built program, which has to be that of these sources. */
export default (): void => {
  const builtAt = statSync(BUILT, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const newer = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).find(
    (path) => statSync(join(ROOT, 'src', path)).mtimeMs > builtAt,
  );
  if (newer !== undefined) throw new Error(`src/${newer} is newer than the built program; run: npm run build`);
};
