import { readFileSync } from 'node:fs';
import { DiagnosticSeverity, Parser } from '@asyncapi/parser';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { COMMON_ERRORS, ERROR_CODES, ERRORS } from '../../src/contract/errors.ts';
import { DEFAULT_LIMITS, LIMIT_NAMES } from '../../src/contract/limits.ts';
import { asyncapiDocument, asyncapiYaml } from '../../src/spec/document.ts';
import { document, events, messageBehind, operations, requests } from './support.ts';

const committed = readFileSync(new URL('../../asyncapi.yaml', import.meta.url), 'utf8');

const names = (action: 'send' | 'receive'): string[] =>
  operations
    .filter((operation) => operation.action === action)
    .map((operation) => messageBehind(operation.messages)['name'] as string);

describe('asyncapi.yaml', () => {
  it('is what the contract says', () => {
    expect(committed === asyncapiYaml(DEFAULT_LIMITS), 'run: npx tsx src/cli/main.ts spec --write asyncapi.yaml').toBe(
      true,
    );
    expect(parse(committed)).toEqual(document);
  });

  it('has neither anchors nor aliases', () => {
    expect(committed).not.toMatch(/^[^#"'`]*: [&*]\w/m);
    expect(parse(committed, { maxAliasCount: 0 })).toEqual(document);
  });

  it('is valid AsyncAPI 3.0.0', async () => {
    const { document: parsed, diagnostics } = await new Parser().parse(committed);
    // 3.0.0 on purpose: many tools do not read 3.1 yet.
    const unexpected = diagnostics.filter(({ code }) => code !== 'asyncapi-latest-version');
    expect(unexpected.map(({ code, path, message }) => `${String(code)} at ${path.join('.')}: ${message}`)).toEqual([]);
    expect(parsed?.version()).toBe('3.0.0');
    expect(parsed?.operations().all()).toHaveLength(requests.size + events.size + 1);
  });

  it('would not pass if it were not', async () => {
    const broken = committed.replace('action: receive', 'action: listen');
    const { diagnostics } = await new Parser().parse(broken);
    expect(diagnostics.map(({ severity }) => severity)).toContain(DiagnosticSeverity.Error);
  });

  it('states the limits it is given', () => {
    const other = asyncapiDocument({ ...DEFAULT_LIMITS, textBytes: 77 });
    expect(other['x-limits']['textBytes']).toMatchObject({ value: 77, default: DEFAULT_LIMITS.textBytes });
    expect(JSON.stringify(other.components.messages['messageSend'])).toContain('"maxLength":77');
    expect(Object.keys(document['x-limits'])).toEqual(LIMIT_NAMES);
  });

  it('can be changed by one reader without the next one noticing', () => {
    const first = asyncapiDocument(DEFAULT_LIMITS);
    first.servers['local'] = null;
    first.components.schemas['User'] = null;
    expect(asyncapiDocument(DEFAULT_LIMITS)).toEqual(document);
  });
});

describe('the contract, both ways', () => {
  it('the server receives every request, each once, and nothing else', () => {
    expect(names('receive').sort()).toEqual([...requests.keys()].sort());
  });

  it('the server sends every event and connect_error, each once, and nothing else', () => {
    expect(names('send').sort()).toEqual([...events.keys(), 'connect_error'].sort());
  });

  it('every message has one name and belongs to one operation', () => {
    const all = Object.values(document.components.messages).map((message) => message['name'] as string);
    expect(new Set(all).size).toBe(all.length);
    const used = operations.flatMap((operation) => [
      messageBehind(operation.messages)['name'] as string,
      ...(operation.reply === undefined ? [] : [messageBehind(operation.reply.messages)['name'] as string]),
    ]);
    expect(used.sort()).toEqual(all.sort());
  });

  for (const [name, request] of requests) {
    it(`${name}: roles, errors and reply`, () => {
      const operation = operations.find(
        ({ action, messages: own }) => action === 'receive' && messageBehind(own)['name'] === name,
      );
      expect(operation?.['x-roles']).toEqual(request.roles);
      expect([...(operation?.['x-errors'] ?? [])].sort()).toEqual(
        [...new Set([...COMMON_ERRORS, ...request.errors])].sort(),
      );
      const reply = messageBehind(operation?.reply?.messages ?? []);
      expect(reply['name']).toBe(`${name}:reply`);
      expect(operation?.reply?.messages[0]?.$ref.startsWith(operation.reply.channel.$ref)).toBe(true);
      expect(operation?.messages[0]?.$ref.startsWith(operation.channel.$ref)).toBe(true);
    });
  }

  it('the error table is that of the contract', () => {
    expect(document['x-errors']).toEqual(ERRORS);
    const error = document.components.schemas['Error'] as { properties: { code: { enum: string[] } } };
    expect(error.properties.code.enum).toEqual(ERROR_CODES);
  });

  it('the kinds of the events are those of the contract', () => {
    for (const operation of operations.filter(({ action }) => action === 'send')) {
      const name = messageBehind(operation.messages)['name'] as string;
      expect(operation['x-kind'], name).toBe(events.get(name)?.kind);
    }
  });

  it('no schema lets unknown fields through but metadata and other JSON', () => {
    const open: string[] = [];
    const visit = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      const schema = value as Record<string, unknown>;
      if (schema['type'] === 'object' && 'properties' in schema && schema['additionalProperties'] !== false) {
        open.push(path);
      }
      for (const [key, item] of Object.entries(schema)) if (key !== 'examples') visit(item, `${path}/${key}`);
    };
    visit(document.components, '');
    // The one that narrows an error's code stands beside a reference to the closed Error.
    expect(open.filter((path) => !path.endsWith('/error/allOf/1'))).toEqual([]);
  });
});
