// npm run test:cluster: tests of clusters in NATS, with real servers. Ends with a line of counts.
import { countsOf, run } from '../rdma/vitest-run.ts';
import { missingPackage } from './nats-server.ts';

const missing = missingPackage();
if (missing !== undefined) {
  console.error(`NATS IS NOT TESTED HERE: apt-get install ${missing}`);
  process.exit(process.env.CI ? 1 : 0);
}
const ended = await run(['-c', 'test/cluster/vitest.config.ts', ...process.argv.slice(2)].join(' '), {});
console.log(ended.output);
const { passed, failed } = countsOf(ended);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
