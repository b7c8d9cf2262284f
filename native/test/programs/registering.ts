// Registers regions with the sizes of its arguments, one after the other, and prints the outcome of each.
import { access, IbverbsError, MemoryRegion, ProtectionDomain } from 'ibverbs-node';
import { openFirst } from '../rig.ts';

using context = openFirst();
using domain = ProtectionDomain.allocate(context);
for (const bytes of process.argv.slice(2).map(Number)) {
  try {
    MemoryRegion.register(domain, new Uint8Array(bytes), access.localWrite).close();
    console.log('registered');
  } catch (error) {
    if (!(error instanceof IbverbsError)) throw error;
    console.log(`${error.code} ${error.message}`);
  }
}
