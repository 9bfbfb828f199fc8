// The page's workers, all from one file, so that a browser loads and compiles it once. A worker's name says what it is for.
import { answerCalls } from "./pde/worker";
import { compileCore, loadCore } from "./core";
import { serveRuns } from "./run_worker";
import type { ToMember } from "./team";
import { isMember, parseWorkerName } from "./worker_name";

const { backend, role } = parseWorkerName(self.name);
if (isMember(self.name)) {
  const loaded = import("./team_member");
  // Messages arrive before the code that answers them, which only members need.
  onmessage = ({ data }: MessageEvent<ToMember>) => void loaded.then(({ answerLead }) => answerLead(data));
} else if (role === "equations") answerCalls(loadCore(backend, compileCore(backend)));
else serveRuns(backend);
