/** The limits for tables from a server, made small, so that small files need many requests, and waits are short. */
export const smallLimits = {
  tableRequestBytesMax: 4096,
  tableConnectMsMax: 2_000,
  tableStuckMsMax: 300,
  tableRetryMsMin: 1,
  tableRetryMsMax: 8,
  tableResumeBytesMin: 2048,
};
