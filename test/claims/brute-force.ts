import type { LoggedChange, Operation } from './history.ts';

interface State {
  readonly fence: number;
  readonly assignee: string | null;
  readonly former: ReadonlySet<string>;
}

/** The state after an operation that has this answer; undefined when it can't have it here. The log says what each change was. */
const step = (state: State, { agent, verb, outcome }: Operation, log: readonly LoggedChange[]): State | undefined => {
  const { fence, assignee, former } = state;
  const change = (kind: LoggedChange['kind']): State | undefined => {
    const logged = log[fence];
    if (logged?.kind !== kind || logged.agent !== agent) return undefined;
    if (outcome.kind === 'ok' && (outcome.fence !== fence + 1 || outcome.seq !== logged.seq)) return undefined;
    if (kind === 'assigned') return { fence: fence + 1, assignee: agent, former };
    return { fence: fence + 1, assignee: null, former: new Set([...former, agent]) };
  };
  const isMine = assignee === agent;
  switch (outcome.kind) {
    case 'unknown':
      if (verb === 'claim') return assignee === null ? change('assigned') : undefined;
      return isMine ? change('released') : undefined;
    case 'ok':
      if (verb === 'release') return isMine ? change('released') : undefined;
      if (assignee === null) return change('assigned');
      return isMine && outcome.fence === fence && log[fence - 1]?.seq === outcome.seq ? state : undefined;
    case 'already_assigned':
      return assignee !== null && !isMine && assignee === outcome.assignee && outcome.fence === fence
        ? state
        : undefined;
    case 'stale_fence':
      return !isMine && former.has(agent) && outcome.fence === fence ? state : undefined;
    case 'forbidden':
      return !isMine && !former.has(agent) ? state : undefined;
  }
};

/** Whether some order of the operations explains a short history: tries them all, by the definition and nothing else. */
export const isLinearizable = (operations: readonly Operation[], log: readonly LoggedChange[]): boolean => {
  const search = (state: State, left: readonly Operation[]): boolean => {
    if (state.fence === log.length && left.every(({ outcome }) => outcome.kind === 'unknown')) return true;
    return left.some((next) => {
      if (left.some(({ answeredAt }) => answeredAt < next.sentAt)) return false;
      const after = step(state, next, log);
      return (
        after !== undefined &&
        search(
          after,
          left.filter((operation) => operation !== next),
        )
      );
    });
  };
  return search({ fence: 0, assignee: null, former: new Set() }, operations);
};
