// npm run test:deploy: tests of the files in deploy/. The services of deploy/compose.yaml run as they would in containers: each has a
// root of its own, and all have a network of their own, in which nothing but loopback exists. Ends with a line of counts.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countsOf, root, run } from '../rdma/vitest-run.ts';
import { buildImage } from './image.ts';

/** A network with a loopback of its own. */
const apart = ['unshare', '--mount', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];

const programs = {
  unshare: 'util-linux',
  ip: 'iproute2',
  busybox: 'busybox-static',
  'nats-server': 'nats-server',
  prometheus: 'prometheus',
  promtool: 'prometheus',
};
const missing = Object.entries(programs)
  .filter(([program]) => spawnSync('which', [program]).status !== 0)
  .map(([, name]) => name);
const [program, ...rest] = apart;
const problem =
  missing.length > 0
    ? `apt-get install ${[...new Set(missing)].join(' ')}`
    : spawnSync(program, [...rest, 'true']).status === 0
      ? undefined
      : 'root is needed, to make namespaces';
if (problem !== undefined) {
  console.error(`DEPLOYMENT IS NOT TESTED HERE: ${problem}`);
  process.exit(process.env.CI ? 1 : 0);
}
const app = mkdtempSync(join(tmpdir(), 'flexemr-image-'));
try {
  // It needs the registry, which the network of the tests cannot reach.
  buildImage(app);
  const args = ['-c', 'test/deploy/vitest.config.ts', ...process.argv.slice(2)].join(' ');
  const ended = await run(args, { FLEXEMR_IMAGE: app }, root, apart);
  console.log(ended.output);
  const { passed, failed } = countsOf(ended);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  rmSync(app, { recursive: true, force: true });
}
