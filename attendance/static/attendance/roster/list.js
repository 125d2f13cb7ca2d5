/* The list of rosters: sends what waits on this device. */

import { Sender } from "./sending.js";
import { showUnsent } from "./unsent.js";

const sender = new Sender(() => showUnsent(sender));
showUnsent(sender);
sender.send();
