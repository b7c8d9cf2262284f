// The conformance run as a program, for runtimes that start programs. It reads the input from standard input and writes
// the result to standard output, with WASI.
import { IMAGE, TAPE } from '../image';
import { digest, prepare, run, spin } from './conformance';

@external('wasi_snapshot_preview1', 'fd_read')
declare function fdRead(fd: u32, vectors: usize, count: u32, read: usize): u32;
@external('wasi_snapshot_preview1', 'fd_write')
declare function fdWrite(fd: u32, vectors: usize, count: u32, written: usize): u32;

/** The vector of a WASI call (address and bytes of a buffer), and the number of bytes it moved. Below the problems. */
const vector: usize = IMAGE - 64, moved: usize = IMAGE - 48, text: usize = IMAGE - 32;

/** Reads `bytes` bytes to `at`, or fewer if the input ends. */
function read(at: usize, bytes: usize): void {
  while (bytes) {
    store<u32>(vector, at);
    store<u32>(vector, bytes, 4);
    if (fdRead(0, vector, 1, moved)) unreachable();
    const came = <usize>load<u32>(moved);
    if (came == 0) return;
    at += came;
    bytes -= came;
  }
}

/** Input: u32 problems of the tape, u32 problems drawn, u32 spins, u32 dtype to spin, u32 bytes of the tape; the tape. */
export function main(): void {
  read(vector - 64, 20);
  const taped = load<u32>(vector - 64), drawn = load<u32>(vector - 60), spins = load<u32>(vector - 56);
  const dtype = load<u32>(vector - 52), bytes = <usize>load<u32>(vector - 48);
  while (<usize>memory.size() << 16 < <usize>TAPE + bytes) if (memory.grow(1) < 0) unreachable();
  read(TAPE, bytes);
  run(taped, drawn);
  if (spins) {
    prepare(dtype);
    spin((spins + 9) / 10);
    spin(spins);
  }
  const value = digest();
  for (let i: u32 = 0; i < 16; i++) {
    const digit = <u32>(value >> <u64>(60 - 4 * i)) & 15;
    store<u8>(text + i, <u8>(digit < 10 ? 48 + digit : 87 + digit));
  }
  store<u8>(text + 16, 10);
  store<u32>(vector, text);
  store<u32>(vector, 17, 4);
  if (fdWrite(1, vector, 1, moved)) unreachable();
}
