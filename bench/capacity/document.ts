import { withBlock } from '../../scripts/markdown.ts';
import { loadCosts, unmeasured, type CostsFile } from './costs.ts';
import { missingText, SECTIONS, UNMEASURED_SECTIONS } from './sections.ts';
import { planOf } from './workload.ts';

const PAGE = 'docs/scaling.md';

/** The page with the tables that these costs make; without figures while any cost is not measured. */
export const capacityPage = (current: string, file: CostsFile): string => {
  const missing = unmeasured(file);
  const plan = planOf();
  return SECTIONS.reduce((page, { name, render }) => {
    const isOpen = missing.length === 0 || UNMEASURED_SECTIONS.has(name);
    return withBlock(page, name, isOpen ? render(file, plan) : missingText(missing), PAGE);
  }, current);
};

export const withCapacity = (current: string): string => capacityPage(current, loadCosts());
