"""The conformance run in Python: LIBRARY INPUT. The kernels are C by wasm2c, called through ctypes."""
import ctypes
import struct
import sys

library = ctypes.CDLL(sys.argv[1])
library.conform.restype = ctypes.c_uint64
library.seconds.restype = ctypes.c_double
data = open(sys.argv[2], "rb").read()
head = struct.unpack("<5I", data[:20])
digest = library.conform(*head[:4], data[20:], head[4])
print(f"{digest:016x} {library.seconds()}")
