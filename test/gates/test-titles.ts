import ts from 'typescript';

export interface TestTitle {
  readonly title: string;
  readonly line: number;
  /** `it.skip` and `it.todo`: says something, proves nothing. */
  readonly runs: boolean;
}

const literal = (node: ts.Expression | undefined): string | undefined => {
  if (node === undefined) return undefined;
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node)) return node.head.text;
  return undefined;
};

/** `it`, `it.skip`, `it.each(table)`: the names from left to right. */
const calleeNames = (node: ts.Expression): string[] => {
  if (ts.isIdentifier(node)) return [node.text];
  if (ts.isPropertyAccessExpression(node)) return [...calleeNames(node.expression), node.name.text];
  if (ts.isCallExpression(node)) return calleeNames(node.expression);
  if (ts.isTaggedTemplateExpression(node)) return calleeNames(node.tag);
  return [];
};

/** Titles of the tests in a source file; of a title with `${…}`, what stands before it. */
export const testTitles = (path: string, source: string): TestTitle[] => {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.ES2023, true);
  const titles: TestTitle[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const [name, ...modifiers] = calleeNames(node.expression);
      const title = literal(node.arguments[0]);
      if ((name === 'it' || name === 'test') && title !== undefined) {
        const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
        titles.push({ title, line, runs: !modifiers.includes('skip') && !modifiers.includes('todo') });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return titles;
};

/** Ids at the beginning of a title: `[MSG-1] [MSG-2] what holds`. */
export const leadingIds = (title: string): string[] => {
  const lead = /^(?:\[[A-Z]+-\d+\]\s*)+/.exec(title)?.[0] ?? '';
  return lead.match(/[A-Z]+-\d+/g) ?? [];
};

/** Ids of the rules in docs/guarantees.md: lines, items or headings that begin with `**[MSG-3]**`. */
export const ruleIds = (markdown: string): string[] =>
  [...markdown.matchAll(/^(?:#{1,6} +|[-*] +)?\*\*\[([A-Z]+-\d+)\]/gm)].map((match) => match[1] ?? '');
