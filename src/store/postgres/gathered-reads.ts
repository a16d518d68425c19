import DataLoader from 'dataloader';
import limitConcurrency from 'p-limit';

/** Statements of one kind that are under way at once; what is asked meanwhile is gathered for the next. */
const STATEMENTS = 2;
/** Few enough that none waits long for the others' answers, which come together. */
const MAX_GATHERED = 16;

/**
 * Reads of one kind, made together as writes are in a group commit: those of one turn of the event loop, and those that come while
 * earlier ones are under way. One that is alone waits for nobody. When thousands join at once, most of what their reads would cost is the
 * statements, here and in the database.
 *
 * @param read gives the answers in the order of the queries; when it rejects, so do all of them
 */
export const gatheredReads = <Q, R>(
  read: (queries: readonly Q[]) => Promise<readonly R[]>,
): ((query: Q) => Promise<R>) => {
  const inTurn = limitConcurrency(STATEMENTS);
  let underWay: Promise<unknown> = Promise.resolve();
  const loader = new DataLoader<Q, R>(
    (queries) => {
      const answers = read(queries);
      underWay = answers;
      return answers;
    },
    {
      // Each reads what is committed when it asks.
      cache: false,
      maxBatchSize: MAX_GATHERED,
      batchScheduleFn: (dispatch) => {
        setImmediate(() => {
          void inTurn(async () => {
            dispatch();
            // Whoever asked hears of a failure.
            await underWay.catch(() => undefined);
          });
        });
      },
    },
  );
  return (query) => loader.load(query);
};
