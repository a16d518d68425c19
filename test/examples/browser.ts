import { chromium, type Browser, type BrowserContext, type Locator, type Page } from 'playwright-core';

const EXECUTABLE = '/usr/bin/chromium';
const ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export const startBrowser = (): Promise<Browser> => chromium.launch({ executablePath: EXECUTABLE, args: ARGS });

export interface Side {
  /** The messages shown, `Bob: Hello` for others' and `Hello` for one's own, as they stand. */
  messages(): Promise<string[]>;
  /** Everything in the log, notes too. */
  log(): Promise<string[]>;
  write(text: string): Promise<void>;
  /** Types without sending. */
  begin(text: string): Promise<void>;
  typing(): Promise<string>;
  state(): Promise<string | null>;
  pendingCount(): Promise<number>;
  /** Labels of the conversations to take or to show. */
  work(): Promise<string[]>;
  press(label: string): Promise<void>;
  /** How the conversation stands. */
  standing(): Promise<string>;
  /** Whether the agent takes work. */
  status(): Promise<string | null>;
  /** Clicks a button of the pane, wherever it is. */
  click(label: string): Promise<void>;
  /** Where the conversation can be handed to. */
  targets(): Promise<string[]>;
  transferTo(label: string): Promise<void>;
  /** Chooses files, as paths or made up. */
  attach(files: Parameters<Locator['setInputFiles']>[0]): Promise<void>;
  /** The files on their way, `photo.png: 3 MB`, wherever they are shown; those of the next message, or of one that waits. */
  files(): Promise<string[]>;
  /** The files of messages, by their links. */
  attached: Locator;
}

/** One of the page's panes. */
export const side = (page: Page, id: 'customer' | 'agent'): Side => {
  const pane = page.locator(`#${id}`);
  // A name stands in a line of its own above the words.
  const text = async (selector: string): Promise<string[]> =>
    (await pane.locator(selector).allInnerTexts()).map((shown) => shown.replace('\n', ': '));
  return {
    messages: () => text('.log .mine, .log .theirs'),
    log: () => pane.locator('.log li').allTextContents(),
    write: async (words) => {
      await pane.getByRole('textbox').fill(words);
      await pane.getByRole('textbox').press('Enter');
    },
    begin: (words) => pane.getByRole('textbox').fill(words),
    typing: async () => (await pane.locator('.typing').textContent()) ?? '',
    state: () => pane.locator('.state').getAttribute('data-state'),
    pendingCount: () => pane.locator('.pending').count(),
    work: () => pane.locator('.work button').allTextContents(),
    press: (label) => pane.locator('.work button', { hasText: label }).click(),
    standing: async () => (await pane.locator('.standing').textContent()) ?? '',
    status: () => pane.locator('.toggle').textContent(),
    click: (label) => pane.getByRole('button', { name: label, exact: true }).click(),
    targets: () => pane.locator('.actions option').allTextContents(),
    transferTo: async (label) => {
      await pane.locator('.actions select').selectOption({ label });
      await pane.getByRole('button', { name: 'Transfer', exact: true }).click();
    },
    attach: (files) => pane.locator('input[type=file]').setInputFiles(files),
    // Its name, what is said of it, and the sign on its button.
    files: async () =>
      (await pane.locator('.file:visible').allInnerTexts()).map((shown) => {
        const [name, said] = shown.split('\n');
        return `${String(name)}: ${String(said)}`;
      }),
    attached: pane.locator('.log a'),
  };
};

/** A tab with the page, as the address says; what the browser complains of is kept in `complaints`. */
export const openPage = async (
  context: BrowserContext,
  address: string,
): Promise<{ page: Page; complaints: string[] }> => {
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await page.goto(address);
  return { page, complaints };
};
