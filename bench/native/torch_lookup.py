"""Lookups by EmbeddingBag on one thread. Argument: the safetensors file of the tables (docs/export.md). Prints torch's
version. Then it reads lines:
  batches SAMPLES FILE   reads keys_I, offsets_I and weights_I of each table I, and cuts them into batches. Prints "ok".
  vectors FILE           pools the first batch and writes f32 values, table by table. Prints "ok".
  run MS                 pools batches for this time. Prints the number of batches, and the ns and the µs of CPU."""

import json
import sys
import time

import numpy
import torch
from torch.nn.functional import embedding_bag

torch.set_num_threads(1)
DTYPES = {"F32": numpy.float32, "I64": numpy.int64}


def tensors(path):
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    metadata = header.pop("__metadata__", {})
    data = numpy.memmap(path, mode="r", offset=8 + size)

    def read(name):
        entry = header[name]
        begin, end = entry["data_offsets"]
        array = numpy.array(data[begin:end]).view(DTYPES[entry["dtype"]])
        return torch.from_numpy(array.reshape(entry["shape"]))

    return header, metadata, read


def cpu_us():
    return time.process_time_ns() // 1000


header, metadata, read = tensors(sys.argv[1])
tables = [(read(table["tensor"]), table["mode"]) for table in json.loads(metadata["tables"])]
batches = []
print(torch.__version__, flush=True)


def cut(samples, path):
    header, _, read = tensors(path)
    features = []
    for i in range(len(tables)):
        weights = read(f"weights_{i}") if f"weights_{i}" in header else None
        features.append((read(f"keys_{i}"), read(f"offsets_{i}"), weights))
    count = (len(features[0][1]) - 1) // samples
    batches.clear()
    for batch in range(count):
        first = batch * samples
        parts = []
        for keys, offsets, weights in features:
            part = offsets[first : first + samples + 1]
            begin, end = int(part[0]), int(part[-1])
            parts.append((keys[begin:end], part - begin, None if weights is None else weights[begin:end]))
        batches.append(parts)


def pool(batch):
    return [
        embedding_bag(keys, rows, offsets, mode=mode, per_sample_weights=weights, include_last_offset=True)
        for (rows, mode), (keys, offsets, weights) in zip(tables, batch)
    ]


with torch.no_grad():
    for line in sys.stdin:
        command, *words = line.rstrip("\n").split(" ", 2)
        if command == "batches":
            cut(int(words[0]), words[1])
            print("ok", flush=True)
        elif command == "vectors":
            with open(words[0], "wb") as file:
                for vectors in pool(batches[0]):
                    file.write(vectors.numpy().tobytes())
            print("ok", flush=True)
        else:
            done, start, cpu = 0, time.perf_counter_ns(), cpu_us()
            while True:
                pool(batches[done % len(batches)])
                done += 1
                ns = time.perf_counter_ns() - start
                if ns >= int(words[0]) * 1e6:
                    break
            print(done, ns, cpu_us() - cpu, flush=True)
