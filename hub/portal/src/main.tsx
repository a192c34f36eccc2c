/** Where the bundle starts: as the portal in a page, or as a worker that does one task beside it. */

import { App } from "./app.tsx";
import { start } from "./client/device.ts";
import { inWorker, serve } from "./client/work.ts";
import { show } from "./show.tsx";

if (inWorker) serve();
else await show(async (hub) => <App hub={hub} first={await start()} />);
