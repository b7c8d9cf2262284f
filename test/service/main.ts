// npm run test:service: tests of the scoring service with real programs. Ends with a line of counts.
import { countsOf, run } from '../rdma/vitest-run.ts';

const ended = await run(['-c', 'test/service/vitest.config.ts', ...process.argv.slice(2)].join(' '), {});
console.log(ended.output);
const { passed, failed } = countsOf(ended);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
