import fastifyCors from '@fastify/cors';
import fastifyHelmet from '@fastify/helmet';
import fastifyStatic from '@fastify/static';
import { fastify, type FastifyInstance } from 'fastify';
import { DeskwireError } from '../../contract/errors.ts';
import type { Limits } from '../../contract/limits.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { attachmentsRoute, type OpenDownload } from './attachments.ts';
import { demoFolder } from './assets.ts';
import { docsRoutes, type DocumentTexts } from './docs.ts';
import { answerBrokenRequest, errorAnswers, toDeskwireError } from './errors.ts';
import { boundPipelining } from './pipelining.ts';
import { problemOf, PROBLEM_TYPE, sendProblem } from './problem.ts';
import { HELMET_OPTIONS } from './security.ts';
import { visitorsRoute, type IssueVisitor } from './visitors.ts';

export interface HttpOptions {
  /** Shows the demo page at `/` when false. */
  readonly production: boolean;
  /** Exact origins whose pages may read answers. */
  readonly allowedOrigins: readonly string[];
  readonly limits: Limits;
  readonly trustedProxyCount: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly document: DocumentTexts;
  /** Why the server can't serve now; empty when it can. */
  readonly readiness: () => Promise<readonly string[]>;
  readonly metrics: () => Promise<{ contentType: string; text: string }>;
  /** undefined: visitors are switched off. */
  readonly issueVisitor: IssueVisitor | undefined;
  readonly openDownload: OpenDownload;
}

const MAX_BODY_BYTES = 16_384;
/** For receiving a request, not for answering it: a poll may wait longer. */
const REQUEST_TIMEOUT_MS = 30_000;
/** A connection on which nothing moves: longer than a poll waits. It ends a response that nobody reads. */
const CONNECTION_TIMEOUT_MS = 60_000;
const PREFLIGHT_SECONDS = 600;

const healthRoutes = (app: FastifyInstance, { readiness, metrics, log }: HttpOptions): void => {
  app.get('/healthz', (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'ok' }));

  app.get('/readyz', async (_request, reply) => {
    const reasons = await readiness().catch((error: unknown) => {
      log.error({ err: error }, 'the readiness check failed');
      return ['the readiness check failed'];
    });
    reply.header('cache-control', 'no-store');
    if (reasons.length === 0) return reply.send({ status: 'ready' });
    const problem = problemOf(new DeskwireError('unavailable', 'This server can not serve now.'));
    return reply
      .code(problem.status)
      .type(PROBLEM_TYPE)
      .send({ ...problem, reasons });
  });

  app.get('/metrics', async (_request, reply) => {
    const { contentType, text } = await metrics();
    return reply.header('cache-control', 'no-store').type(contentType).send(text);
  });
};

const homeRoute = (app: FastifyInstance, production: boolean): void => {
  const demo = production ? undefined : demoFolder();
  if (demo === undefined) {
    app.get('/', (_request, reply) => reply.send({ name: 'deskwire', docs: '/docs' }));
  } else {
    // Without a wildcard each file is a route of its own: nothing else under / is looked up on disk.
    app.register(fastifyStatic, { root: demo, prefix: '/', wildcard: false, decorateReply: false });
  }
};

/**
 * The HTTP side: health, metrics, the API document, visitors. It does not listen; Socket.IO is attached to
 * `app.server` after `await app.ready()`, then that server listens. Errors are RFC 9457 problems.
 */
export const createHttp = (options: HttpOptions): FastifyInstance => {
  const { allowedOrigins, log } = options;
  const app = fastify({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply, toDeskwireError(error, log));
    },
  });
  errorAnswers(app, log);
  boundPipelining(app);

  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, {});
    else void parseJson(request, body.toString(), done);
  });

  app.register(fastifyHelmet, HELMET_OPTIONS);
  app.register(fastifyCors, {
    origin: allowedOrigins.length === 0 ? false : [...allowedOrigins],
    methods: ['GET', 'HEAD', 'POST'],
    exposedHeaders: ['Accept-Ranges', 'Content-Disposition', 'Content-Range', 'ETag', 'Retry-After'],
    maxAge: PREFLIGHT_SECONDS,
  });
  app.register(fastifyStatic, { root: import.meta.dirname, serve: false });
  app.register((routes, _options, done) => {
    healthRoutes(routes, options);
    docsRoutes(routes, options.document);
    visitorsRoute(routes, { ...options, issue: options.issueVisitor });
    attachmentsRoute(routes, options.openDownload);
    homeRoute(routes, options.production);
    done();
  });
  return app;
};
