// Looks up and does not close its ranker: node forgotten.ts ROUTING TRANSPORT [ENGINES [close]]. With `close`, it closes it. If a lookup in flight did not keep the
// process alive, the program would end without printing a line.
import { openRanker } from '../../src/index.ts';

const [routing, transport, engines = '0', close] = process.argv.slice(2);
const ranker = await openRanker({ routing, transport: transport as 'stream', engines: Number(engines) });
const cancelled = new AbortController();
const unwanted = ranker.lookup({ user: { keys: [1], offsets: [0] } }, { signal: cancelled.signal });
cancelled.abort();
await unwanted.catch(({ code }: { code: string }) => code === 'CANCELLED' || process.exit(3));
const lookup = await ranker.lookup({ user: { keys: [1, 2, 3], offsets: [0, 2] } });
console.log(lookup.get('user')?.values.length);
if (close === 'close') {
  await ranker.close();
  console.log('closed');
}
