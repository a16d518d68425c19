const DAY_MS = 86_400_000;

/** Opening hours of a department that is closed for as long as a test may take, and opens within the week. */
export const closedForNow = (): { week: Record<string, string[]> } => {
  const opensOn = new Date(Date.now() + 3 * DAY_MS).toLocaleDateString('en', { weekday: 'short', timeZone: 'UTC' });
  return { week: { [opensOn.toLowerCase()]: ['09:00-12:00'] } };
};
