import { number } from '../../scripts/markdown.ts';

/** Three figures that say something, no more: 1 234 567 → 1 230 000, 0.01234 → 0.0123. */
export const figure = (value: number): string => {
  if (!Number.isFinite(value)) return 'never';
  const rounded = Number(value.toPrecision(3));
  return Math.abs(rounded) >= 1_000 ? number(rounded) : String(rounded);
};

/** Two figures: capacities are no more certain than that. */
export const about = (value: number): string => figure(Number(value.toPrecision(2)));

/** 0.123 → 12 % */
export const percent = (share: number): string => {
  const value = share * 100;
  return `${value > 0 && value < 1 ? '<1' : number(Math.round(value))} %`;
};

const BYTE_UNITS = ['bytes', 'KB', 'MB', 'GB', 'TB', 'PB'] as const;

/** In thousands, as disks and lines are sold. */
export const bytes = (count: number): string => {
  const power = count < 1 ? 0 : Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log10(count) / 3));
  return `${about(count / 1_000 ** power)} ${BYTE_UNITS[power] ?? ''}`;
};
