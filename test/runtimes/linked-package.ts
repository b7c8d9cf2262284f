// A folder in which this package is linked, which runtimes treat like an installed package.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;

/** The path of a program that is installed in test/runtimes. */
export const bin = (name: string): string => join(here, 'node_modules', name);

export class LinkedPackage implements Disposable {
  readonly folder: string;

  constructor(program: string) {
    this.folder = mkdtempSync(join(tmpdir(), 'flexemr-linked-'));
    mkdirSync(join(this.folder, 'node_modules'));
    symlinkSync(join(here, '../..'), join(this.folder, 'node_modules/flexemr'));
    writeFileSync(join(this.folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(this.folder, 'program.js'), program);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}
