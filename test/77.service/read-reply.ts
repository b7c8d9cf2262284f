// Reads replies of the Open Inference Protocol as its clients do.

interface ReadOutput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
  readonly isBinary: boolean;
}

export interface ReadReply {
  readonly model_name: string;
  readonly model_version: string;
  readonly id?: string;
  readonly outputs: readonly ReadOutput[];
}

const arrays = { FP32: Float32Array, UINT32: Uint32Array } as const;

export function readReply(body: Buffer, headers: Readonly<Record<string, unknown>>): ReadReply {
  const jsonLength = headers['inference-header-content-length'];
  const jsonBytes = jsonLength === undefined ? body.length : Number(jsonLength);
  const reply = JSON.parse(body.toString('utf8', 0, jsonBytes));
  let at = jsonBytes;
  const outputs = reply.outputs.map((output: never) => {
    const { name, datatype, shape, data, parameters } = output as {
      name: string;
      datatype: keyof typeof arrays;
      shape: number[];
      data?: number[];
      parameters?: { binary_data_size: number };
    };
    if (parameters === undefined) return { name, datatype, shape, data, isBinary: false };
    if (data !== undefined) throw new Error(`${name} has data twice`);
    const bytes = body.subarray(at, at + parameters.binary_data_size);
    at += parameters.binary_data_size;
    return {
      name,
      datatype,
      shape,
      data: new arrays[datatype](new Uint8Array(bytes).buffer),
      isBinary: true,
    };
  });
  if (at !== body.length) throw new Error(`${body.length - at} bytes follow the outputs`);
  return { ...reply, outputs };
}
