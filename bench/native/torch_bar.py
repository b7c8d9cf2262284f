"""EmbeddingBag on one thread. Arguments: rows dim bags bag_keys key_sets. Prints torch's version; then, for each
line with a number of calls, the nanoseconds they took."""

import sys
import time

import torch

rows, dim, bags, bag_keys, key_sets = map(int, sys.argv[1:])
torch.set_num_threads(1)
torch.manual_seed(1)
bag = torch.nn.EmbeddingBag.from_pretrained(torch.rand(rows, dim), mode="sum")
offsets = torch.arange(0, bags * bag_keys, bag_keys)
keys = [torch.randint(0, rows, (bags * bag_keys,)) for _ in range(key_sets)]
print(torch.__version__, flush=True)

turn = 0
with torch.no_grad():
    for line in sys.stdin:
        start = time.perf_counter_ns()
        for _ in range(int(line)):
            bag(keys[turn % key_sets], offsets)
            turn += 1
        print(time.perf_counter_ns() - start, flush=True)
