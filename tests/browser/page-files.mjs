// The files of the inspector's page as they are served: its own and those of the explainer, in one folder.

import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const folder = mkdtempSync(join(tmpdir(), "page-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const from of ["server/src/observe/inspector/page/", "server/explain/src/page/"]) {
  cpSync(fileURLToPath(new URL(`../../${from}`, import.meta.url)), folder, { recursive: true });
}

/** The folder, as a URL. */
export const files = pathToFileURL(`${folder}/`);
