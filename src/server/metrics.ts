import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { ERROR_CODES } from '../contract/errors.ts';
import type { Metrics } from '../ports/metrics.ts';

export interface MetricsOptions {
  /** Names that may become a label. A name that a client made up counts as `unknown`. */
  readonly requestNames: Iterable<string>;
  /** Asked when the metrics are read. */
  readonly connectionCount: () => number;
  readonly handshakesWaiting: () => number;
  readonly feedCount: () => number;
  readonly waitingCount: () => number;
  readonly onlineCount: () => number;
  readonly nodeCount: () => number;
  readonly busConnected: () => boolean;
}

export interface MetricsPage {
  readonly contentType: string;
  readonly text: string;
}

export interface ServerMetrics extends Metrics {
  /** In the Prometheus text format. */
  page(): Promise<MetricsPage>;
}

/** From a request answered out of memory to one that waits for a slow disk, in seconds. */
const DURATION_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** From an answer at once to a day, in seconds. */
const DESK_BUCKETS = [1, 5, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400];
const COMMIT_WRITE_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** Counts and durations for Prometheus, in a registry of their own. Time series are bounded: requests × error codes. */
export const createMetrics = ({
  requestNames,
  connectionCount,
  handshakesWaiting,
  feedCount,
  waitingCount,
  onlineCount,
  nodeCount,
  busConnected,
}: MetricsOptions): ServerMetrics => {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const events = new Set(requestNames);
  const outcomes = new Set<string>(['ok', ...ERROR_CODES]);

  /** Counted by hand and handed over when the metrics are read: a labelled counter costs a microsecond each time. */
  const counts = new Map<string, Map<string, number>>();
  new Counter({
    name: 'deskwire_requests_total',
    help: 'Requests answered, by event and outcome (ok or an error code).',
    labelNames: ['event', 'outcome'],
    registers,
    collect() {
      this.reset();
      for (const [event, byOutcome] of counts) {
        for (const [outcome, count] of byOutcome) this.inc({ event, outcome }, count);
      }
    },
  });
  const requestSeconds = new Histogram({
    name: 'deskwire_request_duration_seconds',
    help: 'From the arrival of a request to its reply.',
    labelNames: ['event'],
    buckets: DURATION_BUCKETS,
    registers,
  });
  const commitSeconds = new Histogram({
    name: 'deskwire_commit_duration_seconds',
    help: 'One commit of the store.',
    buckets: DURATION_BUCKETS,
    registers,
  });
  const commitWrites = new Histogram({
    name: 'deskwire_commit_writes',
    help: 'Writes committed together.',
    buckets: COMMIT_WRITE_BUCKETS,
    registers,
  });
  const delivered = new Counter({
    name: 'deskwire_entries_delivered_total',
    help: 'Entries handed to connections.',
    registers,
  });
  const feedReads = new Counter({
    name: 'deskwire_feed_reads_total',
    help: 'Holes that a feed read from the store.',
    registers,
  });
  const assignments = new Counter({
    name: 'deskwire_assignments_total',
    help: 'Changes of assignee, by reason.',
    labelNames: ['reason'],
    registers,
  });
  const deskSeconds = (name: string, help: string) => new Histogram({ name, help, buckets: DESK_BUCKETS, registers });
  const queueSeconds = deskSeconds(
    'deskwire_queue_wait_seconds',
    'From the opening of a conversation, or its reopening, to an assignee.',
  );
  const firstResponseSeconds = deskSeconds(
    'deskwire_first_response_seconds',
    'From the opening of a conversation, or its reopening, to the first answer of a person.',
  );
  const resolutionSeconds = deskSeconds(
    'deskwire_resolution_seconds',
    'From the opening of a conversation, or its reopening, to its close.',
  );
  const uploadedBytes = new Counter({
    name: 'deskwire_uploaded_bytes_total',
    help: 'Bytes of attachments taken.',
    registers,
  });
  const attachments = new Counter({
    name: 'deskwire_attachments_total',
    help: 'Attachments that were finished, by outcome (ready or an error code).',
    labelNames: ['outcome'],
    registers,
  });
  const checkSeconds = new Histogram({
    name: 'deskwire_attachment_check_seconds',
    help: 'From the finish of an attachment until it was hashed, looked at and scanned.',
    buckets: DURATION_BUCKETS,
    registers,
  });
  const scanFailures = new Counter({
    name: 'deskwire_scan_failures_total',
    help: 'Times that the virus scanner gave no verdict.',
    registers,
  });
  const slowReaders = new Counter({
    name: 'deskwire_slow_readers_total',
    help: 'Connections closed because they did not keep up.',
    registers,
  });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('deskwire_connections', 'Connections that are signed in.', connectionCount);
  gauge('deskwire_handshakes_waiting', 'Clients that wait to be let in.', handshakesWaiting);
  gauge('deskwire_waiting_conversations', 'Conversations in the queue.', waitingCount);
  gauge('deskwire_agents_online', 'Agents and supervisors who are online.', onlineCount);
  gauge('deskwire_nodes', 'Nodes of this desk that are alive, this one too.', nodeCount);
  gauge(
    'deskwire_bus_connected',
    '1 while this node can tell others at once, and hears all of them; 0: they learn from the store.',
    () => (busConnected() ? 1 : 0),
  );
  gauge('deskwire_feeds', 'Conversations that have members on this node.', feedCount);

  return {
    request: (event, outcome, durationMs) => {
      const name = events.has(event) ? event : 'unknown';
      const known = outcomes.has(outcome) ? outcome : 'internal';
      const byOutcome = counts.get(name) ?? new Map<string, number>();
      counts.set(name, byOutcome.set(known, (byOutcome.get(known) ?? 0) + 1));
      requestSeconds.observe({ event: name }, durationMs / 1000);
    },
    commit: (writeCount, durationMs) => {
      commitWrites.observe(writeCount);
      commitSeconds.observe(durationMs / 1000);
    },
    delivered: (entryCount) => {
      delivered.inc(entryCount);
    },
    feedRead: () => {
      feedReads.inc();
    },
    assignment: (reason) => {
      assignments.inc({ reason });
    },
    queueWait: (durationMs) => {
      queueSeconds.observe(durationMs / 1000);
    },
    firstResponse: (durationMs) => {
      firstResponseSeconds.observe(durationMs / 1000);
    },
    resolution: (durationMs) => {
      resolutionSeconds.observe(durationMs / 1000);
    },
    uploaded: (bytes) => {
      uploadedBytes.inc(bytes);
    },
    attachment: (outcome, durationMs) => {
      attachments.inc({ outcome });
      checkSeconds.observe(durationMs / 1000);
    },
    scanFailed: () => {
      scanFailures.inc();
    },
    slowReader: () => {
      slowReaders.inc();
    },
    page: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
};
