import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ROOT } from '../gates/project-files.ts';

/** A Compose file as YAML, with its anchors put in; the gate holds its shape. */
export const readCompose = (path: string): unknown => parse(readFileSync(join(ROOT, path), 'utf8'), { merge: true });

/** As Compose puts variables in: `${NAME}`, `${NAME:-default}` and `${NAME:?message}`. */
export const interpolate = (text: string, variables: Readonly<Record<string, string>>): string =>
  text.replaceAll(
    /\$\{(\w+)(?::([-?])([^}]*))?\}/g,
    (_all, name: string, kind: string | undefined, rest: string | undefined) => {
      const value = variables[name] ?? '';
      if (value !== '') return value;
      if (kind === '?') throw new Error(`${name} is not set: ${rest ?? ''}`);
      return rest ?? '';
    },
  );

/** What a service of docker-compose.yml is started with. */
export const environmentOf = (service: string, variables: Readonly<Record<string, string>>): Record<string, string> => {
  const { services } = readCompose('docker-compose.yml') as {
    services: Record<string, { environment: Record<string, string> }>;
  };
  const environment = services[service]?.environment;
  if (environment === undefined) throw new Error(`docker-compose.yml has no service ${service} with an environment`);
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, interpolate(value, variables)]));
};
