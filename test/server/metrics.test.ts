import { expect, test } from 'vitest';
import { createMetrics } from '../../src/server/metrics.ts';

test('counts, durations and gauges are on the page', async () => {
  let connectionCount = 3;
  const metrics = createMetrics({
    requestNames: ['message:send'],
    connectionCount: () => connectionCount,
    handshakesWaiting: () => 0,
    feedCount: () => 2,
    waitingCount: () => 3,
    onlineCount: () => 4,
    nodeCount: () => 1,
    busConnected: () => true,
  });
  metrics.request('message:send', 'ok', 20);
  metrics.request('message:send', 'forbidden', 1);
  metrics.commit(7, 2);
  metrics.delivered(5);
  metrics.feedRead();
  metrics.slowReader();
  connectionCount = 4;
  const { contentType, text } = await metrics.page();
  expect(contentType).toContain('text/plain');
  for (const line of [
    'deskwire_requests_total{event="message:send",outcome="ok"} 1',
    'deskwire_requests_total{event="message:send",outcome="forbidden"} 1',
    'deskwire_request_duration_seconds_bucket{le="0.025",event="message:send"} 2',
    'deskwire_commit_writes_sum 7',
    'deskwire_commit_duration_seconds_count 1',
    'deskwire_entries_delivered_total 5',
    'deskwire_feed_reads_total 1',
    'deskwire_slow_readers_total 1',
    'deskwire_connections 4',
    'deskwire_feeds 2',
  ]) {
    expect(text.split('\n')).toContain(line);
  }
  expect(text).toContain('process_cpu_seconds_total');
});

test('names that clients make up make no time series', async () => {
  const metrics = createMetrics({
    requestNames: ['message:send'],
    connectionCount: () => 0,
    handshakesWaiting: () => 0,
    feedCount: () => 0,
    waitingCount: () => 0,
    onlineCount: () => 0,
    nodeCount: () => 1,
    busConnected: () => true,
  });
  for (let at = 0; at < 100; at += 1) metrics.request(`made-up-${String(at)}`, `made-up-${String(at)}`, 1);
  const { text } = await metrics.page();
  expect(text).not.toContain('made-up');
  expect(text).toContain('deskwire_requests_total{event="unknown",outcome="internal"} 100');
});
