import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface DocsAssets {
  readonly script: string;
  readonly style: string;
}

const at = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** The built program carries its pages in dist/assets; run from source, they come from where the build takes them. */
const BUILT = at('../../assets');
const PACKAGE = at('../../../node_modules/@asyncapi/react-component');
const EXAMPLE = at('../../../examples/browser');

const firstExisting = (paths: readonly string[]): string | undefined => paths.find((path) => existsSync(path));

/** Absolute paths of the viewer's script and style; undefined when this copy of the program has none. */
export const docsAssets = (): DocsAssets | undefined => {
  const script = firstExisting([`${BUILT}/docs/asyncapi.js`, `${PACKAGE}/browser/standalone/index.js`]);
  const style = firstExisting([`${BUILT}/docs/asyncapi.css`, `${PACKAGE}/styles/default.min.css`]);
  return script === undefined || style === undefined ? undefined : { script, style };
};

/** Absolute path of the folder with the demo page, its `index.html`; undefined when there is none. */
export const demoFolder = (): string | undefined => {
  const index = firstExisting([`${BUILT}/demo/index.html`, `${EXAMPLE}/index.html`]);
  return index?.slice(0, -'/index.html'.length);
};
