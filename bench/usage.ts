/** Wrong options: told in one line, without a stack. */
export class UsageError extends Error {}

/** This machine lacks something; the message says what to install. */
export class Absent extends UsageError {}
