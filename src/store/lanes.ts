/**
 * Does numbered jobs in lanes. A free lane takes the next job, until all are done or one fails.
 * @param onDone receives the outcome of each job; if it throws, no further jobs begin
 * @param onFailed receives each failure, for example to end the jobs in progress early with the same error
 * @throws the error of the first job that failed, after all lanes have ended
 */
export async function inLanes<T>(
  jobs: number,
  lanes: readonly ((job: number) => Promise<T>)[],
  onDone: (done: T, job: number) => void,
  onFailed: (error: unknown) => void = () => {},
): Promise<void> {
  let next = 0;
  const failures: { readonly job: number; readonly error: unknown }[] = [];
  const follow = async (run: (job: number) => Promise<T>): Promise<void> => {
    while (next < jobs && failures.length === 0) {
      const job = next++;
      try {
        onDone(await run(job), job);
      } catch (error) {
        failures.push({ job, error });
        onFailed(error);
      }
    }
  };
  await Promise.all(lanes.map(follow));
  // Jobs begin in order but end in any order. If several fail, the error of the first of them is thrown.
  const [first] = failures.sort((a, b) => a.job - b.job);
  if (first) throw first.error;
}
