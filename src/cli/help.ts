/** Examples for the help of a command. */
export function example(...commands: readonly string[]): string {
  return `\nExample:\n${commands.map((command) => `  ${command}`).join('\n')}`;
}

/** Writes a line to stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
