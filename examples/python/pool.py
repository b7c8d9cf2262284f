"""Pools three bags of a small table with flexemr's kernels: docs/embedding.md says how. Argument: flexemr.h."""
import ctypes
import re
import struct
import sys

with open(sys.argv[1]) as header:
    names = dict(re.findall(r"#define FLEXEMR_(\w+) (\d+)u", header.read()))
layout = {name: int(value) for name, value in names.items()}

library = ctypes.CDLL("./libflexemr.so")
library.flexemr_open.restype = ctypes.c_void_p
library.flexemr_pool.restype = ctypes.c_uint32
pages = 16
memory = (ctypes.c_uint8 * (pages << 16)).from_address(library.flexemr_open(pages))
free = 64


def put(data: bytes) -> int:
    """Address of a copy of `data` in the kernels' memory."""
    global free
    at, free = free, (free + len(data) + 63) // 64 * 64
    memory[at : at + len(data)] = data
    return at


rows = [[1, 2, 3], [10, 20, 30], [100, 200, 300], [-1, -2, -3]]
keys, offsets, dim = [0, 1, 2, 2, 3], [0, 2, 2, 5], 3
bags = len(offsets) - 1
out = put(bytes(bags * dim * 4))
fields = {
    "TABLE": put(b"".join(struct.pack(f"<{dim}f", *row) for row in rows)),
    "ROWS": len(rows),
    "TABLE_ROWS": len(rows),
    "ROW_BYTES": dim * 4,
    "DIM": dim,
    "KEYS": put(struct.pack(f"<{len(keys)}I", *keys)),
    "KEY_BYTES": 4,
    "KEY_COUNT": len(keys),
    "OFFSETS": put(struct.pack(f"<{len(offsets)}I", *offsets)),
    "BAG_END": bags,
    "PADDING": layout["NONE"],
    "LAST_SHARD": 1,
    "OUT": out,
    "COUNTS": put(bytes(bags * 4)),
    "OUTCOMES": put(bytes(len(keys))),
    "SCRATCH": put(bytes(layout["SCRATCH_BYTES"])),
}
call = bytearray(layout["CALL_BYTES"])  # F32, SUM and MISSING_ERROR are 0.
for field, value in fields.items():
    struct.pack_into("<I", call, layout[f"CALL_{field}"], value)
status = library.flexemr_pool(put(bytes(call)), ctypes.c_uint32(layout["NONE"]))
if status != layout["DONE"]:
    sys.exit(status)
for bag in range(bags):
    print("%g %g %g" % struct.unpack_from(f"<{dim}f", memory, out + bag * dim * 4))
