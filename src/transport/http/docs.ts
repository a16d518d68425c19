import { basename, dirname } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { DeskwireError } from '../../contract/errors.ts';
import { docsAssets } from './assets.ts';
import { STRICT_CSP } from './security.ts';

/** The AsyncAPI document of this server, limits as they are here. */
export interface DocumentTexts {
  readonly yaml: string;
  readonly json: string;
}

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Deskwire API</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="/docs/assets/asyncapi.css" />
    <link rel="stylesheet" href="/docs/assets/page.css" />
    <script src="/docs/assets/asyncapi.js" defer></script>
    <script src="/docs/assets/page.js" defer></script>
  </head>
  <body>
    <p id="note" class="deskwire-note">
      The API is described in <a href="/asyncapi.yaml">asyncapi.yaml</a> and <a href="/asyncapi.json">asyncapi.json</a>.
      This page shows it with JavaScript, after a few seconds.
    </p>
    <main id="asyncapi"></main>
  </body>
</html>
`;

const PAGE_SCRIPT = `const note = document.getElementById('note');
const place = document.getElementById('asyncapi');
const fail = (error) => {
  note.textContent = 'The document could not be shown: ' + error.message + '. Read /asyncapi.yaml instead.';
};
const observer = new MutationObserver(() => {
  if (place.textContent === '') return;
  note.remove();
  observer.disconnect();
});
observer.observe(place, { childList: true, subtree: true });
fetch('/asyncapi.json')
  .then((response) => {
    if (!response.ok) throw new Error('status ' + response.status);
    return response.text();
  })
  .then((schema) => {
    const config = { show: { sidebar: true, errors: true }, expand: { messageExamples: true } };
    AsyncApiStandalone.render({ schema, config }, place);
  })
  .catch(fail);
`;

const PAGE_STYLE = `body { margin: 0; font-family: system-ui, -apple-system, 'Segoe UI', sans-serif; }
.aui-root .prose code::before, .aui-root .prose code::after { content: none; }
.deskwire-note { line-height: 1.5; margin: 2rem auto; max-width: 40rem; padding: 0 1rem; }
`;

/** The viewer compiles JSON Schemas into functions and sets styles from script: this page alone may do so. */
const DOCS_CSP = {
  ...STRICT_CSP,
  scriptSrc: ["'self'", "'unsafe-eval'"],
  styleSrc: ["'self'", "'unsafe-inline'"],
};

/** `GET /asyncapi.yaml`, `/asyncapi.json`, and `/docs`, which shows them with nothing fetched from elsewhere. */
export const docsRoutes = (app: FastifyInstance, document: DocumentTexts): void => {
  const assets = docsAssets();

  app.get('/asyncapi.yaml', (_request, reply) => reply.type('application/yaml; charset=utf-8').send(document.yaml));
  app.get('/asyncapi.json', (_request, reply) => reply.type('application/json; charset=utf-8').send(document.json));
  app.get(
    '/docs',
    { helmet: { contentSecurityPolicy: { useDefaults: false, directives: DOCS_CSP } } },
    (_request, reply) => reply.type('text/html; charset=utf-8').send(PAGE),
  );
  app.get('/docs/assets/page.js', (_request, reply) => reply.type('text/javascript; charset=utf-8').send(PAGE_SCRIPT));
  app.get('/docs/assets/page.css', (_request, reply) => reply.type('text/css; charset=utf-8').send(PAGE_STYLE));
  for (const [url, path] of [
    ['/docs/assets/asyncapi.js', assets?.script],
    ['/docs/assets/asyncapi.css', assets?.style],
  ] as const) {
    app.get(url, (_request, reply) => {
      if (path === undefined) throw new DeskwireError('not_found', 'This copy of the program has no document viewer.');
      return reply.sendFile(basename(path), dirname(path));
    });
  }
};
