import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { projectFiles, ROOT } from './project-files.ts';
import { leadingIds, ruleIds, testTitles } from './test-titles.ts';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const testFiles = projectFiles().filter((path) => /^test\/.*(?:\.test|-suite)\.ts$/.test(path));
const titles = testFiles.flatMap((path) => testTitles(path, read(path)).map((title) => ({ path, ...title })));

describe('guarantees', () => {
  it('rules have ids of their own', () => {
    const rules = ruleIds(read('docs/guarantees.md'));
    expect(rules.length).toBeGreaterThan(0);
    expect(rules.filter((id, index) => rules.indexOf(id) !== index)).toEqual([]);
  });

  it('every rule has a test whose title begins with its id', () => {
    const tested = new Set(titles.filter(({ runs }) => runs).flatMap(({ title }) => leadingIds(title)));
    expect(ruleIds(read('docs/guarantees.md')).filter((id) => !tested.has(id))).toEqual([]);
  });

  it('every id in a title is that of a rule', () => {
    const rules = new Set(ruleIds(read('docs/guarantees.md')));
    const strangers = titles.flatMap(({ path, line, title }) =>
      leadingIds(title)
        .filter((id) => !rules.has(id))
        .map((id) => `${path}:${String(line)} names ${id}, which is no rule`),
    );
    expect(strangers).toEqual([]);
  });
});

describe('how they are found', () => {
  it('titles of tests, whatever way they are written', () => {
    const source = [
      "it('[MSG-1] plain', () => {});",
      "test.skip('[MSG-2] skipped', () => {});",
      "it.each([[1, (2)]])('[MSG-3] for %s', () => {});",
      'it(`[MSG-4] [MSG-5] with ${name}`, () => {});',
      "describe('[MSG-6] no test', () => { it.concurrent('inner', () => {}); });",
      "// it('[MSG-7] a comment', () => {});",
    ].join('\n');
    expect(testTitles('probe.ts', source)).toEqual([
      { title: '[MSG-1] plain', line: 1, runs: true },
      { title: '[MSG-2] skipped', line: 2, runs: false },
      { title: '[MSG-3] for %s', line: 3, runs: true },
      { title: '[MSG-4] [MSG-5] with ', line: 4, runs: true },
      { title: 'inner', line: 5, runs: true },
    ]);
    expect(leadingIds('[MSG-4] [MSG-5] with ')).toEqual(['MSG-4', 'MSG-5']);
    expect(leadingIds('see [MSG-4]')).toEqual([]);
  });

  it('rules, as lines, items and headings', () => {
    const page = '# Rules\n\n**[MSG-1]** One.\n- **[MSG-2]** Two, unlike **[MSG-9]**.\n### **[RES-10] Three**\n';
    expect(ruleIds(page)).toEqual(['MSG-1', 'MSG-2', 'RES-10']);
  });
});
