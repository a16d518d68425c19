import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { componentKey } from '../../src/spec/names.ts';
import { SchemaRegistry } from '../../src/spec/schemas.ts';

describe('named schemas', () => {
  it('become components, with references to them', () => {
    const registry = new SchemaRegistry();
    const Pet = z.strictObject({ name: z.string() }).meta({ id: 'Pet' });
    const payload = registry.translate(z.strictObject({ pet: Pet, other: Pet.optional() }), 'client');
    const reference = { $ref: '#/components/schemas/Pet' };
    expect(payload['properties']).toEqual({ pet: reference, other: reference });
    expect(Object.keys(registry.components())).toEqual(['Pet']);
  });

  it('may not share a name', () => {
    const registry = new SchemaRegistry();
    const named = (shape: z.ZodRawShape) => z.strictObject({ it: z.strictObject(shape).meta({ id: 'Pet' }) });
    registry.translate(named({ name: z.string() }), 'client');
    expect(() => registry.translate(named({ name: z.number() }), 'client')).toThrow(/two different schemas named Pet/);
  });

  it('JSON is JSON, and any other recursion needs a name', () => {
    const registry = new SchemaRegistry();
    registry.translate(z.strictObject({ details: z.json() }), 'server');
    expect(registry.components()).toEqual({ Json: { description: 'Any JSON value.' } });
    const Tree = z.strictObject({
      get children() {
        return z.array(Tree);
      },
    });
    expect(() => registry.translate(z.strictObject({ tree: Tree }), 'server')).toThrow(
      /recursive schema without a name/,
    );
  });
});

describe('component keys', () => {
  it('are names without their colon', () => {
    expect(componentKey('conversation:open')).toBe('conversationOpen');
    expect(componentKey('connect_error')).toBe('connectError');
    expect(() => componentKey('conversation open')).toThrow(/no component key/);
  });
});
