/** Wrong options. The error is printed as one line, without a stack. */
export class UsageError extends Error {}

/** This machine lacks something. The message says what to install. */
export class Absent extends UsageError {}
